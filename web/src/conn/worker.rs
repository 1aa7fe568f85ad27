//! What a connection needs while it is at work, and not while it idles: the exchange with its buffers,
//! and the state of the coroutine's part that reads and answers.
//!
//! That state is large, and ten thousand connections that idle must not have it each. So it lies in a
//! box that goes from one connection to the next.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::exchange::Exchange;
use super::server::{Next, serve_input};
use super::shared::{Conn, Settings};

/// Serves what a connection has sent; then it can serve another.
pub(super) trait Worker {
    fn begin(&mut self, conn: Rc<Conn>);

    /// Ready when the input is used up.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Next>;
}

/// Makes a worker.
pub(super) fn worker(settings: &Rc<Settings>) -> Box<dyn Worker> {
    Box::new(Bench {
        serve: serve_input,
        at_work: Box::pin(None),
        exchange: Some(Exchange::new(settings.clone())),
    })
}

/// A worker whose future is of the type that `serve` returns, which has no name.
struct Bench<S, F> {
    serve: S,
    at_work: Pin<Box<Option<F>>>,
    /// There unless a future has it.
    exchange: Option<Box<Exchange>>,
}

impl<S, F> Worker for Bench<S, F>
where
    S: Fn(Rc<Conn>, Box<Exchange>) -> F,
    F: Future<Output = (Next, Box<Exchange>)>,
{
    fn begin(&mut self, conn: Rc<Conn>) {
        let Some(mut exchange) = self.exchange.take() else {
            unreachable!("a worker is only given back when it is done");
        };
        exchange.stream = Some(conn.stream.clone());
        exchange.remote = conn.remote();
        exchange.is_secure = conn.is_secure();
        #[cfg(feature = "http2")]
        {
            exchange.below = conn.below().cloned();
        }
        let serving = (self.serve)(conn, exchange);
        self.at_work.set(Some(serving));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        let Some(serving) = self.at_work.as_mut().as_pin_mut() else {
            unreachable!("a worker is polled between its begin and its end");
        };
        serving.poll(cx).map(|(next, mut exchange)| {
            self.at_work.set(None);
            exchange.release();
            self.exchange = Some(exchange);
            next
        })
    }
}
