//! A server that echoes lines, without HTTP: `cargo run --example echo_tcp 7777`
//!
//! Try `nc 127.0.0.1 7777` in as many terminals as you like, and type. It prints who comes and goes:
//!
//! ```text
//! listening on 127.0.0.1:7777
//! 127.0.0.1:51034 has come
//! 127.0.0.1:51034 has gone after 2 lines: the stream is closed
//! ```

use std::error::Error;
use std::net::SocketAddr;

use squall::net::{IoStream, TcpServer};
use squall::yield_;

/// Longer lines end the connection, lest one client takes all memory.
const MAX_LINE: usize = 64 * 1024;

/// Serves one client. It reads as if there were no others, and holds none of them up.
#[squall::coroutine]
fn echo(stream: IoStream, peer: SocketAddr) -> squall::Result<()> {
    println!("{peer} has come");
    let mut lines = 0;
    let end = loop {
        match yield_!(stream.read_until(b"\n", MAX_LINE)) {
            Ok(line) => yield_!(stream.write(&line))?,
            Err(error) => break error,
        }
        lines += 1;
    };
    println!("{peer} has gone after {lines} lines: {end}");
    Ok(())
}

#[squall::main]
fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = match std::env::args().nth(1) {
        Some(port) => port.parse()?,
        None => 7777,
    };
    let server = TcpServer::bind(("127.0.0.1", port))?;
    println!("listening on {}", server.local_addr()?);
    // Calls `echo` for each connection, which starts a coroutine of its own.
    yield_!(server.serve(echo))?;
    Ok(())
}
