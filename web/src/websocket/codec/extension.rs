//! The agreement on permessage-deflate (RFC 7692 §7.1), and the header it is made in (RFC 6455 §9.1).
//!
//! A client makes offers, each with what it wants and can do; the server takes the first that it can
//! keep, or none, and answers with what both are bound by from then on.

use std::fmt::Write as _;

use super::{Deflater, Inflater, Role};

const NAME: &str = "permessage-deflate";

/// Compression of messages, as one side wants it: it is used if the other agrees.
///
/// # Examples
///
/// ```
/// use squall_web::websocket::{Compression, WebSocketOptions};
///
/// let options = WebSocketOptions {
///     compression: Some(Compression { server_no_context_takeover: true, ..Compression::default() }),
///     ..WebSocketOptions::default()
/// };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compression {
    /// From 1, the fastest, to 9, the smallest; 6.
    pub level: u32,
    /// Messages of fewer bytes are sent as they are; 64.
    pub threshold: usize,
    /// Has the server forget after each message what it has sent; false. Its compressor takes 300 KiB
    /// a connection otherwise, and nothing then; messages that resemble each other get larger.
    pub server_no_context_takeover: bool,
    /// The same for the client.
    pub client_no_context_takeover: bool,
    /// How far the server looks back at most, as a power of two from 8 to 15; 15. What a client needs
    /// to take it apart.
    pub server_max_window_bits: u8,
    /// The same for the client, if it can keep to it.
    pub client_max_window_bits: u8,
}

impl Default for Compression {
    fn default() -> Self {
        Compression {
            level: 6,
            threshold: 64,
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: 15,
            client_max_window_bits: 15,
        }
    }
}

/// What both sides have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// True if the server begins anew with each message.
    pub server_no_context_takeover: bool,
    /// True if the client does.
    pub client_no_context_takeover: bool,
    /// How far the server looks back, as a power of two.
    pub server_max_window_bits: u8,
    /// How far the client does.
    pub client_max_window_bits: u8,
}

impl Agreement {
    /// Makes the compressor of what this side sends.
    pub fn deflater(&self, role: Role, level: u32) -> Deflater {
        let (no_context, bits) = match role {
            Role::Server => (self.server_no_context_takeover, self.server_max_window_bits),
            Role::Client => (self.client_no_context_takeover, self.client_max_window_bits),
        };
        Deflater::new(level, !no_context, bits)
    }

    /// Makes the decompressor of what this side receives.
    pub fn inflater(&self, role: Role) -> Inflater {
        Inflater::new(match role {
            Role::Server => !self.client_no_context_takeover,
            Role::Client => !self.server_no_context_takeover,
        })
    }
}

/// The parameters of one offer or answer, as they were written.
#[derive(Debug, Default, PartialEq, Eq)]
struct Params {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// `Some(None)`: the client can, and leaves it to the server how much.
    client_max_window_bits: Option<Option<u8>>,
}

/// A server's choice among a client's offers, with the answer to it. `headers` are the values of all
/// its `Sec-WebSocket-Extensions`.
pub(in super::super) fn accept_offers<'v>(
    headers: impl IntoIterator<Item = &'v [u8]>,
    wanted: &Compression,
) -> Option<(Agreement, String)> {
    let offers = headers.into_iter().flat_map(|value| split(value, b','));
    let mut offers = offers.filter_map(|offer| {
        let (name, params) = parse(offer)?;
        (name == NAME).then_some(params)?
    });
    let offer = offers.next()?;
    let own = clamp(wanted.server_max_window_bits);
    let server_bits = offer.server_max_window_bits.unwrap_or(15).min(own);
    // Without the client's word that it can, it may not be asked to.
    let client_bits = offer.client_max_window_bits.map(|bits| {
        let most = bits.unwrap_or(15);
        most.min(clamp(wanted.client_max_window_bits))
    });
    let agreement = Agreement {
        server_no_context_takeover: offer.server_no_context_takeover
            || wanted.server_no_context_takeover,
        client_no_context_takeover: offer.client_no_context_takeover
            || wanted.client_no_context_takeover,
        server_max_window_bits: server_bits,
        client_max_window_bits: client_bits.unwrap_or(15),
    };
    let mut answer = NAME.to_owned();
    write_context(&mut answer, &agreement);
    if server_bits < 15 || offer.server_max_window_bits.is_some() {
        let _ = write!(answer, "; server_max_window_bits={server_bits}");
    }
    if let Some(bits @ ..15) = client_bits {
        let _ = write!(answer, "; client_max_window_bits={bits}");
    }
    Some((agreement, answer))
}

/// A client's offer.
pub(in super::super) fn offer(wanted: &Compression) -> String {
    let mut offer = NAME.to_owned();
    if wanted.server_no_context_takeover {
        offer += "; server_no_context_takeover";
    }
    if wanted.client_no_context_takeover {
        offer += "; client_no_context_takeover";
    }
    if clamp(wanted.server_max_window_bits) < 15 {
        let bits = clamp(wanted.server_max_window_bits);
        let _ = write!(offer, "; server_max_window_bits={bits}");
    }
    match clamp(wanted.client_max_window_bits) {
        15 => offer += "; client_max_window_bits",
        bits => {
            let _ = write!(offer, "; client_max_window_bits={bits}");
        }
    }
    offer
}

