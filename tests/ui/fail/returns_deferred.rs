use squall::Deferred;

#[squall::coroutine]
fn one() -> Deferred<u32> {
    1
}

fn main() {}
