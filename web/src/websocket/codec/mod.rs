//! RFC 6455 and RFC 7692 without sockets: bytes in, messages out, and back.
//!
//! Everything here is a plain function or a small state machine over byte slices. Nothing reads a
//! socket, runs a loop or asks for the time.
//!
//! ```text
//! bytes ─▶ Decoder ─▶ Event: a message whole, a ping, a pong, the close
//!            │ frames are unmasked, fragments joined, messages inflated, UTF-8 checked as it comes
//!            └▶ ProtocolError, which knows the close code to answer with
//!
//! Message ─▶ Deflater, if it was agreed on ─▶ FrameHeader::encode ─▶ bytes
//! ```
//!
//! | file | for |
//! |---|---|
//! | `header`, `mask` | a frame's first bytes, and the mask over the others |
//! | `message`, `close` | what frames carry |
//! | `decoder` | frames taken apart, messages put together |
//! | `deflater`, `inflater` | permessage-deflate: one message each |
//! | `extension` | who offers it, and what was agreed on |
//! | `handshake` | the key and its answer |

mod close;
mod decoder;
mod deflater;
mod error;
mod extension;
mod handshake;
mod header;
mod inflater;
mod mask;
mod message;

#[cfg(test)]
mod tests;

pub use close::{CloseCode, CloseFrame, MAX_REASON};
pub use decoder::{Decoder, Event};
pub use deflater::Deflater;
pub use error::ProtocolError;
pub use extension::{Agreement, Compression};
pub use header::{FrameHeader, MAX_HEADER, OpCode, Role};
pub use inflater::Inflater;
pub use mask::apply_mask;
pub use message::Message;

pub(super) use extension::{accept_offers, check_answer, offer};
pub use handshake::accept_key;
pub(super) use handshake::is_key;
