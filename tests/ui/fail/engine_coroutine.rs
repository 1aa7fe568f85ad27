#[squall::engine]
#[squall::coroutine]
fn answer(callback: impl FnOnce(u32)) {
    callback(42);
}

fn main() {
    answer(drop);
}
