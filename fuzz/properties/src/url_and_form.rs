//! Targets, queries, forms, hosts and routes.
//!
//! Each is read by a decoder of its own here, which has to agree; and what is encoded is decoded to
//! what it was.

use std::cell::RefCell;
use std::rc::Rc;

use squall_web::http::{
    FormError, Limits, MAX_FORM_FIELDS, Parse, RequestHead, decode_path_segment, parse_form,
    parse_query, parse_request,
};
use squall_web::{Application, Call, Exchange, Handle, HttpServer, Result};

use crate::script::Script;
use crate::serving;
use crate::strict;

/// Fails if something reads `data` otherwise than it should.
pub fn check(data: &[u8]) {
    form(data);
    host(data);
    if let Ok(text) = std::str::from_utf8(data) {
        segment(text);
        assert_eq!(parse_query(text), parse_form(data));
    }
    route(data);
}

/// Decodes percent-encoding: what is no `%` with two hex digits stays.
fn percent(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let [first, more @ ..] = rest {
        let byte = match (first, more) {
            (b'%', [high, low, ..]) => {
                let digits = [*high, *low].map(|digit| char::from(digit).to_digit(16));
                match digits {
                    [Some(high), Some(low)] => Some((high * 16 + low) as u8),
                    _ => None,
                }
            }
            _ => None,
        };
        match byte {
            Some(byte) => {
                out.push(byte);
                rest = &more[2..];
            }
            None => {
                out.push(*first);
                rest = more;
            }
        }
    }
    out
}

type Fields = Vec<(String, String)>;

/// The fields of a form, read another way.
fn fields(form: &[u8]) -> std::result::Result<Fields, FormError> {
    let pieces: Vec<&[u8]> = form.split(|byte| *byte == b'&').collect();
    let text = |piece: &[u8]| {
        let spaced: Vec<u8> = piece
            .iter()
            .map(|b| if *b == b'+' { b' ' } else { *b })
            .collect();
        String::from_utf8(percent(&spaced)).map_err(|_| FormError::NotUtf8)
    };
    let mut fields = Vec::new();
    for (n, piece) in pieces.iter().enumerate() {
        if n >= MAX_FORM_FIELDS {
            return Err(FormError::TooManyFields);
        }
        if piece.is_empty() {
            continue;
        }
        let equals = piece.iter().position(|byte| *byte == b'=');
        let (name, value) = piece.split_at(equals.unwrap_or(piece.len()));
        fields.push((text(name)?, text(value.get(1..).unwrap_or_default())?));
    }
    Ok(fields)
}

fn form(data: &[u8]) {
    let parsed = parse_form(data);
    assert_eq!(parsed, fields(data));
    let Ok(parsed) = parsed else { return };
    // There and back.
    let encode = |text: &str| -> String {
        let one = |byte: u8| match byte {
            b' ' => "+".into(),
            b'a'..=b'z' => char::from(byte).to_string(),
            _ => format!("%{byte:02x}"),
        };
        text.bytes().map(one).collect()
    };
    // One whose name and value are empty is still a field.
    let pairs: Vec<String> = (parsed.iter())
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    assert_eq!(parse_query(&pairs.join("&")), Ok(parsed));
}

fn segment(text: &str) {
    let decoded = decode_path_segment(text);
    let want = String::from_utf8(percent(text.as_bytes()));
    match (decoded, want) {
        (Ok(decoded), Ok(want)) => assert_eq!(decoded, want),
        (Err(FormError::NotUtf8), Err(_)) => {}
        (decoded, want) => panic!("{decoded:?}, not {want:?}"),
    }
}

/// A host stands in its header or in the target, and is taken or not in both.
fn host(data: &[u8]) {
    let Ok(host) = std::str::from_utf8(data) else {
        return;
    };
    if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
        return;
    }
    let is_good = strict::is_authority(host);
    let takes = |wire: String| {
        let mut head = RequestHead::new();
        let parsed = parse_request(wire.as_bytes(), 0, &Limits::default(), &mut head);
        let is_taken = parsed == Ok(Parse::Complete);
        if is_taken {
            assert_eq!(head.host(wire.as_bytes()), Some(host));
        }
        is_taken
    };
    let in_header = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert_eq!(takes(in_header), is_good, "{host:?} as a Host");
    if !host.contains(['/', '?', '#']) {
        let in_target = format!("GET http://{host}/ HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(takes(in_target), is_good, "{host:?} in a target");
    }
}

