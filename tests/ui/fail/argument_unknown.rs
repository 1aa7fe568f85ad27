#[squall::coroutine(local)]
fn nothing() {}

fn main() {}
