//! When what waits is written.
//!
//! A channel with something to send is noted, and the loop's next turn writes for all that are: so
//! what a turn sends on a connection is one write, be it one message or fifty. Whose peer does not take
//! it all gets a coroutine that waits for it.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use squall::{IoLoop, Sleep, yield_};

use super::channel::Channel;
use crate::conn::after;

/// How many connections are written before others run.
const BATCH: usize = 256;

thread_local! {
    static DUE: RefCell<Due> = const { RefCell::new(Due { channels: Vec::new(), is_scheduled: false }) };
}

struct Due {
    channels: Vec<Rc<Channel>>,
    is_scheduled: bool,
}

/// Has the channel's output be written when the next turn begins.
pub(super) fn soon(channel: &Rc<Channel>) {
    if channel.is_flushing.get() || channel.is_due.replace(true) {
        return;
    }
    let is_first = DUE.with_borrow_mut(|due| {
        due.channels.push(channel.clone());
        !std::mem::replace(&mut due.is_scheduled, true)
    });
    if is_first {
        schedule();
    }
}

/// Writes now; what is not taken is written by a coroutine.
pub(super) fn now(channel: &Rc<Channel>) {
    if !channel.has_output() || channel.is_flushing.replace(true) {
        return;
    }
    let flushing = Flushing(channel.clone());
    // Nearly always all is taken, and nobody has to wait.
    match channel.poll_flush(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(written) => channel.note_written(written),
        Poll::Pending => drop(write(flushing)),
    }
}

fn schedule() {
    let scheduled = Scheduled;
    IoLoop::current().add_callback(move || {
        std::mem::forget(scheduled);
        flush_due();
    });
}

/// A flush that is to come. Dropped before, as its loop is closed, nobody is left to write to.
struct Scheduled;

impl Drop for Scheduled {
    fn drop(&mut self) {
        let due = DUE.try_with(|due| {
            let mut due = due.borrow_mut();
            due.is_scheduled = false;
            std::mem::take(&mut due.channels)
        });
        for channel in due.iter().flatten() {
            channel.is_due.set(false);
        }
    }
}

fn flush_due() {
    let (now_due, has_more) = DUE.with_borrow_mut(|due| {
        let mut now_due = std::mem::take(&mut due.channels);
        if now_due.len() > BATCH {
            due.channels = now_due.split_off(BATCH);
        }
        due.is_scheduled = !due.channels.is_empty();
        (now_due, due.is_scheduled)
    });
    if has_more {
        schedule();
    }
    for channel in &now_due {
        channel.is_due.set(false);
        now(channel);
    }
}

/// The one that writes to a channel, as long as it does.
struct Flushing(Rc<Channel>);

impl Drop for Flushing {
    fn drop(&mut self) {
        self.0.is_flushing.set(false);
    }
}

/// Writes until nothing waits, or the peer takes nothing for too long.
#[squall::coroutine(crate = squall)]
fn write(flushing: Flushing) {
    let channel = &flushing.0;
    let mut stalled: Option<Sleep> = None;
    let written = yield_!(poll_fn(|cx| {
        if let Poll::Ready(written) = channel.poll_flush(cx) {
            return Poll::Ready(Some(written));
        }
        let limit = after(channel.send_timeout());
        let timer = stalled.get_or_insert_with(|| squall::sleep_until(limit));
        if channel.has_written.take() {
            timer.reset(limit);
        }
        Pin::new(timer).poll(cx).map(|()| None)
    }));
    match written {
        Some(written) => channel.note_written(written),
        None => {
            let limit = channel.send_timeout();
            channel.fail(format!("the peer has read nothing for {limit:?}"));
        }
    }
}
