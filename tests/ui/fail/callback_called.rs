// The loop calls the callback: pass `nothing`, not `nothing()`.
use squall::IoLoop;

#[squall::coroutine]
fn nothing() {}

fn main() {
    IoLoop::current().spawn_callback(nothing());
}
