// Rustc has a `coroutine` attribute of its own, so the bare name is ambiguous and the message
// (E0659) is rustc's. Write `#[squall::coroutine]`; the bare name is for `coroutines! { … }` and for
// the methods under `#[request_handler]`.
use squall::coroutine;

#[coroutine]
fn nothing() {}

fn main() {}
