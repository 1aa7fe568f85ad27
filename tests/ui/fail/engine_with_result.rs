// Nobody could take it: Tornado's ReturnValueIgnoredError.

#[squall::engine]
fn answer(callback: impl FnOnce(u32)) -> u32 {
    callback(42);
    42
}

fn main() {
    answer(drop);
}
