//! Why a fetch failed, and at which stage.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::time::Duration;
use std::{fmt, io};

use http::StatusCode;

use super::progress::At;
use super::response::Response;

/// What went wrong with a fetch: Tornado's `HTTPClientError` and its kinds.
///
/// The message names the host, the stage, and what the system said:
///
/// ```text
/// fetch from a.example:81: connect to a.example:81 failed: no connection to 10.0.0.7:81: Connection refused (os error 111)
/// fetch from a.example: timed out after 20 s while waiting for the response head
/// fetch from a.example: receiving the response body failed after 3 of 5 bytes: the server closed …
/// fetch from a.example: TLS handshake with a.example failed: the peer's certificate has expired 3 days ago
/// fetch from a.example: status 404 Not Found
/// ```
///
/// It never has the URL's path or query, which may hold secrets. The kinds may grow; ask the
/// questions that matter to you.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The request itself cannot be sent; the text says why.
    Request(Cow<'static, str>),
    Failed(At),
    Timeout {
        which: Which,
        limit: Duration,
        at: At,
    },
    HeadTooLarge {
        max: usize,
    },
    TooManyFields {
        max: usize,
    },
    BodyTooLarge {
        max: u64,
    },
    /// The body is not what its `Content-Encoding` says.
    Encoding,
    /// The request's body could not be made.
    Producer,
    /// A redirect that cannot be followed; the text says why.
    Redirect(&'static str),
    TooManyRedirects {
        max: u32,
    },
    Status,
    NotText,
    NotJson,
}

/// How far a fetch had come when it failed; [`FetchError::stage`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The request was looked at: it is malformed, or none that can be sent.
    #[default]
    Request,
    /// It waited for its turn, see `max_clients` of [`ClientConfig`](super::ClientConfig).
    Queue,
    /// The host's name was looked up.
    Resolve,
    /// A connection was being made.
    Connect,
    /// The proxy was asked for a tunnel.
    Proxy,
    /// The two sides were agreeing on TLS: this is where a certificate is found to be bad.
    Handshake,
    /// The request was being sent.
    Send,
    /// The head of the response was waited for.
    Head,
    /// The body of the response was being received.
    Body,
    /// The response is there: its status is an error, its body not what it was taken for, or it is a
    /// redirect that cannot be followed.
    Response,
}

/// Which of a request's timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Connect,
    Request,
    Stall,
}

impl FetchError {
    /// True if one of the request's timeouts passed. Retrying may help.
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, Kind::Timeout { .. })
    }

    /// True if there was no connection: the name was not found, the host did not accept, or a timeout
    /// passed before it did. The server has seen nothing of the request.
    pub fn is_connect(&self) -> bool {
        matches!(
            self.stage(),
            Stage::Queue | Stage::Resolve | Stage::Connect | Stage::Proxy | Stage::Handshake
        )
    }

    /// True if the response, or its head, was over its limit.
    pub fn is_too_large(&self) -> bool {
        matches!(
            self.0.kind,
            Kind::HeadTooLarge { .. } | Kind::TooManyFields { .. } | Kind::BodyTooLarge { .. }
        )
    }

    /// Returns how far the fetch had come.
    pub fn stage(&self) -> Stage {
        match &self.0.kind {
            Kind::Request(_) => Stage::Request,
            Kind::Failed(at) | Kind::Timeout { at, .. } => at.stage,
            Kind::Producer => Stage::Send,
            Kind::HeadTooLarge { .. } | Kind::TooManyFields { .. } => Stage::Head,
            Kind::BodyTooLarge { .. } | Kind::Encoding => Stage::Body,
            Kind::Redirect(_)
            | Kind::TooManyRedirects { .. }
            | Kind::Status
            | Kind::NotText
            | Kind::NotJson => Stage::Response,
        }
    }

    /// Returns the status of the response, if it was the response that made it an error.
    pub fn status(&self) -> Option<StatusCode> {
        self.response().map(Response::status)
    }

    /// Returns the status as a number, and 599 if there is none: Tornado's `HTTPError.code`.
    pub fn code(&self) -> u16 {
        self.status().map_or(599, |status| status.as_u16())
    }

    /// Returns the response, if it was the response that made it an error.
    pub fn response(&self) -> Option<&Response> {
        self.0.response.as_ref()
    }

    /// Takes the response out.
    pub fn into_response(self) -> Option<Response> {
        self.0.response
    }

    /// Returns the system's error, if it was one.
    pub fn io(&self) -> Option<&io::Error> {
        let mut cause: &(dyn StdError + 'static) = self.0.source.as_deref()?;
        loop {
            if let Some(error) = cause.downcast_ref::<io::Error>() {
                return Some(error);
            }
            if let Some(error) = cause.downcast_ref::<squall::Error>() {
                return error.io();
            }
            cause = cause.source()?;
        }
    }

    pub(super) fn new(kind: Kind, host: impl Into<String>) -> FetchError {
        FetchError(Box::new(Inner {
            kind,
            host: host.into(),
            source: None,
            response: None,
        }))
    }

    /// A mistake of the request.
    pub(super) fn request(reason: impl Into<Cow<'static, str>>, host: &str) -> FetchError {
        Self::new(Kind::Request(reason.into()), host)
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
        match &self.0.kind {
            Kind::Request(reason) => f.write_str(reason)?,
            Kind::Failed(at) => at.failed(f)?,
            Kind::Timeout {
                which: Which::Stall,
                limit,
                at,
            } => write!(f, "no progress for {} while {at}", Lasting(*limit))?,
            Kind::Timeout { limit, at, .. } => {
                write!(f, "timed out after {} while {at}", Lasting(*limit))?;
            }
            Kind::HeadTooLarge { max } => {
                write!(f, "the response head is too large, over {max} bytes")?;
            }
            Kind::TooManyFields { max } => {
                write!(f, "the response head has too many fields, over {max}")?;
            }
            Kind::BodyTooLarge { max } => {
                write!(f, "the response body is too large, over {max} bytes")?;
            }
            Kind::Encoding => f.write_str("decoding the response body failed")?,
            Kind::Producer => f.write_str("making the request body failed")?,
            Kind::Redirect(reason) => f.write_str(reason)?,
            Kind::TooManyRedirects { max } => write!(f, "too many redirects, over {max}")?,
            Kind::Status => match &self.0.response {
                Some(response) => write!(f, "status {}", response.status_text())?,
                None => f.write_str("status is an error")?,
            },
            Kind::NotText => f.write_str("the response body is not utf-8")?,
            Kind::NotJson => f.write_str("the response body is not the json that was expected")?,
        }
        match &self.0.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

/// A duration in words: `20 s`, `1.5 s`, `50 ms`.
struct Lasting(Duration);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 < Duration::from_secs(1) {
            true => write!(f, "{} ms", self.0.as_secs_f64() * 1000.0),
            false => write!(f, "{} s", self.0.as_secs_f64()),
        }
    }
}

