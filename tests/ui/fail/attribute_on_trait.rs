#[squall::coroutine]
trait Page {
    fn nothing() {}
}

fn main() {}
