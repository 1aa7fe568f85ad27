#[squall::coroutine]
struct Page;

fn main() {}
