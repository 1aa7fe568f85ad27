#[squall::test(seeds = "x")]
fn nothing() {}

fn main() {}
