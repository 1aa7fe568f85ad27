struct Text<'a>(&'a str);

#[squall::coroutine]
fn length(text: Text) -> usize {
    text.0.len()
}

fn main() {}
