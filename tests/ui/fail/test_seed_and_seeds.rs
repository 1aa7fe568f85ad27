#[squall::test(seed = 17, seeds = 100)]
fn nothing() {}

fn main() {}
