// `route` takes what makes a handler: `|| Page`. A function goes to `.get(path, function)`.
use squall_web::{Application, Exchange, Result};

#[squall::coroutine]
fn hello(ex: &mut Exchange) -> Result<()> {
    ex.write("hello");
    Ok(())
}

fn main() {
    Application::new().route("/", hello);
}
