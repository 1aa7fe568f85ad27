// A yield ends in `.await`, so rustc speaks of that. A closure is a function of its own: write a `for`
// loop, or collect the futures and yield the list.
use squall::{moment, yield_};

#[squall::coroutine]
fn pauses() {
    (0..3).for_each(|_| {
        yield_!(moment());
    });
}

fn main() {}
