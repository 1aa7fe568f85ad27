#[squall::test]
#[test]
fn nothing() {}

fn main() {}
