use squall::IoLoop;

#[squall::coroutine(scoped)]
fn nothing() {}

fn main() {
    IoLoop::current().spawn_callback(nothing);
}
