//! A message to many connections.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use super::channel::Pushed;
use super::codec::Message;
use super::prepared::Prepared;
use super::sender::WebSocketSender;

/// Connections that are told the same: a chat's guests, the watchers of a price.
///
/// A message is framed, and compressed, once; its bytes are there once, however many they go to.
///
/// # Examples
///
/// ```
/// use squall::yield_;
/// use squall_web::websocket::Broadcast;
/// use squall_web::{Exchange, Result};
///
/// thread_local! {
///     static GUESTS: Broadcast = Broadcast::new();
/// }
///
/// #[squall::coroutine]
/// fn chat(ex: &mut Exchange) -> Result<()> {
///     let mut ws = yield_!(ex.websocket())?;
///     let guests = GUESTS.with(Broadcast::clone);
///     let _membership = guests.join(&ws.sender());
///     while let Some(message) = yield_!(ws.recv()) {
///         guests.push(message);
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Default)]
pub struct Broadcast {
    members: Rc<RefCell<Members>>,
}

#[derive(Default)]
struct Members {
    /// In the order in which they came, with gaps where some have left.
    list: Vec<Option<(u64, WebSocketSender)>>,
    /// Where in the list each is.
    places: HashMap<u64, usize>,
    next_id: u64,
}

impl Broadcast {
    /// Makes one without members.
    pub fn new() -> Broadcast {
        Broadcast::default()
    }

    /// Adds a connection, until what this gives is dropped.
    pub fn join(&self, sender: &WebSocketSender) -> Membership {
        let mut members = self.members.borrow_mut();
        let id = members.next_id;
        members.next_id += 1;
        let place = members.list.len();
        members.list.push(Some((id, sender.clone())));
        members.places.insert(id, place);
        Membership {
            members: self.members.clone(),
            id,
        }
    }

    /// Returns how many members there are.
    pub fn len(&self) -> usize {
        self.members.borrow().places.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends a message to all members without waiting, each by its connection's
    /// [policy](super::Overflow). Gives to how many it goes.
    pub fn push(&self, message: impl Into<Message>) -> usize {
        self.push_all(&Prepared::new(message), |_| {})
    }

    /// Sends a message to all members, and waits for those whose queue is full, and whose
    /// [policy](super::Overflow) is to wait: so the slowest sets the pace. Gives to how many it went.
    ///
    /// # Cancellation
    ///
    /// Those that were waited for do not get it.
    pub async fn send(&self, message: impl Into<Message>) -> usize {
        let message = Prepared::new(message);
        let mut full = Vec::new();
        let mut told = self.push_all(&message, |sender| full.push(sender.clone()));
        for sender in full {
            told += usize::from(sender.send_prepared(&message).await.is_ok());
        }
        told
    }

    fn push_all(&self, message: &Prepared, mut is_full: impl FnMut(&WebSocketSender)) -> usize {
        let mut told = 0;
        // Pushing runs nobody's code, so nobody joins or leaves meanwhile.
        for (_, sender) in self.members.borrow().list.iter().flatten() {
            match sender.push_prepared(message) {
                Ok(Pushed::Queued | Pushed::Displaced(_)) => told += 1,
                Ok(Pushed::Full) => is_full(sender),
                Ok(Pushed::Dropped) | Err(_) => {}
            }
        }
        told
    }
}

impl Members {
    fn leave(&mut self, id: u64) -> Option<WebSocketSender> {
        let place = self.places.remove(&id)?;
        let (_, sender) = self.list[place].take()?;
        if self.list.len() > 2 * self.places.len() + 16 {
            self.list.retain(Option::is_some);
            for (place, member) in self.list.iter().enumerate() {
                if let Some((id, _)) = member {
                    self.places.insert(*id, place);
                }
            }
        }
        Some(sender)
    }
}

impl fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Broadcast").field(&self.len()).finish()
    }
}

/// A connection's place in a [`Broadcast`], which it leaves when this is dropped.
#[must_use = "the connection leaves when this is dropped"]
pub struct Membership {
    members: Rc<RefCell<Members>>,
    id: u64,
}

impl Drop for Membership {
    fn drop(&mut self) {
        // Outside of the borrow: it may be the last that holds the connection.
        let left = self.members.borrow_mut().leave(self.id);
        drop(left);
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Membership").field(&self.id).finish()
    }
}
