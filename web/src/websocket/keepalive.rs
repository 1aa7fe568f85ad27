//! Pings on an interval, and what it means when nothing comes back.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use squall::{Sleep, turn_time};

use super::options::WebSocketOptions;
use crate::conn::after;

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
            let next = sent.checked_add(self.interval);
            self.timer
                .reset(next.unwrap_or_else(|| after(self.interval)));
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        std::task::ready!(Pin::new(&mut self.timer).poll(cx));
        if self.unanswered.is_some() {
            return Poll::Ready(Due::TimedOut);
        }
        self.unanswered = Some(turn_time());
        self.timer.reset(after(self.timeout));
        Poll::Ready(Due::Ping)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use squall::{with_timeout, yield_};

    use super::*;

    const LONG: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    fn keepalive(interval: Duration, timeout: Duration) -> Box<Keepalive> {
        let options = WebSocketOptions {
            ping_interval: Some(interval),
            ping_timeout: Some(timeout),
            ..WebSocketOptions::default()
        };
        Keepalive::new(&options).expect("it has an interval")
    }

    #[squall::test]
    fn times_that_no_clock_can_hold_do_not_come() {
        let mut patient = keepalive(Duration::from_secs(1), Duration::MAX);
        for _ in 0..2 {
            assert_eq!(yield_!(poll_fn(|cx| patient.poll(cx))), Due::Ping);
            patient.heard();
        }
        assert_eq!(yield_!(poll_fn(|cx| patient.poll(cx))), Due::Ping);
        let late = yield_!(with_timeout(LONG, poll_fn(|cx| patient.poll(cx))));
        assert!(late.is_err(), "{late:?}");

        let mut rare = keepalive(Duration::MAX, LONG);
        rare.unanswered = Some(turn_time());
        rare.heard();
        let ping = yield_!(with_timeout(LONG, poll_fn(|cx| rare.poll(cx))));
        assert!(ping.is_err(), "{ping:?}");
    }
}