/// What a server's answer says; none if it agrees to nothing.
///
/// # Errors
///
/// What it says that was not offered, or cannot be: the connection has to end then.
pub(in super::super) fn check_answer<'v>(
    headers: impl IntoIterator<Item = &'v [u8]>,
    offered: Option<&Compression>,
) -> Result<Option<Agreement>, String> {
    let answers = headers.into_iter().flat_map(|value| split(value, b','));
    let mut answers = answers.filter(|answer| !answer.is_empty());
    let Some(answer) = answers.next() else {
        return Ok(None);
    };
    let wrong = |why: &str| {
        let answer = String::from_utf8_lossy(answer);
        Err(format!("the server's extension {answer:?} {why}"))
    };
    let (Some(offered), Some((NAME, params))) = (offered, parse(answer)) else {
        return wrong("was not offered");
    };
    let Some(params) = params else {
        return wrong("is malformed");
    };
    if answers.next().is_some() {
        return wrong("is not the only one, as it has to be");
    }
    let most = clamp(offered.server_max_window_bits);
    let server_bits = params.server_max_window_bits.unwrap_or(15);
    if server_bits > most {
        return wrong("has a larger window than was asked for");
    }
    if offered.server_no_context_takeover && !params.server_no_context_takeover {
        return wrong("keeps a context, which it was asked not to");
    }
    let own = clamp(offered.client_max_window_bits);
    let client_bits = match params.client_max_window_bits {
        None => own,
        Some(Some(bits)) => bits.min(own),
        Some(None) => return wrong("has a window without a size"),
    };
    Ok(Some(Agreement {
        server_no_context_takeover: params.server_no_context_takeover,
        client_no_context_takeover: params.client_no_context_takeover
            || offered.client_no_context_takeover,
        server_max_window_bits: server_bits,
        client_max_window_bits: client_bits,
    }))
}

fn write_context(answer: &mut String, agreement: &Agreement) {
    if agreement.server_no_context_takeover {
        *answer += "; server_no_context_takeover";
    }
    if agreement.client_no_context_takeover {
        *answer += "; client_no_context_takeover";
    }
}

fn clamp(bits: u8) -> u8 {
    bits.clamp(8, 15)
}

/// An extension's name, and its parameters; none of these if one is unknown, malformed or there twice
/// (RFC 7692 §7.1). None at all if the name is no text.
fn parse(extension: &[u8]) -> Option<(&str, Option<Params>)> {
    let mut parts = split(extension, b';').into_iter();
    let name = std::str::from_utf8(parts.next()?).ok()?;
    let mut params = Params::default();
    for part in parts {
        if params.add(part).is_none() {
            return Some((name, None));
        }
    }
    Some((name, Some(params)))
}

impl Params {
    fn add(&mut self, part: &[u8]) -> Option<()> {
        let part = std::str::from_utf8(part).ok()?;
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(unquote(value.trim_start())?)),
            None => (part, None),
        };
        let is_new = match (name, value) {
            ("server_no_context_takeover", None) => {
                !std::mem::replace(&mut self.server_no_context_takeover, true)
            }
            ("client_no_context_takeover", None) => {
                !std::mem::replace(&mut self.client_no_context_takeover, true)
            }
            ("server_max_window_bits", Some(value)) => {
                let bits = window_bits(value)?;
                self.server_max_window_bits.replace(bits).is_none()
            }
            ("client_max_window_bits", value) => {
                let bits = match value {
                    Some(value) => Some(window_bits(value)?),
                    None => None,
                };
                self.client_max_window_bits.replace(bits).is_none()
            }
            _ => return None,
        };
        is_new.then_some(())
    }
}

/// From 8 to 15, without a leading zero.
fn window_bits(text: &str) -> Option<u8> {
    let is_plain = matches!(text.as_bytes(), [b'8' | b'9'] | [b'1', b'0'..=b'5']);
    is_plain.then(|| text.parse().ok()).flatten()
}

/// A token, or what stands between quotes.
fn unquote(text: &str) -> Option<&str> {
    match text.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"'),
        None => Some(text),
    }
}

