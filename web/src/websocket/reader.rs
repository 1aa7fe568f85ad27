//! The end of a connection that is read.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use squall::net::IoStream;
use squall::{Sleep, yield_};

use super::channel::Channel;
use super::codec::{CloseCode, Decoder, Event, Message, ProtocolError, Role};
use super::flush;
use super::input::Input;
use super::keepalive::{Due, Keepalive};

/// How much is done at a time before others run.
const BATCH: u32 = 64;

/// What has come, for whoever wants to know all of it.
#[derive(Debug)]
pub(super) enum Incoming {
    Message(Message),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// The server is to end, and the program closes by itself.
    Leave,
}

/// Reads a connection, answers what is to be answered, and ends it.
pub(super) struct Reader {
    pub(super) channel: Rc<Channel>,
    decoder: Decoder,
    input: Input,
    keepalive: Option<Box<Keepalive>>,
    /// The time that a close may take, once there is one.
    closing: Option<Box<Sleep>>,
    /// True once nothing that comes has a meaning any more.
    is_done: bool,
    has_told_to_leave: bool,
}

impl Reader {
    pub(super) fn new(
        channel: Rc<Channel>,
        decoder: Decoder,
        read: Vec<u8>,
        keepalive: Option<Box<Keepalive>>,
    ) -> Reader {
        Reader {
            channel,
            decoder,
            input: Input::with(read),
            keepalive,
            closing: None,
            is_done: false,
            has_told_to_leave: false,
        }
    }

    /// What comes next; none at the end.
    pub(super) fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        let channel = self.channel.clone();
        for _ in 0..BATCH {
            if channel.is_over() {
                return Poll::Ready(None);
            }
            if channel.server_ends.get() && channel.closes_itself.get() && !self.has_told_to_leave {
                self.has_told_to_leave = true;
                return Poll::Ready(Some(Incoming::Leave));
            }
            if !self.is_done && !self.input.filled().is_empty() {
                match self.next_event() {
                    Ok(None) => {}
                    Ok(Some(event)) => {
                        if let Some(incoming) = self.take(event) {
                            return Poll::Ready(Some(incoming));
                        }
                    }
                    Err(error) => {
                        self.is_done = true;
                        channel.begin_close(error.close_code(), &error.to_string());
                    }
                }
                continue;
            }
            flush::now(&channel);
            if self.is_done && !channel.has_output() {
                end_stream(channel.stream.clone(), channel.role);
                channel.end();
                continue;
            }
            if self.is_late(cx) {
                channel.fail("the close was not answered in time".to_owned());
                continue;
            }
            channel.set_reader(cx.waker());
            if self.is_done {
                return Poll::Pending;
            }
            match self.poll_keepalive(cx) {
                Poll::Ready(()) => continue,
                Poll::Pending => {}
            }
            match self.input.poll_read(cx, &channel.stream) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => {
                    channel.fail("the connection ended without a close".to_owned());
                }
                Poll::Ready(Ok(_)) => {
                    if let Some(keepalive) = &mut self.keepalive {
                        keepalive.heard();
                    }
                }
                Poll::Ready(Err(error)) => channel.fail(error.to_string()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn next_event(&mut self) -> Result<Option<Event>, ProtocolError> {
        let (taken, event) = self.decoder.decode(self.input.filled())?;
        self.input.consume(taken);
        Ok(event)
    }

    /// Answers an event, and gives what of it is for others.
    fn take(&mut self, event: Event) -> Option<Incoming> {
        let is_open = self.channel.is_open();
        match event {
            Event::Message(message) => is_open.then_some(Incoming::Message(message)),
            Event::Ping(data) => {
                self.channel.pong(data.clone());
                is_open.then_some(Incoming::Ping(data))
            }
            Event::Pong(data) => is_open.then_some(Incoming::Pong(data)),
            Event::Close(frame) => {
                self.channel.answer_close(frame);
                self.is_done = true;
                None
            }
        }
    }

    /// True once a close has taken too long.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.channel.deadline() else {
            return false;
        };
        let closing = self
            .closing
            .get_or_insert_with(|| Box::new(squall::sleep_until(deadline)));
        Pin::new(&mut **closing).poll(cx).is_ready()
    }

    fn poll_keepalive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(keepalive) = self.keepalive.as_mut().filter(|_| self.channel.is_open()) else {
            return Poll::Pending;
        };
        match std::task::ready!(keepalive.poll(cx)) {
            Due::Ping => self.channel.ping(Vec::new()),
            Due::TimedOut => self
                .channel
                .begin_close(CloseCode::NORMAL, "ping timed out"),
        }
        Poll::Ready(())
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("channel", &self.channel)
            .field("input", &self.input)
            .field("is_done", &self.is_done)
            .finish_non_exhaustive()
    }
}

/// Ends a connection that nobody reads any more: as the program says, or with 1011 if it has failed.
#[squall::coroutine(crate = squall)]
pub(super) fn wind_up(mut reader: Reader, has_failed: Rc<Cell<bool>>) {
    // Then it is known whether the handler that had it has failed.
    yield_!(squall::moment());
    let code = match has_failed.get() {
        true => CloseCode::INTERNAL_ERROR,
        false => CloseCode::NORMAL,
    };
    reader.channel.begin_close(code, "");
    while yield_!(poll_fn(|cx| reader.poll_incoming(cx))).is_some() {}
}

/// Closes a stream on which both have said that they are done, or one cannot be understood.
///
/// The server is the first to close it. Whatever the peer still sends is read and dropped: closing
/// over it would reset the connection, and perhaps take the close away that is on its way to the peer.
fn end_stream(stream: Rc<IoStream>, role: Role) {
    if role == Role::Server && stream.shutdown_write().is_err() {
        stream.close();
        return;
    }
    drop(linger(stream));
}

#[squall::coroutine(crate = squall)]
fn linger(stream: Rc<IoStream>) {
    const MOST: usize = 16 * 1024 * 1024;
    let mut limit = squall::sleep(Duration::from_secs(2));
    let (mut input, mut dropped) = (Input::default(), 0);
    yield_!(poll_fn(|cx| {
        for _ in 0..BATCH {
            if Pin::new(&mut limit).poll(cx).is_ready() {
                return Poll::Ready(());
            }
            match std::task::ready!(input.poll_read(cx, &stream)) {
                Ok(read) if read > 0 && dropped < MOST => {
                    dropped += read;
                    input.consume(read);
                }
                _ => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
    stream.close();
}
