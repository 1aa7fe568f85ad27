//! One direction of a wire: bytes that are under way, and bytes that have arrived.
//!
//! Knows no clock: it is handed the times.

use std::collections::VecDeque;
use std::time::Instant;

#[derive(Debug)]
pub(super) struct Pipe {
    under_way: VecDeque<Segment>,
    arrived: VecDeque<u8>,
    /// How many bytes are in both at most.
    capacity: usize,
    /// How many are.
    len: usize,
    /// Nothing more is written.
    pub(super) is_shut: bool,
    /// The end has arrived: after the last byte the reader sees it.
    pub(super) has_ended: bool,
    /// Nobody reads any more.
    pub(super) is_deaf: bool,
}

#[derive(Debug)]
struct Segment {
    arrives: Instant,
    content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Bytes(Vec<u8>),
    /// The writer will write no more.
    End,
    /// The connection is broken.
    Reset,
}

impl Pipe {
    pub(super) fn new(capacity: usize) -> Pipe {
        Pipe {
            under_way: VecDeque::new(),
            arrived: VecDeque::new(),
            capacity,
            len: 0,
            is_shut: false,
            has_ended: false,
            is_deaf: false,
        }
    }

    /// How many bytes can be written.
    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.len)
    }

    /// How many bytes can be read.
    pub(super) fn readable(&self) -> usize {
        self.arrived.len()
    }

    /// Puts something on its way; it overtakes nothing.
    pub(super) fn send(&mut self, content: Content, arrives: Instant) {
        if let Content::Bytes(bytes) = &content {
            self.len += bytes.len();
        }
        let last = self.under_way.back().map(|segment| segment.arrives);
        let arrives = last.map_or(arrives, |last| last.max(arrives));
        self.under_way.push_back(Segment { arrives, content });
    }

    /// When the next of what is under way arrives.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.under_way.front().map(|segment| segment.arrives)
    }

    /// Takes the next of what has arrived at `now`.
    pub(super) fn take_arrived(&mut self, now: Instant) -> Option<Content> {
        self.next_arrival().filter(|arrives| *arrives <= now)?;
        let segment = self.under_way.pop_front()?;
        Some(segment.content)
    }

    /// Adds bytes that have arrived, and were sent before.
    pub(super) fn arrive(&mut self, bytes: Vec<u8>) {
        match self.is_deaf {
            true => self.len -= bytes.len(),
            false => self.arrived.extend(bytes),
        }
    }

    /// Reads as many bytes as fit.
    pub(super) fn read(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.arrived.len());
        for (place, byte) in into.iter_mut().zip(self.arrived.drain(..count)) {
            *place = byte;
        }
        self.len -= count;
        if self.arrived.is_empty() {
            // A wire that idles holds no buffer.
            self.arrived = VecDeque::new();
        }
        count
    }

    /// Loses what is under way.
    pub(super) fn lose(&mut self) {
        self.under_way.clear();
        self.len = self.arrived.len();
    }

    /// Has nobody read any more: what has arrived is dropped, and what arrives.
    pub(super) fn deafen(&mut self) {
        self.is_deaf = true;
        self.len -= self.arrived.len();
        self.arrived = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn bytes(text: &[u8]) -> Content {
        Content::Bytes(text.to_vec())
    }

    fn deliver(pipe: &mut Pipe, now: Instant) {
        while let Some(content) = pipe.take_arrived(now) {
            match content {
                Content::Bytes(bytes) => pipe.arrive(bytes),
                _ => pipe.has_ended = true,
            }
        }
    }

    #[test]
    fn what_is_sent_later_arrives_later() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pipe = Pipe::new(100);
        pipe.send(bytes(b"first"), at(5));
        pipe.send(bytes(b"second"), at(1));
        pipe.send(Content::End, at(6));
        deliver(&mut pipe, at(4));
        assert_eq!((pipe.readable(), pipe.next_arrival()), (0, Some(at(5))));
        deliver(&mut pipe, at(5));
        let mut read = [0; 20];
        assert_eq!(pipe.read(&mut read), 11);
        assert_eq!(&read[..11], b"firstsecond");
        assert!(!pipe.has_ended);
        deliver(&mut pipe, at(6));
        assert!(pipe.has_ended && pipe.next_arrival().is_none());
    }

    #[test]
    fn room_is_for_what_is_under_way_and_what_is_unread() {
        let start = Instant::now();
        let mut pipe = Pipe::new(10);
        pipe.send(bytes(b"1234"), start);
        pipe.send(bytes(b"567"), start + Duration::from_secs(1));
        assert_eq!(pipe.room(), 3);
        deliver(&mut pipe, start);
        assert_eq!(pipe.room(), 3);
        pipe.read(&mut [0; 3]);
        assert_eq!(pipe.room(), 6);
        pipe.lose();
        assert_eq!((pipe.room(), pipe.readable()), (9, 1));
        pipe.deafen();
        assert_eq!((pipe.room(), pipe.readable()), (10, 0));
    }

    #[test]
    fn nobody_keeps_what_arrives_for_nobody() {
        let start = Instant::now();
        let mut pipe = Pipe::new(10);
        pipe.send(bytes(b"1234"), start);
        pipe.deafen();
        deliver(&mut pipe, start);
        assert_eq!((pipe.room(), pipe.readable()), (10, 0));
    }
}
