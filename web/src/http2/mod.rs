//! HTTP/2, by the crate `h2`, for the same handlers.
//!
//! Each stream of a connection has the end of a pair in memory, at whose other end a connection of
//! HTTP/1.1 is served: the same coroutine, the same `Exchange`, the same limits and time-outs. What comes
//! on the stream is written there as a request, and what is answered there goes out on the stream.
//!
//! ```text
//!  socket ─ TLS ─ Io ─ h2::Connection ─┬─ stream ═ exchange ═ pair in memory ═ serve_connection ─ handler
//!                      (server)        ├─ stream ═ exchange ═ …
//! ```
//!
//! So nothing of HTTP/1.1 knows of it, or pays for it; a stream pays for being told twice. Back-pressure
//! goes through: the pair holds 64 KiB, the window of a stream opens as its bytes are taken, and an
//! answer is read as the client's window allows.
//!
//! | file | for |
//! |---|---|
//! | `io` | a stream of ours as `h2` wants it |
//! | `head` | heads from one version to the other; no I/O |
//! | `server` | a connection: its streams, its end, its limits |
//! | `exchange` | one stream of it |
//! | `client` | the same the other way round: requests that are told in memory, carried by a connection |
//! | `flow` | pieces of bodies as the peer's window allows |
//!
//! What it does not do: `CONNECT`, pushes, priorities.

#[cfg(feature = "tls")]
mod client;
mod exchange;
mod flow;
mod head;
mod io;
mod server;

#[cfg(feature = "tls")]
pub(crate) use client::{Driver, Sender, begin, carry};
pub(crate) use server::{is_agreed, is_preface, serve};
