squall::coroutines! {
    #[coroutine]
    fn number() -> u32 {
        1
    }

    #[coroutine]
    fn show() {
        println!("{}", yield number());
    }
}

fn main() {}
