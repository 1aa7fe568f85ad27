#[squall::main]
async fn main() {}
