//! `tests/data/probe_cases.txt`: bytes, and what comes of them. The form is described at its top.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Answer, Probe, Wire, find};

const CASES: &str = include_str!("../../data/probe_cases.txt");

/// Between two parts of a request.
const PAUSE: Duration = Duration::from_millis(40);

struct Case {
    name: String,
    /// The parts between the pauses.
    sent: Vec<Vec<u8>>,
    finishes: bool,
    answers: Vec<Expected>,
    end: End,
    body: Option<Vec<u8>>,
    headers: Vec<(String, String)>,
    absent: Option<Vec<u8>>,
}

struct Expected {
    statuses: Vec<u16>,
    of_head: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Kept,
    Closed,
    Either,
}

fn group(name: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut is_inside = false;
    for line in CASES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(';'))
    {
        if let Some(group) = line.strip_prefix("# ") {
            is_inside = group == name;
        } else if is_inside {
            cases.push(parse(line));
        }
    }
    let names: BTreeSet<&str> = cases.iter().map(|case| &*case.name).collect();
    assert_eq!(
        names.len(),
        cases.len(),
        "each case of {name} needs a name of its own"
    );
    assert!(!cases.is_empty(), "{name} is a group");
    cases
}

fn parse(line: &str) -> Case {
    let (name, rest) = line.split_once(" | ").expect("a name");
    let (sent, outcome) = rest.rsplit_once(" | ").expect("an outcome");
    let (sent, finishes) = match sent.strip_suffix("{F}") {
        Some(sent) => (sent, true),
        None => (sent, false),
    };
    let mut sent: Vec<Vec<u8>> = sent.split("{P}").map(unescape).collect();
    fill_in_length(&mut sent);
    let mut case = Case {
        name: name.to_owned(),
        sent,
        finishes,
        answers: Vec::new(),
        end: End::Either,
        body: None,
        headers: Vec::new(),
        absent: None,
    };
    // A body may be empty, and then its mark is at the end of the line or before another mark.
    let marks = [" = ", " ^ ", " ! "];
    let padded = format!("{outcome} ");
    let mut starts: Vec<usize> = marks
        .iter()
        .flat_map(|mark| padded.match_indices(mark).map(|(at, _)| at))
        .collect();
    starts.sort_unstable();
    starts.push(outcome.len());
    for word in outcome[..starts[0]]
        .split(' ')
        .filter(|word| !word.is_empty())
    {
        match word {
            "kept" => case.end = End::Kept,
            "closed" => case.end = End::Closed,
            _ => case.answers.push(Expected {
                of_head: word.starts_with('h'),
                statuses: word
                    .trim_start_matches('h')
                    .split(',')
                    .map(|status| status.parse().unwrap_or_else(|_| panic!("{name}: {word}")))
                    .collect(),
            }),
        }
    }
    for pair in starts.windows(2) {
        let text = outcome.get(pair[0] + 3..pair[1]).unwrap_or("");
        match &padded[pair[0]..pair[0] + 3] {
            " = " => case.body = Some(unescape(text)),
            " ! " => case.absent = Some(unescape(text)),
            _ => {
                let (name, value) = text.split_once(": ").expect("a header");
                let value = String::from_utf8(unescape(value)).expect("text");
                case.headers.push((name.to_owned(), value));
            }
        }
    }
    case
}

/// Bytes of a text with escapes and abbreviations.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let (escape, more) = rest.split_at(1);
                rest = more;
                bytes.push(match escape {
                    "r" => b'\r',
                    "n" => b'\n',
                    "t" => b'\t',
                    "\\" => b'\\',
                    "x" => {
                        let (digits, more) = rest.split_at(2);
                        rest = more;
                        u8::from_str_radix(digits, 16).expect("two hex digits")
                    }
                    other => panic!("\\{other} in {text:?}"),
                });
            }
            '{' if let Some((inside, more)) = abbreviation(rest) => {
                rest = more;
                match inside {
                    "E" => bytes.extend(b"\r\n"),
                    "H" => bytes.extend(b"Host: a\r\n"),
                    "C" => bytes.extend(b"Connection: close\r\n"),
                    "N" => bytes.extend(LENGTH),
                    _ => {
                        let (what, count) = inside.rsplit_once('*').expect("a repetition");
                        let count = count.parse().expect("a count");
                        bytes.extend(unescape(what).repeat(count));
                    }
                }
            }
            c => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// What stands in the braces that have been opened, if it is an abbreviation and no JSON.
fn abbreviation(rest: &str) -> Option<(&str, &str)> {
    let (inside, more) = rest.split_once('}')?;
    let is_repetition = inside
        .rsplit_once('*')
        .is_some_and(|(_, count)| !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit()));
    (matches!(inside, "E" | "H" | "C" | "N") || is_repetition).then_some((inside, more))
}

