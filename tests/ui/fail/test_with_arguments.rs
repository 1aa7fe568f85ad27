#[squall::test]
fn sums(a: u32) {
    assert_eq!(a + 1, 2);
}

fn main() {}
