//! What a server has to make of bytes, said by the parsers alone: no stream, no time, no pieces.

use squall_web::http::{
    BodyDecoder, BodyFraming, Limits, Parse, RequestHead, Version, parse_request,
};

use crate::serving::{Handled, Kind};

/// What comes behind the requests that handlers are called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing: the connection closes, or the bytes end.
    Closed,
    /// An answer of this status that no handler made, and the connection closes.
    Refused(u16),
    /// That depends on what arrives when.
    Open,
}

/// The requests that handlers are to be called for, and what is behind them.
pub fn expected(bytes: &[u8], limits: &Limits, decompresses: bool) -> (Vec<Handled>, End) {
    let mut handled = Vec::new();
    let mut rest = bytes;
    let mut head = RequestHead::new();
    loop {
        match parse_request(rest, 0, limits, &mut head) {
            Ok(Parse::Complete) => {}
            Ok(Parse::NeedMore) => return (handled, End::Closed),
            Err(error) => return (handled, End::Refused(error.status().as_u16())),
        }
        let (method, target) = (head.method().as_str(), head.target(rest));
        let kind = Kind::of(method, head.path(rest));
        let has_body = head.framing() != BodyFraming::None;
        let is_packed = decompresses && head.header(rest, "content-encoding").is_some();
        let mut one = Handled {
            method: method.into(),
            target: target.into(),
            body: None,
        };
        let behind = &rest[head.len()..];
        let mut body = Vec::new();
        let decoded = match BodyDecoder::new(head.framing(), limits) {
            Err(error) => return (handled, End::Refused(error.status().as_u16())),
            Ok(mut decoder) => decoder.decode(behind, &mut body),
        };
        if has_body && is_packed {
            return (handled, End::Open);
        }
        let used = match (decoded, kind.takes_whole()) {
            (Ok((used, true)), _) => used,
            // Its handler is called before the body is read.
            (_, false) => {
                handled.push(one);
                return (handled, End::Open);
            }
            (Ok((_, false)), true) => return (handled, End::Closed),
            (Err(error), true) => return (handled, End::Refused(error.status().as_u16())),
        };
        // It flushes each piece of a body, and nothing without one.
        let runs_until_close =
            kind == Kind::Stream && !body.is_empty() && head.version() == Version::Http10;
        one.body = kind.takes_whole().then_some(body);
        let is_head = one.method == "HEAD";
        handled.push(one);
        if kind == Kind::Upgrade && head.upgrade() {
            // It may be to another protocol, and what follows is that one's.
            return (handled, End::Open);
        }
        if !head.keep_alive() || kind == Kind::Close || (runs_until_close && !is_head) {
            return (handled, End::Closed);
        }
        if kind == Kind::Unread && has_body {
            return (handled, End::Open);
        }
        rest = &behind[used..];
    }
}