/// Stands for the length of the body until that is known.
const LENGTH: &[u8] = b"<length>";

fn fill_in_length(sent: &mut [Vec<u8>]) {
    for part in sent {
        let Some(at) = find(part, LENGTH) else {
            continue;
        };
        let head = find(part, b"\r\n\r\n").expect("a head") + 4;
        let length = (part.len() - head).to_string();
        part.splice(at..at + LENGTH.len(), length.into_bytes());
    }
}

/// How a case's bytes are sent.
#[derive(Clone, Copy, Debug)]
enum Pieces {
    Whole,
    Small,
}

fn send(wire: &mut Wire, case: &Case, pieces: Pieces) {
    for (n, part) in case.sent.iter().enumerate() {
        if n > 0 {
            std::thread::sleep(PAUSE);
        }
        match pieces {
            Pieces::Whole => wire.send(part),
            Pieces::Small => {
                // Long ones are about their length.
                let size = 7.max(part.len() / 60);
                part.chunks(size).for_each(|piece| wire.send(piece));
            }
        }
    }
    if case.finishes {
        wire.finish();
    }
}

/// Runs a case, and says what was wrong.
fn run(probe: &Probe, case: &Case, pieces: Pieces) -> Result<(), String> {
    let mut wire = probe.connect();
    send(&mut wire, case, pieces);
    let mut all = Vec::new();
    let mut last: Option<Answer> = None;
    for expected in &case.answers {
        let Some(answer) = wire.answer(expected.of_head) else {
            return Err(format!("closed instead of {:?}", expected.statuses));
        };
        all.extend_from_slice(&answer.raw);
        if !expected.statuses.contains(&answer.status) {
            let (got, want) = (answer.status, &expected.statuses);
            return Err(format!("{got} instead of {want:?}: {}", answer.text()));
        }
        last = Some(answer);
    }
    if let (Some(body), Some(answer)) = (&case.body, &last)
        && answer.body != *body
    {
        let want = String::from_utf8_lossy(body);
        return Err(format!("{:?} instead of {want:?}", answer.text()));
    }
    for (name, value) in &case.headers {
        let found = last.as_ref().and_then(|answer| answer.header(name));
        if found.is_none() || (value != "*" && found != Some(value)) {
            return Err(format!("{name} is {found:?} and not {value:?}"));
        }
    }
    match case.end {
        End::Kept => wire.is_kept(),
        End::Closed => {
            let rest = wire.rest();
            all.extend_from_slice(&rest);
            if !rest.is_empty() && !case.answers.is_empty() {
                return Err(format!("more came: {:?}", String::from_utf8_lossy(&rest)));
            }
        }
        End::Either => {}
    }
    match &case.absent {
        Some(absent) if find(&all, absent).is_some() => {
            Err(format!("{:?} came", String::from_utf8_lossy(absent)))
        }
        _ => Ok(()),
    }
}

fn check(name: &str) {
    // A body that does not come is waited for this long.
    let probe = Probe::start([2000, 1000, 60_000]);
    let mut wrong = Vec::new();
    for case in group(name) {
        for pieces in [Pieces::Whole, Pieces::Small] {
            let outcome = std::panic::catch_unwind(|| run(&probe, &case, pieces));
            let outcome =
                outcome.unwrap_or_else(|_| Err("malformed, or nothing; see above".into()));
            if let Err(what) = outcome {
                wrong.push(format!("{}, {pieces:?}: {what}", case.name));
            }
        }
    }
    probe.lives();
    assert!(wrong.is_empty(), "\n  {}\n", wrong.join("\n  "));
}

#[test]
fn syntax() {
    check("syntax");
}

#[test]
fn headers() {
    check("headers");
}

#[test]
fn framing() {
    check("framing");
}

#[test]
fn smuggling() {
    check("smuggling");
}

#[test]
fn connection() {
    check("connection");
}

#[test]
fn limits() {
    check("limits");
}

#[test]
fn routes() {
    check("routes");
}

#[test]
fn arguments() {
    check("arguments");
}

#[test]
fn forms() {
    check("forms");
}

#[test]
fn cookies() {
    check("cookies");
}

#[test]
fn gzip() {
    check("gzip");
}

#[test]
fn files() {
    check("static");
}

#[test]
fn every_group_is_run() {
    let groups = CASES.lines().filter_map(|line| line.strip_prefix("# "));
    let source = include_str!("table.rs");
    for group in groups {
        assert!(source.contains(&format!("check({group:?})")), "{group}");
    }
}