/// The patterns, in the order in which they are asked.
const PATTERNS: [&str; 8] = [
    "/",
    "/u/{id}",
    "/u/me",
    "/u/{id}/p/{page}",
    "/a/b/",
    "/s/{path...}",
    "/{x}/{y}/",
    "/s/never",
];

/// Which of the patterns takes a path, and what stands in its names; each a list of segments.
fn matching(path: &str) -> Option<(usize, Vec<String>)> {
    let path: Vec<&str> = path.split('/').collect();
    PATTERNS.iter().enumerate().find_map(|(n, pattern)| {
        let pattern: Vec<&str> = pattern.split('/').collect();
        let mut found = Vec::new();
        let rest = pattern.last().is_some_and(|last| last.ends_with("...}"));
        if path.len() < pattern.len() || (path.len() > pattern.len() && !rest) {
            return None;
        }
        for (at, segment) in pattern.iter().enumerate() {
            match *segment {
                "{path...}" => found.push(path[at..].join("/")),
                name if name.starts_with('{') && !path[at].is_empty() => {
                    found.push(path[at].into())
                }
                name if name.starts_with('{') => return None,
                literal if literal == path[at] => {}
                _ => return None,
            }
        }
        Some((n, found))
    })
}

/// What a request came to.
#[derive(Debug, PartialEq, Eq)]
enum Routed {
    To(usize, Vec<String>, Fields),
    Status(u16),
}

fn wanted(target: &str) -> Routed {
    let parts = strict::target_parts("GET", target);
    let (_, path, query) = parts.expect("it is a good target");
    let Some((n, raw)) = matching(&path) else {
        return Routed::Status(404);
    };
    let decoded: std::result::Result<Vec<String>, _> = (raw.iter())
        .map(|raw| String::from_utf8(percent(raw.as_bytes())))
        .collect();
    let fields = fields(query.unwrap_or_default().as_bytes());
    match (decoded, fields) {
        (Ok(arguments), Ok(fields)) => Routed::To(n, arguments, fields),
        _ => Routed::Status(400),
    }
}

/// The route of a target, its arguments and those of its query.
fn route(data: &[u8]) {
    let Ok(target) = std::str::from_utf8(data) else {
        return;
    };
    let is_good = target.bytes().all(|byte| byte.is_ascii_graphic());
    if target.len() > 1000 || !is_good || strict::target_parts("GET", target).is_err() {
        return;
    }
    let routed = Rc::new(RefCell::new(Vec::new()));
    let wire = format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let script = Script::whole(wire.into_bytes());
    let handler = Watched {
        app: application(&routed),
        routed: routed.clone(),
    };
    serving::play_with(&script, || HttpServer::new(handler));
    assert_eq!(routed.take(), [wanted(target)], "{target:?}");
}

type Log = Rc<RefCell<Vec<Routed>>>;

struct Watched {
    app: Application,
    routed: Log,
}

impl Handle for Watched {
    fn handle<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a> {
        self.app.handle(ex)
    }

    fn finished(&self, ex: &Exchange) {
        match ex.status().as_u16() {
            200 => {}
            status => self.routed.borrow_mut().push(Routed::Status(status)),
        }
    }
}

fn application(routed: &Log) -> Application {
    let mut app = Application::new();
    for (n, pattern) in PATTERNS.iter().enumerate() {
        let names: Vec<String> = (pattern.split('/'))
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| name.trim_end_matches('.').to_owned())
            .collect();
        let routed = routed.clone();
        app = app.get(pattern, move |ex: &mut Exchange| -> Result<()> {
            let mut arguments = Vec::new();
            for name in &names {
                arguments.push(ex.path_argument::<String>(name)?);
            }
            let fields = ex.all_arguments()?.to_vec();
            routed.borrow_mut().push(Routed::To(n, arguments, fields));
            Ok(())
        });
    }
    app
}
