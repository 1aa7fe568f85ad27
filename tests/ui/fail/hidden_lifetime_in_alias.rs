type Text<'a> = &'a str;

#[squall::coroutine]
fn length(text: Text) -> usize {
    text.len()
}

fn main() {}
