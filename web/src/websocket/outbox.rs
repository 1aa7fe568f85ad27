//! What waits to be sent.
//!
//! Each frame keeps its payload as it was given, so that nothing large is copied to be sent, and a
//! message to thousands is there once.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::rc::Rc;

use super::codec::{FrameHeader, MAX_HEADER};

/// How many frames go in one write.
pub(super) const BATCH: usize = 32;

/// How many bytes are copied into one piece, rather than written from where they lie: the system has
/// more work with several pieces than we with so few bytes.
pub(super) const SMALL: usize = 1024;

/// What a frame carries.
#[derive(Debug)]
pub(super) enum Payload {
    Own(Vec<u8>),
    Shared(Rc<[u8]>),
}

impl Payload {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Payload::Own(bytes) => bytes,
            Payload::Shared(bytes) => bytes,
        }
    }
}

/// What a frame is to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Message,
    Ping,
    Pong,
    Close,
}

#[derive(Debug)]
struct Queued {
    head: [u8; MAX_HEADER],
    head_len: u8,
    class: Class,
    payload: Payload,
}

impl Queued {
    fn len(&self) -> usize {
        usize::from(self.head_len) + self.payload.bytes().len()
    }
}

/// A queue of frames. Holds no memory while it is empty.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<Queued>,
    /// Bytes of the queue that are not sent.
    bytes: usize,
    messages: usize,
    /// How much of the first frame is sent.
    sent: usize,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// True if a message of so many bytes may be added.
    pub(super) fn has_room(&self, len: usize, max_bytes: usize, max_messages: usize) -> bool {
        self.messages == 0
            || (self.messages < max_messages && self.bytes.saturating_add(len) <= max_bytes)
    }

    pub(super) fn push(&mut self, header: &FrameHeader, payload: Payload, class: Class) {
        let mut head = [0; MAX_HEADER];
        let head_len = header.encode(&mut head) as u8;
        let queued = Queued {
            head,
            head_len,
            class,
            payload,
        };
        self.bytes += queued.len();
        self.messages += usize::from(class == Class::Message);
        self.queue.push_back(queued);
    }

    /// Takes out the last pong that has not begun to go, unless it is the only one: the first that
    /// waits stays, and so does the latest.
    pub(super) fn drop_last_pong(&mut self) {
        let is_pong = |queued: &Queued| queued.class == Class::Pong;
        let pongs = self.queue.iter().filter(|queued| is_pong(queued)).count();
        if pongs < 2 {
            return;
        }
        if let Some(at) = self.queue.iter().rposition(is_pong) {
            self.remove(at);
        }
    }

    /// Drops messages that have not begun to go, the oldest first, until there is room. Gives how
    /// many.
    pub(super) fn drop_oldest(
        &mut self,
        len: usize,
        max_bytes: usize,
        max_messages: usize,
    ) -> usize {
        let (mut at, mut dropped) = (1, 0);
        while !self.has_room(len, max_bytes, max_messages) && at < self.queue.len() {
            match self.queue[at].class {
                Class::Message => {
                    self.remove(at);
                    dropped += 1;
                }
                _ => at += 1,
            }
        }
        dropped
    }

    /// Drops all messages that have not begun to go.
    pub(super) fn drop_messages(&mut self) {
        let mut at = 1;
        while at < self.queue.len() {
            match self.queue[at].class {
                Class::Message => self.remove(at),
                _ => at += 1,
            }
        }
    }

    fn remove(&mut self, at: usize) {
        if let Some(queued) = self.queue.remove(at) {
            self.bytes -= queued.len();
            self.messages -= usize::from(queued.class == Class::Message);
        }
    }

    /// What is next to be sent, of `most` frames; gives how many slices.
    pub(super) fn fill<'a>(&'a self, most: usize, slices: &mut [IoSlice<'a>; 2 * BATCH]) -> usize {
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(self.parts(most)) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        count
    }

    /// Copies what is next to be sent, of `most` frames, if all that waits is small.
    pub(super) fn copy<'a>(&self, most: usize, to: &'a mut [u8; SMALL]) -> Option<&'a [u8]> {
        if self.bytes > SMALL {
            return None;
        }
        let mut len = 0;
        for part in self.parts(most) {
            to[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        Some(&to[..len])
    }

    /// What of the first `most` frames is not sent; none of it is empty.
    fn parts(&self, most: usize) -> impl Iterator<Item = &[u8]> {
        let frames = self.queue.iter().take(most.min(BATCH));
        let parts = frames.flat_map(|queued| {
            let head = &queued.head[..usize::from(queued.head_len)];
            [head, queued.payload.bytes()]
        });
        parts
            .scan(self.sent, |skip, part| {
                let skipped = part.len().min(*skip);
                *skip -= skipped;
                Some(&part[skipped..])
            })
            .filter(|part| !part.is_empty())
    }

    /// Notes that so many bytes are sent.
    pub(super) fn advance(&mut self, written: usize) {
        self.bytes -= written;
        self.sent += written;
        while let Some(first) = self.queue.front() {
            if self.sent < first.len() {
                return;
            }
            self.sent -= first.len();
            self.messages -= usize::from(first.class == Class::Message);
            self.queue.pop_front();
        }
        self.queue = VecDeque::new();
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Outbox::default();
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::OpCode;
    use super::*;

    fn push(outbox: &mut Outbox, payload: &[u8], class: Class) {
        let opcode = match class {
            Class::Message => OpCode::Binary,
            Class::Ping => OpCode::Ping,
            Class::Pong => OpCode::Pong,
            Class::Close => OpCode::Close,
        };
        let header = FrameHeader {
            opcode,
            fin: true,
            compressed: false,
            mask: None,
            len: payload.len() as u64,
        };
        outbox.push(&header, Payload::Own(payload.to_vec()), class);
    }

    /// All that is in it, sent in writes of `most` bytes.
    fn drain(outbox: &mut Outbox, most: usize) -> Vec<u8> {
        let mut sent = Vec::new();
        while !outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); 2 * BATCH];
            let count = outbox.fill(BATCH, &mut slices);
            let all: Vec<u8> = slices[..count]
                .iter()
                .flat_map(|slice| slice.to_vec())
                .collect();
            assert_eq!(outbox.copy(BATCH, &mut [0; SMALL]), Some(&*all));
            let now = &all[..all.len().min(most)];
            sent.extend(now);
            let len = now.len();
            outbox.advance(len);
        }
        assert_eq!((outbox.bytes, outbox.messages, outbox.sent), (0, 0, 0));
        assert_eq!(outbox.queue.capacity(), 0);
        sent
    }

    #[test]
    fn frames_go_out_in_order_whatever_is_taken_at_a_time() {
        for most in 1..20 {
            let mut outbox = Outbox::default();
            push(&mut outbox, b"one", Class::Message);
            push(&mut outbox, b"", Class::Ping);
            push(&mut outbox, b"three", Class::Message);
            assert_eq!(outbox.bytes(), 14);
            assert_eq!(drain(&mut outbox, most), b"\x82\x03one\x89\0\x82\x05three");
        }
    }

    #[test]
    fn more_than_a_batch_goes_out_whole() {
        let mut outbox = Outbox::default();
        for n in 0..100 {
            push(&mut outbox, &[n], Class::Message);
        }
        let want: Vec<u8> = (0..100).flat_map(|n| [0x82, 1, n]).collect();
        assert_eq!(drain(&mut outbox, 1000), want);
    }

    #[test]
    fn what_is_not_small_is_not_copied() {
        let mut outbox = Outbox::default();
        push(&mut outbox, &[7; SMALL - 4], Class::Message);
        assert_eq!(
            outbox.copy(BATCH, &mut [0; SMALL]).map(<[u8]>::len),
            Some(SMALL)
        );
        push(&mut outbox, b"", Class::Ping);
        assert_eq!(outbox.copy(BATCH, &mut [0; SMALL]), None);
        outbox.advance(2);
        assert_eq!(
            outbox.copy(1, &mut [0; SMALL]).map(<[u8]>::len),
            Some(SMALL - 2)
        );
    }

    #[test]
    fn room_is_counted_in_bytes_and_messages() {
        let mut outbox = Outbox::default();
        assert!(outbox.has_room(1000, 10, 2), "alone, whatever its size");
        push(&mut outbox, b"abcd", Class::Message);
        assert!(outbox.has_room(4, 10, 2));
        assert!(!outbox.has_room(5, 10, 2));
        push(&mut outbox, b"", Class::Message);
        assert!(!outbox.has_room(0, 10, 2));
    }

    #[test]
    fn the_oldest_that_waits_makes_room_but_not_what_has_begun() {
        let mut outbox = Outbox::default();
        push(&mut outbox, b"a", Class::Message);
        push(&mut outbox, b"p", Class::Ping);
        push(&mut outbox, b"b", Class::Message);
        push(&mut outbox, b"c", Class::Message);
        outbox.advance(1);
        assert_eq!(outbox.drop_oldest(1, 1000, 3), 1);
        push(&mut outbox, b"d", Class::Message);
        assert_eq!(drain(&mut outbox, 5), b"\x01a\x89\x01p\x82\x01c\x82\x01d");
    }

    #[test]
    fn first_and_latest_pong_stay() {
        let mut outbox = Outbox::default();
        for payload in [b"1", b"2", b"3"] {
            outbox.drop_last_pong();
            push(&mut outbox, payload, Class::Pong);
        }
        assert_eq!(drain(&mut outbox, 5), b"\x8a\x011\x8a\x013");
    }
}
