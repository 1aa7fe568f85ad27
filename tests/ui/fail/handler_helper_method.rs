use squall_web::{Exchange, RequestHandler, Result};

struct Page;

#[squall_web::request_handler]
impl RequestHandler for Page {
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        ex.write(self.greeting());
        Ok(())
    }

    fn greeting(&self) -> &'static str {
        "hello"
    }
}

fn main() {}
