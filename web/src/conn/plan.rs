//! How a request's body is to be taken: decided when its head is there, before any of it is read.

use std::time::Duration;

/// How a request's body is taken, and how much of it.
///
/// What is not set is as the server's [`Limits`](crate::http::Limits) say.
///
/// # Examples
///
/// ```
/// use squall_web::{Application, BodyPlan, Exchange, Result};
///
/// #[squall::coroutine]
/// fn upload(ex: &mut Exchange) -> Result<()> {
///     let mut bytes = 0;
///     while let Some(chunk) = yield_!(ex.body_chunk())? {
///         bytes += chunk.len();
///     }
///     ex.write(format!("{bytes} bytes"));
///     Ok(())
/// }
/// # use squall::yield_;
///
/// let plan = BodyPlan::stream().max_bytes(1 << 30).no_timeout();
/// let app = Application::new().post("/upload", upload).body("/upload", plan);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyPlan {
    pub(crate) streamed: bool,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) timeout: Option<Duration>,
}

impl BodyPlan {
    /// The body is read before the handler is called, and is then its `request().body()`.
    pub fn whole() -> BodyPlan {
        BodyPlan::default()
    }

    /// The handler is called when the head is there, and reads the body itself, or leaves it: with
    /// [`Exchange::body_chunk`](crate::Exchange::body_chunk) or
    /// [`Exchange::read_body`](crate::Exchange::read_body). Tornado's `stream_request_body`.
    pub fn stream() -> BodyPlan {
        BodyPlan {
            streamed: true,
            ..BodyPlan::default()
        }
    }

    /// Sets how many bytes the body may have, in place of `Limits::max_body_bytes`.
    pub fn max_bytes(mut self, bytes: u64) -> BodyPlan {
        self.max_bytes = Some(bytes);
        self
    }

    /// Sets how long may be waited for the body in all, in place of `Limits::body_timeout`.
    pub fn timeout(mut self, limit: Duration) -> BodyPlan {
        self.timeout = Some(limit);
        self
    }

    /// Lets the body take as long as it likes, as long as it comes on at `Limits::min_body_rate`.
    pub fn no_timeout(self) -> BodyPlan {
        self.timeout(Duration::MAX)
    }

    /// Streamed, if the other is.
    pub(crate) fn streamed_if(self, other: BodyPlan) -> BodyPlan {
        BodyPlan {
            streamed: self.streamed || other.streamed,
            ..self
        }
    }
}
