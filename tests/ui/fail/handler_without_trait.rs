use squall_web::{Exchange, Result};

struct Page;

#[squall_web::request_handler]
impl Page {
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        ex.write("hello");
        Ok(())
    }
}

fn main() {}
