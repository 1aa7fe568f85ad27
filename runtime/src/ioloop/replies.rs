//! Answers that the loop expects from other threads.
//!
//! A promise cannot leave its thread. What leaves is a [`Reply`]: the number under which the loop
//! keeps the promise. While one is out a virtual clock does not jump.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use slab::Slab;

use super::IoLoop;
use super::handle::{Inbox, Message};
use crate::coro::deferred::Deferred;
use crate::future::Promise;

/// What a reply carries.
pub(super) type Parcel = Box<dyn Any + Send>;

#[derive(Default)]
pub(super) struct Replies {
    expected: Slab<Box<dyn FnOnce(Parcel)>>,
}

impl Replies {
    pub(super) fn is_empty(&self) -> bool {
        self.expected.is_empty()
    }
}

/// Settles a deferred from another thread, once.
pub(crate) struct Reply<T> {
    /// `None` once it is sent.
    inbox: Option<Arc<Inbox>>,
    number: usize,
    kind: PhantomData<fn(T)>,
}

impl IoLoop {
    /// Returns the two ends of an answer that comes from another thread.
    pub(crate) fn expect_reply<T: Send + 'static>(&self) -> (Reply<T>, Deferred<T>) {
        let (promise, deferred) = Promise::new();
        let settle: Box<dyn FnOnce(Parcel)> = Box::new(move |parcel: Parcel| {
            if let Ok(value) = parcel.downcast::<T>() {
                promise.set_result(*value);
            }
        });
        // A closed loop keeps nothing; with what settles it the promise goes, which tells who waits.
        let number = if self.core.closed.get() {
            drop(settle);
            usize::MAX
        } else {
            self.core.replies.borrow_mut().expected.insert(settle)
        };
        let reply = Reply {
            inbox: Some(self.core.inbox.clone()),
            number,
            kind: PhantomData,
        };
        (reply, deferred)
    }

    /// Hands a reply to whom it concerns; without a parcel its promise is dropped.
    pub(super) fn deliver(&self, number: usize, parcel: Option<Parcel>) {
        let settle = self.core.replies.borrow_mut().expected.try_remove(number);
        if let (Some(settle), Some(parcel)) = (settle, parcel) {
            settle(parcel);
        }
    }
}

impl<T: Send + 'static> Reply<T> {
    /// Sends the answer. If the loop is closed nobody waits any more, and it is dropped.
    pub(crate) fn send(mut self, value: T) {
        if let Some(inbox) = self.inbox.take() {
            inbox.put(Message::Reply(self.number, Some(Box::new(value))));
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(inbox) = self.inbox.take() {
            inbox.put(Message::Reply(self.number, None));
        }
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}
