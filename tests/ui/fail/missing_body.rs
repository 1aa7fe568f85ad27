trait Store {
    #[squall::coroutine]
    fn load(&self, id: u64) -> String;
}

fn main() {}
