use squall::IoLoop;

async fn nothing() {}

fn main() {
    IoLoop::current().spawn_callback(nothing);
}
