use squall::yield_;

#[squall::coroutine]
fn answer() {
    yield_!(42);
}

fn main() {}
