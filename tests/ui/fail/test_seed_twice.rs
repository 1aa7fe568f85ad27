#[squall::test(seed = 1, seed = 2)]
fn nothing() {}

fn main() {}
