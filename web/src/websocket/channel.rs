//! What the reader of a connection and all its senders share.
//!
//! ```text
//!         a close is queued, by us or           both closes are there, and ours is sent;
//!         as the answer to the peer's           or nobody has waited for longer
//!   Open ─────────────────────────────► Closing ─────────────────────────────► Over
//!    └──────────────── the connection breaks ────────────────────────────────────▲
//! ```
//!
//! Whatever is sent goes into the outbox, and `flush` has it written before the loop's turn is long
//! over: what is sent in one turn goes in one write.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::IoSlice;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use squall::net::IoStream;

use super::codec::{
    CloseCode, CloseFrame, Deflater, FrameHeader, MAX_REASON, Message, OpCode, Role, apply_mask,
};
use super::error::WebSocketError;
use super::flush;
use super::masks::Masks;
use super::options::{Overflow, WebSocketOptions};
use super::outbox::{BATCH, Class, Outbox, Payload, SMALL};
use super::prepared::Prepared;
use crate::conn::{Leaves, Place, after};

/// How a connection has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The code of the side that closed first; [`CloseCode::NO_STATUS`] if it gave none, and
    /// [`CloseCode::ABNORMAL`] if there was no close.
    pub code: CloseCode,
    /// What goes with it in words, or what broke.
    pub reason: String,
    /// True if the peer has closed, or broken the connection.
    pub by_peer: bool,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.by_peer {
            true => "by the peer",
            false => "by this side",
        };
        write!(f, "{who}, with {}", self.code)?;
        match &*self.reason {
            "" => Ok(()),
            reason => write!(f, " ({reason})"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Closing,
    Over,
}

/// What became of a message that was [pushed](super::WebSocketSender::push).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It waits to be sent.
    Queued,
    /// It waits to be sent, and so many that waited longer were dropped for it.
    Displaced(usize),
    /// It was dropped.
    Dropped,
    /// It was not taken, as the queue is full: wait with [`send`](super::WebSocketSender::send).
    Full,
}

pub(super) struct Channel {
    pub(super) stream: Rc<IoStream>,
    pub(super) role: Role,
    pub(super) subprotocol: Option<Box<str>>,
    limits: Limits,
    outbox: RefCell<Outbox>,
    deflater: RefCell<Option<Box<Deflating>>>,
    /// Of a client: what it masks with.
    masks: Option<Masks>,
    state: Cell<State>,
    /// Why it ends: the first cause counts.
    cause: RefCell<Option<Box<Closed>>>,
    /// By when a close has to be over.
    deadline: Cell<Option<Instant>>,
    /// The one who waits for what comes.
    reader: Cell<Option<Waker>>,
    /// Those who wait for room, or for the end.
    waiting: RefCell<Vec<Waker>>,
    /// True while a flush is due, or under way.
    pub(super) is_due: Cell<bool>,
    pub(super) is_flushing: Cell<bool>,
    /// True if the peer has taken something since somebody looked.
    pub(super) has_written: Cell<bool>,
    /// True once the server wants its guests to leave.
    pub(super) server_ends: Cell<bool>,
    /// True if the program is told of that, and closes itself.
    pub(super) closes_itself: Cell<bool>,
    dropped: Cell<u64>,
    /// The place among the server's guests.
    place: Cell<Option<Place>>,
}

struct Limits {
    max_queued_bytes: usize,
    max_queued_messages: usize,
    overflow: Overflow,
    send_timeout: Duration,
    close_timeout: Duration,
}

/// The compressor, and from which size on it is used.
pub(super) struct Deflating {
    pub(super) deflater: Deflater,
    pub(super) threshold: usize,
}

