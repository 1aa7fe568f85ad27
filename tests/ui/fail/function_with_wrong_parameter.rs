use squall_web::{Application, Request, Result};

fn hello(_request: &Request) -> Result<()> {
    Ok(())
}

fn main() {
    Application::new().get("/", hello);
}
