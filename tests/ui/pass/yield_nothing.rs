// A yield of nothing lets others run, as `yield_!(())` does.
use squall::yield_;

#[squall::coroutine]
fn pause() {
    yield_!();
}

#[squall::main]
fn main() {
    yield_!(pause());
}
