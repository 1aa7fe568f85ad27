#[squall::coroutine]
fn name() -> String {
    "Ada"
}

fn main() {}
