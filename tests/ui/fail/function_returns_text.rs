use squall_web::{Application, Exchange};

fn hello(_ex: &mut Exchange) -> &'static str {
    "hello"
}

fn main() {
    Application::new().get("/", hello);
}
