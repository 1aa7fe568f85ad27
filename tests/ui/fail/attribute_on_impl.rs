struct Page;

#[squall::coroutine]
impl Page {
    fn nothing() {}
}

fn main() {}
