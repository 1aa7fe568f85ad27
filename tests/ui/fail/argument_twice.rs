#[squall::coroutine(scoped, scoped)]
fn nothing() {}

fn main() {}
