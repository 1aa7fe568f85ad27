// The message is rustc's: a deadline is an `Instant`, a delay a `Duration`.
use squall::IoLoop;

fn main() {
    IoLoop::current().call_at(5, || {});
    IoLoop::current().call_later(0.1, || {});
}
