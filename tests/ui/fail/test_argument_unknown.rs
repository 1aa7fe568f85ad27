#[squall::test(seeed = 1)]
fn nothing() {}

fn main() {}
