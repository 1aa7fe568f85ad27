// The message is rustc's: a bound is a `usize`; `Queue::new()` has none.
use squall::sync::Queue;

fn main() {
    let _negative = Queue::<u32>::bounded(-1);
    let _none = Queue::<u32>::bounded(None);
    let _fraction = Queue::<u32>::bounded(1.3);
}
