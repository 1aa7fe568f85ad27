use squall_web::Application;

fn hello() -> &'static str {
    "hello"
}

fn main() {
    Application::new().get("/", hello());
}
