use squall::{moment, yield_};

#[squall::coroutine]
fn both() {
    yield_!((moment(), "later"));
}

fn main() {}
