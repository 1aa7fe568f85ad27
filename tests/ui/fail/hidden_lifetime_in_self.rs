// `impl<'a> Parser<'a>` is not seen by the attribute. Write `#[squall::coroutine(scoped)]`.
struct Parser<'a>(&'a str);

impl<'a> Parser<'a> {
    #[squall::coroutine]
    fn length(self) -> usize {
        self.0.len()
    }
}

fn main() {}
