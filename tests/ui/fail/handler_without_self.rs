use squall_web::{Exchange, RequestHandler, Result};

struct Page;

#[squall_web::request_handler]
impl RequestHandler for Page {
    fn get(ex: &mut Exchange) -> Result<()> {
        ex.write("hello");
        Ok(())
    }
}

fn main() {}
