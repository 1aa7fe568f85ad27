use squall_web::{Application, Exchange, RequestHandler, Result};

struct Page;

#[squall_web::request_handler]
impl RequestHandler for Page {
    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        ex.write("hello");
        Ok(())
    }
}

fn main() {
    Application::new().get("/", Page);
}
