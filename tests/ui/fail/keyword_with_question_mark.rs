// `yield` takes all that follows, so this is `yield (number()?)`. Write `(yield number())?`.
squall::coroutines! {
    #[coroutine]
    fn number() -> Result<u32, std::num::ParseIntError> {
        "1".parse()
    }

    #[coroutine]
    fn double() -> Result<u32, std::num::ParseIntError> {
        let n = yield number()?;
        Ok(2 * n)
    }
}

fn main() {}
