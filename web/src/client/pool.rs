//! Idle connections, and how many fetches may be under way.
//!
//! A fetch first gets a [`Permit`] for its host. If all are taken it stands in line; a permit that
//! is given back goes to the first in the line. Then it takes an idle connection, the one used last
//! if there are several, and puts it back afterwards.
//!
//! While there are idle connections a *watcher* waits for all of them: one coroutine a pool. It
//! throws out those that have something to read, which can only be the end or a mistake of the
//! server, and those whose time is over. It ends when none is left, or with the pool.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use squall::net::IoStream;
use squall::{CallbackResult, Deferred, IoLoop, Promise, Sleep, yield_};

use super::config::ClientConfig;
use super::hop::Origin;

pub(super) struct Pool {
    max_clients_per_host: usize,
    max_idle_per_host: usize,
    max_idle: usize,
    idle_timeout: Duration,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// From the oldest to the newest.
    idle: Vec<Idle>,
    /// Invariant: no host without a permit is among them.
    hosts: HashMap<Origin, Host>,
    /// True while there is a watcher, if it has not run yet too.
    watched: bool,
    watcher: Option<Waker>,
}

struct Idle {
    origin: Origin,
    stream: IoStream,
    /// When its time is over; none if it never is.
    until: Option<Instant>,
}

#[derive(Default)]
struct Host {
    /// Permits that are out. Invariant: all of them if anybody waits.
    active: usize,
    waiting: VecDeque<Promise<Permit>>,
}

impl Pool {
    pub(super) fn new(config: &ClientConfig) -> Rc<Pool> {
        Rc::new(Pool {
            max_clients_per_host: config.max_clients_per_host.max(1),
            max_idle_per_host: config.max_idle_per_host,
            max_idle: config.max_idle,
            idle_timeout: config.idle_timeout,
            state: RefCell::default(),
        })
    }

    /// Waits for the right to have a connection to a host.
    pub(super) async fn permit(self: &Rc<Self>, origin: &Origin) -> Permit {
        let turn = {
            let mut state = self.state.borrow_mut();
            let host = state.hosts.entry(origin.clone()).or_default();
            if host.active < self.max_clients_per_host {
                host.active += 1;
                None
            } else {
                Some(host.wait())
            }
        };
        match turn {
            Some(turn) => yield_!(turn),
            None => Permit {
                pool: self.clone(),
                origin: origin.clone(),
            },
        }
    }

    /// Takes an idle connection that seems to be alive.
    pub(super) fn take(&self, origin: &Origin) -> Option<IoStream> {
        let mut unheard = Context::from_waker(Waker::noop());
        loop {
            let idle = self.state.borrow_mut().take_newest(origin)?;
            if idle.is_good(IoLoop::current().time(), &mut unheard) {
                return Some(idle.stream);
            }
        }
    }

    /// Keeps a connection for the next fetch.
    pub(super) fn put(self: &Rc<Self>, origin: Origin, stream: IoStream) {
        if self.max_idle == 0 || self.max_idle_per_host == 0 {
            return;
        }
        let idle = Idle {
            origin,
            stream,
            until: IoLoop::current().time().checked_add(self.idle_timeout),
        };
        let mut state = self.state.borrow_mut();
        if let Some(watcher) = &state.watcher
            && !idle.is_quiet(&mut Context::from_waker(watcher))
        {
            return;
        }
        let surplus = state.make_room(&idle.origin, self.max_idle_per_host, self.max_idle);
        state.idle.push(idle);
        let is_first = !std::mem::replace(&mut state.watched, true);
        drop(state);
        drop(surplus);
        if is_first {
            watch(Watching(Rc::downgrade(self))).detach();
        }
    }

    pub(super) fn idle_count(&self) -> usize {
        self.state.borrow().idle.len()
    }

    /// Counts those who stand in a line, and some who have left it.
    pub(super) fn waiting_count(&self) -> usize {
        let state = self.state.borrow();
        state.hosts.values().map(|host| host.waiting.len()).sum()
    }

