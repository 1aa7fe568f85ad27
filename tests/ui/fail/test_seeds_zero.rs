#[squall::test(seeds = 0)]
fn nothing() {}

fn main() {}
