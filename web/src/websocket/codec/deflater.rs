//! Messages, compressed (RFC 7692 §7.2.1).
//!
//! The compressor looks back 32 KiB, and cannot be told to look back less. Where less was agreed on, it
//! is made to forget everything after each window's worth of input: then nothing that it repeats is
//! farther away than that.

use std::cell::Cell;
use std::fmt;

use flate2::{Compress, FlushCompress};

/// What each compressed message ends with, and is sent without.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// The window that the compressor has, in bits.
const OWN_WINDOW: u8 = 15;

thread_local! {
    /// The compressor of those that keep nothing between two messages, and its level.
    static SPARE: Cell<Option<(u32, Box<Compress>)>> = const { Cell::new(None) };
}

/// Compresses messages for one peer.
///
/// It holds about 300 KiB from the first message on; one that forgets after each message holds
/// nothing.
pub struct Deflater {
    level: u32,
    keeps_context: bool,
    window_bits: u8,
    /// How much went in since the compressor forgot everything.
    since_reset: usize,
    state: Option<Box<Compress>>,
}

impl Deflater {
    /// Makes a compressor that repeats what is at most 2 to the power of `window_bits` bytes back, and
    /// nothing of other messages unless it `keeps_context`. `level` is from 1, the fastest, to 9.
    pub fn new(level: u32, keeps_context: bool, window_bits: u8) -> Deflater {
        Deflater {
            level: level.clamp(1, 9),
            keeps_context,
            window_bits,
            since_reset: 0,
            state: None,
        }
    }

    /// Returns how far back it looks, as a power of two.
    pub fn window_bits(&self) -> u8 {
        self.window_bits
    }

    /// Compresses a message.
    pub fn deflate(&mut self, payload: &[u8]) -> Vec<u8> {
        let state = match self.keeps_context {
            true => self.state.take(),
            false => SPARE
                .take()
                .and_then(|(level, state)| (level == self.level).then_some(state)),
        };
        let mut state = state.unwrap_or_else(|| {
            let level = flate2::Compression::new(self.level);
            Box::new(Compress::new(level, false))
        });
        let mut out = Vec::with_capacity(payload.len() / 2 + 64);
        self.add(&mut state, payload, &mut out);
        if out.ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        if out.is_empty() {
            // §7.2.3.6: an empty message is one empty block.
            out.push(0);
        }
        match self.keeps_context {
            true => self.state = Some(state),
            false => {
                state.reset();
                self.since_reset = 0;
                SPARE.set(Some((self.level, state)));
            }
        }
        out
    }

    /// Forgets what went before: the peer has been sent something else in between.
    pub fn forget(&mut self) {
        if let Some(state) = &mut self.state {
            state.reset();
        }
        self.since_reset = 0;
    }

    fn add(&mut self, state: &mut Compress, payload: &[u8], out: &mut Vec<u8>) {
        if self.window_bits >= OWN_WINDOW {
            compress(state, payload, out, FlushCompress::Sync);
            return;
        }
        let window = 1_usize << self.window_bits;
        let mut rest = payload;
        loop {
            if self.since_reset == window {
                compress(state, &[], out, FlushCompress::Full);
                self.since_reset = 0;
            }
            let (now, later) = rest.split_at(rest.len().min(window - self.since_reset));
            let flush = match later {
                [] => FlushCompress::Sync,
                _ => FlushCompress::Full,
            };
            compress(state, now, out, flush);
            self.since_reset += now.len();
            if later.is_empty() {
                return;
            }
            self.since_reset = 0;
            rest = later;
        }
    }
}

/// Compresses all of `input`, and has all of it come out.
fn compress(state: &mut Compress, mut input: &[u8], out: &mut Vec<u8>, flush: FlushCompress) {
    loop {
        if out.capacity() - out.len() < 64 {
            out.reserve(out.len().max(64));
        }
        let had = state.total_in();
        let status = state.compress_vec(input, out, flush);
        debug_assert!(status.is_ok(), "compressing takes any input");
        input = &input[(state.total_in() - had) as usize..];
        // Room that is left tells that nothing more is to come.
        if status.is_err() || (input.is_empty() && out.len() < out.capacity()) {
            return;
        }
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("level", &self.level)
            .field("keeps_context", &self.keeps_context)
            .field("window_bits", &self.window_bits)
            .field("is_made", &self.state.is_some())
            .finish()
    }
}
