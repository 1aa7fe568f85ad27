//! Why a fetch failed.

use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;

use super::response::Response;

/// What went wrong with a fetch.
///
/// The kinds may grow; ask the questions that matter to you. It says the host of the URL and the
/// stage, but never the path or the query, which may hold secrets. [`source`](StdError::source) has
/// the system's words, if it was the system.
pub struct FetchError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    /// Host and port of the hop that failed; empty if there was no URL to take it from.
    host: String,
    source: Option<Source>,
    response: Option<Response>,
}

pub(super) type Source = Box<dyn StdError + Send + Sync>;

/// What went wrong, as far as a message tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The request itself cannot be sent; the text says why.
    Request(&'static str),
    Resolve,
    Failed(Stage),
    Timeout(Which, Stage),
    HeadTooLarge,
    BodyTooLarge {
        max: u64,
    },
    /// A redirect to what is not a URL.
    Redirect,
    TooManyRedirects {
        max: u32,
    },
    Status,
    NotText,
}

/// How far a hop has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    #[default]
    Queue,
    Connect,
    Send,
    Head,
    Body,
}

/// Which of a request's two timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Connect,
    Request,
}

impl FetchError {
    /// True if the request's timeout or its connect timeout passed. Retrying may help.
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, Kind::Timeout(..))
    }

    /// True if there was no connection: the name was not found, the host did not accept, or a timeout
    /// passed before it did. The server has seen nothing of the request.
    pub fn is_connect(&self) -> bool {
        matches!(
            self.0.kind,
            Kind::Resolve
                | Kind::Failed(Stage::Connect)
                | Kind::Timeout(_, Stage::Queue | Stage::Connect)
        )
    }

    /// Returns the status of the answer, if it was the answer that made it an error.
    pub fn status(&self) -> Option<StatusCode> {
        self.response().map(Response::status)
    }

    /// Returns the answer, if it was the answer that made it an error.
    pub fn response(&self) -> Option<&Response> {
        self.0.response.as_ref()
    }

    /// Takes the answer out.
    pub fn into_response(self) -> Option<Response> {
        self.0.response
    }

    pub(super) fn new(kind: Kind, host: impl Into<String>) -> FetchError {
        FetchError(Box::new(Inner {
            kind,
            host: host.into(),
            source: None,
            response: None,
        }))
    }

    pub(super) fn because(mut self, source: impl Into<Source>) -> FetchError {
        self.0.source = Some(source.into());
        self
    }

    pub(super) fn with_response(mut self, response: Response) -> FetchError {
        self.0.response = Some(response);
        self
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.host.as_str() {
            "" => f.write_str("fetch: ")?,
            host => write!(f, "fetch from {host}: ")?,
        }
        match self.0.kind {
            Kind::Request(reason) => f.write_str(reason),
            Kind::Resolve => f.write_str("looking up the name failed"),
            Kind::Failed(stage) => write!(f, "{stage} failed"),
            Kind::Timeout(which, stage) => write!(f, "{which} timeout passed while {stage}"),
            Kind::HeadTooLarge => f.write_str("the answer's head is too large"),
            Kind::BodyTooLarge { max } => {
                write!(f, "the answer's body is too large, over {max} bytes")
            }
            Kind::Redirect => f.write_str("redirected to a malformed url"),
            Kind::TooManyRedirects { max } => write!(f, "too many redirects, over {max}"),
            Kind::Status => match &self.0.response {
                Some(response) => write!(f, "status {}", response.status()),
                None => f.write_str("status is an error"),
            },
            Kind::NotText => f.write_str("the answer's body is not utf-8"),
        }
    }
}

impl fmt::Debug for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchError")
            .field("kind", &self.0.kind)
            .field("host", &self.0.host)
            .field("source", &self.0.source)
            // Lists of fetches log their errors so: no URL, which may hold secrets.
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl StdError for FetchError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Queue => "waiting for a connection to be free",
            Stage::Connect => "connecting",
            Stage::Send => "sending the request",
            Stage::Head => "receiving the head",
            Stage::Body => "receiving the body",
        })
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Which::Connect => "connect",
            Which::Request => "request",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_host_and_stage() {
        let text = |kind| FetchError::new(kind, "a.example:81").to_string();
        assert_eq!(
            text(Kind::Failed(Stage::Connect)),
            "fetch from a.example:81: connecting failed"
        );
        assert_eq!(
            text(Kind::Timeout(Which::Request, Stage::Body)),
            "fetch from a.example:81: request timeout passed while receiving the body"
        );
        assert_eq!(
            text(Kind::TooManyRedirects { max: 5 }),
            "fetch from a.example:81: too many redirects, over 5"
        );
        let error = FetchError::new(Kind::Request("malformed url"), "");
        assert_eq!(error.to_string(), "fetch: malformed url");
    }

    #[test]
    fn timeout_before_the_connection_is_there_is_both() {
        let error = |stage| FetchError::new(Kind::Timeout(Which::Request, stage), "");
        for stage in [Stage::Queue, Stage::Connect] {
            assert!(error(stage).is_connect() && error(stage).is_timeout());
        }
        assert!(!error(Stage::Send).is_connect());
    }

    #[test]
    fn source_is_not_part_of_the_message() {
        let io = std::io::Error::other("the cause");
        let error = FetchError::new(Kind::Failed(Stage::Head), "h").because(io);
        assert!(!error.to_string().contains("the cause"));
        assert_eq!(error.source().unwrap().to_string(), "the cause");
    }

    #[test]
    fn error_can_go_to_another_thread() {
        fn check<T: Send + Sync + 'static>() {}
        check::<FetchError>();
    }
}
