// An iterator is lazy, and starts nothing. Yield a list: `….collect::<Vec<_>>()`.
use squall::yield_;

#[squall::coroutine]
fn double(n: u32) -> u32 {
    2 * n
}

#[squall::coroutine]
fn all(numbers: Vec<u32>) {
    yield_!(numbers.into_iter().map(double));
}

fn main() {}
