use squall_web::{Exchange, RequestHandler, Result};

struct Page;

#[squall_web::request_handler]
impl RequestHandler for Page {
    fn get(&mut self, ex: &mut Exchange, name: &str) -> Result<()> {
        ex.write(format!("hello {name}"));
        Ok(())
    }
}

fn main() {}
