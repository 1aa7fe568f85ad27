// The bare name is rustc's own, unstable attribute (E0658). Write `#[squall::coroutine]`.
#[coroutine]
fn nothing() {}

fn main() {}
