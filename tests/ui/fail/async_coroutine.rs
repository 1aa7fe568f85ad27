#[squall::coroutine]
async fn nothing() {}

fn main() {}
