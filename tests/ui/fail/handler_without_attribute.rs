// Rustc compares with the trait as it is without the macro. Write `#[squall_web::request_handler]`
// above the `impl`.
use squall_web::{Exchange, RequestHandler, Result};

struct Page;

impl RequestHandler for Page {
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        ex.write("hello");
        Ok(())
    }
}

fn main() {}
