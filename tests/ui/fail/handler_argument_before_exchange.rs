use squall_web::{Exchange, RequestHandler, Result};

struct Page;

#[squall_web::request_handler]
impl RequestHandler for Page {
    fn get(&mut self, id: u64, ex: &mut Exchange) -> Result<()> {
        ex.write(format!("{id}"));
        Ok(())
    }
}

fn main() {}
