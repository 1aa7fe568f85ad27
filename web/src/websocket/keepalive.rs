//! Pings on an interval, and what it means when nothing comes back.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use squall::Sleep;

use super::channel::Channel;
use super::options::WebSocketOptions;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Ping,
    /// Nothing has come since the last ping.
    TimedOut,
}

/// The pings of one connection.
#[derive(Debug)]
pub(super) struct Keepalive {
    interval: Duration,
    timeout: Duration,
    timer: Sleep,
    /// When the ping was sent that nothing has come since.
    unanswered: Option<Instant>,
}

impl Keepalive {
    pub(super) fn new(options: &WebSocketOptions) -> Option<Box<Keepalive>> {
        let interval = options
            .ping_interval
            .filter(|interval| !interval.is_zero())?;
        Some(Box::new(Keepalive {
            interval,
            timeout: options.ping_timeout.unwrap_or(interval),
            timer: squall::sleep(interval),
            unanswered: None,
        }))
    }

    /// Something has come: the peer is alive. The next ping is an interval after the last.
    pub(super) fn heard(&mut self) {
        if let Some(sent) = self.unanswered.take() {
            self.timer.reset(sent + self.interval);
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        std::task::ready!(Pin::new(&mut self.timer).poll(cx));
        if self.unanswered.is_some() {
            return Poll::Ready(Due::TimedOut);
        }
        let now = Channel::now();
        self.unanswered = Some(now);
        self.timer.reset(now + self.timeout);
        Poll::Ready(Due::Ping)
    }
}
