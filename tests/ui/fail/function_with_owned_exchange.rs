use squall_web::{Application, Exchange, Result};

#[squall::coroutine]
fn hello(mut ex: Exchange) -> Result<()> {
    ex.write("hello");
    Ok(())
}

fn main() {
    Application::new().get("/", hello);
}
