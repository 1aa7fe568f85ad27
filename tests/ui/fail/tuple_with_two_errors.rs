// The errors differ, so there is no one `Result` to give: each leaf has its own. Write `a?` and `b?`.
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
fn both() -> Result<f64, Box<dyn std::error::Error>> {
    let (a, b) = yield_!((whole("1".into()), real("1.5".into())))?;
    Ok(f64::from(a) + b)
}

fn main() {}
