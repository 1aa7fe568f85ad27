// Tornado's `gen` has no module here, for `gen` is a keyword in Rust 2024. Its names are at the root:
// `squall::sleep`, `squall::multi`, `squall::moment`.
use squall::gen::sleep;

fn main() {
    sleep(std::time::Duration::ZERO);
}
