// The message is rustc's, at the value.

#[squall::engine]
fn answer(early: bool, callback: impl FnOnce(u32)) {
    if early {
        return 42;
    }
    callback(42);
}

fn main() {
    answer(true, drop);
}
