#[squall_web::request_handler]
struct Page;

fn main() {}
