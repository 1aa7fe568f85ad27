//! The life of a fetch.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::{StatusCode, header};
use squall::{IoLoop, with_timeout, yield_};

use super::config::ClientConfig;
use super::connect::{Connected, Connecting};
use super::error::{FetchError, Kind, Stage, Which};
use super::hop::{Hop, authority, is_redirect};
use super::pool::Pool;
use super::progress::Progress;
use super::request::{Callbacks, Options, Request};
use super::response::{Head, Response, TimeInfo};
use super::route::Route;
#[cfg(all(feature = "http2", feature = "tls"))]
use super::sessions::Sessions;
use super::stream::ResponseStream;
use super::tls::Connectors;
use super::trip::{Trip, begin};
use super::wire::Failure;

/// What all clones of a client have in common.
pub(super) struct Shared {
    pub(super) config: ClientConfig,
    pub(super) pool: Rc<Pool>,
    pub(super) connectors: Connectors,
    #[cfg(all(feature = "http2", feature = "tls"))]
    pub(super) sessions: Sessions,
}

impl Shared {
    pub(super) fn new(config: ClientConfig) -> Shared {
        Shared {
            pool: Pool::new(&config),
            connectors: Connectors::default(),
            #[cfg(all(feature = "http2", feature = "tls"))]
            sessions: Sessions::new(&config),
            config,
        }
    }
}

/// Starts a fetch.
#[squall::coroutine]
pub(super) fn fetch(shared: Rc<Shared>, request: Request) -> Result<Response, FetchError> {
    let mut fetch = Fetch::new(shared, request)?;
    match yield_!(with_timeout(fetch.limit, fetch.run_to_end())) {
        Ok(result) => result,
        Err(_) => Err(fetch.timed_out(Which::Request, fetch.limit)),
    }
}

/// Starts a fetch that ends with the head.
#[squall::coroutine]
pub(super) fn stream(shared: Rc<Shared>, request: Request) -> Result<ResponseStream, FetchError> {
    let mut fetch = Fetch::new(shared, request)?;
    match yield_!(with_timeout(fetch.limit, fetch.run_to_stream())) {
        Ok(result) => result,
        Err(_) => Err(fetch.timed_out(Which::Request, fetch.limit)),
    }
}

struct Fetch {
    shared: Rc<Shared>,
    hop: Hop,
    options: Options,
    callbacks: Callbacks,
    started: Instant,
    limit: Option<Duration>,
    connect_limit: Option<Duration>,
    stall_limit: Option<Duration>,
    max_body_bytes: u64,
    /// How far the current hop has come: what a timeout is blamed on.
    progress: Rc<Progress>,
    times: TimeInfo,
}

impl Fetch {
    fn new(shared: Rc<Shared>, mut request: Request) -> Result<Fetch, FetchError> {
        let url = request.check()?;
        if shared.pool.is_closed() {
            return Err(FetchError::request(
                "the client is closed",
                &authority(&url),
            ));
        }
        let (options, config) = (request.options, &shared.config);
        // Zero is none (S10).
        let some = |limit: Option<Duration>| limit.filter(|limit| !limit.is_zero());
        Ok(Fetch {
            hop: Hop::new(
                request.method,
                url,
                request.headers,
                request.body,
                &options,
                config,
            )?,
            callbacks: request.callbacks,
            started: IoLoop::current().time(),
            limit: some(options.timeout.unwrap_or(config.timeout)),
            connect_limit: some(options.connect_timeout.unwrap_or(config.connect_timeout)),
            stall_limit: some(options.stall_timeout.unwrap_or(config.stall_timeout)),
            max_body_bytes: options.max_body_bytes.unwrap_or(config.max_body_bytes),
            progress: Rc::new(Progress::new()),
            times: TimeInfo::default(),
            options,
            shared,
        })
    }

