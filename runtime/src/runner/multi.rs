//! Waits for all children of a list, an array or a map.
//!
//! Up to `SMALL` children share the coroutine's own waker and are all polled at each wake. More, and
//! those whose order of arrival counts, get a *relay*: a slot of the loop whose wakers carry the
//! child's index, so that a wake polls the children that were woken and no others, and 1,000 that
//! finish one by one cost 1,000 polls. It takes the loop to hand these wakes on; a list that is
//! polled by anyone else polls all of its children.

#![allow(unsafe_code)]

use std::future::Future;
use std::marker::{PhantomData, PhantomPinned};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::policy::Policy;
use crate::coro::cancel::cancelling;
use crate::coro::many_waits::ManyWaits;
use crate::ioloop::ready::SlotKey;
use crate::ioloop::{IoLoop, WeakLoop};

/// Up to how many children are polled at every wake.
const SMALL: usize = 16;

/// One child: waited for, done, or failed and gone.
#[derive(Debug)]
pub enum Child<W, T> {
    /// Not done.
    Waiting(W),
    /// Done; this is what is kept of it.
    Done(T),
    /// Failed, or taken.
    Gone,
}

/// Where the children are: an array inside the coroutine, or a list on the heap.
pub trait Children<W, T> {
    /// What the children's results make up.
    type Collected;

    /// All children.
    fn slice(&mut self) -> &mut [Child<W, T>];

    /// Takes what was kept of each.
    fn collect(&mut self) -> Self::Collected;
}

/// The wait for all children.
#[derive(Debug)]
pub struct Wait<W, C, P> {
    children: C,
    policy: P,
    /// Children that are not done.
    waiting: usize,
    relay: Option<Relay>,
    started: bool,
    waits: ManyWaits,
    _child: PhantomData<W>,
    _pinned: PhantomPinned,
}

#[derive(Debug)]
struct Relay {
    io_loop: WeakLoop,
    slot: SlotKey,
    /// Scratch for the children that were woken.
    woken: Vec<u32>,
}

impl<W, C, P> Wait<W, C, P> {
    /// A wait for `children`, whose results go to `policy`.
    pub fn new(children: C, policy: P) -> Self {
        Wait {
            children,
            policy,
            waiting: 0,
            relay: None,
            started: false,
            waits: ManyWaits::default(),
            _child: PhantomData,
            _pinned: PhantomPinned,
        }
    }

    /// What the policy has of the results so far.
    pub(super) fn policy(self: Pin<&mut Self>) -> &mut P {
        // SAFETY: the policy is not pinned by the wait; only the children are.
        unsafe { &mut self.get_unchecked_mut().policy }
    }
}

impl<W, C, P> Future for Wait<W, C, P>
where
    W: Future,
    P: Policy<W::Output>,
    C: Children<W, P::Kept>,
{
    type Output = P::Output<C::Collected>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out of the children that are `Waiting`: `poll_child` pins the
        // future in place and overwrites the child in place when it is done. `Wait` is not `Unpin`,
        // has no `Drop` of its own, and its children's storage is never replaced.
        let this = unsafe { self.get_unchecked_mut() };
        if this.started {
            this.poll_again(cx);
        } else {
            this.poll_first(cx);
        }
        if this.policy.is_over() {
            cancelling(|| {
                (this.children.slice().iter_mut()).for_each(|child| *child = Child::Gone)
            });
            this.waiting = 0;
        }
        if this.waiting > 0 {
            let total = this.children.slice().len() as u32;
            this.waits.note(total - this.waiting as u32, total);
            return Poll::Pending;
        }
        let Wait {
            children, policy, ..
        } = this;
        Poll::Ready(policy.finish(|| children.collect()))
    }
}

