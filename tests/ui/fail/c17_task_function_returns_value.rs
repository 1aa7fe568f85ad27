// The message is rustc's: the function that a task is given calls back, and returns nothing.
use squall::{Deferred, task};

fn main() {
    let _answer: Deferred<Result<u32, _>> = task(|callback| {
        callback.call(42);
        42
    });
}
