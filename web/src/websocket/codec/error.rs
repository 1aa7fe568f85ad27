//! What a peer can do wrong, and what it is told.

use std::{error, fmt};

use super::close::CloseCode;

/// A breach of the protocol by the peer. Nothing it sends later can be understood: answer with a close
/// frame of [`close_code`](ProtocolError::close_code), and end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A reserved bit is set that no extension gave a meaning to.
    ReservedBits,
    /// A frame of a kind that does not exist.
    ReservedOpCode(u8),
    /// A length in more bytes than it needs, or with its highest bit set.
    MalformedLength,
    /// A client's frame without a mask.
    NotMasked,
    /// A server's frame with a mask.
    Masked,
    /// A control frame in fragments.
    FragmentedControl,
    /// A control frame of more than 125 bytes.
    LongControl,
    /// A fragment of nothing.
    UnexpectedContinuation,
    /// A message before the end of the last one.
    UnfinishedMessage,
    /// Text that is no UTF-8.
    InvalidUtf8,
    /// A message of more than so many bytes, compressed or not.
    MessageTooBig(usize),
    /// A compressed message that does not decompress.
    MalformedDeflate,
    /// A close frame with half a code.
    MalformedClose,
    /// A close frame with a code that may not be sent.
    InvalidCloseCode(u16),
}

impl ProtocolError {
    /// Returns the code to close with.
    pub fn close_code(&self) -> CloseCode {
        match self {
            ProtocolError::InvalidUtf8 | ProtocolError::MalformedDeflate => CloseCode::INVALID_DATA,
            ProtocolError::MessageTooBig(_) => CloseCode::TOO_BIG,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProtocolError::ReservedBits => f.write_str("a reserved bit is set"),
            ProtocolError::ReservedOpCode(bits) => write!(f, "op code {bits:#x} is reserved"),
            ProtocolError::MalformedLength => f.write_str("malformed length of a frame"),
            ProtocolError::NotMasked => f.write_str("a client's frame is not masked"),
            ProtocolError::Masked => f.write_str("a server's frame is masked"),
            ProtocolError::FragmentedControl => f.write_str("a control frame in fragments"),
            ProtocolError::LongControl => f.write_str("a control frame of more than 125 bytes"),
            ProtocolError::UnexpectedContinuation => {
                f.write_str("a continuation without a message")
            }
            ProtocolError::UnfinishedMessage => {
                f.write_str("a new message before the end of the last one")
            }
            ProtocolError::InvalidUtf8 => f.write_str("text is not UTF-8"),
            ProtocolError::MessageTooBig(max) => write!(f, "message over {max} bytes"),
            ProtocolError::MalformedDeflate => f.write_str("malformed compressed message"),
            ProtocolError::MalformedClose => f.write_str("malformed close frame"),
            ProtocolError::InvalidCloseCode(code) => write!(f, "close code {code} is not allowed"),
        }
    }
}

impl error::Error for ProtocolError {}
