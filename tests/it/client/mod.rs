//! The HTTP client, through its public API.
//!
//! Where time is of no matter the servers are threads with the standard library's sockets, and the
//! loop has a real clock; where it is, both ends are on one loop with a virtual clock.

/// Answers from a file: what becomes of each, however its bytes arrive.
mod answers;

/// Servers that stall, reset, never end, redirect for ever, close while idle.
mod bad_servers;

/// Bodies both ways in pieces, compressed ones, callbacks, `Expect: 100-continue`.
mod streaming;

/// Redirects, cookies, credentials, the rest of a request.
mod requests;

/// How many at a time, in which order, and what is left behind.
mod pool;

/// Through proxies.
mod proxies;

/// nginx, Python's server and node's, and ours.
mod servers;

/// Over TLS: certificates, good and bad, and how connections are told apart.
mod https;

/// Over TLS to openssl's server, nginx, Python's and node's.
mod https_servers;

/// Digest authorization, against Python's own reckoning.
mod digest;

/// Through SOCKS.
mod socks;

/// Unix sockets, and resolvers of one's own.
mod elsewhere;

/// The client that blocks.
mod blocking;

use std::future::Future;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::thread;

use squall::net::{IoStream, TcpServer};
use squall::yield_;
use squall_web::client::FetchError;

use crate::support::Trace;

// ---------------------------------------------------------------- on the loop's own thread

/// One connection of a server on the test's loop.
pub(super) struct Peer {
    pub(super) stream: IoStream,
    /// Which connection it is, from 1 on.
    pub(super) number: usize,
    log: Trace,
}

/// A server on the test's loop, which plays a coroutine for each connection.
pub(super) struct Server {
    pub(super) port: u16,
    /// `1 GET /path` for each request that was read, `1 closed` for an end that was waited for.
    pub(super) log: Trace,
}

impl Server {
    pub(super) fn start<F, R>(play: F) -> Server
    where
        F: Fn(Peer) -> R + 'static,
        R: Future<Output = squall::Result<()>> + 'static,
    {
        let server = TcpServer::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let log = Trace::new();
        let (written, count) = (log.clone(), Rc::new(std::cell::Cell::new(0)));
        let serving = server.serve(move |stream, _| {
            count.set(count.get() + 1);
            let peer = Peer {
                stream,
                number: count.get(),
                log: written.clone(),
            };
            run(play(peer))
        });
        drop(serving);
        Server { port, log }
    }

    /// A server that gives every request on every connection the same answer.
    pub(super) fn answering(answer: impl Into<Vec<u8>>) -> Server {
        let answer: Rc<Vec<u8>> = Rc::new(answer.into());
        Server::start(move |peer| {
            let answer = answer.clone();
            async move {
                loop {
                    peer.read().await?;
                    peer.write(&*answer).await?;
                }
            }
        })
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

#[squall::coroutine]
fn run<R: Future<Output = squall::Result<()>> + 'static>(play: R) {
    // A client that leaves early is what many of the tests are about.
    let _ = yield_!(play);
}

impl Peer {
    /// Reads a request with its body, and logs it; gives all of it.
    pub(super) async fn read(&self) -> squall::Result<String> {
        let head = self.stream.read_until(b"\r\n\r\n", 1 << 20).await?;
        let head = String::from_utf8_lossy(&head).into_owned();
        let line = head.lines().next().unwrap_or_default();
        let line = line.trim_end_matches(" HTTP/1.1");
        self.log.add(format!("{} {line}", self.number));
        let chunked = head.contains("Transfer-Encoding: chunked");
        let asks = head.contains("expect: 100-continue");
        let body = match (chunked, content_length(&head)) {
            _ if asks => Vec::new(),
            (true, _) => self.stream.read_until(b"0\r\n\r\n", 1 << 26).await?,
            (false, length) => self.stream.read_bytes(length).await?,
        };
        Ok(head + &String::from_utf8_lossy(&body))
    }

    pub(super) async fn write(&self, bytes: impl AsRef<[u8]>) -> squall::Result<()> {
        self.stream.write(bytes.as_ref()).await
    }

    /// Waits until the client closes, and logs that.
    pub(super) async fn closed(&self) -> squall::Result<()> {
        let _ = self.stream.read_until_close(1 << 26).await;
        self.log.add(format!("{} closed", self.number));
        Ok(())
    }
}

/// An answer that keeps the connection.
pub(super) fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
}

pub(super) fn redirect(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 3\r\n\r\nxyz")
}

fn content_length(head: &str) -> usize {
    head.lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .map_or(0, |length| length.parse().unwrap())
}

// ---------------------------------------------------------------- on other threads

/// Starts a server that plays a function for each connection, on threads of its own.
pub(super) fn thread_server(
    play: impl Fn(TcpStream, usize) -> std::io::Result<()> + Clone + Send + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for (n, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let play = play.clone();
            thread::spawn(move || play(stream, n + 1));
        }
    });
    port
}

/// Reads a request's head; its body is not looked at.
pub(super) fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

pub(super) fn write_all(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

/// An error's text after the host.
pub(crate) fn text(error: &FetchError) -> String {
    let text = error.to_string();
    match text
        .strip_prefix("fetch from ")
        .and_then(|rest| rest.split_once(": "))
    {
        Some((_, text)) => text.to_owned(),
        None => text,
    }
}
