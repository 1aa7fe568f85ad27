#[squall::test(leaks = "none")]
fn nothing() {}

fn main() {}
