#[squall::test(seed = -1)]
fn nothing() {}

fn main() {}
