//! Frames taken apart, and messages put together.
//!
//! ```text
//!   ┌─────────── Header ◄───────────────┐
//!   │ whole        │ payload is none    │ payload is whole: a control frame's event,
//!   ▼              ▼                    │ the last fragment's message, or nothing yet
//! Payload ──────────────────────────────┘
//! ```
//!
//! Whatever is fed is used up, up to the first event: nobody has to keep bytes for it, and a decoder
//! between two messages holds none.

use std::fmt;

use super::close::CloseFrame;
use super::error::ProtocolError;
use super::header::{FrameHeader, MAX_HEADER, OpCode, Role};
use super::inflater::Inflater;
use super::mask::apply_mask;
use super::message::Message;

/// How much room is made for a payload before it has come: a length alone is no proof of it.
const TRUSTED: usize = 64 * 1024;

/// What a peer has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message, whole.
    Message(Message),
    /// It wants a pong with these bytes.
    Ping(Vec<u8>),
    /// It answers a ping, or says that it is there.
    Pong(Vec<u8>),
    /// It says nothing more. Without a code if it gave none.
    Close(Option<CloseFrame>),
}

/// Takes apart what a peer sends.
///
/// # Examples
///
/// ```
/// use squall_web::websocket::Message;
/// use squall_web::websocket::codec::{Decoder, Event, Role};
///
/// // A client takes what servers send, which is not masked.
/// let mut decoder = Decoder::new(Role::Client, 1024);
/// let wire = b"\x01\x03Hel\x80\x02lo\x89\x00";
/// let (taken, event) = decoder.decode(wire)?;
/// assert_eq!((taken, event), (9, Some(Event::Message(Message::from("Hello")))));
/// let (taken, event) = decoder.decode(&wire[9..])?;
/// assert_eq!((taken, event), (2, Some(Event::Ping(vec![]))));
/// # Ok::<(), squall_web::websocket::codec::ProtocolError>(())
/// ```
pub struct Decoder {
    role: Role,
    max_message: usize,
    /// Takes compressed messages apart, if that was agreed on.
    inflater: Option<Inflater>,
    /// The header that is coming.
    head: [u8; MAX_HEADER],
    head_len: u8,
    /// The frame whose payload is coming.
    frame: Option<Frame>,
    /// The message whose fragments are coming.
    kind: Option<Kind>,
    message: Vec<u8>,
    /// How much of the message is known to be UTF-8; only of text that is not compressed.
    checked: usize,
    control: Vec<u8>,
}

/// A frame under way.
struct Frame {
    header: FrameHeader,
    /// How much of the payload has come.
    have: u64,
}

/// What the fragments that come make up.
#[derive(Clone, Copy)]
struct Kind {
    is_text: bool,
    is_compressed: bool,
}

impl Decoder {
    /// Makes a decoder for the end of the connection that this is; its peer's messages may have
    /// `max_message` bytes.
    pub fn new(role: Role, max_message: usize) -> Decoder {
        Decoder {
            role,
            max_message,
            inflater: None,
            head: [0; MAX_HEADER],
            head_len: 0,
            frame: None,
            kind: None,
            message: Vec::new(),
            checked: 0,
            control: Vec::new(),
        }
    }

    /// Has compressed messages be taken apart. Without it they are errors.
    pub fn inflate(mut self, inflater: Inflater) -> Decoder {
        self.inflater = Some(inflater);
        self
    }

    /// Takes bytes; gives how many, and what they complete. All are taken if they complete nothing.
    ///
    /// # Errors
    ///
    /// As soon as the peer breaks the protocol. Nothing that it sends later has a meaning.
    pub fn decode(&mut self, input: &[u8]) -> Result<(usize, Option<Event>), ProtocolError> {
        let mut at = 0;
        loop {
            if self.frame.is_none() {
                let (taken, header) = self.header(&input[at..])?;
                at += taken;
                let Some(header) = header else {
                    return Ok((at, None));
                };
                self.begin_frame(&header)?;
                self.frame = Some(Frame { header, have: 0 });
            }
            let (taken, is_whole) = self.payload(&input[at..])?;
            at += taken;
            if !is_whole {
                return Ok((at, None));
            }
            if let Some(event) = self.end_frame()? {
                return Ok((at, Some(event)));
            }
        }
    }

    /// The next header, once it is there.
    fn header(&mut self, input: &[u8]) -> Result<(usize, Option<FrameHeader>), ProtocolError> {
        if self.head_len == 0
            && let Some((header, taken)) = FrameHeader::parse(input)?
        {
            return Ok((taken, Some(header)));
        }
        let had = usize::from(self.head_len);
        let more = input.len().min(MAX_HEADER - had);
        self.head[had..had + more].copy_from_slice(&input[..more]);
        Ok(match FrameHeader::parse(&self.head[..had + more])? {
            Some((header, len)) => {
                self.head_len = 0;
                (len - had, Some(header))
            }
            None => {
                self.head_len = (had + more) as u8;
                (more, None)
            }
        })
    }

