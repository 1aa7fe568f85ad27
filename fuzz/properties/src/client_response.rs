//! A fetch, whatever the server sends.
//!
//! It ends, with an answer or an error, in its time; no body is longer than the limit; each request
//! that the server gets is well-formed, the ones that redirects made too; the parser says the same of
//! a head in two parts; and where the answer is a plain one, the fetch gives what the parsers see in
//! the bytes as a whole.

use std::time::Duration;

use squall::{IoLoop, yield_};
use squall_web::client::{AsyncHttpClient, ClientConfig, CookieJar, Request};
use squall_web::http::{
    BodyDecoder, BodyFraming, Limits, ParseError, ResponseHead, parse_response,
};
use squall_web::{Method, header};

use crate::origin::{self, Log};
use crate::request_head::splits;
use crate::script::Script;
use crate::strict;

const MAX_BODY: u64 = 4096;
const MAX_HEAD: usize = 2048;

/// What a fetch may take; the pauses of a script are longer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Fails if a fetch does not do as it should with the bytes behind the [script](crate::script).
pub fn check(data: &[u8]) {
    let Some((method, rest)) = data.split_first() else {
        return;
    };
    let method = match method % 3 {
        0 => Method::GET,
        1 => Method::HEAD,
        _ => Method::POST,
    };
    let script = Script::read(rest);
    let bytes = script.bytes();
    at_every_split(&bytes, &method);
    let log = Log::default();
    let run = script.simulation().run(|| {
        script.network().install();
        fetch(method.clone(), script.clone(), log.clone())
    });
    let (fetched, took) = run.into_value();
    assert!(took <= TIMEOUT + Duration::from_secs(1), "{took:?}");
    requests(&log.take(), &method);
    if let Ok(answer) = &fetched {
        assert!(answer.body.len() as u64 <= MAX_BODY, "over the limit");
    }
    if script.is_slow() || script.breaks() {
        return;
    }
    match expected(&bytes, &method) {
        Expected::Answer(want) => assert_eq!(fetched, Ok(want)),
        Expected::Error => assert!(fetched.is_err(), "{fetched:?}"),
        Expected::Open => {}
    }
}

/// What a fetch gives.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

#[squall::coroutine]
fn fetch(method: Method, script: Script, log: Log) -> (Result<Answer, String>, Duration) {
    let began = IoLoop::current().time();
    origin::serve(script.pieces.clone(), log);
    let client = AsyncHttpClient::with_config(ClientConfig {
        max_body_bytes: MAX_BODY,
        max_head_bytes: MAX_HEAD,
        timeout: Some(TIMEOUT),
        cookies: Some(CookieJar::new()),
        ..ClientConfig::default()
    });
    let mut request = Request::new(method.clone(), "http://10.0.0.1/a?b")
        .raise_error(false)
        .max_redirects(3)
        .decompress_response(script.option);
    if method == Method::POST {
        request = request.body("a body");
    }
    let fetched = yield_!(client.fetch(request));
    let took = IoLoop::current().time() - began;
    let fetched = fetched.map_err(|error| error.to_string()).map(|response| {
        let fields = response.headers().iter();
        Answer {
            status: response.status().as_u16(),
            fields: fields
                .map(|(name, value)| (name.as_str().into(), value.as_bytes().to_vec()))
                .collect(),
            body: response.body().to_vec(),
        }
    });
    (fetched, took)
}

/// Each request is a good one.
fn requests(requests: &[Vec<u8>], method: &Method) {
    assert!(requests.len() <= 8, "{} requests", requests.len());
    for (n, request) in requests.iter().enumerate() {
        let head = strict::head(request);
        let head = head.unwrap_or_else(|why| panic!("{why}: {}", request.escape_ascii()));
        let head = head.expect("it was read to its end");
        assert!(head.is_1_1 && head.host.is_some_and(|host| !host.is_empty()));
        let is_first = n == 0;
        assert!(!is_first || head.method == method.as_str());
        assert!(!is_first || head.target == "/a?b");
        let length = (request.len() - head.len) as u64;
        let is_framed = match head.body {
            strict::Body::None => length == 0,
            strict::Body::Length(said) => said == length,
            strict::Body::Chunked => false,
        };
        assert!(is_framed, "{}", request.escape_ascii());
    }
}

fn limits() -> Limits {
    Limits {
        max_head_bytes: MAX_HEAD,
        max_body_bytes: MAX_BODY,
        ..Limits::default()
    }
}

enum Expected {
    Answer(Answer),
    Error,
    /// That is for other tests: redirects, codings, too many interim answers.
    Open,
}

fn expected(bytes: &[u8], method: &Method) -> Expected {
    let mut rest = bytes;
    for _ in 0..5 {
        let head = match parse_response(rest, 0, &limits(), method) {
            Ok(Some(head)) => head,
            Ok(None) | Err(_) => return Expected::Error,
        };
        rest = &rest[head.len..];
        if head.status.is_informational() && head.status.as_u16() != 101 {
            continue;
        }
        let is_plain = (head.status.is_success() || head.status.is_client_error())
            && !head.headers.contains_key(header::CONTENT_ENCODING)
            && !head.headers.contains_key(header::TRAILER);
        return match is_plain {
            true => plain(head, rest),
            false => Expected::Open,
        };
    }
    Expected::Open
}

fn plain(head: ResponseHead, rest: &[u8]) -> Expected {
    let mut body = Vec::new();
    let decoder = BodyDecoder::new(head.framing, &limits());
    let is_whole = decoder.and_then(|mut decoder| {
        decoder.decode(rest, &mut body)?;
        Ok(decoder.is_finished_at_close())
    });
    match is_whole {
        Ok(true) => {
            let fields = head.headers.iter();
            Expected::Answer(Answer {
                status: head.status.as_u16(),
                fields: fields
                    .map(|(name, value)| (name.as_str().into(), value.as_bytes().to_vec()))
                    .collect(),
                body,
            })
        }
        _ => Expected::Error,
    }
}

/// However the head comes in two parts, the end is the same, and no part is a head.
fn at_every_split(bytes: &[u8], method: &Method) {
    let parse = |bytes: &[u8], scanned| parse_response(bytes, scanned, &limits(), method);
    let same = |one: &Result<Option<ResponseHead>, ParseError>| format!("{one:?}");
    let whole = parse(bytes, 0);
    if let Ok(Some(head)) = &whole {
        assert!(head.len <= MAX_HEAD.min(bytes.len()));
        assert!(head.framing != BodyFraming::UntilClose || !head.keep_alive);
    }
    for cut in splits(bytes.len()) {
        match parse(&bytes[..cut], 0) {
            Ok(None) => assert_eq!(same(&parse(bytes, cut)), same(&whole), "cut at {cut}"),
            Ok(early) => assert_eq!(same(&Ok(early)), same(&whole), "cut at {cut}"),
            Err(error) => assert!(whole.is_err(), "{error} after {cut}, {whole:?}"),
        }
    }
}
