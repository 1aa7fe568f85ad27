#[squall::coroutine]
fn first(words: Vec<String>) -> &str {
    &words[0]
}

fn main() {}
