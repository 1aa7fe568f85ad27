//! A request's head, read after RFC 9112 and RFC 9110 line by line, without regard to speed.
//!
//! Nothing is shared with the parser under test, so that a mistake has to be made twice to hide.

use std::net::Ipv6Addr;

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    None,
    Length(u64),
    Chunked,
}

/// What a head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub method: String,
    pub target: String,
    pub path: String,
    pub query: Option<String>,
    pub host: Option<String>,
    pub is_1_1: bool,
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Body,
    pub keep_alive: bool,
    pub expect_continue: bool,
    pub upgrade: bool,
    /// Bytes up to the end of the blank line.
    pub len: usize,
}

/// Reads the head at the start of `bytes`. `None` if it is not there whole.
///
/// # Errors
///
/// Why it is no head that a server may take.
pub fn head(bytes: &[u8]) -> Result<Option<Head>, &'static str> {
    let skipped = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let Some(end) = find(&bytes[skipped..], b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = &bytes[skipped..skipped + end];
    let lines = lines(text)?;
    let (first, fields) = lines.split_first().ok_or("no line")?;
    let mut read = request_line(first)?;
    for line in fields {
        read.fields.push(field(line)?);
    }
    read.len = skipped + end + 4;
    judge(&mut read)?;
    Ok(Some(read))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

/// Splits at CRLF; CR and LF stand nowhere else.
fn lines(text: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    let mut lines = Vec::new();
    let mut rest = text;
    loop {
        let (line, more) = match find(rest, b"\r\n") {
            Some(at) => (&rest[..at], Some(&rest[at + 2..])),
            None => (rest, None),
        };
        if line.contains(&b'\r') || line.contains(&b'\n') {
            return Err("a bare CR or LF");
        }
        lines.push(line);
        match more {
            Some(more) => rest = more,
            None => return Ok(lines),
        }
    }
}

fn request_line(line: &[u8]) -> Result<Head, &'static str> {
    let line = std::str::from_utf8(line).map_err(|_| "a request line outside of ASCII")?;
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = words[..] else {
        return Err("not three words");
    };
    if !is_token(method) {
        return Err("a method that is no token");
    }
    if target.is_empty() || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a target outside of visible ASCII");
    }
    let is_1_1 = match version.strip_prefix("HTTP/1.") {
        Some("0") => false,
        Some(minor) if minor.len() == 1 && minor.bytes().all(|b| b.is_ascii_digit()) => true,
        _ => return Err("not HTTP/1"),
    };
    let (authority, path, query) = target_parts(method, target)?;
    Ok(Head {
        method: method.into(),
        target: target.into(),
        path,
        query,
        host: authority,
        is_1_1,
        fields: Vec::new(),
        body: Body::None,
        keep_alive: is_1_1,
        expect_continue: false,
        upgrade: false,
        len: 0,
    })
}

type Parts = (Option<String>, String, Option<String>);

/// The authority, path and query of a target (RFC 9112 §3.2).
pub fn target_parts(method: &str, target: &str) -> Result<Parts, &'static str> {
    if target.contains('#') {
        return Err("a fragment in the target");
    }
    if method == "CONNECT" {
        let port = target.rsplit_once(':').map(|(_, port)| port);
        let has_port = port.is_some_and(|port| !port.is_empty() && !port.contains(']'));
        return match has_port && is_authority(target) {
            true => Ok((Some(target.into()), String::new(), None)),
            false => Err("a CONNECT to no host and port"),
        };
    }
    if target == "*" && method == "OPTIONS" {
        return Ok((None, "*".into(), None));
    }
    let (authority, rest) = if target.starts_with('/') {
        (None, target)
    } else {
        let lower = target.to_ascii_lowercase();
        let scheme = ["http://", "https://"]
            .into_iter()
            .find(|scheme| lower.starts_with(scheme))
            .ok_or("a target in none of the four forms")?;
        let rest = &target[scheme.len()..];
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        if !is_authority(&rest[..end]) {
            return Err("a malformed authority");
        }
        (Some(rest[..end].to_owned()), &rest[end..])
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (rest, None),
    };
    let path = if path.is_empty() { "/" } else { path };
    Ok((authority, path.into(), query))
}

fn field(line: &[u8]) -> Result<(String, Vec<u8>), &'static str> {
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = line.split_at(colon.ok_or("a field without a colon")?);
    let name = std::str::from_utf8(name).map_err(|_| "a name outside of ASCII")?;
    if !is_token(name) {
        return Err("a name that is no token");
    }
    let is_text = |byte: &u8| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..=0xff);
    if !value.iter().all(is_text) {
        return Err("a control character in a value");
    }
    Ok((name.into(), trimmed(&value[1..]).to_vec()))
}

