//! Messages for those who wait for them: long polling.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::future::or;
use serde::Serialize;
use squall::{Deferred, Promise, with_timeout};
use squall_web::{Exchange, Result};

use super::bad_request;

/// Those who wait for one topic, by number.
type Waiters = HashMap<u64, Promise<String>>;

/// Who waits for what.
#[derive(Clone, Default)]
pub(crate) struct Topics {
    waiting: Rc<RefCell<HashMap<String, Waiters>>>,
    next: Rc<RefCell<u64>>,
}

impl Topics {
    fn enter(&self, topic: &str) -> Waiter<'_> {
        let (promise, message) = Promise::new();
        let mut next = self.next.borrow_mut();
        *next += 1;
        let mut waiting = self.waiting.borrow_mut();
        let topic = topic.to_owned();
        waiting
            .entry(topic.clone())
            .or_default()
            .insert(*next, promise);
        Waiter {
            topics: self,
            topic,
            id: *next,
            message,
        }
    }

    /// Wakes all who wait for the topic, and says how many that were.
    fn publish(&self, topic: &str, message: &str) -> usize {
        let waiters = self.waiting.borrow_mut().remove(topic).unwrap_or_default();
        let count = waiters.len();
        for promise in waiters.into_values() {
            promise.set_result(message.to_owned());
        }
        count
    }
}

/// Somebody who waits; forgotten when dropped, however his handler ends.
struct Waiter<'a> {
    topics: &'a Topics,
    topic: String,
    id: u64,
    message: Deferred<String>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiting = self.topics.waiting.borrow_mut();
        let Some(waiters) = waiting.get_mut(&self.topic) else {
            return;
        };
        waiters.remove(&self.id);
        if waiters.is_empty() {
            waiting.remove(&self.topic);
        }
    }
}

#[derive(Serialize)]
struct Messages {
    messages: Vec<String>,
}

/// Waits for a message on the topic, for some time, and while the client is there.
pub(crate) async fn wait(topics: &Topics, ex: &mut Exchange) -> Result<()> {
    let topic = ex.argument("topic")?;
    let ms = match ex.argument_opt("timeout")? {
        Some(ms) => ms.parse().map_err(|_| bad_request("timeout is a number"))?,
        None => 5000,
    };
    let gone = ex.client_gone();
    let mut waiter = topics.enter(&topic);
    let message = async { Some((&mut waiter.message).await) };
    let gone = async {
        gone.await;
        None
    };
    let limit = Duration::from_millis(ms).min(Duration::from_secs(3600));
    let message = with_timeout(limit, or(message, gone)).await;
    let messages = message.ok().flatten().into_iter().collect();
    drop(waiter);
    ex.write_json(&Messages { messages })
}

#[derive(Serialize)]
struct Delivered {
    delivered: usize,
}

pub(crate) fn publish(topics: &Topics, ex: &mut Exchange) -> Result<()> {
    let topic = match ex.query_argument("topic")? {
        Some(topic) => topic,
        None => return Err(bad_request("the topic is missing")),
    };
    let message = str::from_utf8(ex.request().body());
    let message = message.map_err(|_| bad_request("a message is text"))?;
    let delivered = topics.publish(&topic, message);
    ex.write_json(&Delivered { delivered })
}
