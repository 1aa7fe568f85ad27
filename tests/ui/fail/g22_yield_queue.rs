use squall::{sync::Queue, yield_};

#[squall::coroutine]
fn consume(queue: Queue<u32>) -> u32 {
    yield_!(queue)
}

fn main() {}
