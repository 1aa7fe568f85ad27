//! A connection with a server.
//!
//! Whatever arrives, in whatever pieces: the server neither panics nor hangs nor leaves something
//! behind; handlers are called for the requests that the parsers see in the bytes as a whole, with
//! their bodies; and what comes back are well-formed answers, one to each, and one to what is refused.

use squall_web::http::CONTINUE;

use crate::answers::{self, Answer};
use crate::model::{End, expected};
use crate::request_head::limits;
use crate::script::Script;
use crate::serving::{Handled, Kind, Seen, echo, play};

/// Fails if a server does not do as it should with the bytes behind the [script](crate::script).
pub fn check(data: &[u8]) {
    check_script(&Script::read(data));
}

/// The same, with a script that was made.
pub fn check_script(script: &Script) {
    let limits = limits();
    let seen = play(script, limits.clone());
    let (wanted, end) = expected(&script.bytes(), &limits, script.option);
    if script.breaks() {
        // What came is what was sent, as far as it came.
        let count = seen.handled.len().min(wanted.len());
        assert_eq!(seen.handled[..count], wanted[..count]);
        assert!(seen.handled.len() <= wanted.len() || end == End::Open);
        return;
    }
    requests(&seen, &wanted, end, script.is_slow());
    answers(&seen, script);
}

fn requests(seen: &Seen, wanted: &[Handled], end: End, is_slow: bool) {
    let handled = &seen.handled;
    let refused: Vec<u16> = (seen.finished.iter())
        .filter(|finished| !finished.was_handled)
        .map(|finished| finished.status)
        .collect();
    let count = handled.len().min(wanted.len());
    assert_eq!(handled[..count], wanted[..count]);
    if is_slow {
        assert!(handled.len() <= wanted.len() || end == End::Open);
        return;
    }
    match end {
        End::Open => assert!(handled.len() >= wanted.len(), "{wanted:?} are missing"),
        End::Closed => {
            assert_eq!(handled, wanted);
            assert_eq!(refused, [0; 0]);
        }
        End::Refused(status) => {
            assert_eq!(handled, wanted);
            assert_eq!(refused, [status]);
        }
    }
}

fn answers(seen: &Seen, script: &Script) {
    let mut rest = &seen.answers[..];
    let mut handled = seen.handled.iter();
    let count = seen.finished.len();
    for (n, finished) in seen.finished.iter().enumerate() {
        let is_last = n + 1 == count;
        let (answer, interim) = next(&mut rest, &finished.method);
        assert_eq!(answer.status, finished.status, "answer {n} of {seen:?}");
        if answer.status == 101 {
            assert!(
                is_last && script.bytes().ends_with(rest),
                "said back: {rest:?}"
            );
            return;
        }
        assert_ne!(answer.status, 500, "a handler failed that cannot");
        assert!(!answer.closes || is_last, "closed before {n} of {count}");
        assert!(interim <= 1, "{interim} times 100 before one answer");
        assert!(
            !answer.is_cut || (is_last && finished.is_cut),
            "cut: {seen:?}"
        );
        assert!(answer.field("date").expect("one").is_some(), "no Date");
        if finished.was_handled {
            let handled = handled.next().expect("each was handled");
            assert_eq!(handled.target, finished.target);
            content(handled, &answer, finished.is_cut, script);
        } else {
            assert!(
                is_last && (400..=505).contains(&answer.status),
                "{answer:?}"
            );
        }
    }
    // A client that was told to go on may leave instead.
    let rest = rest.strip_prefix(CONTINUE).unwrap_or(rest);
    assert_eq!(
        rest.escape_ascii().to_string(),
        "",
        "bytes behind the last answer"
    );
    assert_eq!(
        handled.next(),
        None,
        "a handler was called, and its answer never came to an end"
    );
}

/// The next final answer, and how many came before it.
fn next(rest: &mut &[u8], method: &str) -> (Answer, usize) {
    let mut interim = 0;
    loop {
        let answer = answers::take(rest, method).unwrap_or_else(|why| panic!("{why}"));
        match answer.status {
            100 => interim += 1,
            102..=199 => panic!("{answer:?}"),
            _ => return (answer, interim),
        }
    }
}

fn content(handled: &Handled, answer: &Answer, is_cut: bool, script: &Script) {
    let path = crate::strict::target_parts(&handled.method, &handled.target);
    let (_, path, _) = path.expect("it was taken");
    let kind = Kind::of(&handled.method, &path);
    if kind.takes_whole() {
        assert!(kind.statuses().contains(&answer.status), "{answer:?}");
    }
    if handled.method == "HEAD" || is_cut {
        return;
    }
    match kind {
        Kind::Echo | Kind::Close | Kind::Wait | Kind::Gone | Kind::Trailer => {
            assert_eq!(answer.body, echo(handled), "{script:?}");
        }
        Kind::Nothing => assert_eq!(answer.body, b""),
        Kind::Unread => assert_eq!(answer.body, b"unread"),
        Kind::Fail | Kind::Stream | Kind::Upgrade => {}
    }
}
