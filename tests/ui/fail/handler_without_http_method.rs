use squall_web::{Exchange, RequestHandler, Result};

struct Page;

#[squall_web::request_handler]
impl RequestHandler for Page {
    fn prepare(&mut self, _ex: &mut Exchange) -> Result<()> {
        Ok(())
    }
}

fn main() {}
