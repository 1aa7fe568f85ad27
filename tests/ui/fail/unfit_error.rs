use squall::yield_;
use std::num::ParseIntError;

#[squall::coroutine]
fn number(text: String) -> Result<u32, ParseIntError> {
    text.parse()
}

#[derive(Debug)]
struct TooLarge;

#[squall::coroutine]
fn double(text: String) -> Result<u32, TooLarge> {
    let n = yield_!(number(text))?;
    Ok(2 * n)
}

fn main() {}