    async fn run_to_end(&mut self) -> Result<Response, FetchError> {
        let (head, trip) = self.run().await?;
        let response = self.read_body(head, trip).await?;
        match response.head.verdict.clone() {
            Some(kind) if self.options.raise_error => {
                Err(self.hop.error(kind).with_response(response))
            }
            _ => Ok(response),
        }
    }

    async fn run_to_stream(&mut self) -> Result<ResponseStream, FetchError> {
        let (head, trip) = self.run().await?;
        if let Some(kind) = head.verdict.clone().filter(|_| self.options.raise_error) {
            // What the server says of its error belongs into ours.
            let response = self.read_body(head, trip).await?;
            return Err(self.hop.error(kind).with_response(response));
        }
        let deadline = self.limit.and_then(|limit| self.started.checked_add(limit));
        Ok(ResponseStream {
            head,
            trip,
            progress: self.progress.clone(),
            deadline,
            limit: self.limit,
            stall_limit: self.stall_limit,
        })
    }

    /// Goes from hop to hop until an answer is none that sends it on.
    async fn run(&mut self) -> Result<(Head, Trip), FetchError> {
        if let Err((path, error)) = self.hop.body.measure().await {
            let reason = format!("reading {}: {error}", path.display());
            return Err(self.hop.error(Kind::Producer).because(reason));
        }
        loop {
            let mut trip = self.hop().await?;
            self.keep_cookies(&trip);
            let status = trip.head.status;
            if status == StatusCode::UNAUTHORIZED
                && self.hop.body.can_be_sent()
                && let Some(digest) = &mut self.hop.digest
                && digest.take_challenge(&trip.head.headers)
            {
                self.unless_stalled(trip.drain()).await?;
                continue;
            }
            let location = trip.head.headers.get(header::LOCATION);
            let verdict = match location.filter(|_| is_redirect(status)) {
                Some(location) if self.options.follow_redirects => {
                    let max = self.options.max_redirects;
                    if self.times.redirects < max {
                        let location = location.clone();
                        self.unless_stalled(trip.drain()).await?;
                        self.hop.redirect(status, &location)?;
                        self.times.redirects += 1;
                        continue;
                    }
                    Some(Kind::TooManyRedirects { max })
                }
                _ if status.is_success() => None,
                _ => Some(Kind::Status),
            };
            let head = self.take_head(&mut trip, verdict);
            if let Some(callback) = &self.callbacks.head {
                (callback.borrow_mut())(head.status, &head.headers);
            }
            return Ok((head, trip));
        }
    }

    /// Waits for its turn, and makes one round trip on an idle connection or a new one.
    async fn hop(&mut self) -> Result<Trip, FetchError> {
        let shared = self.shared.clone();
        let route = self.hop.route(&self.options, &shared.config)?;

        self.progress.enter(Stage::Queue);
        let since = IoLoop::current().time();
        let seat = with_timeout(self.connect_limit, shared.pool.seat(&route)).await;
        self.times.queue += elapsed(since);
        let seat = seat.map_err(|_| self.timed_out(Which::Connect, self.connect_limit))?;

        let mut idle = shared.pool.take(&route);
        let mut is_first = true;
        loop {
            let connected = match idle.take() {
                Some(stream) => Connected {
                    stream,
                    reused: true,
                    is_http2: false,
                },
                None => self.reach(&route).await?,
            };
            self.times.reused = connected.reused;
            let since = IoLoop::current().time();
            let trip = self.begin(connected, &route).await?;
            self.times.head += elapsed(since);
            match trip {
                // The server closed it as we sent: try once more, if sending twice is as good as once.
                Err(failure)
                    if failure.silent
                        && self.times.reused
                        && is_first
                        && self.hop.can_be_repeated() =>
                {
                    is_first = false;
                }
                Err(failure) => return Err(self.failed(failure)),
                // It does not know the question, or does not like it (RFC 9110 §10.1.1).
                Ok(trip)
                    if trip.head.status.as_u16() == 417
                        && self.hop.expects_continue
                        && self.hop.body.can_be_sent() =>
                {
                    self.hop.expects_continue = false;
                }
                Ok(mut trip) => {
                    trip.seat = Some(seat);
                    return Ok(trip);
                }
            }
        }
    }

