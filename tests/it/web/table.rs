//! Cases in a data file: how they are read, run against a server, and judged.
//!
//! The form of a file is described at its top.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use squall::net::IoStream;
use squall::{IoLoop, moment, sleep};

use super::connect;

/// The limits of time that the server under test has.
pub(super) const IDLE: Duration = Duration::from_secs(8);
pub(super) const HEADER: Duration = Duration::from_secs(4);
pub(super) const BODY: Duration = Duration::from_secs(2);

/// Between two parts of a request.
const PAUSE: Duration = Duration::from_millis(300);

pub(super) struct Case {
    pub(super) id: String,
    name: String,
    sent: Vec<Vec<u8>>,
    answers: Vec<Expected>,
    end: String,
    /// True if the client says then that it writes no more.
    ends: bool,
    /// True if it means something else byte by byte.
    whole: bool,
    /// What has to be there first.
    pub(super) later: Option<String>,
    pub(super) reason: bool,
}

#[derive(Default)]
struct Expected {
    status: String,
    connection: Option<String>,
    chunked: bool,
    head: bool,
    headers: Vec<(String, String)>,
    absent: Vec<String>,
    body: Option<Vec<u8>>,
}

/// Reads a file of cases.
pub(super) fn read(text: &str) -> Vec<Case> {
    let lines = text.lines().filter(|line| !line.starts_with(';'));
    let mut cases: Vec<Case> = Vec::new();
    let mut is_open = false;
    for line in lines {
        let Some((mark, rest)) = line.split_once(' ') else {
            assert!(
                line.is_empty() || line == ">",
                "{line:?} is no line of a case"
            );
            if line == ">" {
                cases.last_mut().expect("a case").sent.push(Vec::new());
            }
            is_open &= !line.is_empty();
            continue;
        };
        if !is_open {
            is_open = true;
            cases.push(Case {
                id: mark.into(),
                name: rest.into(),
                sent: Vec::new(),
                answers: Vec::new(),
                end: String::new(),
                ends: false,
                whole: false,
                later: None,
                reason: false,
            });
            continue;
        }
        let case = cases.last_mut().expect("a case");
        match mark {
            ">" => case.sent.push(unescape(rest)),
            "<" if rest == "nothing" => {}
            "<" => case.answers.push(expected(rest)),
            "=" => case.end = rest.into(),
            "#" => case.reason = true,
            "eof" => case.ends = true,
            "whole" => case.whole = true,
            "later" => case.later = Some(rest.into()),
            _ => panic!("{}: {line:?} is no line of a case", case.id),
        }
    }
    let ids: BTreeSet<&str> = cases.iter().map(|case| &*case.id).collect();
    assert_eq!(ids.len(), cases.len(), "each case needs a name of its own");
    cases
}

fn expected(text: &str) -> Expected {
    let (words, body) = match text.split_once(" | ") {
        Some((words, body)) => (words, Some(unescape(body))),
        None => (text, None),
    };
    let mut expected = Expected {
        body,
        ..Expected::default()
    };
    let mut rest = words;
    while !rest.is_empty() {
        // A quoted value may have blanks.
        let end = match (rest.find("=\""), rest.find(' ')) {
            (Some(quote), blank) if blank.is_none_or(|blank| quote < blank) => {
                let open = quote + 2;
                open + rest[open..].find('"').expect("a closing quote") + 1
            }
            (_, blank) => blank.unwrap_or(rest.len()),
        };
        let word = &rest[..end];
        rest = rest[end..].trim_start();
        match (word, word.split_once('=')) {
            ("close" | "keep-alive", _) => expected.connection = Some(word.into()),
            ("chunked", _) => expected.chunked = true,
            ("head", _) => expected.head = true,
            (_, Some(("length", n))) => {
                expected.headers.push(("content-length".into(), n.into()));
            }
            (_, Some((name, value))) => {
                let value = value.trim_matches('"');
                expected.headers.push((name.into(), value.into()));
            }
            _ if word.starts_with('!') => expected.absent.push(word[1..].into()),
            _ => expected.status = word.into(),
        }
    }
    expected
}

/// Bytes of a text with escapes and repetitions.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next().expect("an escape").1 {
                'r' => bytes.push(b'\r'),
                'n' => bytes.push(b'\n'),
                't' => bytes.push(b'\t'),
                '\\' => bytes.push(b'\\'),
                'x' => {
                    let digits = &text[at + 2..at + 4];
                    bytes.push(u8::from_str_radix(digits, 16).expect("two hex digits"));
                    chars.nth(1);
                }
                other => panic!("\\{other} in {text:?}"),
            },
            '{' if text[at + 1..].chars().nth(1) == Some('*') => {
                let end = at + text[at..].find('}').expect("a closing brace");
                let count: usize = text[at + 3..end].parse().expect("a count");
                bytes.extend(std::iter::repeat_n(text.as_bytes()[at + 1], count));
                while chars.next().is_some_and(|(at, _)| at < end) {}
            }
            '{' if text[at + 1..].starts_with('*') => panic!("nothing to repeat in {text:?}"),
            _ => bytes.extend(c.to_string().bytes()),
        }
    }
    bytes
}

/// How the parts of a case are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pieces {
    Whole,
    /// Each byte by itself.
    Bytes,
}