impl Channel {
    pub(super) fn new(
        stream: Rc<IoStream>,
        role: Role,
        options: &WebSocketOptions,
        deflating: Option<Deflating>,
        subprotocol: Option<Box<str>>,
    ) -> Channel {
        Channel {
            stream,
            role,
            subprotocol,
            limits: Limits {
                max_queued_bytes: options.max_queued_bytes,
                max_queued_messages: options.max_queued_messages,
                overflow: options.overflow,
                send_timeout: options.send_timeout,
                close_timeout: options.close_timeout,
            },
            outbox: RefCell::default(),
            deflater: RefCell::new(deflating.map(Box::new)),
            masks: (role == Role::Client).then(Masks::new),
            state: Cell::new(State::Open),
            cause: RefCell::default(),
            deadline: Cell::new(None),
            reader: Cell::new(None),
            waiting: RefCell::default(),
            is_due: Cell::new(false),
            is_flushing: Cell::new(false),
            has_written: Cell::new(false),
            server_ends: Cell::new(false),
            closes_itself: Cell::new(false),
            dropped: Cell::new(0),
            place: Cell::new(None),
        }
    }

    /// Keeps the place among the server's guests as long as this is there.
    pub(super) fn stay(&self, place: Place) {
        self.place.set(Some(place));
    }

    pub(super) fn is_open(&self) -> bool {
        self.state.get() == State::Open
    }

    pub(super) fn is_over(&self) -> bool {
        self.state.get() == State::Over
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline.get()
    }

    pub(super) fn closed(&self) -> Option<Closed> {
        self.cause.borrow().as_deref().cloned()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.get()
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.outbox.borrow().bytes()
    }

    pub(super) fn has_output(&self) -> bool {
        !self.outbox.borrow().is_empty()
    }

    pub(super) fn send_timeout(&self) -> Duration {
        self.limits.send_timeout
    }

    pub(super) fn compresses(&self) -> bool {
        self.deflater.borrow().is_some()
    }

    /// The error of those who come too late.
    fn closed_error(&self) -> WebSocketError {
        WebSocketError::closed(self.closed().unwrap_or(Closed {
            code: CloseCode::ABNORMAL,
            reason: String::new(),
            by_peer: true,
        }))
    }

    // Sending.

    /// Ready when a message of so many bytes may be added.
    pub(super) fn poll_room(
        &self,
        cx: &mut Context<'_>,
        len: usize,
    ) -> Poll<Result<(), WebSocketError>> {
        if !self.is_open() {
            return Poll::Ready(Err(self.closed_error()));
        }
        match self.has_room(len) {
            true => Poll::Ready(Ok(())),
            false => {
                self.wait(cx);
                Poll::Pending
            }
        }
    }

