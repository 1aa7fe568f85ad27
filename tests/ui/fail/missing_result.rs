use squall::{moment, yield_};

#[squall::coroutine]
fn number() -> u32 {
    yield_!(moment());
}

fn main() {}
