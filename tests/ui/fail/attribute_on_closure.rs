// Attributes of macros do not go on expressions (E0658, rustc's). Write a `fn`.
fn main() {
    let _ = #[squall::coroutine]
    || 1;
}
