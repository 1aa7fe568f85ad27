// The message is rustc's: a number of permits is a `usize`.
use squall::sync::Semaphore;

fn main() {
    let _permits = Semaphore::new(-1);
}
