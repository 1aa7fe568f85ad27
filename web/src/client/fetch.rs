//! The life of a fetch.

use std::rc::Rc;
use std::time::Instant;

use http::header;
use squall::net::{IoStream, TcpClient};
use squall::{IoLoop, with_timeout, yield_};

use super::config::ClientConfig;
use super::connection::{Answer, Failure, round_trip};
use super::error::{FetchError, Kind, Stage, Which};
use super::hop::{Hop, Origin, is_redirect};
use super::pool::Pool;
use super::request::{Options, Request};
use super::response::Response;
use crate::http::Limits;

/// What all clones of a client have in common.
pub(super) struct Shared {
    config: ClientConfig,
    limits: Limits,
    pool: Rc<Pool>,
}

impl Shared {
    pub(super) fn new(config: ClientConfig) -> Shared {
        Shared {
            limits: config.limits(),
            pool: Pool::new(&config),
            config,
        }
    }

    pub(super) fn config(&self) -> &ClientConfig {
        &self.config
    }

    pub(super) fn idle_count(&self) -> usize {
        self.pool.idle_count()
    }

    pub(super) fn waiting_count(&self) -> usize {
        self.pool.waiting_count()
    }
}

/// Starts a fetch.
#[squall::coroutine]
pub(super) fn fetch(shared: Rc<Shared>, request: Request) -> Result<Response, FetchError> {
    let started = IoLoop::current().time();
    let url = request.check()?;
    let limit = request.options.timeout;
    let mut fetch = Fetch {
        shared,
        hop: Hop::new(request.method, url, request.headers, request.body),
        options: request.options,
        started,
        stage: Stage::default(),
    };
    match yield_!(with_timeout(limit, fetch.run())) {
        Ok(result) => result,
        Err(_) => Err(fetch.timed_out(Which::Request)),
    }
}

struct Fetch {
    shared: Rc<Shared>,
    hop: Hop,
    options: Options,
    started: Instant,
    /// How far the current hop has come: what a timeout is blamed on.
    stage: Stage,
}

impl Fetch {
    /// Goes from hop to hop until an answer is none that sends it on.
    async fn run(&mut self) -> Result<Response, FetchError> {
        let mut followed = 0;
        loop {
            let answer = self.hop().await?;
            let head = &answer.head;
            let location = head.headers.get(header::LOCATION);
            match location.filter(|_| self.options.follow_redirects && is_redirect(head.status)) {
                None if head.status.is_success() => return Ok(self.response(answer)),
                None => return self.judge(answer, Kind::Status),
                Some(_) if followed == self.options.max_redirects => {
                    return self.judge(answer, Kind::TooManyRedirects { max: followed });
                }
                Some(location) => self.hop.redirect(head.status, location)?,
            }
            followed += 1;
        }
    }

    /// Waits for its turn, and makes one round trip on an idle connection or a new one.
    async fn hop(&mut self) -> Result<Answer, FetchError> {
        let origin = self.hop.origin()?;
        let shared = self.shared.clone();
        let pool = &shared.pool;

        self.stage = Stage::Queue;
        let limit = self.options.connect_timeout;
        let permit = with_timeout(limit, pool.permit(&origin)).await;
        let _permit = permit.map_err(|_| self.timed_out(Which::Connect))?;

        if let Some(stream) = pool.take(&origin) {
            match self.send(stream, &origin).await {
                // The server closed it as we sent: try once more, if sending twice is as good as once.
                Err(Tried::Silent(_)) if self.hop.method.is_idempotent() => {}
                result => return result.map_err(Tried::into_error),
            }
        }
        let stream = self.connect(&origin).await?;
        let result = self.send(stream, &origin).await;
        result.map_err(Tried::into_error)
    }

    async fn connect(&mut self, origin: &Origin) -> Result<IoStream, FetchError> {
        self.stage = Stage::Connect;
        let (limit, connecting) = (self.options.connect_timeout, connect(origin.clone()));
        let Ok(Connected(result)) = yield_!(with_timeout(limit, connecting)) else {
            return Err(self.timed_out(Which::Connect));
        };
        result.map_err(|error| {
            let kind = match error.is_resolve() {
                true => Kind::Resolve,
                false => Kind::Failed(Stage::Connect),
            };
            self.hop.error(kind).because(error)
        })
    }

    async fn send(&mut self, stream: IoStream, origin: &Origin) -> Result<Answer, Tried> {
        let out = self.hop.encode().map_err(Tried::Failed)?;
        let trip = round_trip(stream, &out, &self.shared.limits, &mut self.stage).await;
        let (answer, stream) = trip.map_err(|failure| self.tried(failure))?;
        if let Some(stream) = stream {
            self.shared.pool.put(origin.clone(), stream);
        }
        Ok(answer)
    }

    fn tried(&self, failure: Failure) -> Tried {
        let error = self.hop.error(failure.kind).because(failure.source);
        match failure.silent {
            true => Tried::Silent(error),
            false => Tried::Failed(error),
        }
    }

    /// Makes an answer an error, unless the request says that it is none.
    fn judge(&self, answer: Answer, kind: Kind) -> Result<Response, FetchError> {
        let response = self.response(answer);
        if self.options.raise_error {
            Err(self.hop.error(kind).with_response(response))
        } else {
            Ok(response)
        }
    }

    fn response(&self, answer: Answer) -> Response {
        let now = IoLoop::current().time();
        Response {
            status: answer.head.status,
            headers: answer.head.headers,
            body: answer.body,
            effective_url: self.hop.url.clone(),
            request_time: now.saturating_duration_since(self.started),
        }
    }

    fn timed_out(&self, which: Which) -> FetchError {
        self.hop.error(Kind::Timeout(which, self.stage))
    }
}

/// How a round trip failed.
enum Tried {
    /// Before the server said anything.
    Silent(FetchError),
    Failed(FetchError),
}

impl Tried {
    fn into_error(self) -> FetchError {
        match self {
            Tried::Silent(error) | Tried::Failed(error) => error,
        }
    }
}

/// Not a `Result` as far as the runtime can see: a failure after a timeout is no news to anybody.
struct Connected(squall::Result<IoStream>);

#[squall::coroutine]
fn connect(origin: Origin) -> Connected {
    Connected(yield_!(
        TcpClient::new().connect(&*origin.host, origin.port)
    ))
}
