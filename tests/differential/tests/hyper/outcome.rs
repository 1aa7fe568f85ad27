//! What became of one conversation.

use squall_properties::answers;

/// A request that a server took: whole, with its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) body: String,
    /// True if its answer says that the connection stays.
    pub(crate) keeps: bool,
}

/// What became of one conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) seen: Vec<Seen>,
    /// True if something came behind these that the server took for malformed.
    pub(crate) is_refused: bool,
}

/// A request that a handler got, and whether it is of HTTP/1.0.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
    pub(crate) is_1_0: bool,
}

impl Outcome {
    /// Puts together what handlers got and what was answered. Without `got` an answer is a refusal.
    pub(crate) fn new(got: Vec<Got>, answers: &[u8], was_malformed: bool) -> Outcome {
        let mut outcome = Outcome {
            seen: Vec::new(),
            is_refused: was_malformed,
        };
        // A server may say that it speaks 1.0 as well; what it says means the same here.
        let text = String::from_utf8_lossy(answers).replace("HTTP/1.0 ", "HTTP/1.1 ");
        let mut rest = text.as_bytes();
        let mut got = got.into_iter();
        while !rest.is_empty() {
            let method = got.as_slice().first().map_or("GET", |got| &got.method);
            let answer = answers::take(&mut rest, method);
            let answer = answer.unwrap_or_else(|why| panic!("{why}: {text:?}"));
            if answer.status < 200 {
                continue;
            }
            match got.next() {
                Some(got) => {
                    let connection = answer.field("connection").expect("one at most");
                    let says = |word: &str| {
                        connection.is_some_and(|value| value.eq_ignore_ascii_case(word))
                    };
                    outcome.seen.push(Seen {
                        method: got.method,
                        target: match got.target.strip_prefix("HTTP://") {
                            // hyper's target is one that it has parsed, and written anew.
                            Some(rest) => format!("http://{rest}"),
                            None => got.target,
                        },
                        body: got.body.escape_ascii().to_string(),
                        keeps: !says("close") && (!got.is_1_0 || says("keep-alive")),
                    });
                }
                None => outcome.is_refused = true,
            }
        }
        assert_eq!(got.len(), 0, "requests without an answer");
        outcome
    }
}