    /// Judges a frame before any of its payload is taken.
    fn begin_frame(&mut self, header: &FrameHeader) -> Result<(), ProtocolError> {
        match (self.role, header.mask) {
            (Role::Server, None) => return Err(ProtocolError::NotMasked),
            (Role::Client, Some(_)) => return Err(ProtocolError::Masked),
            _ => {}
        }
        if header.compressed && self.inflater.is_none() {
            return Err(ProtocolError::ReservedBits);
        }
        match header.opcode {
            opcode if opcode.is_control() => return Ok(()),
            OpCode::Continuation if self.kind.is_none() => {
                return Err(ProtocolError::UnexpectedContinuation);
            }
            OpCode::Continuation => {}
            _ if self.kind.is_some() => return Err(ProtocolError::UnfinishedMessage),
            opcode => {
                self.kind = Some(Kind {
                    is_text: opcode == OpCode::Text,
                    is_compressed: header.compressed,
                });
            }
        }
        // What does not compress gets a little larger.
        let most = match self.kind.is_some_and(|kind| kind.is_compressed) {
            true => self
                .max_message
                .saturating_add(self.max_message / 1000 + 64),
            false => self.max_message,
        };
        if header.len > (most - self.message.len()) as u64 {
            return Err(ProtocolError::MessageTooBig(self.max_message));
        }
        let trusted = (header.len as usize).min(TRUSTED);
        match self.message.is_empty() {
            true => self.message.reserve_exact(trusted),
            // By doubling: there may be many small fragments.
            false => self.message.reserve(trusted),
        }
        Ok(())
    }

    /// Takes what has come of the payload. True once it is whole.
    fn payload(&mut self, input: &[u8]) -> Result<(usize, bool), ProtocolError> {
        let Some(frame) = &mut self.frame else {
            return Ok((0, true));
        };
        let header = &frame.header;
        let left = header.len - frame.have;
        let taken = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let is_control = header.opcode.is_control();
        let into = match is_control {
            true => &mut self.control,
            false => &mut self.message,
        };
        let from = into.len();
        into.extend_from_slice(&input[..taken]);
        if let Some(mask) = header.mask {
            apply_mask(&mut into[from..], mask, (frame.have % 4) as usize);
        }
        frame.have += taken as u64;
        let is_whole = frame.have == header.len;
        // A text in one piece is checked as a whole, once.
        let is_last = is_whole && header.fin;
        let is_checked_later = is_last && self.checked == 0;
        if !is_control && !is_checked_later {
            self.check_text(is_last)?;
        }
        Ok((taken, is_whole))
    }

    /// Checks what has come of a text; only its last character may be in pieces.
    fn check_text(&mut self, is_last: bool) -> Result<(), ProtocolError> {
        let is_plain_text = (self.kind).is_some_and(|kind| kind.is_text && !kind.is_compressed);
        if !is_plain_text {
            return Ok(());
        }
        match std::str::from_utf8(&self.message[self.checked..]) {
            Ok(_) => self.checked = self.message.len(),
            Err(error) if error.error_len().is_none() && !is_last => {
                self.checked += error.valid_up_to();
            }
            Err(_) => return Err(ProtocolError::InvalidUtf8),
        }
        Ok(())
    }

    /// What the frame completes.
    fn end_frame(&mut self) -> Result<Option<Event>, ProtocolError> {
        let Some(Frame { header, .. }) = self.frame.take() else {
            return Ok(None);
        };
        Ok(Some(match header.opcode {
            OpCode::Ping => Event::Ping(std::mem::take(&mut self.control)),
            OpCode::Pong => Event::Pong(std::mem::take(&mut self.control)),
            OpCode::Close => {
                let payload = std::mem::take(&mut self.control);
                Event::Close(CloseFrame::parse(&payload)?)
            }
            _ if !header.fin => return Ok(None),
            _ => Event::Message(self.end_message()?),
        }))
    }

    fn end_message(&mut self) -> Result<Message, ProtocolError> {
        let mut bytes = std::mem::take(&mut self.message);
        self.checked = 0;
        let kind = self.kind.take();
        if kind.is_some_and(|kind| kind.is_compressed)
            && let Some(inflater) = &mut self.inflater
        {
            bytes = inflater.inflate(&bytes, self.max_message)?;
        }
        Ok(match kind.is_some_and(|kind| kind.is_text) {
            true => {
                let text = String::from_utf8(bytes);
                Message::Text(text.map_err(|_| ProtocolError::InvalidUtf8)?)
            }
            false => Message::Binary(bytes),
        })
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("role", &self.role)
            .field("message", &self.message.len())
            .finish_non_exhaustive()
    }
}
