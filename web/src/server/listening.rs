//! A server that listens, as its program holds it.

use std::future::{Future, IntoFuture, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use squall::Deferred;

use super::Running;
use super::drain::{Asked, Drained, drain, first_signal};
use crate::error::Result;

/// A server that listens. It goes on when this is dropped; yielding it waits for its end.
#[derive(Debug)]
pub struct Listening {
    addresses: Vec<SocketAddr>,
    running: Running,
    ended: Deferred<squall::Result<()>>,
}

impl Listening {
    pub(super) fn new(
        addresses: Vec<SocketAddr>,
        running: Running,
        ended: Deferred<squall::Result<()>>,
    ) -> Listening {
        Listening {
            addresses,
            running,
            ended,
        }
    }

    /// Returns the address that it listens on; the first, if there are several. `0.0.0.0:0` stands for
    /// a Unix socket, which has none.
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Returns all addresses that it listens on.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// True once it listens no more: it was stopped, or its socket has failed.
    pub fn has_ended(&self) -> bool {
        self.ended.done()
    }

    /// Waits for the end of the listening, or for `told`; gives what that gives.
    pub(super) async fn ended_or<F: Future>(
        &mut self,
        told: F,
    ) -> squall::Result<Option<F::Output>> {
        let mut told = pin!(told);
        poll_fn(|cx| {
            if let Poll::Ready(told) = told.as_mut().poll(cx) {
                return Poll::Ready(Ok(Some(told)));
            }
            Pin::new(&mut self.ended)
                .poll(cx)
                .map(|ended| ended.map(|()| None))
        })
        .await
    }

    /// Returns how many connections of the server are open.
    pub fn connections(&self) -> usize {
        self.running.shared.len()
    }

    /// As [`HttpServer::stop`](crate::HttpServer::stop).
    pub fn stop(&self) {
        self.running.accepting.stop();
    }

    /// As [`HttpServer::drain`](crate::HttpServer::drain).
    pub async fn drain(&self, limit: Duration) -> Drained {
        drain(self.running.clone(), limit).await
    }

    /// Serves until the process gets `SIGTERM` or `SIGINT`, then [drains](Listening::drain).
    ///
    /// A second signal ends the wait for what is in flight. What did not finish is logged as well, as
    /// a warning each.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use squall::yield_;
    /// use squall_web::{Application, Exchange, HttpServer, Result};
    ///
    /// fn hello(ex: &mut Exchange) {
    ///     ex.write("Hello, world");
    /// }
    ///
    /// #[squall::main]
    /// fn main() -> Result<()> {
    ///     let server = HttpServer::new(Application::new().get("/", hello));
    ///     let listening = server.listen("127.0.0.1:8888")?;
    ///     yield_!(listening.shutdown_on_signal(Duration::from_secs(30)))?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// If the signals cannot be handled, or the listening socket fails before.
    pub fn shutdown_on_signal(
        mut self,
        limit: Duration,
    ) -> impl Future<Output = Result<Drained>> + 'static {
        // From this call on, not from when it is waited for: a signal before would end the process.
        let asked = Asked::new();
        async move {
            let asked = asked?;
            if let Some(ended) = first_signal(&asked, Pin::new(&mut self.ended)).await? {
                ended?;
            }
            let drained = {
                let mut draining = pin!(drain(self.running.clone(), limit));
                match first_signal(&asked, draining.as_mut()).await? {
                    Some(drained) => drained,
                    // Asked for a second time.
                    None => drain(self.running.clone(), Duration::ZERO).await,
                }
            };
            drained.log();
            Ok(drained)
        }
    }
}

impl IntoFuture for Listening {
    type Output = Result<()>;
    type IntoFuture = Serving;

    fn into_future(self) -> Serving {
        Serving { ended: self.ended }
    }
}

/// The end of a server that is waited for; see [`Listening`].
#[must_use = "a server is waited for by yielding this"]
#[derive(Debug)]
pub struct Serving {
    ended: Deferred<squall::Result<()>>,
}

impl Future for Serving {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        (Pin::new(&mut self.ended).poll(cx)).map(|result| result.map_err(Into::into))
    }
}
