//! Takes apart what a server sends, as a client that trusts nobody.

use crate::strict::{is_token, trimmed};

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    /// True if it says that the connection closes.
    pub closes: bool,
    /// True if the bytes end before the body does.
    pub is_cut: bool,
}

/// Takes the next answer off `bytes`, interim or final.
///
/// `method` is that of the request, and `is_1_1` whether that was of HTTP/1.1.
///
/// # Errors
///
/// Why it is no answer.
pub fn take(bytes: &mut &[u8], method: &str) -> Result<Answer, String> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or_else(|| format!("no head in {:?}", bytes.escape_ascii().to_string()))?;
    let (head, rest) = (&bytes[..end], &bytes[end + 4..]);
    let head = std::str::from_utf8(head).map_err(|_| "a head outside of UTF-8")?;
    let mut lines = head.split("\r\n");
    let status = status(lines.next().unwrap_or_default())?;
    let mut fields = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("a field without a colon")?;
        if !is_token(name) || value.contains(['\r', '\n', '\0']) {
            return Err(format!("the malformed field {line:?}"));
        }
        fields.push((
            name.to_ascii_lowercase(),
            trimmed(value.as_bytes()).to_vec(),
        ));
    }
    let mut answer = Answer {
        status,
        fields,
        body: Vec::new(),
        closes: false,
        is_cut: false,
    };
    let used = body(&mut answer, rest, method)?;
    *bytes = &rest[used..];
    Ok(answer)
}

fn status(line: &str) -> Result<u16, String> {
    let rest = line.strip_prefix("HTTP/1.1 ");
    let (code, _) = rest.and_then(|rest| rest.split_once(' ')).ok_or(line)?;
    match code.parse() {
        Ok(status @ 100..=599) if code.len() == 3 => Ok(status),
        _ => Err(format!("the status {code:?}")),
    }
}

impl Answer {
    /// The value of a field that there is at most one of.
    pub fn field(&self, name: &str) -> Result<Option<&str>, String> {
        let mut named = self.fields.iter().filter(|(n, _)| n == name);
        let first = named.next();
        if named.next().is_some() {
            return Err(format!("two of {name}"));
        }
        let text = first.map(|(_, value)| std::str::from_utf8(value));
        text.transpose().map_err(|_| format!("{name} is no text"))
    }
}

/// Fills in the body, and gives how many bytes it took.
fn body(answer: &mut Answer, rest: &[u8], method: &str) -> Result<usize, String> {
    let length = answer.field("content-length")?.map(str::parse::<usize>);
    let length = length
        .transpose()
        .map_err(|_| "a length that is no number")?;
    let coding = answer.field("transfer-encoding")?.map(str::to_owned);
    let connection = answer.field("connection")?.unwrap_or("").to_owned();
    answer.closes = connection == "close";
    let is_bare = matches!(answer.status, 100..=199 | 204 | 304);
    if is_bare && (length.is_some() || coding.is_some()) && answer.status != 304 {
        return Err(format!("a body's length in a {}", answer.status));
    }
    match (length, coding.as_deref()) {
        _ if is_bare || method == "HEAD" => Ok(0),
        (None, None) => {
            answer.body = rest.to_vec();
            answer.closes = true;
            Ok(rest.len())
        }
        (Some(length), None) => {
            let used = length.min(rest.len());
            answer.is_cut = used < length;
            answer.body = rest[..used].to_vec();
            Ok(used)
        }
        (None, Some("chunked")) => chunks(answer, rest),
        both => Err(format!("a body framed by {both:?}")),
    }
}

fn chunks(answer: &mut Answer, rest: &[u8]) -> Result<usize, String> {
    let mut at = 0;
    loop {
        let line = rest[at..].windows(2).position(|two| two == b"\r\n");
        let Some(line) = line.map(|end| &rest[at..at + end]) else {
            answer.is_cut = true;
            return Ok(rest.len());
        };
        let digits = std::str::from_utf8(line).map_err(|_| "a chunk's size")?;
        let size = usize::from_str_radix(digits, 16).map_err(|_| format!("size {digits:?}"))?;
        at += line.len() + 2;
        if size == 0 {
            // The trailers end as a head does.
            let end = match rest.get(at..at + 2) {
                Some(b"\r\n") => Some(2),
                _ => rest[at..]
                    .windows(4)
                    .position(|four| four == b"\r\n\r\n")
                    .map(|end| end + 4),
            };
            answer.is_cut = end.is_none();
            return Ok(end.map_or(rest.len(), |end| at + end));
        }
        let Some(data) = rest.get(at..at + size + 2) else {
            answer.is_cut = true;
            return Ok(rest.len());
        };
        if !data.ends_with(b"\r\n") {
            return Err("a chunk that is longer than its size".into());
        }
        answer.body.extend_from_slice(&data[..size]);
        at += size + 2;
    }
}
