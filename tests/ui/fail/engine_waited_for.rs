// It returns nothing: hand it the callback of a `squall::task`.

use squall::yield_;

#[squall::engine]
fn answer(callback: impl FnOnce(u32)) {
    callback(42);
}

#[squall::main]
fn main() {
    let n: u32 = yield_!(answer(drop));
    println!("{n}");
}
