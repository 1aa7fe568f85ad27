use squall::IoLoop;

#[squall::coroutine]
fn length(text: &'static str, buffer: &mut Vec<u8>) {
    buffer.extend(text.as_bytes());
}

fn main() {
    let mut buffer = Vec::new();
    IoLoop::current().spawn_callback(move || length("text", &mut buffer));
}
