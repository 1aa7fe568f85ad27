//! The first bytes of a frame (RFC 6455 §5.2).
//!
//! ```text
//!  byte 0              byte 1             then
//!  FIN RSV1 RSV2 RSV3  MASK length (7)    length of 2 or 8 bytes, if it does not fit; the mask's 4
//!      └ compressed    op code (4)
//! ```

use super::error::ProtocolError;

/// The most that a frame's header takes.
pub const MAX_HEADER: usize = 14;

/// The most that a control frame carries.
pub(super) const MAX_CONTROL: u64 = 125;

/// Which end of the connection one is: clients mask what they send, servers do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that was connected to.
    Server,
    /// The end that connected.
    Client,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpCode {
    /// The next fragment of a message.
    Continuation,
    /// Text, or the first fragment of one.
    Text,
    /// Binary data, or its first fragment.
    Binary,
    /// The last frame of its sender.
    Close,
    /// Asks for a [`Pong`](OpCode::Pong).
    Ping,
    /// Answers a ping, or says that one is there.
    Pong,
}

impl OpCode {
    fn from_bits(bits: u8) -> Option<OpCode> {
        Some(match bits {
            0x0 => OpCode::Continuation,
            0x1 => OpCode::Text,
            0x2 => OpCode::Binary,
            0x8 => OpCode::Close,
            0x9 => OpCode::Ping,
            0xA => OpCode::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            OpCode::Continuation => 0x0,
            OpCode::Text => 0x1,
            OpCode::Binary => 0x2,
            OpCode::Close => 0x8,
            OpCode::Ping => 0x9,
            OpCode::Pong => 0xA,
        }
    }

    /// True for those that may stand between the fragments of a message.
    pub fn is_control(self) -> bool {
        matches!(self, OpCode::Close | OpCode::Ping | OpCode::Pong)
    }
}

/// A frame without what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the frame is.
    pub opcode: OpCode,
    /// True for the last fragment of a message, and the only one.
    pub fin: bool,
    /// RSV1: true for the first frame of a message that is compressed (RFC 7692 §6).
    pub compressed: bool,
    /// What the payload is masked with; none if it is not.
    pub mask: Option<[u8; 4]>,
    /// Bytes of the payload.
    pub len: u64,
}

impl FrameHeader {
    /// Reads a header from the start of `bytes`, and says how many of them it takes; none if some are
    /// missing.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::websocket::codec::{FrameHeader, OpCode};
    ///
    /// let (header, taken) = FrameHeader::parse(b"\x81\x05Hello")?.expect("it is whole");
    /// assert_eq!((header.opcode, header.fin, header.len, taken), (OpCode::Text, true, 5, 2));
    /// assert_eq!(FrameHeader::parse(b"\x81")?, None);
    /// # Ok::<(), squall_web::websocket::codec::ProtocolError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If no frame can begin so: as soon as the bytes that show it are there.
    pub fn parse(bytes: &[u8]) -> Result<Option<(FrameHeader, usize)>, ProtocolError> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        if first & 0x30 != 0 {
            return Err(ProtocolError::ReservedBits);
        }
        let bits = first & 0x0F;
        let opcode = OpCode::from_bits(bits).ok_or(ProtocolError::ReservedOpCode(bits))?;
        let fin = first & 0x80 != 0;
        let compressed = first & 0x40 != 0;
        // Only the first frame of a message says that it is compressed.
        if compressed && !matches!(opcode, OpCode::Text | OpCode::Binary) {
            return Err(ProtocolError::ReservedBits);
        }
        if opcode.is_control() && !fin {
            return Err(ProtocolError::FragmentedControl);
        }
        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        let short = u64::from(second & 0x7F);
        if opcode.is_control() && short > MAX_CONTROL {
            return Err(ProtocolError::LongControl);
        }
        let (len, mut at) = match short {
            126 => match bytes.get(2..4) {
                Some(two) => (big_endian(two), 4),
                None => return Ok(None),
            },
            127 => match bytes.get(2..10) {
                Some(eight) => (big_endian(eight), 10),
                None => return Ok(None),
            },
            short => (short, 2),
        };
        // §5.2: the shortest form, and no sign.
        let least = [0, 126, 1 << 16][[2, 4, 10].partition_point(|form| *form < at)];
        if len < least || len > i64::MAX as u64 {
            return Err(ProtocolError::MalformedLength);
        }
        let mask = match second & 0x80 != 0 {
            false => None,
            true => {
                let Some(&mask) = bytes.get(at..).and_then(<[u8]>::first_chunk) else {
                    return Ok(None);
                };
                at += 4;
                Some(mask)
            }
        };
        let header = FrameHeader {
            opcode,
            fin,
            compressed,
            mask,
            len,
        };
        Ok(Some((header, at)))
    }

    /// Writes it to the start of `out`, and says how many bytes it takes.
    pub fn encode(&self, out: &mut [u8; MAX_HEADER]) -> usize {
        out[0] = self.opcode.bits() | u8::from(self.fin) << 7 | u8::from(self.compressed) << 6;
        let masked = u8::from(self.mask.is_some()) << 7;
        let mut at = 2;
        match self.len {
            len @ ..126 => out[1] = masked | len as u8,
            len @ 126..=0xFFFF => {
                out[1] = masked | 126;
                out[2..4].copy_from_slice(&(len as u16).to_be_bytes());
                at = 4;
            }
            len => {
                out[1] = masked | 127;
                out[2..10].copy_from_slice(&len.to_be_bytes());
                at = 10;
            }
        }
        if let Some(mask) = self.mask {
            out[at..at + 4].copy_from_slice(&mask);
            at += 4;
        }
        at
    }
}

fn big_endian(bytes: &[u8]) -> u64 {
    (bytes.iter()).fold(0, |number, byte| number << 8 | u64::from(*byte))
}
