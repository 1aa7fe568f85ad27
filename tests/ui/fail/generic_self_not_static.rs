// A coroutine that takes `self` outlives its caller, so what is in `self` must not borrow.
struct Boxed<T>(T);

impl<T: ToString> Boxed<T> {
    #[squall::coroutine]
    fn show(self) -> String {
        self.0.to_string()
    }
}

fn main() {}
