use squall::{moment, yield_};

#[squall::coroutine]
fn add(a: u32) -> u32 {
    yield_!(moment());
    let b: u32 = "one";
    a + b
}

fn main() {}
