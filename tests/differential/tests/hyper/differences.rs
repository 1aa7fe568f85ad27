//! In what the two servers differ, and why.

use hyper::Uri;
use squall_properties::strict;
use squall_web::http::{
    BodyDecoder, ChunkError, ChunkedDecoder, Limits, Parse, RequestHead, parse_request,
};

use crate::outcome::{Outcome, Seen};

/// One conversation, and what became of it.
pub(crate) struct Case {
    pub(crate) wire: Vec<u8>,
    pub(crate) squall: Outcome,
    pub(crate) hyper: Outcome,
}

/// A difference that is on purpose.
pub(crate) struct Difference {
    pub(crate) name: &'static str,
    /// A conversation in which it is all that there is.
    pub(crate) example: &'static [u8],
    /// Whether it is what made the difference in a conversation.
    pub(crate) explains: fn(&Case) -> bool,
}

/// What the first request in which they differ came to.
#[derive(Debug, PartialEq, Eq)]
enum End<'a> {
    Taken(&'a Seen),
    Refused,
    /// It is not there, or not whole.
    Nothing,
}

impl Case {
    /// How many requests they agree about.
    fn agreed(&self) -> usize {
        let pairs = self.squall.seen.iter().zip(&self.hyper.seen);
        pairs.take_while(|(one, other)| one == other).count()
    }

    fn end<'a>(&self, outcome: &'a Outcome) -> End<'a> {
        match outcome.seen.get(self.agreed()) {
            Some(seen) => End::Taken(seen),
            None if outcome.is_refused => End::Refused,
            None => End::Nothing,
        }
    }

    fn squall(&self) -> End<'_> {
        self.end(&self.squall)
    }

    fn hyper(&self) -> End<'_> {
        self.end(&self.hyper)
    }

    /// True if Squall refuses the request, and it is for one of these reasons.
    fn is_refused_for(&self, reasons: &[&str]) -> bool {
        let why = strict::head(self.rest()).err();
        self.squall() == End::Refused && why.is_some_and(|why| reasons.contains(&why))
    }

    fn only_hyper_refuses(&self) -> bool {
        self.hyper() == End::Refused && self.squall() != End::Refused
    }

    /// What was sent from the first request on in which they differ.
    fn rest(&self) -> &[u8] {
        let mut rest = &self.wire[..];
        let mut head = RequestHead::new();
        for _ in 0..self.agreed() {
            let parsed = parse_request(rest, 0, &Limits::default(), &mut head);
            assert_eq!(parsed, Ok(Parse::Complete), "both took it");
            let behind = &rest[head.len()..];
            let decoder = BodyDecoder::new(head.framing(), &Limits::default());
            let decoded = decoder.and_then(|mut decoder| decoder.decode(behind, &mut Vec::new()));
            rest = &behind[decoded.expect("both took it").0..];
        }
        rest
    }

    /// Why its chunks are malformed, if so.
    fn chunk_why(&self) -> Option<&'static str> {
        let head = strict::head(self.rest()).ok().flatten()?;
        let mut decoder = ChunkedDecoder::new(&Limits::default());
        match decoder.decode(&self.rest()[head.len..], &mut Vec::new()) {
            Err(ChunkError::Malformed(why)) if head.body == strict::Body::Chunked => Some(why),
            _ => None,
        }
    }

    /// The values of that request's fields of a name.
    fn values(&self, name: &str) -> Vec<Vec<u8>> {
        let head = strict::head(self.rest()).ok().flatten();
        let fields = head.into_iter().flat_map(|head| head.fields);
        let named = fields.filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value).collect()
    }

    /// The target of that request; empty if it has no good head.
    fn target(&self) -> String {
        let head = strict::head(self.rest()).ok().flatten();
        head.map(|head| head.target).unwrap_or_default()
    }

    /// The head of that request, as far as it came.
    fn head(&self) -> &[u8] {
        let rest = self.rest();
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n");
        &rest[..end.unwrap_or(rest.len())]
    }
}

