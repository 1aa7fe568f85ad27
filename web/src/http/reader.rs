//! Reads the lines of a head from front to back: what requests and responses share.
//!
//! Every byte is looked at once. A line ends in CRLF and nothing else; values hold no control
//! characters but tabs (RFC 9110 §5.5), and names are tokens (§5.6.2) that the colon follows at once
//! (RFC 9112 §5.1). A line that begins with a blank is none, so folded ones are refused.

use super::grammar::is_token_byte;
use super::head::{FieldSpan, Span};
use super::parse::ParseError;

/// A place in a head, from which on it is still to be read.
#[derive(Debug)]
pub(super) struct Reader<'b> {
    buf: &'b [u8],
    at: usize,
}

/// What went wrong with a line. That its end has not come is an error here as well; whoever knows
/// that the head is whole need not tell the two apart.
type Result<T> = std::result::Result<T, ParseError>;

const LINE_END: ParseError = ParseError::BadRequest("malformed line end");
const NAME: ParseError = ParseError::BadRequest("malformed header name");
const VALUE: ParseError = ParseError::BadRequest("malformed header value");

impl<'b> Reader<'b> {
    pub(super) fn new(buf: &'b [u8], at: usize) -> Reader<'b> {
        Reader { buf, at }
    }

    /// Returns where the reader is.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Returns what is still to be read.
    #[inline]
    pub(super) fn rest(&self) -> &'b [u8] {
        &self.buf[self.at..]
    }

    /// Goes on by `count` bytes, which are known to be there.
    #[inline]
    pub(super) fn skip(&mut self, count: usize) {
        self.at += count;
    }

    /// Reads a token; it may be empty.
    #[inline]
    pub(super) fn token(&mut self) -> &'b [u8] {
        let rest = self.rest();
        let end = rest.iter().position(|byte| !is_token_byte(*byte));
        let token = &rest[..end.unwrap_or(rest.len())];
        self.skip(token.len());
        token
    }

    /// Reads `text`, if it is what follows.
    #[inline]
    pub(super) fn literal(&mut self, text: &[u8]) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.skip(text.len());
        }
        found
    }

    /// Reads the end of a line.
    #[inline]
    pub(super) fn line_end(&mut self) -> Result<()> {
        match self.literal(b"\r\n") {
            true => Ok(()),
            false => Err(LINE_END),
        }
    }

    /// Reads what may stand in a value, up to the end of its line.
    #[inline]
    pub(super) fn text(&mut self) -> &'b [u8] {
        let rest = self.rest();
        let text = &rest[..text_len(rest)];
        self.skip(text.len());
        text
    }

    /// Reads a field's line; none if it is the blank line that ends the head.
    #[inline]
    pub(super) fn field(&mut self) -> Result<Option<FieldSpan>> {
        if self.literal(b"\r\n") {
            return Ok(None);
        }
        let start = self.at;
        let name = Span::new(start, start + self.token().len());
        if name.len() == 0 || !self.literal(b":") {
            return Err(NAME);
        }
        while let Some(b' ' | b'\t') = self.rest().first() {
            self.skip(1);
        }
        let start = self.at;
        let mut value = self.text();
        match self.rest() {
            [b'\r', b'\n', ..] => self.skip(2),
            [b'\n', ..] => return Err(LINE_END),
            _ => return Err(VALUE),
        }
        while let [text @ .., b' ' | b'\t'] = value {
            value = text;
        }
        let value = Span::new(start, start + value.len());
        Ok(Some(FieldSpan { name, value }))
    }
}

/// How many bytes of `bytes` come before the first control character that is no tab.
#[inline]
fn text_len(bytes: &[u8]) -> usize {
    let mut len = 0;
    loop {
        len += len_to_control(&bytes[len..]);
        match bytes.get(len) {
            Some(b'\t') => len += 1,
            _ => return len,
        }
    }
}

/// How many bytes come before the first control character, eight at a time.
#[inline]
fn len_to_control(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let marks = controls(u64::from_le_bytes(*word));
        if marks != 0 {
            return n * 8 + (marks.trailing_zeros() / 8) as usize;
        }
    }
    let in_rest = rest.iter().position(u8::is_ascii_control);
    words.len() * 8 + in_rest.unwrap_or(rest.len())
}

