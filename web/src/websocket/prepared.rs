//! A message that is sent to many.

use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;

use super::codec::{Deflater, Message, OpCode};

/// A message whose bytes are shared by all connections that it is sent on, compressed at most once.
///
/// [`Broadcast`](super::Broadcast) makes one of each message; make one yourself to send to a choice of
/// connections.
///
/// # Examples
///
/// ```
/// use squall_web::websocket::{Prepared, WebSocketSender};
///
/// fn tell(some: &[WebSocketSender], news: &str) {
///     let news = Prepared::new(news);
///     for one in some {
///         // Whoever has left is told nothing.
///         let _ = one.push_prepared(&news);
///     }
/// }
/// ```
pub struct Prepared {
    is_text: bool,
    plain: Rc<[u8]>,
    /// As a compressor makes it that has seen nothing before, and looks back as far as it goes.
    deflated: OnceCell<Rc<[u8]>>,
}

impl Prepared {
    /// Makes one of a message.
    pub fn new(message: impl Into<Message>) -> Prepared {
        let message = message.into();
        Prepared {
            is_text: message.is_text(),
            plain: message.into_bytes().into(),
            deflated: OnceCell::new(),
        }
    }

    /// Returns how many bytes the message has.
    pub fn len(&self) -> usize {
        self.plain.len()
    }

    /// True if it has none.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty()
    }

    pub(super) fn opcode(&self) -> OpCode {
        match self.is_text {
            true => OpCode::Text,
            false => OpCode::Binary,
        }
    }

    pub(super) fn plain(&self) -> Rc<[u8]> {
        self.plain.clone()
    }

    /// Compressed, if that can be taken apart with a window of so many bits.
    pub(super) fn deflated_within(&self, window_bits: u8) -> Option<Rc<[u8]>> {
        // Nothing in a short message is far back.
        if window_bits < 15 && self.plain.len() > 1 << window_bits {
            return None;
        }
        let deflated = self.deflated.get_or_init(|| {
            let level = super::Compression::default().level;
            Deflater::new(level, false, 15).deflate(&self.plain).into()
        });
        Some(deflated.clone())
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("is_text", &self.is_text)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
