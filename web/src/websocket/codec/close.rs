//! The end of a connection, and its reason (RFC 6455 §7.4).

use std::fmt;

use super::error::ProtocolError;

/// Bytes that a reason may have: a control frame's 125 without the code.
pub const MAX_REASON: usize = 123;

/// Why a connection ends, as a number.
///
/// # Examples
///
/// ```
/// use squall_web::websocket::CloseCode;
///
/// assert_eq!(CloseCode::from(1001), CloseCode::GOING_AWAY);
/// assert!(CloseCode::from(4000).is_sendable());
/// assert!(!CloseCode::ABNORMAL.is_sendable());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: what it was for is done.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// 1001: the server shuts down, or the page was left.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// 1002: the other side breaks the protocol.
    pub const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
    /// 1003: messages of this kind are not taken.
    pub const UNSUPPORTED: CloseCode = CloseCode(1003);
    /// 1005: the peer gave no code. Never sent.
    pub const NO_STATUS: CloseCode = CloseCode(1005);
    /// 1006: the connection broke, or ended without a close. Never sent.
    pub const ABNORMAL: CloseCode = CloseCode(1006);
    /// 1007: text that is no UTF-8, or data that does not decompress.
    pub const INVALID_DATA: CloseCode = CloseCode(1007);
    /// 1008: what the peer does is not allowed.
    pub const POLICY_VIOLATION: CloseCode = CloseCode(1008);
    /// 1009: the message is too big.
    pub const TOO_BIG: CloseCode = CloseCode(1009);
    /// 1010: the server has not agreed to an extension that the client needs.
    pub const MISSING_EXTENSION: CloseCode = CloseCode(1010);
    /// 1011: the server has failed.
    pub const INTERNAL_ERROR: CloseCode = CloseCode(1011);
    /// 1012: the server restarts; come again soon.
    pub const SERVICE_RESTART: CloseCode = CloseCode(1012);
    /// 1013: there is too much to do; come again later.
    pub const TRY_AGAIN_LATER: CloseCode = CloseCode(1013);

    /// True if it may be sent: it is a registered one for this, or one of a program's own from 3000 to
    /// 4999 (§7.4.2).
    pub fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// Returns the number.
    pub fn as_u16(self) -> u16 {
        self.0
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> CloseCode {
        CloseCode(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> u16 {
        code.0
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A code and the words that go with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// Why.
    pub code: CloseCode,
    /// The same in words, [`MAX_REASON`] bytes of them at most; mostly empty.
    pub reason: String,
}

impl CloseFrame {
    /// Reads what a close frame carries; none if that is nothing.
    pub(super) fn parse(payload: &[u8]) -> Result<Option<CloseFrame>, ProtocolError> {
        let (code, reason) = match payload {
            [] => return Ok(None),
            [_] => return Err(ProtocolError::MalformedClose),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        if !CloseCode(code).is_sendable() {
            return Err(ProtocolError::InvalidCloseCode(code));
        }
        let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::InvalidUtf8)?;
        Ok(Some(CloseFrame {
            code: CloseCode(code),
            reason: reason.to_owned(),
        }))
    }

    /// What a close frame with it carries.
    pub(in super::super) fn payload(&self) -> Vec<u8> {
        [&self.code.0.to_be_bytes(), self.reason.as_bytes()].concat()
    }
}
