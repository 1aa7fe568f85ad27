// A coroutine belongs to the loop of its thread. For work that blocks there is
// `squall::run_in_executor`; to call into a loop from another thread, `IoLoop::handle`.
#[squall::coroutine]
fn number() -> u32 {
    1
}

fn main() {
    let number = number();
    std::thread::spawn(move || drop(number));
}
