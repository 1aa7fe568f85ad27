//! Connections of HTTP/2, each of which carries many requests at a time; one a route.
//!
//! Whether a server speaks it turns out in the handshake. Until then the others who want to go there
//! wait, so that they do not make a connection each.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::Duration;

use squall::net::IoStream;
use squall::sync::Lock;
use squall::yield_;

use super::config::ClientConfig;
use super::error::Source;
use super::route::Route;
use crate::http2::{self, Driver, Sender};

/// What a client knows of who speaks HTTP/2.
pub(super) struct Sessions {
    is_on: bool,
    idle_timeout: Duration,
    max_head_bytes: usize,
    routes: RefCell<HashMap<Route, Rc<Known>>>,
}

/// What is known of a route.
#[derive(Default)]
pub(super) struct Known {
    /// Whoever finds out.
    pub(super) asking: Lock,
    /// True once it is known that HTTP/1.1 is spoken there.
    pub(super) is_http1: Cell<bool>,
    sender: RefCell<Option<Sender>>,
    /// True if there was a request since that was looked at last.
    was_used: Cell<bool>,
}

/// How many routes are remembered that have no connection.
const REMEMBERED: usize = 256;

impl Sessions {
    pub(super) fn new(config: &ClientConfig) -> Sessions {
        Sessions {
            is_on: config.http2,
            idle_timeout: config.idle_timeout,
            max_head_bytes: config.max_head_bytes,
            routes: RefCell::default(),
        }
    }

    /// What is known of a route; none if HTTP/2 is out of the question.
    // A connector of TLS, which a route may have, is told from others by its address alone.
    #[allow(clippy::mutable_key_type)]
    pub(super) fn of(&self, route: &Route) -> Option<Rc<Known>> {
        if !self.is_on || route.trust.is_none() {
            return None;
        }
        let mut routes = self.routes.borrow_mut();
        if routes.len() >= REMEMBERED && !routes.contains_key(route) {
            routes.retain(|_, known| Rc::strong_count(known) > 1 || known.sender().is_some());
        }
        Some(routes.entry(route.clone()).or_default().clone())
    }

    /// Begins a connection. The end of memory that it gives is one for a first request.
    pub(super) async fn begin(
        &self,
        stream: IoStream,
        known: &Rc<Known>,
    ) -> Result<IoStream, Source> {
        let (sender, driver) = http2::begin(stream, self.max_head_bytes).await?;
        known.sender.replace(Some(sender.clone()));
        known.was_used.set(true);
        drop(drive(driver, Rc::downgrade(known), self.idle_timeout));
        Ok(open(sender))
    }

    /// Lets go of all connections; each ends with its last request.
    pub(super) fn close(&self) {
        // Out of the borrow, as dropping them wakes.
        drop(self.routes.take());
    }
}

impl Known {
    fn sender(&self) -> Option<Sender> {
        let sender = self.sender.borrow();
        sender.clone().filter(|sender| !sender.refuses())
    }

    fn forget(&self) {
        let sender = self.sender.take();
        drop(sender);
    }

    /// Has a connection carry one more request, if there is one.
    pub(super) fn open(&self) -> Option<IoStream> {
        self.was_used.set(true);
        self.sender().map(open)
    }
}

fn open(sender: Sender) -> IoStream {
    let (near, far) = IoStream::pair();
    // It ends with the request.
    drop(http2::carry(sender, far));
    near
}

/// Keeps a connection going until it is closed, or had no new request for a while.
#[squall::coroutine]
fn drive(driver: Driver, known: Weak<Known>, idle_timeout: Duration) {
    let mut driver = driver;
    let mut timer = squall::sleep(idle_timeout);
    let driven = poll_fn(|cx| {
        if let Poll::Ready(ended) = Pin::new(&mut driver).poll(cx) {
            return Poll::Ready(ended);
        }
        while Pin::new(&mut timer).poll(cx).is_ready() {
            timer = squall::sleep(idle_timeout);
            if let Some(known) = known.upgrade()
                && !known.was_used.replace(false)
            {
                // With it the connection ends, after the requests that it still carries.
                known.forget();
            }
        }
        Poll::Pending
    });
    if let Err(error) = yield_!(driven) {
        tracing::debug!(target: "squall::web", "a connection of HTTP/2 has ended: {error}");
    }
    if let Some(known) = known.upgrade() {
        known.forget();
    }
}
