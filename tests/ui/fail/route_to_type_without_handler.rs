use squall_web::Application;

struct Page;

fn main() {
    Application::new().route("/", || Page);
}
