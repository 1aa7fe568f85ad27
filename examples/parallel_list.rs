//! Yielding a list: `cargo run --example parallel_list`
//!
//! Five slow pages are fetched at once. It takes as long as the slowest, not as long as all together:
//!
//! ```text
//! slept 300 ms
//! slept 100 ms
//! …
//! the delays add up to 1000 ms; the list took 302 ms
//! ```

use std::time::{Duration, Instant};

use squall::{sleep, yield_};
use squall_web::{Application, AsyncHttpClient, Exchange, HttpServer, Result};

/// A page that takes as long as its path says.
#[squall::coroutine]
fn slow(ex: &mut Exchange) -> Result<()> {
    let ms: u64 = ex.path_argument("ms")?;
    yield_!(sleep(Duration::from_millis(ms)));
    ex.write(format!("slept {ms} ms"));
    Ok(())
}

#[squall::main]
fn main() -> Result<()> {
    let app = Application::new().get("/slow/{ms}", slow);
    let site = HttpServer::new(app).listen("127.0.0.1:0")?.local_addr();
    let client = AsyncHttpClient::new();
    let delays = [300, 100, 250, 150, 200];
    let began = Instant::now();

    // Calling `fetch` starts it, so all five are on their way once the list is built…
    let fetches: Vec<_> = (delays.iter())
        .map(|ms| client.fetch(format!("http://{site}/slow/{ms}")))
        .collect();
    // … and one yield waits for all of them. The first error, if any, is that of the whole list.
    let responses = yield_!(fetches)?;

    // The results stand in the order of the list, whichever was there first.
    for response in &responses {
        println!("{}", response.text()?);
    }
    let sum: u64 = delays.iter().sum();
    let took = began.elapsed().as_millis();
    println!("the delays add up to {sum} ms; the list took {took} ms");
    Ok(())
}
