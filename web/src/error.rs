//! The error that handlers return, and what the client is told of it.

use std::borrow::Cow;
use std::fmt;
use std::io;

use http::{HeaderName, HeaderValue, StatusCode};

/// The result of a handler.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A handler's error: a status for the client, and a story for the log.
///
/// Any standard error converts by `?`, and becomes a 500. The client sees the status and its
/// [`reason`](Error::reason) only; the message and the source go to the log. Tornado's `HTTPError`.
///
/// # Examples
///
/// ```
/// use squall_web::{Error, Result, StatusCode};
///
/// fn half(text: &str) -> Result<u32> {
///     let n: u32 = text.parse()?; // a 500
///     if n % 2 == 1 {
///         return Err(Error::new(StatusCode::BAD_REQUEST, "an even number is needed"));
///     }
///     Ok(n / 2)
/// }
///
/// assert_eq!(half("x").unwrap_err().status(), StatusCode::INTERNAL_SERVER_ERROR);
/// assert_eq!(half("3").unwrap_err().status(), StatusCode::BAD_REQUEST);
/// ```
// One word, so that a `Result<()>` is one as well. It is no `std::error::Error`: that would forbid
// the conversion from every standard error.
pub struct Error(Box<Inner>);

struct Inner {
    status: StatusCode,
    reason: Option<Cow<'static, str>>,
    message: Cow<'static, str>,
    source: Option<Box<dyn std::error::Error>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    kind: Kind,
}

#[derive(Default)]
enum Kind {
    #[default]
    Failure,
    /// No failure at all: the answer is to be sent as it is.
    Finish,
    MissingArgument(Box<str>),
}

impl Error {
    /// An error of the given status; `message` is for the log.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Error {
        Error(Box::new(Inner {
            status,
            reason: None,
            message: message.into(),
            source: None,
            headers: Vec::new(),
            kind: Kind::Failure,
        }))
    }

    /// A mistake of the program's: a 500.
    pub(crate) fn mistake(message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// An error of the given status with nothing more to say.
    pub fn status_only(status: StatusCode) -> Error {
        Error::new(status, "")
    }

    /// The argument `name` is needed and was not sent: Tornado's `MissingArgumentError`. 400, and the
    /// client is told which.
    pub fn missing_argument(name: &str) -> Error {
        let mut error = Error::status_only(StatusCode::BAD_REQUEST);
        error.0.reason = Some(format!("Missing argument {name}").into());
        error.0.kind = Kind::MissingArgument(name.into());
        error
    }

    /// Returns the name of the argument that was not sent, if that is the error.
    pub fn missing_argument_name(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::MissingArgument(name) => Some(name),
            _ => None,
        }
    }

    /// Ends the answer with what was set and written so far, from wherever it is returned: Tornado's
    /// `Finish`. It is no failure, and neither logged nor shown.
    ///
    /// # Examples
    ///
    /// ```
    /// use squall_web::{Error, Exchange, Result, StatusCode};
    ///
    /// fn check_token(ex: &mut Exchange) -> Result<()> {
    ///     if ex.request().header_str("authorization") != Some("Bearer 42") {
    ///         ex.set_status(StatusCode::UNAUTHORIZED);
    ///         ex.set_header("www-authenticate", "Bearer")?;
    ///         ex.write("who are you?");
    ///         return Err(Error::finish());
    ///     }
    ///     Ok(())
    /// }
    ///
    /// fn secret(ex: &mut Exchange) -> Result<()> {
    ///     check_token(ex)?;
    ///     ex.write("the secret");
    ///     Ok(())
    /// }
    /// ```
    pub fn finish() -> Error {
        let mut error = Error::new(StatusCode::OK, "the answer is to be sent as it is");
        error.0.kind = Kind::Finish;
        error
    }

    /// True if it is that of [`finish`](Error::finish).
    pub fn is_finish(&self) -> bool {
        matches!(self.0.kind, Kind::Finish)
    }

    /// Gives the client another text than the status's own.
    pub fn with_reason(mut self, reason: impl Into<Cow<'static, str>>) -> Error {
        self.0.reason = Some(reason.into());
        self
    }

    /// Names the error behind it, for the log.
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error>>) -> Error {
        self.0.source = Some(source.into());
        self
    }

    /// Gives the answer a header, such as the `WWW-Authenticate` that belongs to a 401.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Error {
        self.0.headers.push((name, value));
        self
    }

    /// Returns the headers of the answer that belong to the error.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    /// Returns the status that the client gets.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Returns the text that the client may see.
    pub fn reason(&self) -> &str {
        match &self.0.reason {
            Some(reason) => reason,
            None => self.0.status.canonical_reason().unwrap_or("Unknown"),
        }
    }

    /// Returns the text for the log; empty if there is none.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// True if there is more to say than the status.
    pub(crate) fn has_details(&self) -> bool {
        !self.0.message.is_empty()
            || self.0.source.is_some()
            || matches!(self.0.kind, Kind::MissingArgument(_))
    }

    /// True if it is the news that the client has gone, or has stopped reading.
    pub(crate) fn is_client_gone(&self) -> bool {
        let sources = std::iter::successors(self.source(), |error| error.source());
        let mut sources = sources.filter_map(|source| source.downcast_ref::<squall::Error>());
        sources.any(|error| {
            let stalled = error
                .io()
                .is_some_and(|e| e.kind() == io::ErrorKind::TimedOut);
            error.is_closed() || stalled
        })
    }

    /// Returns the error behind it.
    pub fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref()
    }
}

impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(source: E) -> Error {
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, "").with_source(source)
    }
}

// So that a `Return` can end a handler.
impl squall::Returnable for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.status.as_u16(), self.reason())?;
        if !self.0.message.is_empty() {
            write!(f, ": {}", self.0.message)?;
        }
        match self.source() {
            Some(source) => write!(f, ": {}", Chain(source)),
            None => Ok(()),
        }
    }
}

/// An error and those behind it, in one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)?;
        match self.0.source() {
            Some(source) => write!(f, ": {}", Chain(source)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a `main` that returns it prints. There a converted error's 500 says nothing.
        match self.source() {
            Some(source) if self.0.message.is_empty() => fmt::Display::fmt(&Chain(source), f),
            _ => fmt::Display::fmt(self, f),
        }
    }
}
