//! Streams without a socket: two ends joined by a wire in memory.
//!
//! `pipe` is one direction of a wire, `wire` joins two of them with the loop's clock, `conditions`
//! say how well it carries, `pair` makes streams of its ends, and `hosts` is a network of addresses.
//! To the stream above, an end is a socket that is told by its peer, not by the system, that it is
//! ready.
//!
//! ```text
//!   write ──► on the way ──(latency)──► arrived ──► read
//!             └──────── both count against the buffer ─┘
//! ```

mod conditions;
mod hosts;
mod pair;
mod pipe;
mod wire;

pub(super) use hosts::MemoryListener;
pub(crate) use hosts::Network;
pub(super) use wire::End;
