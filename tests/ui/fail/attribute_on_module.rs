#[squall::coroutine]
mod pages {
    fn nothing() {}
}

fn main() {}
