// `yield_!` takes one value: `yield_!((moment(), moment()))` or `yield_!([moment(), moment()])`.
use squall::{moment, yield_};

#[squall::coroutine]
fn pause() {
    yield_!(moment(), moment());
}

fn main() {}
