//! Idle connections, and how many fetches may be under way.
//!
//! A fetch first gets a [`Seat`] on its route: a permit of the host's, then one of the client's. Both
//! lines are first come, first served; who has the first and waits for the second is not passed by
//! others of its host. Then it takes an idle connection, the one used last if there are several, and
//! puts it back afterwards.
//!
//! While there are idle connections a *watcher* waits for all of them: one coroutine a pool. It
//! throws out those that have something to read, which can only be the end or a mistake of the
//! server, and those whose time is over. It ends when none is left, or with the pool; if it ends with
//! the loop, it takes the connections along.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use squall::net::IoStream;
use squall::sync::{Permit, Semaphore};
use squall::{CallbackResult, IoLoop, Sleep, yield_};

use super::config::ClientConfig;
use super::route::Route;

pub(super) struct Pool {
    max_clients_per_host: usize,
    max_idle_per_host: usize,
    max_idle: usize,
    idle_timeout: Duration,
    in_all: Semaphore,
    waiting: Cell<usize>,
    closed: Cell<bool>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// From the oldest to the newest.
    idle: Vec<Idle>,
    /// Invariant: each has somebody who has a permit of it or waits for one.
    hosts: HashMap<Route, Semaphore>,
    /// True while there is a watcher, if it has not run yet too.
    watched: bool,
    watcher: Option<Waker>,
}

struct Idle {
    route: Route,
    stream: IoStream,
    /// When its time is over; none if it never is.
    until: Option<Instant>,
}

impl Pool {
    pub(super) fn new(config: &ClientConfig) -> Rc<Pool> {
        Rc::new(Pool {
            max_clients_per_host: config.max_clients_per_host.max(1),
            max_idle_per_host: config.max_idle_per_host,
            max_idle: config.max_idle,
            idle_timeout: config.idle_timeout,
            in_all: Semaphore::new(config.max_clients.max(1)),
            waiting: Cell::new(0),
            closed: Cell::new(false),
            state: RefCell::default(),
        })
    }

    /// Waits for the right to have a connection on a route.
    // A connector of TLS, which a route may have, is told from others by its address alone.
    #[allow(clippy::mutable_key_type)]
    pub(super) async fn seat(self: &Rc<Self>, route: &Route) -> Seat {
        let host = {
            let mut state = self.state.borrow_mut();
            let hosts = &mut state.hosts;
            let max = self.max_clients_per_host;
            hosts
                .entry(route.clone())
                .or_insert_with(|| Semaphore::new(max))
                .clone()
        };
        // Made before the permits are there, so that it tidies up after those who give up too.
        let mut seat = Seat {
            host: None,
            in_all: None,
            pool: self.clone(),
            route: route.clone(),
        };
        let _counted = Waiting::count(self);
        seat.host = Some(yield_!(host.acquire()));
        seat.in_all = Some(yield_!(self.in_all.acquire()));
        seat
    }

    /// Takes an idle connection that seems to be alive.
    pub(super) fn take(&self, route: &Route) -> Option<IoStream> {
        let mut unheard = Context::from_waker(Waker::noop());
        loop {
            let idle = self.state.borrow_mut().take_newest(route)?;
            if idle.is_good(IoLoop::current().time(), &mut unheard) {
                return Some(idle.stream);
            }
        }
    }

    /// Closes the idle connections, now and whenever one becomes idle.
    pub(super) fn close(&self) {
        self.closed.set(true);
        let idle = std::mem::take(&mut self.state.borrow_mut().idle);
        drop(idle);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    pub(super) fn idle_count(&self) -> usize {
        self.state.borrow().idle.len()
    }

    /// Counts those who stand in a line.
    pub(super) fn waiting_count(&self) -> usize {
        self.waiting.get()
    }

    /// Keeps a connection for the next fetch.
    fn put(self: &Rc<Self>, route: Route, stream: IoStream) {
        if self.max_idle == 0 || self.max_idle_per_host == 0 || self.closed.get() {
            return;
        }
        let idle = Idle {
            route,
            stream,
            until: IoLoop::current().time().checked_add(self.idle_timeout),
        };
        let mut state = self.state.borrow_mut();
        if let Some(watcher) = &state.watcher
            && !idle.is_quiet(&mut Context::from_waker(watcher))
        {
            return;
        }
        let surplus = state.make_room(&idle.route, self.max_idle_per_host, self.max_idle);
        state.idle.push(idle);
        let is_first = !std::mem::replace(&mut state.watched, true);
        drop(state);
        drop(surplus);
        if is_first {
            watch(Watching(Rc::downgrade(self))).detach();
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
    fn take_newest(&mut self, route: &Route) -> Option<Idle> {
        let at = self.idle.iter().rposition(|idle| idle.route == *route)?;
        Some(self.idle.remove(at))
    }

    /// Takes out the oldest of the host, else the oldest of all, if one more would be too many.
    fn make_room(&mut self, route: &Route, per_host: usize, in_all: usize) -> Option<Idle> {
        let of_host = |idle: &&Idle| idle.route == *route;
        let oldest = if self.idle.iter().filter(of_host).count() >= per_host {
            self.idle.iter().position(|idle| idle.route == *route)
        } else {
            (self.idle.len() >= in_all).then_some(0)
        };
        oldest.map(|at| self.idle.remove(at))
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

/// The right to have one connection on a route; dropping it lets the next have it.
pub(super) struct Seat {
    host: Option<Permit>,
    in_all: Option<Permit>,
    pool: Rc<Pool>,
    route: Route,
}

impl Seat {
    /// Keeps a connection of the route for the next fetch, and leaves.
    pub(super) fn put(self, stream: IoStream) {
        self.pool.put(self.route.clone(), stream);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        drop((self.host.take(), self.in_all.take()));
        let mut state = self.pool.state.borrow_mut();
        let max = self.pool.max_clients_per_host;
        // All permits are there, and so nobody waits.
        let is_last = |host: &Semaphore| host.available() == max;
        if state.hosts.get(&self.route).is_some_and(is_last) {
            state.hosts.remove(&self.route);
        }
    }
}

/// Counts as waiting until it is dropped.
struct Waiting<'p>(&'p Pool);

impl<'p> Waiting<'p> {
    fn count(pool: &'p Pool) -> Waiting<'p> {
        pool.waiting.set(pool.waiting.get() + 1);
        Waiting(pool)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

/// A watcher's hold on its pool; makes room for another watcher when it is dropped.
struct Watching(Weak<Pool>);

impl Drop for Watching {
    fn drop(&mut self) {
        let Some(pool) = self.0.upgrade() else {
            return;
        };
        let idle = {
            let mut state = pool.state.borrow_mut();
            state.watched = false;
            state.watcher = None;
            // Some are left only if the loop is closed, and they are of no use on another.
            std::mem::take(&mut state.idle)
        };
        drop(idle);
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