/// Marks control characters with their byte's top bit. The lowest mark is one; those above it need
/// not be, as the subtractions borrow.
#[inline]
fn controls(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low = word.wrapping_sub(ONES * 0x20) & !word;
    let delete = word ^ (ONES * 0x7f);
    let delete = delete.wrapping_sub(ONES) & !delete;
    (low | delete) & (ONES * 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_at_the_first_control_character_wherever_it_stands() {
        for len in 0..20 {
            for byte in 0..=u8::MAX {
                for behind in [b' ', 0x7e, 0x80, 0x1f, 0x7f, b'\t'] {
                    let mut bytes = vec![b'\t'; len];
                    bytes.extend([byte, behind, behind]);
                    let is_text = |byte: &u8| !byte.is_ascii_control() || *byte == b'\t';
                    let want = bytes.iter().take_while(|byte| is_text(byte)).count();
                    assert_eq!(text_len(&bytes), want, "{}", bytes.escape_ascii());
                }
            }
        }
    }

    #[track_caller]
    fn check(line: &str, want: Result<Option<(&str, &str)>>) {
        let mut reader = Reader::new(line.as_bytes(), 0);
        let field = reader.field();
        let text = |span: Span| std::str::from_utf8(span.bytes(line.as_bytes())).unwrap();
        let got = field.map(|field| field.map(|field| (text(field.name), text(field.value))));
        assert_eq!(got, want, "{line:?}");
    }

    #[test]
    fn field_is_name_colon_value() {
        check("\r\n", Ok(None));
        check("A:b\r\n", Ok(Some(("A", "b"))));
        check("A: \t b \tc\t \r\nD", Ok(Some(("A", "b \tc"))));
        check("A:\r\n", Ok(Some(("A", ""))));
        check("A: \r\n", Ok(Some(("A", ""))));
        check("A: caf\u{e9}\r\n", Ok(Some(("A", "caf\u{e9}"))));
        check("a-very-long-name_1: and a value, longer than eight\r\n", {
            Ok(Some((
                "a-very-long-name_1",
                "and a value, longer than eight",
            )))
        });
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            ": b\r\n",
            "A : b\r\n",
            " A: b\r\n",
            "A\r\n",
            "",
            "A",
            "\u{e9}: b\r\n",
        ] {
            check(line, Err(NAME));
        }
        for line in ["A: b\n", "A:\n"] {
            check(line, Err(LINE_END));
        }
        for line in [
            "A: b\0\r\n",
            "A: b",
            "A: b\rc\r\n",
            "A: b\r",
            "A: \x7f\r\n",
            "A: \x1b[0m\r\n",
        ] {
            check(line, Err(VALUE));
        }
    }

    type Fields = Vec<(Vec<u8>, Vec<u8>)>;

    /// The names and values up to the blank line, or an error.
    fn read(block: &[u8]) -> std::result::Result<Fields, ()> {
        let mut reader = Reader::new(block, 0);
        let mut fields = Vec::new();
        while let Some(field) = reader.field().map_err(drop)? {
            let bytes = |span: Span| span.bytes(block).to_vec();
            fields.push((bytes(field.name), bytes(field.value)));
        }
        Ok(fields)
    }

    /// The same by httparse, apart from the bare line feeds that it takes.
    fn read_by_httparse(block: &[u8]) -> std::result::Result<Fields, ()> {
        let mut slots = [httparse::EMPTY_HEADER; 32];
        let (len, fields) = match httparse::parse_headers(block, &mut slots) {
            Ok(httparse::Status::Complete(parsed)) => parsed,
            _ => return Err(()),
        };
        let head = &block[..len];
        let bare = |n: usize| head[n] == b'\n' && (n == 0 || head[n - 1] != b'\r');
        if (0..len).any(bare) {
            return Err(());
        }
        let field = |field: &httparse::Header<'_>| (field.name.into(), field.value.into());
        Ok(fields.iter().map(field).collect())
    }

    #[test]
    fn fields_are_what_httparse_makes_of_them() {
        const PIECES: [&[u8]; 16] = [
            b"Host",
            b": ",
            b":",
            b"\r\n",
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b"\t",
            b"a value",
            b"\x80",
            b"\0",
            b"\x7f",
            b"(",
            b"X-Y",
            b"some longer value, of many words",
        ];
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let mut accepted = 0;
        for _ in 0..100_000 {
            let mut block = Vec::new();
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let mut digits = random;
            for _ in 0..digits % 4 {
                digits /= 4;
                block.extend_from_slice(b"Name: value\r\n");
            }
            for _ in 0..digits % 6 {
                digits /= 7;
                block.extend_from_slice(PIECES[(digits % 16) as usize]);
            }
            block.extend_from_slice(b"\r\n\r\n");
            let ours = read(&block);
            accepted += usize::from(ours.is_ok());
            assert_eq!(ours, read_by_httparse(&block), "{}", block.escape_ascii());
        }
        assert!((10_000..90_000).contains(&accepted), "{accepted}");
    }
}
