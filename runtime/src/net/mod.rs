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

mod admission;
mod client;
mod closing;
mod from_source;
mod happy_eyeballs;
mod inherited;
mod listen;
pub(crate) mod memory;
mod rare;
mod read_buf;
mod reading;
mod resolver;
mod server;
mod socket;
mod stream;
mod threads;
#[cfg(feature = "tls")]
mod tls;
mod turns;
mod writing;

pub use client::TcpClient;
pub use listen::ListenOptions;
pub use resolver::{BlockingResolver, OverrideResolver, Resolver, ThreadedResolver, is_valid_ip};
pub use server::{ServerHandle, TcpServer};
pub use stream::IoStream;
pub use threads::{ServerThreads, Told};
#[cfg(feature = "tls")]
pub use tls::{
    Identity, Roots, TlsAcceptor, TlsAcceptorBuilder, TlsConnector, TlsConnectorBuilder, TlsInfo,
};