/// Without optional whitespace around (RFC 9110 §5.6.3).
pub fn trimmed(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_space(byte));
    let end = value.iter().rposition(|byte| !is_space(byte));
    match (start, end) {
        (Some(start), Some(end)) => &value[start..=end],
        _ => &[],
    }
}

/// What the fields say together.
fn judge(head: &mut Head) -> Result<(), &'static str> {
    let fields = std::mem::take(&mut head.fields);
    let named = |name: &str| {
        let of_name = fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| &value[..]).collect::<Vec<_>>()
    };
    let host = match named("host")[..] {
        [] if head.is_1_1 => return Err("no Host"),
        [] => None,
        [b""] => Some(String::new()),
        [host] => {
            let host = std::str::from_utf8(host).map_err(|_| "a Host outside of ASCII")?;
            match is_authority(host) {
                true => Some(host.to_owned()),
                false => return Err("a malformed Host"),
            }
        }
        _ => return Err("two Hosts"),
    };
    head.host = head.host.take().or(host);
    head.body = body(
        &named("content-length"),
        &named("transfer-encoding"),
        head.is_1_1,
    )?;
    let connection = tokens(&named("connection"));
    let has = |token: &str| connection.iter().any(|t| t == token);
    head.keep_alive = !has("close") && (head.is_1_1 || has("keep-alive"));
    let expects = |value: &&[u8]| value.eq_ignore_ascii_case(b"100-continue");
    head.expect_continue = head.is_1_1 && named("expect").iter().any(expects);
    head.upgrade = head.is_1_1 && has("upgrade") && !named("upgrade").is_empty();
    head.fields = fields;
    Ok(())
}

fn tokens(values: &[&[u8]]) -> Vec<String> {
    let items = values
        .iter()
        .flat_map(|value| value.split(|byte| *byte == b','));
    items
        .map(|item| String::from_utf8_lossy(item.trim_ascii()).to_ascii_lowercase())
        .collect()
}

/// RFC 9112 §6.3, where all that could be read in two ways is refused.
fn body(lengths: &[&[u8]], codings: &[&[u8]], is_1_1: bool) -> Result<Body, &'static str> {
    let items = |values: &[&[u8]]| -> Vec<Vec<u8>> {
        let items = values
            .iter()
            .flat_map(|value| value.split(|byte| *byte == b','));
        items.map(|item| trimmed(item).to_vec()).collect()
    };
    let (lengths, codings) = (items(lengths), items(codings));
    if !codings.is_empty() {
        return match &codings[..] {
            _ if !lengths.is_empty() => Err("a length beside chunks"),
            _ if !is_1_1 => Err("chunks in HTTP/1.0"),
            [one] if one.eq_ignore_ascii_case(b"chunked") => Ok(Body::Chunked),
            _ => Err("codings that are not exactly chunked"),
        };
    }
    let mut length = None;
    for item in lengths {
        let digits = std::str::from_utf8(&item).map_err(|_| "a length that is no number")?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("a length that is no number");
        }
        let digits = digits.trim_start_matches('0');
        let number = match digits {
            "" => 0,
            digits => digits.parse::<u64>().map_err(|_| "a length over 64 bits")?,
        };
        if length.is_some_and(|before| before != number) {
            return Err("two lengths");
        }
        length = Some(number);
    }
    Ok(length.map_or(Body::None, Body::Length))
}

/// True for a token of RFC 9110 §5.6.2.
pub fn is_token(text: &str) -> bool {
    const OTHERS: &str = "!#$%&'*+-.^_`|~";
    let fits = |c: char| c.is_ascii_alphanumeric() || OTHERS.contains(c);
    !text.is_empty() && text.chars().all(fits)
}

/// True for a host with an optional port, without userinfo, comma and future kinds of IP literals.
pub fn is_authority(text: &str) -> bool {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((literal, after)) = rest.split_once(']') else {
            return false;
        };
        if literal.parse::<Ipv6Addr>().is_err() {
            return false;
        }
        ("literal", after)
    } else {
        let colon = text.find(':').unwrap_or(text.len());
        text.split_at(colon)
    };
    const OTHERS: &str = "-._~%!$&'()*+;=";
    let is_name = |c: char| c.is_ascii_alphanumeric() || OTHERS.contains(c);
    let is_port = match port.strip_prefix(':') {
        Some(digits) => digits.len() <= 5 && digits.chars().all(|c| c.is_ascii_digit()),
        None => port.is_empty(),
    };
    !host.is_empty() && host.chars().all(is_name) && is_port
}