impl<W, C, P> Wait<W, C, P>
where
    W: Future,
    P: Policy<W::Output>,
    C: Children<W, P::Kept>,
{
    /// Polls every child for the first time, each with its own waker if there are many.
    fn poll_first(&mut self, cx: &mut Context<'_>) {
        self.started = true;
        self.waiting = self.children.slice().len();
        let io_loop = IoLoop::current();
        let relayed =
            P::IN_ORDER_OF_ARRIVAL || self.waiting > SMALL && io_loop.is_woken_by(cx.waker());
        if !relayed {
            return self.poll_all(cx);
        }
        let slot = io_loop.ready().insert_relay(cx.waker().clone());
        self.relay = Some(Relay {
            io_loop: io_loop.downgrade(),
            slot,
            woken: Vec::new(),
        });
        for (index, child) in self.children.slice().iter_mut().enumerate() {
            let waker = io_loop.child_waker(slot, index);
            let mut cx = Context::from_waker(&waker);
            self.waiting -= usize::from(poll_child(
                child,
                index,
                &mut self.policy,
                &mut self.waits,
                &mut cx,
            ));
        }
    }

    /// Polls the children that may have got on: those that were woken, or all if they are few.
    fn poll_again(&mut self, cx: &mut Context<'_>) {
        let Some(mut relay) = self.relay.take() else {
            return self.poll_all(cx);
        };
        let io_loop = relay.io_loop.upgrade();
        let Some(io_loop) = io_loop.filter(|io_loop| io_loop.is_woken_by(cx.waker())) else {
            // Polled by another loop, or by an executor that is none: wakes from other threads would
            // wait in the mailbox of a loop that nobody runs.
            drop(relay);
            return self.poll_all(cx);
        };
        let last = crate::ioloop::waker::LAST_CHILD as usize;
        let children = self.children.slice();
        let mut woken = std::mem::take(&mut relay.woken);
        let old = io_loop.ready().relay(relay.slot, cx.waker(), &mut woken);
        drop(old);
        for child in woken.drain(..) {
            let first = child as usize;
            let end = if first == last {
                children.len()
            } else {
                first + 1
            };
            let waker = io_loop.child_waker(relay.slot, first);
            let mut cx = Context::from_waker(&waker);
            // A waker may outlive its list and wake a later one that is shorter.
            let end = end.min(children.len());
            for (index, child) in children.iter_mut().enumerate().take(end).skip(first) {
                self.waiting -= usize::from(poll_child(
                    child,
                    index,
                    &mut self.policy,
                    &mut self.waits,
                    &mut cx,
                ));
            }
        }
        relay.woken = woken;
        self.relay = Some(relay);
    }

    fn poll_all(&mut self, cx: &mut Context<'_>) {
        for (index, child) in self.children.slice().iter_mut().enumerate() {
            self.waiting -= usize::from(poll_child(
                child,
                index,
                &mut self.policy,
                &mut self.waits,
                cx,
            ));
        }
    }
}

/// Polls a child that is waiting. True if it is done by that.
fn poll_child<W, P>(
    child: &mut Child<W, P::Kept>,
    index: usize,
    policy: &mut P,
    waits: &mut ManyWaits,
    cx: &mut Context<'_>,
) -> bool
where
    W: Future,
    P: Policy<W::Output>,
{
    let Child::Waiting(wait) = child else {
        return false;
    };
    // SAFETY: the child is reached through a pinned `Wait`, and a `Waiting` child is only ever
    // overwritten in place, below.
    let wait = unsafe { Pin::new_unchecked(wait) };
    let Poll::Ready(result) = wait.poll(cx) else {
        waits.add();
        return false;
    };
    *child = match policy.keep(index, result) {
        Some(kept) => Child::Done(kept),
        None => Child::Gone,
    };
    true
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(io_loop) = self.io_loop.upgrade() {
            io_loop.ready().remove(self.slot);
        }
    }
}

impl<W, T, const N: usize> Children<W, T> for [Child<W, T>; N] {
    type Collected = [T; N];

    fn slice(&mut self) -> &mut [Child<W, T>] {
        self
    }

    fn collect(&mut self) -> [T; N] {
        std::array::from_fn(|index| take(&mut self[index]))
    }
}

/// A list's children.
#[derive(Debug)]
pub struct List<W, T>(pub(super) Box<[Child<W, T>]>);

impl<W, T> List<W, T> {
    pub(super) fn new(waits: impl Iterator<Item = W>) -> Self {
        List(waits.map(Child::Waiting).collect())
    }
}

impl<W, T> Children<W, T> for List<W, T> {
    type Collected = Vec<T>;

    fn slice(&mut self) -> &mut [Child<W, T>] {
        &mut self.0
    }

    fn collect(&mut self) -> Vec<T> {
        self.0.iter_mut().map(take).collect()
    }
}

/// A map's children, with their keys; `rebuild` makes the map again.
#[derive(Debug)]
pub struct Keyed<W, T, B: Rebuild<T>> {
    children: Box<[Child<W, T>]>,
    /// Taken when the map is rebuilt.
    rebuild: Option<B>,
}

/// Makes a map of its keys and new values.
pub trait Rebuild<T> {
    /// The map.
    type Map;

    /// Puts the keys and values together, in the order in which they were taken apart.
    fn rebuild(self, values: impl Iterator<Item = T>) -> Self::Map;
}

impl<W, T, B: Rebuild<T>> Keyed<W, T, B> {
    pub(super) fn new(waits: impl Iterator<Item = W>, rebuild: B) -> Self {
        Keyed {
            children: waits.map(Child::Waiting).collect(),
            rebuild: Some(rebuild),
        }
    }
}

impl<W, T, B: Rebuild<T>> Children<W, T> for Keyed<W, T, B> {
    type Collected = B::Map;

    fn slice(&mut self) -> &mut [Child<W, T>] {
        &mut self.children
    }

    fn collect(&mut self) -> B::Map {
        let rebuild = self.rebuild.take().expect("a wait is done once");
        rebuild.rebuild(self.children.iter_mut().map(take))
    }
}

/// Takes what was kept of a child when all are done and none has failed.
pub(super) fn take<W, T>(child: &mut Child<W, T>) -> T {
    match std::mem::replace(child, Child::Gone) {
        Child::Done(kept) => kept,
        Child::Waiting(_) | Child::Gone => unreachable!("every child is done, and none has failed"),
    }
}
