use squall::yield_;
use std::num::ParseIntError;

#[squall::coroutine]
fn number(text: String) -> Result<u32, ParseIntError> {
    text.parse()
}

#[squall::coroutine]
fn double(text: String) -> Result<u32, std::io::Error> {
    let n = yield_!(number(text))?;
    Ok(2 * n)
}

fn main() {}
