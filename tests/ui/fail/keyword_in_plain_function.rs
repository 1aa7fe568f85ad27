squall::coroutines! {
    fn pause() {
        yield squall::moment();
    }
}

fn main() {}
