#[squall::coroutine]
fn pause() {
    yield squall::moment();
}

fn main() {}
