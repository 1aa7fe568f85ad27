#[squall::coroutine]
fn serve() -> ! {
    loop {
        squall::yield_!(squall::moment());
    }
}

fn main() {}
