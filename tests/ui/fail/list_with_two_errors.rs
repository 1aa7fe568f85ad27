// The items of a list have one type, as everywhere in Rust. Yield a tuple.
use squall::yield_;
use std::num::{ParseFloatError, ParseIntError};

#[squall::coroutine]
fn whole(text: String) -> Result<u32, ParseIntError> {
    text.parse()
}

#[squall::coroutine]
fn real(text: String) -> Result<f64, ParseFloatError> {
    text.parse()
}

#[squall::coroutine]
fn both() {
    yield_!([whole("1".into()), real("1.5".into())]);
}

fn main() {}
