// A call gives the `Deferred`; what it will give is behind the yield: `yield_!(number())?`.
#[squall::coroutine]
fn number() -> Result<u32, std::num::ParseIntError> {
    "1".parse()
}

#[squall::coroutine]
fn double() -> Result<u32, std::num::ParseIntError> {
    let n = number()?;
    Ok(2 * n)
}

fn main() {}
