#[squall::coroutine]
extern "C" fn nothing() {}

fn main() {}
