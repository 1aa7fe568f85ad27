use squall::IoLoop;

fn main() {
    IoLoop::current().spawn_callback(|| 42);
}
