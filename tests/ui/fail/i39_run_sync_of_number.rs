// The message is rustc's: run_sync runs a future, and 42 is none.
use squall::IoLoop;

fn main() {
    IoLoop::current().run_sync(|| 42);
}
