// A yield ends in `.await`, so rustc speaks of that. Write `#[squall::coroutine]` above the function.
use squall::{moment, yield_};

fn pause() {
    yield_!(moment());
}

fn main() {}
