//! Compressed messages, taken apart (RFC 7692 §7.2.2).

use std::cell::Cell;
use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::error::ProtocolError;

/// What each compressed message ends with, and is sent without.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

thread_local! {
    /// The decompressor of those that keep nothing between two messages.
    static SPARE: Cell<Option<Box<Decompress>>> = const { Cell::new(None) };
}

/// Takes the peer's compressed messages apart.
///
/// It holds the peer's last 32 KiB from the first message on; one whose peer forgets after each
/// message holds nothing.
pub struct Inflater {
    keeps_context: bool,
    state: Option<Box<Decompress>>,
}

impl Inflater {
    /// `keeps_context` is false if the peer begins anew with each message.
    pub fn new(keeps_context: bool) -> Inflater {
        Inflater {
            keeps_context,
            state: None,
        }
    }

    /// Takes a message apart.
    ///
    /// # Errors
    ///
    /// If it does not decompress, or to more than `max` bytes. No more than that are ever held.
    pub fn inflate(&mut self, payload: &[u8], max: usize) -> Result<Vec<u8>, ProtocolError> {
        let state = match self.keeps_context {
            true => self.state.take(),
            false => SPARE.take(),
        };
        let mut state = state.unwrap_or_else(|| Box::new(Decompress::new(false)));
        let mut out = Vec::with_capacity(payload.len().saturating_mul(3).clamp(64, max.max(64)));
        let mut inflated = inflate(&mut state, payload, &mut out, max);
        if inflated.is_ok() {
            inflated = inflate(&mut state, &TAIL, &mut out, max);
        }
        match self.keeps_context {
            true => self.state = Some(state),
            false => {
                state.reset(false);
                SPARE.set(Some(state));
            }
        }
        inflated.map(|()| out)
    }
}

/// Takes all of `input` apart.
fn inflate(
    state: &mut Decompress,
    mut input: &[u8],
    out: &mut Vec<u8>,
    max: usize,
) -> Result<(), ProtocolError> {
    loop {
        if out.len() == out.capacity() {
            if out.len() > max {
                return Err(ProtocolError::MessageTooBig(max));
            }
            // One more than is allowed shows that it is too much.
            let room = out.len().max(64).min(max - out.len() + 1);
            out.reserve_exact(room);
        }
        let had = (state.total_in(), state.total_out());
        let status = state.decompress_vec(input, out, FlushDecompress::Sync);
        let status = status.map_err(|_| ProtocolError::MalformedDeflate)?;
        let (taken, given) = (state.total_in() - had.0, state.total_out() - had.1);
        input = &input[taken as usize..];
        if out.len() > max {
            return Err(ProtocolError::MessageTooBig(max));
        }
        match status {
            // A block that says that it is the last (§7.2.3.4): what follows is another stream.
            Status::StreamEnd => state.reset(false),
            _ if input.is_empty() && out.len() < out.capacity() => return Ok(()),
            _ if taken == 0 && given == 0 && out.len() < out.capacity() => {
                return Err(ProtocolError::MalformedDeflate);
            }
            _ => {}
        }
        if input.is_empty() && status == Status::StreamEnd {
            return Ok(());
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("keeps_context", &self.keeps_context)
            .field("is_made", &self.state.is_some())
            .finish()
    }
}
