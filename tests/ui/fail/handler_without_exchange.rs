use squall_web::{Exchange, RequestHandler, Result};

struct Page;

#[squall_web::request_handler]
impl RequestHandler for Page {
    fn get(&mut self) -> Result<()> {
        Ok(())
    }
}

fn main() {}
