//! Bytes in, bytes out: streams, a TCP server and client.
//!
//! ```no_run
//! use squall::net::{IoStream, TcpServer};
//! use squall::yield_;
//!
//! #[squall::coroutine]
//! fn echo(stream: IoStream) -> squall::Result<()> {
//!     loop {
//!         let line = yield_!(stream.read_until(b"\n", 1024))?;
//!         yield_!(stream.write(&line))?;
//!     }
//! }
//!
//! #[squall::main]
//! fn main() -> squall::Result<()> {
//!     let server = TcpServer::bind(("127.0.0.1", 7777))?;
//!     yield_!(server.serve(|stream, _peer| echo(stream)))
//! }
//! ```

mod client;
mod closing;
mod from_source;
pub(crate) mod memory;
mod rare;
mod read_buf;
mod reading;
mod server;
mod socket;
mod stream;
mod turns;
mod writing;

pub use client::TcpClient;
pub use server::TcpServer;
pub use stream::IoStream;
