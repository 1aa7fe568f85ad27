use squall_web::{Exchange, RequestHandler, Result};

struct Page;

#[squall_web::request_handler]
impl RequestHandler for Page {
    #[coroutine]
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        yield squall::moment();
        ex.write("hello");
        Ok(())
    }
}

fn main() {}