    /// Gives a permit to the first who still waits for one, or takes it back.
    fn release(self: &Rc<Self>, origin: &Origin) {
        let mut state = self.state.borrow_mut();
        let Some(host) = state.hosts.get_mut(origin) else {
            return;
        };
        while let Some(promise) = host.waiting.pop_front() {
            // One that is abandoned would give it back from its destructor, one inside the other.
            if !promise.is_abandoned() {
                drop(state);
                promise.set_result(Permit {
                    pool: self.clone(),
                    origin: origin.clone(),
                });
                return;
            }
        }
        host.active -= 1;
        if host.active == 0 {
            state.hosts.remove(origin);
        }
    }

    /// Throws out what is not good any more; tells when to look again. None if nothing is left.
    fn sweep(&self, cx: &mut Context<'_>) -> Option<Option<Instant>> {
        let now = IoLoop::current().time();
        let mut state = self.state.borrow_mut();
        state.watcher = Some(cx.waker().clone());
        state.idle.retain(|idle| idle.is_good(now, cx));
        state.idle.first().map(|oldest| oldest.until)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // The watcher finds the pool gone.
        if let Some(watcher) = self.state.get_mut().watcher.take() {
            watcher.wake();
        }
    }
}

impl State {
    fn take_newest(&mut self, origin: &Origin) -> Option<Idle> {
        let at = self.idle.iter().rposition(|idle| idle.origin == *origin)?;
        Some(self.idle.remove(at))
    }

    /// Takes out the oldest of the host, else the oldest of all, if one more would be too many.
    fn make_room(&mut self, origin: &Origin, per_host: usize, in_all: usize) -> Option<Idle> {
        let of_host = |idle: &&Idle| idle.origin == *origin;
        let oldest = if self.idle.iter().filter(of_host).count() >= per_host {
            self.idle.iter().position(|idle| idle.origin == *origin)
        } else {
            (self.idle.len() >= in_all).then_some(0)
        };
        oldest.map(|at| self.idle.remove(at))
    }
}

impl Host {
    fn wait(&mut self) -> Deferred<Permit> {
        if self.waiting.len() == self.waiting.capacity() {
            // Those who gave up go before the line grows.
            self.waiting.retain(|promise| !promise.is_abandoned());
        }
        let (promise, turn) = Promise::new();
        self.waiting.push_back(promise);
        turn
    }
}

impl Idle {
    fn is_good(&self, now: Instant, cx: &mut Context<'_>) -> bool {
        self.until.is_none_or(|until| now < until) && self.is_quiet(cx)
    }

    /// True if there is nothing to read; wakes when there is.
    fn is_quiet(&self, cx: &mut Context<'_>) -> bool {
        // The byte that it may take is not missed: the stream is of no use then.
        self.stream.poll_read(cx, &mut [0]).is_pending()
    }
}

/// The right to have one connection to a host; dropping it lets the next have it.
pub(super) struct Permit {
    pool: Rc<Pool>,
    origin: Origin,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.pool.release(&self.origin);
    }
}

/// A watcher's hold on its pool; makes room for another watcher when it is dropped.
struct Watching(Weak<Pool>);

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            let mut state = pool.state.borrow_mut();
            state.watched = false;
            state.watcher = None;
        }
    }
}

#[squall::coroutine]
fn watch(watching: Watching) {
    let mut sleep = None;
    yield_!(poll_fn(|cx| watching.poll(&mut sleep, cx)));
}

impl Watching {
    fn poll(&self, sleep: &mut Option<Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let next = match self.0.upgrade() {
                Some(pool) => pool.sweep(cx),
                None => None,
            };
            let Some(next) = next else {
                return Poll::Ready(());
            };
            if sleep.as_ref().map(Sleep::deadline) != next {
                *sleep = next.map(squall::sleep_until);
            }
            let due = (sleep.as_mut()).is_some_and(|sleep| Pin::new(sleep).poll(cx).is_ready());
            if !due {
                return Poll::Pending;
            }
            // The time came between the sweep and now.
            *sleep = None;
        }
    }
}
