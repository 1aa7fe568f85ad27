use squall_web::{Exchange, RequestHandler};

struct Page;

#[squall_web::request_handler]
impl RequestHandler for Page {
    fn get(&mut self, _ex: &mut Exchange) -> String {
        "hello".to_owned()
    }
}

fn main() {}
