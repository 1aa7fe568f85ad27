// A `Deferred` gives its result once, so a yield takes it. Keep the result, not the `Deferred`.
use squall::yield_;

#[squall::coroutine]
fn number() -> u32 {
    1
}

#[squall::coroutine]
fn double() -> u32 {
    let number = number();
    yield_!(number) + yield_!(number)
}

fn main() {}
