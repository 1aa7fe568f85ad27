//! Fetching a page: `cargo run --example fetch`
//!
//! Without an argument it fetches a page that it serves itself; try one of another server with
//! `cargo run --example fetch http://example.com/`. It prints the status, the length and the first
//! line:
//!
//! ```text
//! 200 OK from http://127.0.0.1:38751/
//! 42 bytes of text/plain
//! first line: A squall is a sudden wind.
//! ```

use squall::yield_;
use squall_web::{Application, AsyncHttpClient, Exchange, HttpServer, Result};

fn page(ex: &mut Exchange) -> Result<()> {
    ex.set_header("content-type", "text/plain")?;
    ex.write("A squall is a sudden wind.\nIt passes soon.");
    Ok(())
}

/// Serves a page from now on, and returns its URL.
fn serve_a_page() -> Result<String> {
    let app = Application::new().get("/", page);
    // Port 0 takes a free one. What `listen` gives may be dropped: the server goes on without it.
    let server = HttpServer::new(app).listen("127.0.0.1:0")?;
    Ok(format!("http://{}/", server.local_addr()))
}

#[squall::main]
fn main() -> Result<()> {
    let url = match std::env::args().nth(1) {
        Some(url) => url,
        None => serve_a_page()?,
    };
    // Server and client share this thread: while the fetch waits, the loop serves the page.
    // A status outside of 200–299 is an error, which `?` passes on.
    let response = yield_!(AsyncHttpClient::new().fetch(&url))?;

    let content_type = response.header("content-type").unwrap_or("unknown type");
    println!("{} from {}", response.status(), response.effective_url());
    println!("{} bytes of {content_type}", response.body().len());
    println!(
        "first line: {}",
        response.text()?.lines().next().unwrap_or("")
    );
    Ok(())
}