impl fmt::Debug for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a `main` that returns it prints, and lists of fetches log: no URL, which may hold
        // secrets.
        fmt::Display::fmt(self, f)
    }
}

impl StdError for FetchError {
    /// What is behind the cause: the cause's own words are in the message already.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().and_then(|source| source.source())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(stage: Stage, detail: &str) -> At {
        At {
            stage,
            detail: detail.into(),
        }
    }

    fn timeout(which: Which, at: At) -> Kind {
        let limit = Duration::from_secs(20);
        Kind::Timeout { which, limit, at }
    }

    #[test]
    fn message_names_host_stage_and_limit() {
        let text = |kind| FetchError::new(kind, "a.example:81").to_string();
        assert_eq!(
            text(Kind::Failed(at(Stage::Connect, "10.0.0.7:81"))),
            "fetch from a.example:81: connect to 10.0.0.7:81 failed"
        );
        assert_eq!(
            text(timeout(Which::Request, at(Stage::Body, "3 of 5 bytes"))),
            "fetch from a.example:81: timed out after 20 s while receiving the response body \
             (3 of 5 bytes)"
        );
        assert_eq!(
            text(timeout(Which::Stall, at(Stage::Head, ""))),
            "fetch from a.example:81: no progress for 20 s while waiting for the response head"
        );
        assert_eq!(
            text(Kind::TooManyRedirects { max: 5 }),
            "fetch from a.example:81: too many redirects, over 5"
        );
        for (millis, words) in [(50, "50 ms"), (1500, "1.5 s"), (60_000, "60 s")] {
            assert_eq!(Lasting(Duration::from_millis(millis)).to_string(), words);
        }
        let error = FetchError::request("malformed url", "");
        assert_eq!(error.to_string(), "fetch: malformed url");
    }

    #[test]
    fn timeout_before_the_connection_is_there_is_both() {
        let error = |stage| FetchError::new(timeout(Which::Request, at(stage, "")), "");
        for stage in [Stage::Queue, Stage::Resolve, Stage::Connect, Stage::Proxy] {
            assert!(error(stage).is_connect() && error(stage).is_timeout());
        }
        assert!(!error(Stage::Send).is_connect());
        assert_eq!(error(Stage::Send).code(), 599);
    }

    #[test]
    fn cause_is_in_the_message_and_not_told_again_as_source() {
        let io = io::Error::other("the cause");
        let error = FetchError::new(Kind::Failed(at(Stage::Head, "")), "h").because(io);
        let want = "fetch from h: receiving the response head failed: the cause";
        assert_eq!(error.to_string(), want);
        assert_eq!(format!("{error:?}"), want);
        assert!(error.source().is_none());
        assert_eq!(error.io().unwrap().to_string(), "the cause");
        let outer = squall::Error::from(io::Error::other("inner"));
        let error = FetchError::new(Kind::Producer, "h").because(outer);
        assert_eq!(error.io().unwrap().to_string(), "inner");
    }

    #[test]
    fn error_can_go_to_another_thread() {
        fn check<T: Send + Sync + 'static>() {}
        check::<FetchError>();
    }
}
