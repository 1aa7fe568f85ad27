use squall::yield_;

#[squall::coroutine]
fn all(numbers: Vec<u32>) {
    yield_!(numbers);
}

fn main() {}
