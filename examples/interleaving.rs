//! Starting the next thing before waiting for the last: `cargo run --example interleaving`
//!
//! Ten chunks are copied from a page that takes 50 ms to give one to a page that takes 50 ms to
//! store one, first in turns, then interleaved. It prints how long each took:
//!
//! ```text
//! in turns:    10 chunks in 1070 ms
//! interleaved: 10 chunks in 559 ms
//! ```

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use squall::{Deferred, sleep, yield_};
use squall_web::client::{AsyncHttpClient, FetchError, Request, Response};
use squall_web::{Application, Exchange, HttpServer, Result, StatusCode};

const CHUNKS: u32 = 10;
const SLOW: Duration = Duration::from_millis(50);

/// Gives a chunk, or 204 after the last one.
#[squall::coroutine]
fn load(ex: &mut Exchange) -> Result<()> {
    let n: u32 = ex.path_argument("n")?;
    yield_!(sleep(SLOW));
    if n < CHUNKS {
        ex.write(format!("this is chunk {n}"));
    } else {
        ex.set_status(StatusCode::NO_CONTENT);
    }
    Ok(())
}

/// Takes a chunk.
#[squall::coroutine]
fn store(ex: &mut Exchange) -> Result<()> {
    yield_!(sleep(SLOW));
    ex.write("stored");
    Ok(())
}

/// Reads the chunks of the one page, and writes them to the other.
struct Copier {
    client: AsyncHttpClient,
    site: SocketAddr,
    next: u32,
}

impl Copier {
    /// Starts to fetch the next chunk.
    ///
    /// This is a plain function that calls a coroutine, for interleaving needs one that runs before
    /// it is yielded. A `#[squall::coroutine]` that takes `&mut self` would wait for its yield: what
    /// borrows cannot run on its own.
    fn fetch_next_chunk(&mut self) -> Deferred<Result<Option<Vec<u8>>>> {
        let url = format!("http://{}/load/{}", self.site, self.next);
        self.next += 1;
        fetch_chunk(self.client.clone(), url)
    }

    /// Starts to store a chunk.
    fn store(&self, chunk: Vec<u8>) -> Deferred<Result<Response, FetchError>> {
        let url = format!("http://{}/store", self.site);
        self.client.fetch(Request::post(url, chunk))
    }
}

#[squall::coroutine]
fn fetch_chunk(client: AsyncHttpClient, url: String) -> Result<Option<Vec<u8>>> {
    let response = yield_!(client.fetch(url))?;
    let is_last = response.status() == StatusCode::NO_CONTENT;
    Ok((!is_last).then(|| response.into_body()))
}

#[squall::coroutine]
fn in_turns(mut copier: Copier) -> Result<u32> {
    let mut copied = 0;
    while let Some(chunk) = yield_!(copier.fetch_next_chunk())? {
        yield_!(copier.store(chunk))?;
        copied += 1;
    }
    Ok(copied)
}

#[squall::coroutine]
fn interleaved(mut copier: Copier) -> Result<u32> {
    let mut copied = 0;
    let mut next = copier.fetch_next_chunk();
    while let Some(chunk) = yield_!(next)? {
        next = copier.fetch_next_chunk(); // Start the next one…
        yield_!(copier.store(chunk))?; // … and store this one while that is on its way.
        copied += 1;
    }
    Ok(copied)
}

#[squall::main]
fn main() -> Result<()> {
    let app = Application::new()
        .get("/load/{n}", load)
        .post("/store", store);
    let site = HttpServer::new(app).listen("127.0.0.1:0")?.local_addr();
    let client = AsyncHttpClient::new();
    let copier = || Copier {
        client: client.clone(),
        site,
        next: 0,
    };

    let began = Instant::now();
    let copied = yield_!(in_turns(copier()))?;
    let took = began.elapsed().as_millis();
    println!("in turns:    {copied} chunks in {took} ms");

    let began = Instant::now();
    let copied = yield_!(interleaved(copier()))?;
    let took = began.elapsed().as_millis();
    println!("interleaved: {copied} chunks in {took} ms");
    Ok(())
}