/// Runs the cases one after the other, and returns what went otherwise.
pub(super) async fn run(address: SocketAddr, cases: &[Case], pieces: Pieces) -> String {
    let mut wrong = String::new();
    let is_run = |case: &&Case| case.later.is_none() && !(case.whole && pieces == Pieces::Bytes);
    for case in cases.iter().filter(is_run) {
        let began = IoLoop::current().time();
        let stream = connect(address).await;
        for (n, part) in case.sent.iter().enumerate() {
            if n > 0 {
                sleep(PAUSE).await;
            }
            match pieces {
                Pieces::Whole => stream.write(part).await.expect("the server reads"),
                Pieces::Bytes => send_bytes(&stream, part).await,
            }
        }
        if case.ends {
            stream.shutdown_write().expect("the connection stands");
        }
        let answer = stream.read_until_close(1 << 24).await.expect("an end");
        let took = IoLoop::current().time() - began;
        drop(stream);
        let verdict = judge(case, &answer).and_then(|()| judge_end(case, took));
        if let Err(verdict) = verdict {
            let sent = case.sent.concat();
            writeln!(
                wrong,
                "{} {}: {verdict}\n  sent     \"{}\"\n  received \"{}\"\n  after {took:?}",
                case.id,
                case.name,
                sent[..sent.len().min(300)].escape_ascii(),
                answer[..answer.len().min(600)].escape_ascii(),
            )
            .expect("a string takes everything");
        }
    }
    wrong
}

/// Lets the server look at each byte before the next one comes.
async fn send_bytes(stream: &IoStream, bytes: &[u8]) {
    for byte in bytes {
        // A server that has refused what came before may have closed.
        if stream.write(std::slice::from_ref(byte)).await.is_err() {
            return;
        }
        for _ in 0..3 {
            moment().await;
        }
    }
}

fn judge_end(case: &Case, took: Duration) -> Result<(), String> {
    let pauses = PAUSE * (case.sent.len().saturating_sub(1)) as u32;
    let want = pauses
        + match &*case.end {
            "closed" => Duration::ZERO,
            "idle" => IDLE,
            "header-timeout" => HEADER,
            "body-timeout" => BODY,
            other => panic!("{}: {other:?} is no end", case.id),
        };
    match took.abs_diff(want) < Duration::from_secs(1) {
        true => Ok(()),
        false => Err(format!("not {}", case.end)),
    }
}

fn judge(case: &Case, mut answer: &[u8]) -> Result<(), String> {
    for (n, want) in case.answers.iter().enumerate() {
        answer = judge_one(want, answer).map_err(|why| format!("answer {}: {why}", n + 1))?;
    }
    match answer {
        [] => Ok(()),
        more => Err(format!("more came: \"{}\"", more.escape_ascii())),
    }
}

fn judge_one<'a>(want: &Expected, answer: &'a [u8]) -> Result<&'a [u8], String> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, rest) = answer.split_at(end.ok_or("no head")? + 4);
    let head = std::str::from_utf8(head).map_err(|_| "a head outside of UTF-8")?;
    let mut lines = head.trim_end().split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line
        .strip_prefix("HTTP/1.1 ")
        .ok_or("no status line")?;
    if status.get(..3) != Some(&want.status) || status.as_bytes().get(3) != Some(&b' ') {
        return Err(format!("status {status:?}, not {}", want.status));
    }
    let headers: Vec<(String, &str)> = lines
        .map(|line| line.split_once(": ").unwrap_or((line, "")))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let header = |name: &str| {
        let mut named = headers.iter().filter(|(n, _)| n == name);
        let first = named.next().map(|(_, value)| *value);
        assert!(
            named.next().is_none() || name == "set-cookie",
            "{name} stands twice in {head}"
        );
        first
    };
    if header("connection") != want.connection.as_deref() && header("upgrade").is_none() {
        return Err(format!("Connection {:?}", header("connection")));
    }
    let chunked = header("transfer-encoding").is_some();
    if chunked != want.chunked || (chunked && header("content-length").is_some()) {
        return Err(format!("chunked {chunked}"));
    }
    for (name, value) in &want.headers {
        match header(name) {
            Some(got) if got == value || value == "*" => {}
            got => return Err(format!("{name} is {got:?}, not {value:?}")),
        }
    }
    for name in &want.absent {
        if let Some(got) = header(name) {
            return Err(format!("{name} is {got:?}"));
        }
    }
    let is_bodiless = want.head || matches!(&*want.status, "100" | "101" | "204" | "304");
    let len = match (is_bodiless, header("content-length")) {
        (true, _) => 0,
        (false, Some(length)) => length.parse().map_err(|_| format!("length {length:?}"))?,
        (false, None) if chunked => end_of_chunks(rest),
        (false, None) => rest.len(),
    };
    if len > rest.len() {
        return Err(format!("{} bytes of {len}", rest.len()));
    }
    let (body, rest) = rest.split_at(len);
    match &want.body {
        Some(want) if body != *want => Err(format!("body \"{}\"", body.escape_ascii())),
        _ => Ok(rest),
    }
}

/// Where the chunks end; at the end of all if the last one is missing.
fn end_of_chunks(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let Some(line) = bytes[at..].windows(2).position(|two| two == b"\r\n") else {
            return bytes.len();
        };
        let size = std::str::from_utf8(&bytes[at..at + line]).unwrap_or("");
        let Ok(size) = usize::from_str_radix(size, 16) else {
            return bytes.len();
        };
        if size == 0 {
            // Trailers, and the blank line.
            let end = bytes[at..].windows(4).position(|four| four == b"\r\n\r\n");
            return end.map_or(bytes.len(), |end| at + end + 4);
        }
        at += line + 2 + size + 2;
        if at > bytes.len() {
            return bytes.len();
        }
    }
}
