#[squall::coroutine]
fn show<T: ToString>(value: T) -> String {
    value.to_string()
}

fn borrowed() {
    let local = String::from("here");
    show(&local);
}

fn main() {}
