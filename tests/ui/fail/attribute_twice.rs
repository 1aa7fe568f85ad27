#[squall::coroutine]
#[squall::coroutine]
fn nothing() {}

fn main() {}
