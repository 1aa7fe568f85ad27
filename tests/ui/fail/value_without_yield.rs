// A call gives the `Deferred`; what it will give is behind the yield: `yield_!(number()) + 1`.
#[squall::coroutine]
fn number() -> u32 {
    1
}

#[squall::coroutine]
fn next() -> u32 {
    number() + 1
}

fn main() {}
