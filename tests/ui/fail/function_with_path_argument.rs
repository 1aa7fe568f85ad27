// A function gets the exchange alone; it has the path's arguments: `ex.path_argument("id")?`.
use squall_web::{Application, Exchange, Result};

#[squall::coroutine]
fn user(ex: &mut Exchange, id: u64) -> Result<()> {
    ex.write(format!("user {id}"));
    Ok(())
}

fn main() {
    Application::new().get("/users/{id}", user);
}