    /// Ready when the connection is over.
    pub(super) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_over() {
            return Poll::Ready(());
        }
        self.wait(cx);
        Poll::Pending
    }

    fn wait(&self, cx: &mut Context<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
    }

    fn has_room(&self, len: usize) -> bool {
        let (bytes, messages) = (
            self.limits.max_queued_bytes,
            self.limits.max_queued_messages,
        );
        self.outbox.borrow().has_room(len, bytes, messages)
    }

    /// Adds a message, for which there is room.
    pub(super) fn add(self: &Rc<Self>, message: Message) {
        let opcode = match message.is_text() {
            true => OpCode::Text,
            false => OpCode::Binary,
        };
        let mut deflating = self.deflater.borrow_mut();
        let deflating = deflating.as_deref_mut();
        let deflating = deflating.filter(|deflating| message.len() >= deflating.threshold);
        let (payload, compressed) = match deflating {
            Some(deflating) => (deflating.deflater.deflate(message.as_bytes()), true),
            None => (message.into_bytes(), false),
        };
        self.queue(opcode, compressed, Payload::Own(payload), Class::Message);
    }

    /// Adds a message that others get as well.
    pub(super) fn add_prepared(self: &Rc<Self>, prepared: &Prepared) {
        let mut payload = prepared.plain();
        let mut compressed = false;
        if let Some(deflating) = self.deflater.borrow_mut().as_deref_mut()
            && prepared.len() >= deflating.threshold
            && let Some(deflated) = prepared.deflated_within(deflating.deflater.window_bits())
        {
            // The peer's window has now what our compressor does not know of.
            deflating.deflater.forget();
            (payload, compressed) = (deflated, true);
        }
        let payload = Payload::Shared(payload);
        self.queue(prepared.opcode(), compressed, payload, Class::Message);
    }

    /// Makes room by the policy, and has `add` add a message of so many bytes.
    pub(super) fn push(
        self: &Rc<Self>,
        len: usize,
        add: impl FnOnce(),
    ) -> Result<Pushed, WebSocketError> {
        if !self.is_open() {
            return Err(self.closed_error());
        }
        if self.has_room(len) {
            add();
            return Ok(Pushed::Queued);
        }
        let (bytes, messages) = (
            self.limits.max_queued_bytes,
            self.limits.max_queued_messages,
        );
        match self.limits.overflow {
            Overflow::Wait => Ok(Pushed::Full),
            Overflow::DropNewest => {
                self.note_dropped(1);
                Ok(Pushed::Dropped)
            }
            Overflow::DropOldest => {
                let dropped = self.outbox.borrow_mut().drop_oldest(len, bytes, messages);
                self.note_dropped(dropped);
                if !self.has_room(len) {
                    // Only what has begun to go is left.
                    self.note_dropped(1);
                    return Ok(Pushed::Dropped);
                }
                add();
                Ok(Pushed::Displaced(dropped))
            }
            Overflow::Close => {
                self.outbox.borrow_mut().drop_messages();
                self.begin_close(CloseCode::TRY_AGAIN_LATER, "too slow");
                Err(self.closed_error())
            }
        }
    }

    fn note_dropped(&self, count: usize) {
        self.dropped.set(self.dropped.get() + count as u64);
    }

    pub(super) fn ping(self: &Rc<Self>, data: Vec<u8>) {
        if !self.is_open() {
            return;
        }
        self.queue(OpCode::Ping, false, Payload::Own(data), Class::Ping);
    }

    /// Answers a ping. Of several that the peer does not take, the first and the latest are kept.
    pub(super) fn pong(self: &Rc<Self>, data: Vec<u8>) {
        if !self.is_open() {
            return;
        }
        self.outbox.borrow_mut().drop_last_pong();
        self.queue(OpCode::Pong, false, Payload::Own(data), Class::Pong);
    }

    fn queue(self: &Rc<Self>, opcode: OpCode, compressed: bool, payload: Payload, class: Class) {
        let mask = self.masks.as_ref().map(Masks::next);
        let header = FrameHeader {
            opcode,
            fin: true,
            compressed,
            mask,
            len: payload.bytes().len() as u64,
        };
        let payload = match mask {
            None => payload,
            Some(mask) => {
                let mut bytes = match payload {
                    Payload::Own(bytes) => bytes,
                    Payload::Shared(bytes) => bytes.to_vec(),
                };
                apply_mask(&mut bytes, mask, 0);
                Payload::Own(bytes)
            }
        };
        self.outbox.borrow_mut().push(&header, payload, class);
        flush::soon(self);
    }

    /// Writes what waits, as far as the stream takes it.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<squall::Result<()>> {
        // Of the frames that a pending write was tried with none may be dropped: TLS has perhaps
        // encrypted them. The first never is.
        let most = match self.limits.overflow {
            Overflow::DropOldest | Overflow::Close => 1,
            Overflow::Wait | Overflow::DropNewest => BATCH,
        };
        loop {
            let written = {
                let outbox = self.outbox.borrow();
                if outbox.is_empty() {
                    break;
                }
                match outbox.copy(most, &mut [0; SMALL]) {
                    Some(bytes) => ready!(self.stream.poll_write(cx, bytes))?,
                    None => {
                        let mut slices = [IoSlice::new(&[]); 2 * BATCH];
                        let count = outbox.fill(most, &mut slices);
                        ready!(self.stream.poll_write_vectored(cx, &slices[..count]))?
                    }
                }
            };
            self.outbox.borrow_mut().advance(written);
            self.has_written.set(true);
            self.wake_waiting();
        }
        // The reader may wait for its close to be sent.
        if self.state.get() == State::Closing {
            self.wake_reader();
        }
        Poll::Ready(Ok(()))
    }

    /// Notes the end of a flush.
    pub(super) fn note_written(&self, written: squall::Result<()>) {
        if let Err(error) = written {
            self.fail(error.to_string());
        }
    }

    // Waking.

    pub(super) fn set_reader(&self, waker: &Waker) {
        let old = self.reader.take();
        self.reader.set(Some(match old {
            Some(old) if old.will_wake(waker) => old,
            _ => waker.clone(),
        }));
    }

    fn wake_reader(&self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn wake_waiting(&self) {
        if !self.waiting.borrow().is_empty() {
            let waiting = self.waiting.take();
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    // The end.

    fn begin(self: &Rc<Self>, cause: Closed, payload: Vec<u8>) {
        if !self.is_open() {
            return;
        }
        self.state.set(State::Closing);
        *self.cause.borrow_mut() = Some(Box::new(cause));
        self.deadline.set(Some(after(self.limits.close_timeout)));
        self.queue(OpCode::Close, false, Payload::Own(payload), Class::Close);
        self.wake_reader();
        self.wake_waiting();
    }

    /// Sends a close; without effect if one is sent already.
    pub(super) fn begin_close(self: &Rc<Self>, code: CloseCode, reason: &str) {
        let frame = CloseFrame {
            code,
            reason: shortened(reason).to_owned(),
        };
        let payload = frame.payload();
        let cause = Closed {
            code,
            reason: frame.reason,
            by_peer: false,
        };
        self.begin(cause, payload);
    }

    /// Sends what the program wants to close with.
    pub(super) fn close(
        self: &Rc<Self>,
        code: CloseCode,
        reason: &str,
    ) -> Result<(), WebSocketError> {
        if !code.is_sendable() {
            let message = format!("a close with {code} cannot be sent: take 1000, or 3000 to 4999");
            return Err(WebSocketError::mistake(message));
        }
        if reason.len() > MAX_REASON {
            let message = format!(
                "the reason of a close is {MAX_REASON} bytes at most, and this one {}",
                reason.len()
            );
            return Err(WebSocketError::mistake(message));
        }
        self.begin_close(code, reason);
        Ok(())
    }

    /// Answers the peer's close with its code.
    pub(super) fn answer_close(self: &Rc<Self>, frame: Option<CloseFrame>) {
        let (code, reason) = match frame {
            Some(frame) => (frame.code, frame.reason),
            None => (CloseCode::NO_STATUS, String::new()),
        };
        let payload = match code {
            CloseCode::NO_STATUS => Vec::new(),
            code => code.as_u16().to_be_bytes().to_vec(),
        };
        let cause = Closed {
            code,
            reason,
            by_peer: true,
        };
        self.begin(cause, payload);
    }

    /// The connection is broken.
    pub(super) fn fail(&self, reason: String) {
        if self.is_over() {
            return;
        }
        let mut cause = self.cause.borrow_mut();
        cause.get_or_insert_with(|| {
            Box::new(Closed {
                code: CloseCode::ABNORMAL,
                reason,
                by_peer: true,
            })
        });
        drop(cause);
        self.stream.close();
        self.end();
    }

    /// All is over: the stream is for whoever closes it.
    pub(super) fn end(&self) {
        self.state.set(State::Over);
        self.outbox.borrow_mut().clear();
        let deflater = self.deflater.take();
        drop((deflater, self.place.take()));
        self.wake_reader();
        self.wake_waiting();
    }

    pub(super) fn shut(self: &Rc<Self>) {
        self.server_ends.set(true);
        match self.closes_itself.get() {
            true => self.wake_reader(),
            false => self.begin_close(CloseCode::GOING_AWAY, ""),
        }
    }
}

/// As much of a reason as a close may have.
fn shortened(reason: &str) -> &str {
    let fits = |end: &usize| *end <= MAX_REASON && reason.is_char_boundary(*end);
    let end = (0..=reason.len().min(MAX_REASON)).rev().find(fits);
    &reason[..end.unwrap_or(0)]
}

impl Leaves for Channel {
    fn server_ends(self: Rc<Self>) {
        self.shut();
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("role", &self.role)
            .field("state", &self.state.get())
            .field("peer", &self.stream.peer_addr())
            .field("queued_bytes", &self.queued_bytes())
            .finish_non_exhaustive()
    }
}
