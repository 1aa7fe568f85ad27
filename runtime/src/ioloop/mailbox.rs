//! Messages from other threads, and whether their loop has to be woken for them.
//!
//! ```text
//!   other threads                          the loop's thread
//!   put: lock, push, has_mail = true       fall_asleep: sleeping = true
//!        if sleeping was true:                          has_mail? then do not sleep
//!           sleeping = false, wake         … sleeps …
//!                                          awake: sleeping = false
//!                                          take: has_mail = false, lock, take all
//! ```
//!
//! Each side writes its own flag before it reads the other's, so one of them sees the other: either
//! the loop finds the mail, or the sender finds it asleep. `cargo test` with `--cfg loom` tries all
//! ways in which the threads can interleave.

#[cfg(not(loom))]
use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

#[cfg(loom)]
use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

use std::sync::PoisonError;

pub(super) struct Mailbox<M> {
    /// `None` once it is closed.
    messages: Mutex<Option<Vec<M>>>,
    /// Set with every message, so that a turn without mail takes no lock.
    has_mail: AtomicBool,
    /// True while the loop sleeps or is about to, and nobody has taken it on to wake it.
    sleeping: AtomicBool,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a loop that sleeps has to be woken"]
pub(super) enum Delivery {
    /// The mailbox is closed; the message was dropped.
    Closed,
    /// The loop will find it by itself.
    Seen,
    /// The loop sleeps, and it is the caller's to wake it.
    MustWake,
}

impl<M> Mailbox<M> {
    pub(super) fn new() -> Mailbox<M> {
        Mailbox {
            messages: Mutex::new(Some(Vec::new())),
            has_mail: AtomicBool::new(false),
            sleeping: AtomicBool::new(false),
        }
    }

    pub(super) fn put(&self, message: M) -> Delivery {
        {
            let mut messages = self.lock();
            let Some(messages) = messages.as_mut() else {
                return Delivery::Closed;
            };
            messages.push(message);
            // A swap rather than a store: loom may place a store before a swap that did not see it.
            self.has_mail.swap(true, Ordering::SeqCst);
        }
        match self.sleeping.swap(false, Ordering::SeqCst) {
            true => Delivery::MustWake,
            false => Delivery::Seen,
        }
    }

    /// Takes all messages.
    pub(super) fn take(&self) -> Vec<M> {
        if !self.has_mail.swap(false, Ordering::SeqCst) {
            return Vec::new();
        }
        (self.lock().as_mut()).map_or_else(Vec::new, std::mem::take)
    }

    /// Announces that the loop is about to sleep. False if there is mail, and it must not.
    pub(super) fn fall_asleep(&self) -> bool {
        // A swap: if a sender's own swap came first, this one sees all that it did before.
        self.sleeping.swap(true, Ordering::SeqCst);
        if self.has_mail.load(Ordering::SeqCst) {
            self.sleeping.store(false, Ordering::SeqCst);
            return false;
        }
        true
    }

    pub(super) fn awake(&self) {
        self.sleeping.store(false, Ordering::SeqCst);
    }

    pub(super) fn has_mail(&self) -> bool {
        self.has_mail.load(Ordering::Relaxed)
    }

    /// Closes it, and returns what was in it.
    pub(super) fn close(&self) -> Option<Vec<M>> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<M>>> {
        // Nothing panics while it is locked; a poisoned lock would still hold a whole list.
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, loom))]
mod tests {
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    use super::{Delivery, Mailbox};

    /// A sleep that a wake ends, as eventfd and epoll have it: a wake before the sleep counts.
    #[derive(Default)]
    struct Bell {
        rung: Mutex<bool>,
        rings: Condvar,
    }

    impl Bell {
        fn ring(&self) {
            *self.rung.lock().unwrap() = true;
            self.rings.notify_one();
        }

        fn wait(&self) {
            let mut rung = self.rung.lock().unwrap();
            while !std::mem::take(&mut *rung) {
                rung = self.rings.wait(rung).unwrap();
            }
        }
    }

    /// Tries all interleavings with up to three preemptions; without the bound (tried once, and
    /// found well) it takes minutes.
    fn model(f: impl Fn() + Send + Sync + 'static) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(f);
    }

    /// A loop that sleeps whenever it has nothing gets every message: were a wake lost, it would
    /// wait for ever, and loom would say so.
    #[test]
    fn no_wake_is_lost() {
        model(|| {
            let shared = Arc::new((Mailbox::new(), Bell::default()));
            let senders: Vec<_> = (0..2)
                .map(|n| {
                    let shared = shared.clone();
                    thread::spawn(move || {
                        if shared.0.put(n) == Delivery::MustWake {
                            shared.1.ring();
                        }
                    })
                })
                .collect();
            let mut got = Vec::new();
            while got.len() < 2 {
                got.extend(shared.0.take());
                if got.len() < 2 && shared.0.fall_asleep() {
                    shared.1.wait();
                    shared.0.awake();
                }
            }
            senders
                .into_iter()
                .for_each(|sender| sender.join().unwrap());
            got.sort_unstable();
            assert_eq!(got, [0, 1]);
        });
    }

    #[test]
    fn a_message_to_a_mailbox_that_closes_is_delivered_or_refused() {
        model(|| {
            let mailbox = Arc::new(Mailbox::new());
            let sender = {
                let mailbox = mailbox.clone();
                thread::spawn(move || mailbox.put(1))
            };
            let left = mailbox.close().unwrap_or_default();
            let delivery = sender.join().unwrap();
            assert_eq!(left.is_empty(), delivery == Delivery::Closed);
        });
    }
}
