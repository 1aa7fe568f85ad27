#[squall::coroutine]
const fn nothing() {}

fn main() {}
