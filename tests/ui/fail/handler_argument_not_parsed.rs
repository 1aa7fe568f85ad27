use squall_web::{Exchange, RequestHandler, Result};

struct Page;

#[squall_web::request_handler]
impl RequestHandler for Page {
    fn get(&mut self, ex: &mut Exchange, ids: Vec<u64>) -> Result<()> {
        ex.write(format!("{ids:?}"));
        Ok(())
    }
}

fn main() {}