/// What Squall alone refuses, two programs read in two ways: requests are smuggled past the first of
/// them. What hyper alone refuses has one meaning.
pub(crate) const TABLE: &[Difference] = &[
    Difference {
        name: "hyper judges each line of a head that is not whole, Squall its first byte and line ends",
        example: b"GET / HTTP/1.1\r\nno colon\r\n",
        explains: |case| {
            case.only_hyper_refuses()
                && case.squall() == End::Nothing
                && strict::head(case.rest()) == Ok(None)
        },
    },
    Difference {
        name: "hyper takes a bare LF for a line's end",
        example: b"GET / HTTP/1.1\nHost: h\n\n",
        explains: |case| case.squall() == End::Refused && has_bare_line_feed(case.head()),
    },
    Difference {
        name: "hyper leaves the Host to its application",
        example: b"GET / HTTP/1.1\r\n\r\n",
        explains: |case| {
            case.is_refused_for(&[
                "no Host",
                "two Hosts",
                "a malformed Host",
                "a Host outside of ASCII",
            ])
        },
    },
    Difference {
        name: "hyper takes chunks beside a length",
        example: b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        explains: |case| case.is_refused_for(&["a length beside chunks"]),
    },
    Difference {
        name: "hyper takes chunked twice, and codings in front of it, which nobody decodes",
        example: b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        explains: |case| case.is_refused_for(&["codings that are not exactly chunked"]),
    },
    Difference {
        name: "hyper takes targets of no form of RFC 9112 section 3.2",
        example: b"GET * HTTP/1.1\r\nHost: h\r\n\r\n",
        explains: |case| {
            case.is_refused_for(&[
                "a target in none of the four forms",
                "a malformed authority",
                "a CONNECT to no host and port",
            ])
        },
    },
    Difference {
        name: "hyper drops a fragment of a target, where others keep it",
        example: b"GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n",
        explains: |case| case.is_refused_for(&["a fragment in the target"]),
    },
    Difference {
        name: "hyper skips any number of empty lines in front, Squall one (RFC 9112 section 2.2)",
        example: b"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        explains: |case| {
            case.squall() == End::Refused && case.rest().starts_with(b"\r\n\r\n")
        },
    },
    Difference {
        name: "hyper looks at trailers when all are there, and takes bare LFs in them",
        example: b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na: b\n\n",
        explains: |case| {
            case.squall() == End::Refused && case.chunk_why() == Some("malformed trailer")
        },
    },
    Difference {
        name: "hyper takes control characters in a chunk's extension",
        example: b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;\x01\r\na\r\n0\r\n\r\n",
        explains: |case| {
            case.squall() == End::Refused && case.chunk_why() == Some("malformed chunk extension")
        },
    },
    Difference {
        name: "hyper takes one Content-Length alone; RFC 9110 section 8.6 lets equal ones be one",
        example: b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\na",
        explains: |case| {
            let lengths = case.values("content-length");
            let is_list = |value: &Vec<u8>| value.contains(&b',');
            case.only_hyper_refuses() && (lengths.len() > 1 || lengths.iter().any(is_list))
        },
    },
    Difference {
        name: "hyper refuses characters in a target that some clients send",
        example: b"GET /?a<b HTTP/1.1\r\nHost: h\r\n\r\n",
        explains: |case| case.only_hyper_refuses() && case.target().parse::<Uri>().is_err(),
    },
    Difference {
        name: "hyper knows no HTTP/1.2, which means the same as 1.1 (RFC 9110 section 2.5)",
        example: b"GET / HTTP/1.2\r\nHost: h\r\n\r\n",
        explains: |case| {
            let line = case.head().split(|byte| *byte == b'\r').find(|line| line.len() > 1);
            let minor = line.and_then(|line| line.last()).copied();
            case.only_hyper_refuses() && minor.is_some_and(|minor| (b'2'..=b'9').contains(&minor))
        },
    },
    Difference {
        name: "hyper's targets have a path, Squall's are as they were sent",
        example: b"GET http://h HTTP/1.1\r\nHost: h\r\n\r\n",
        explains: |case| match (case.squall(), case.hyper()) {
            (End::Taken(one), End::Taken(other)) => {
                let target = one.target.split_once('?').map_or_else(
                    || format!("{}/", one.target),
                    |(host, query)| format!("{host}/?{query}"),
                );
                *other == Seen { target, ..one.clone() }
            }
            _ => false,
        },
    },
    Difference {
        name: "hyper does not look into a Connection that is not ASCII",
        example: b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close, \xe9\r\n\r\n",
        explains: |case| match (case.squall(), case.hyper()) {
            (End::Taken(one), End::Taken(other)) => {
                let keeps = !one.keeps;
                let connection = case.values("connection");
                *other == Seen { keeps, ..one.clone() }
                    && connection.iter().any(|value| !value.is_ascii())
            }
            _ => false,
        },
    },
];

/// True if a line feed stands where no carriage return is in front.
fn has_bare_line_feed(head: &[u8]) -> bool {
    let mut before = 0;
    head.iter()
        .any(|byte| std::mem::replace(&mut before, *byte) != b'\r' && *byte == b'\n')
}
