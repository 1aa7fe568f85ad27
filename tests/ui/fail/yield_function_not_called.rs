use squall::yield_;

#[squall::coroutine]
fn one() -> u32 {
    1
}

#[squall::coroutine]
fn two() -> u32 {
    yield_!(one) + 1
}

fn main() {}
