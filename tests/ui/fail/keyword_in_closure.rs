squall::coroutines! {
    #[coroutine]
    fn pauses() {
        (0..3).for_each(|_| yield squall::moment());
    }
}

fn main() {}
