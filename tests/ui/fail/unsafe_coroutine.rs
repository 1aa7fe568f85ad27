#[squall::coroutine]
unsafe fn nothing() {}

fn main() {}
