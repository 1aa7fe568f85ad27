#[squall::test(timeout_secs)]
fn nothing() {}

fn main() {}
