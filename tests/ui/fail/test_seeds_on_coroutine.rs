#[squall::coroutine(seeds = 100)]
fn nothing() {}

fn main() {}
