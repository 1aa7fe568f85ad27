//! The parser of requests' heads.
//!
//! It takes exactly what [`strict`](crate::strict) takes, and understands the same; it says the same
//! of a head in two parts, wherever it was cut; and what it took, written anew, is taken and means the
//! same again.

use squall_web::http::{
    BodyFraming, Limits, Parse, ParseError, RequestHead, Version, encode_request_head,
    parse_request,
};
use squall_web::{Method, header};

use crate::strict::{self, Body, Head};

/// The bounds of heads, here and for [`connection`](crate::connection).
pub fn limits() -> Limits {
    Limits {
        max_head_bytes: 2048,
        max_headers: 20,
        max_body_bytes: 4096,
        max_chunk_line_bytes: 64,
        max_pipelined_bytes: 1024,
        max_unread_bytes: 1024,
        ..Limits::default()
    }
}

/// Fails if the parser does not do as it should with `data`.
pub fn check(data: &[u8]) {
    let whole = parse(data, 0);
    against_strict(data, &whole);
    at_every_split(data, &whole);
    if data.len() <= 64 {
        neighbours(data, |near| against_strict(near, &parse(near, 0)));
    }
    if let Ok(Some(head)) = &whole {
        there_and_back(data, head);
    }
}

fn parse(bytes: &[u8], scanned: usize) -> Result<Option<RequestHead>, ParseError> {
    let mut head = RequestHead::new();
    match parse_request(bytes, scanned, &limits(), &mut head)? {
        Parse::Complete => Ok(Some(head)),
        Parse::NeedMore => Ok(None),
    }
}

/// What a parsed head says, in the words of the other reader.
pub fn understood(head: &RequestHead, bytes: &[u8]) -> Head {
    let fields = head.headers(bytes);
    Head {
        method: head.method().as_str().into(),
        target: head.target(bytes).into(),
        path: head.path(bytes).into(),
        query: head.query(bytes).map(str::to_owned),
        host: head.host(bytes).map(str::to_owned),
        is_1_1: head.version() == Version::Http11,
        fields: fields.map(|(n, v)| (n.into(), v.to_vec())).collect(),
        body: match head.framing() {
            BodyFraming::None => Body::None,
            BodyFraming::Length(length) => Body::Length(length),
            BodyFraming::Chunked => Body::Chunked,
            BodyFraming::UntilClose => panic!("a request until close"),
        },
        keep_alive: head.keep_alive(),
        expect_continue: head.expect_continue(),
        upgrade: head.upgrade(),
        len: head.len(),
    }
}

fn against_strict(data: &[u8], parsed: &Result<Option<RequestHead>, ParseError>) {
    let limits = limits();
    let want = strict::head(data);
    match (parsed, want) {
        (Ok(Some(head)), Ok(Some(want))) => {
            assert_eq!(understood(head, data), want);
            assert!(want.len <= limits.max_head_bytes, "a head over the limit");
            assert!(want.fields.len() <= limits.max_headers, "too many fields");
        }
        (Ok(Some(_)), want) => panic!("taken, where strictly it is {want:?}"),
        (Ok(None), Ok(Some(want))) => panic!("more is wanted of {want:?}"),
        // A mistake in a line may be told before the last line is there, or not.
        (Ok(None), _) => assert!(data.len() < limits.max_head_bytes, "endless"),
        (Err(ParseError::HeadTooLarge | ParseError::TargetTooLong), _) => {
            let end = data.windows(4).position(|four| four == b"\r\n\r\n");
            let is_long = |end: usize| end + 4 > limits.max_head_bytes;
            assert!(
                data.len() >= limits.max_head_bytes && end.is_none_or(is_long),
                "a head of {end:?} bytes is too long"
            );
        }
        (Err(ParseError::TooManyHeaders), want) => {
            // They are counted before the rest is judged.
            if let Ok(Some(want)) = want {
                assert!(want.fields.len() > limits.max_headers, "not too many");
            }
        }
        (Err(error), Ok(Some(want))) => panic!("{error}, where strictly it is {want:?}"),
        (Err(_), _) => {}
    }
}

/// However the head comes in two parts, the end is the same, and no part is a head.
fn at_every_split(data: &[u8], whole: &Result<Option<RequestHead>, ParseError>) {
    let meant = match whole {
        Ok(Some(head)) => Some(understood(head, data)),
        _ => None,
    };
    // What is behind a head is none of its business.
    let end = meant.as_ref().map_or(data.len(), |head| head.len + 2);
    for cut in splits(end.min(data.len())) {
        let late = match parse(&data[..cut], 0) {
            Ok(None) => parse(data, cut),
            Err(error) => {
                assert!(whole.is_err(), "{error} after {cut}, whole {whole:?}");
                continue;
            }
            early => early,
        };
        match (&late, whole) {
            (Ok(Some(late)), _) => {
                assert_eq!(
                    Some(&understood(late, data)),
                    meant.as_ref(),
                    "cut at {cut}"
                );
            }
            (Ok(None), Ok(None)) => {}
            (Err(late), Err(whole)) => assert_eq!(late, whole, "cut at {cut}"),
            _ => panic!("cut at {cut}: {late:?}, and whole {whole:?}"),
        }
    }
}

/// Where to cut so many bytes: everywhere, or at a hundred places if they are many.
pub fn splits(len: usize) -> impl Iterator<Item = usize> {
    let step = len / 100 + 1;
    (len % step..len).step_by(step)
}

/// Calls `check` with what differs from `data` in one byte, by one of those that mean something.
pub fn neighbours(data: &[u8], check: impl Fn(&[u8])) {
    let mut near = data.to_vec();
    for at in 0..data.len() {
        for byte in *b"\r\n \t:;,0a\0\x7f\x80" {
            near[at] = byte;
            check(&near);
        }
        near[at] = data[at];
    }
}

/// Writes the head as a client would, and reads that.
fn there_and_back(data: &[u8], head: &RequestHead) {
    let host = head.host(data).unwrap_or_default();
    if host.is_empty() {
        return;
    }
    let mut map = head.to_header_map(data);
    let mut wire = Vec::new();
    let target = head.target(data);
    encode_request_head(&mut wire, head.method(), target, host, &map, head.framing())
        .expect("what was parsed can be written");
    let again = match parse(&wire, 0) {
        // The host of the target takes the place of a shorter one, names get their blanks.
        Err(ParseError::HeadTooLarge | ParseError::TooManyHeaders | ParseError::TargetTooLong) => {
            return;
        }
        again => again
            .expect("what was written can be read")
            .expect("it is whole"),
    };
    assert_eq!(again.len(), wire.len());
    let (one, other) = (understood(head, data), understood(&again, &wire));
    assert_eq!(one.method, other.method);
    assert_eq!(one.target, other.target);
    assert_eq!(one.path, other.path);
    assert_eq!(one.query, other.query);
    assert_eq!(one.host, other.host);
    assert_eq!(one.body, other.body);
    let mut map_again = again.to_header_map(&wire);
    for own in [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
    ] {
        map.remove(&own);
        map_again.remove(&own);
    }
    assert_eq!(map, map_again);
    if one.is_1_1 {
        assert_eq!(one.keep_alive, other.keep_alive);
        assert_eq!(one.expect_continue, other.expect_continue);
        assert_eq!(one.upgrade, other.upgrade);
    }
    assert!(Method::from_bytes(one.method.as_bytes()).is_ok());
}
