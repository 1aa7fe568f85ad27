// It goes on after the call.

#[squall::engine]
fn length(word: &str, callback: impl FnOnce(usize)) {
    callback(word.len());
}

fn main() {
    length("word", drop);
}