/// The parts of a list, without the blank around them; separators in quotes are none.
fn split(list: &[u8], separator: u8) -> Vec<&[u8]> {
    let (mut parts, mut from, mut is_quoted) = (Vec::new(), 0, false);
    for (at, byte) in list.iter().enumerate() {
        match *byte {
            b'"' => is_quoted = !is_quoted,
            byte if byte == separator && !is_quoted => {
                parts.push(list[from..at].trim_ascii());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(list[from..].trim_ascii());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn accepts(offer: &str, wanted: &Compression, want: Option<&str>) {
        let accepted = accept_offers([offer.as_bytes()], wanted);
        let answer = accepted.as_ref().map(|(_, answer)| &**answer);
        assert_eq!(answer, want, "{offer}");
    }

    #[test]
    fn server_takes_the_first_offer_that_it_can_keep() {
        let plain = Compression::default();
        let check = |offer, want| accepts(offer, &plain, want);
        check("permessage-deflate", Some("permessage-deflate"));
        check("", None);
        check("x-webkit-deflate-frame", None);
        check("foo, permessage-deflate; bar", None);
        check(
            "permessage-deflate; client_max_window_bits",
            Some("permessage-deflate"),
        );
        check(
            "permessage-deflate; client_max_window_bits=15",
            Some("permessage-deflate"),
        );
        check(
            "permessage-deflate; client_max_window_bits=10",
            Some("permessage-deflate; client_max_window_bits=10"),
        );
        check(
            "permessage-deflate; server_max_window_bits=10",
            Some("permessage-deflate; server_max_window_bits=10"),
        );
        check(
            "permessage-deflate ;server_no_context_takeover;  client_no_context_takeover",
            Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        );
        check(
            "permessage-deflate; server_max_window_bits=\"8\"",
            Some("permessage-deflate; server_max_window_bits=8"),
        );
        check(
            "permessage-deflate; x=\"a,b;c\", permessage-deflate; server_max_window_bits=9",
            Some("permessage-deflate; server_max_window_bits=9"),
        );
    }

    #[test]
    fn malformed_offers_are_passed_over() {
        for params in [
            "unknown",
            "server_no_context_takeover=1",
            "server_no_context_takeover; server_no_context_takeover",
            "server_max_window_bits",
            "server_max_window_bits=7",
            "server_max_window_bits=16",
            "server_max_window_bits=08",
            "server_max_window_bits=+8",
            "server_max_window_bits=\"8",
            "server_max_window_bits=8; server_max_window_bits=8",
            "client_max_window_bits=0",
            "client_max_window_bits=; ",
            "",
        ] {
            let offer = format!("permessage-deflate; {params}");
            accepts(&offer, &Compression::default(), None);
        }
    }

    #[test]
    fn server_answers_with_what_it_wants() {
        let wanted = Compression {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            server_max_window_bits: 12,
            client_max_window_bits: 11,
            ..Compression::default()
        };
        let contexts = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        let server = format!("{contexts}; server_max_window_bits=12");
        accepts("permessage-deflate", &wanted, Some(&server));
        let both = format!("{server}; client_max_window_bits=11");
        accepts(
            "permessage-deflate; client_max_window_bits",
            &wanted,
            Some(&both),
        );
        let less = format!("{contexts}; server_max_window_bits=9; client_max_window_bits=10");
        let offer = "permessage-deflate; client_max_window_bits=10; server_max_window_bits=9";
        accepts(offer, &wanted, Some(&less));
    }

    #[track_caller]
    fn answered(answer: &str, offered: &Compression) -> Result<Option<Agreement>, String> {
        check_answer([answer.as_bytes()], Some(offered))
    }

    #[test]
    fn client_believes_what_it_has_offered() {
        let plain = Compression::default();
        assert_eq!(offer(&plain), "permessage-deflate; client_max_window_bits");
        assert_eq!(answered("", &plain), Ok(None));
        let all = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                   server_max_window_bits=9; client_max_window_bits=10";
        let want = Agreement {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            server_max_window_bits: 9,
            client_max_window_bits: 10,
        };
        assert_eq!(answered(all, &plain), Ok(Some(want)));
        let small = Compression {
            server_max_window_bits: 10,
            client_max_window_bits: 9,
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            ..plain.clone()
        };
        assert_eq!(
            offer(&small),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=10; client_max_window_bits=9"
        );
        let answer = "permessage-deflate; server_no_context_takeover; server_max_window_bits=10";
        let agreed = answered(answer, &small).unwrap().unwrap();
        assert_eq!(
            (agreed.server_max_window_bits, agreed.client_max_window_bits),
            (10, 9)
        );
        assert!(agreed.client_no_context_takeover);
        for (answer, why) in [
            (
                "permessage-deflate; server_no_context_takeover",
                "larger window",
            ),
            (
                "permessage-deflate; server_max_window_bits=11",
                "larger window",
            ),
            (
                "permessage-deflate; server_max_window_bits=10",
                "keeps a context",
            ),
            (
                "permessage-deflate; client_max_window_bits",
                "larger window",
            ),
            ("permessage-deflate; nonsense", "malformed"),
            ("permessage-foo", "not offered"),
        ] {
            let error = answered(answer, &small).unwrap_err();
            assert!(error.contains(why), "{answer}: {error}");
        }
        let twice = answered("permessage-deflate, permessage-deflate", &plain);
        assert!(twice.unwrap_err().contains("not the only one"));
        let bare = answered("permessage-deflate; client_max_window_bits", &plain);
        assert!(bare.unwrap_err().contains("without a size"));
        assert!(check_answer([&b"permessage-deflate"[..]], None).is_err());
    }
}