    async fn reach(&mut self, route: &Route) -> Result<Connected, FetchError> {
        let shared = self.shared.clone();
        let since = IoLoop::current().time();
        let connecting = Connecting {
            shared: &shared,
            allow_ipv6: self.options.allow_ipv6,
            limits: &shared.config.limits(self.max_body_bytes),
            progress: &self.progress,
        };
        let connected = connecting.reach(route);
        let connected = yield_!(with_timeout(self.connect_limit, connected));
        self.times.connect += elapsed(since);
        match connected {
            Ok(Ok(connected)) => Ok(connected),
            Ok(Err(error)) => {
                let kind = Kind::Failed(self.progress.at());
                Err(self.hop.error(kind).because(error))
            }
            Err(_) => Err(self.timed_out(Which::Connect, self.connect_limit)),
        }
    }

    /// The outer error ends the fetch; of the inner one it may be tried again.
    async fn begin(
        &mut self,
        connected: Connected,
        route: &Route,
    ) -> Result<Result<Trip, Failure>, FetchError> {
        let config = &self.shared.config;
        let mut out = self.hop.encode(route, config)?;
        out.closes |= connected.is_http2;
        let limits = config.limits(self.max_body_bytes);
        let decompress = self.options.decompress;
        let progress = self.progress.clone();
        let begun = begin(connected.stream, out, decompress, limits, progress);
        let begun = self.unless_stalled(begun).await?;
        Ok(begun.map(|mut trip| {
            if connected.is_http2 {
                // It was none of the server's.
                trip.head.headers.remove(header::TRANSFER_ENCODING);
            }
            trip
        }))
    }

    /// Reads the body.
    async fn read_body(&self, head: Head, mut trip: Trip) -> Result<Response, FetchError> {
        let mut body = Vec::new();
        loop {
            let chunk = poll_fn(|cx| trip.poll_chunk(cx));
            let chunk = yield_!(self.unless_stalled(chunk))?;
            match chunk.map_err(|failure| self.failed(failure))? {
                Some(chunk) => match &self.callbacks.body {
                    Some(callback) => (callback.borrow_mut())(&chunk),
                    None if body.is_empty() => body = chunk,
                    None => body.extend_from_slice(&chunk),
                },
                None => break,
            }
        }
        Ok(Response {
            head,
            body,
            request_time: elapsed(self.started),
        })
    }

    /// Takes out of a trip what is for the caller; its body needs no more than the framing.
    fn take_head(&self, trip: &mut Trip, verdict: Option<Kind>) -> Head {
        Head {
            status: trip.head.status,
            reason: std::mem::take(&mut trip.head.reason),
            headers: std::mem::take(&mut trip.head.headers),
            effective_url: self.hop.url.clone(),
            times: self.times,
            verdict,
        }
    }

    fn keep_cookies(&self, trip: &Trip) {
        if let Some(jar) = &self.shared.config.cookies {
            for value in trip.head.headers.get_all(header::SET_COOKIE) {
                if let Ok(text) = std::str::from_utf8(value.as_bytes()) {
                    jar.set(&self.hop.url, text);
                }
            }
        }
    }

    async fn unless_stalled<F: Future>(&self, future: F) -> Result<F::Output, FetchError> {
        let ended = self.progress.unless_stalled(self.stall_limit, future).await;
        ended.ok_or_else(|| self.timed_out(Which::Stall, self.stall_limit))
    }

    fn failed(&self, failure: Failure) -> FetchError {
        failure.into_error(authority(&self.hop.url))
    }

    fn timed_out(&self, which: Which, limit: Option<Duration>) -> FetchError {
        let (limit, at) = (limit.unwrap_or_default(), self.progress.at());
        self.hop.error(Kind::Timeout { which, limit, at })
    }
}

fn elapsed(since: Instant) -> Duration {
    IoLoop::current().time().saturating_duration_since(since)
}
