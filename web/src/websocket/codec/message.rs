//! What one side tells the other.

use std::fmt;

/// A message: text, or bytes.
///
/// # Examples
///
/// ```
/// use squall_web::websocket::Message;
///
/// assert_eq!(Message::from("hello").as_text(), Some("hello"));
/// assert_eq!(Message::from(vec![1, 2]).as_bytes(), [1, 2]);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// Text; a browser gets a string.
    Text(String),
    /// Bytes; a browser gets a `Blob` or an `ArrayBuffer`.
    Binary(Vec<u8>),
}

impl Message {
    /// Returns the text; none if it is binary.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Message::Text(text) => Some(text),
            Message::Binary(_) => None,
        }
    }

    /// Returns the bytes, those of text in UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// Returns the bytes, those of text in UTF-8.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Message::Text(text) => text.into_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// True for text.
    pub fn is_text(&self) -> bool {
        matches!(self, Message::Text(_))
    }

    /// Returns how many bytes it has.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// True if it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Message {
    /// Writes its beginning alone: messages may be large.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        let bytes = self.as_bytes();
        let kind = if self.is_text() { "Text" } else { "Binary" };
        let start = &bytes[..bytes.len().min(SHOWN)];
        let start = match self {
            Message::Text(_) => String::from_utf8_lossy(start).escape_debug().to_string(),
            Message::Binary(_) => start.escape_ascii().to_string(),
        };
        match bytes.len() > SHOWN {
            false => write!(f, "{kind}(\"{start}\")"),
            true => write!(f, "{kind}(\"{start}\"… {} bytes)", bytes.len()),
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Message {
        Message::Text(text.to_owned())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Message {
        Message::Text(text)
    }
}

impl From<&String> for Message {
    fn from(text: &String) -> Message {
        Message::Text(text.clone())
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Message {
        Message::Binary(bytes)
    }
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Message {
        Message::Binary(bytes.to_vec())
    }
}
