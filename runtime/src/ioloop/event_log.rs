//! What happened on a simulated loop, as text: one line an event.
//!
//! The same seed gives the same text, to the byte. So nothing goes in that differs from run to run:
//! no address, no number that the process counts, no time but that of the virtual clock. Coroutines
//! are numbered here, in the order in which they first run.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct EventLog {
    text: String,
    /// About how many bytes are kept; the oldest lines go.
    limit: usize,
    left_out: u64,
    /// The numbers of the coroutines that are alive, by their frames.
    numbers: BTreeMap<u64, u32>,
    coroutines: u32,
    streams: u32,
}

impl EventLog {
    pub(super) fn new(limit: usize) -> EventLog {
        EventLog {
            text: String::new(),
            limit,
            left_out: 0,
            numbers: BTreeMap::new(),
            coroutines: 0,
            streams: 0,
        }
    }

    pub(super) fn add(&mut self, turn: u64, time: Duration, event: fmt::Arguments<'_>) {
        let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
        let written = writeln!(self.text, "{turn} {seconds}.{nanos:09} {event}");
        written.expect("a string takes everything");
        if self.text.len() > self.limit.saturating_mul(2) {
            self.forget();
        }
    }

    /// The number of a coroutine by its frame, and whether it is new.
    pub(super) fn number(&mut self, frame: u64) -> (u32, bool) {
        if let Some(number) = self.numbers.get(&frame) {
            return (*number, false);
        }
        self.coroutines += 1;
        self.numbers.insert(frame, self.coroutines);
        (self.coroutines, true)
    }

    /// Forgets the number of a coroutine that has ended.
    pub(super) fn end(&mut self, frame: u64) {
        self.numbers.remove(&frame);
    }

    /// The number of a new stream.
    pub(super) fn number_stream(&mut self) -> u32 {
        self.streams += 1;
        self.streams
    }

    /// All of it, with a first line that says how many lines were left out, if any were.
    pub(super) fn text(&self) -> String {
        match self.left_out {
            0 => self.text.clone(),
            lines => format!("… {lines} earlier events\n{}", self.text),
        }
    }

    /// Drops the oldest lines, down to the limit.
    fn forget(&mut self) {
        let surplus = self.text.len() - self.limit;
        // Newlines are bytes of their own in UTF-8.
        let end = (self.text.bytes().skip(surplus)).position(|byte| byte == b'\n');
        let end = end.map_or(self.text.len(), |at| surplus + at + 1);
        let lines = self.text[..end].bytes().filter(|byte| *byte == b'\n');
        self.left_out += lines.count() as u64;
        self.text.drain(..end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(log: &mut EventLog, n: u64) {
        log.add(n, Duration::from_millis(n), format_args!("é{n}"));
    }

    #[test]
    fn a_line_has_turn_time_and_event() {
        let mut log = EventLog::new(1000);
        add(&mut log, 12);
        assert_eq!(log.text(), "12 0.012000000 é12\n");
    }

    #[test]
    fn the_oldest_lines_are_left_out_and_counted() {
        let mut log = EventLog::new(100);
        for n in 0..100 {
            add(&mut log, n);
        }
        let text = log.text();
        let (first, rest) = text.split_once('\n').expect("it has lines");
        let kept = rest.lines().count();
        assert_eq!(first, format!("… {} earlier events", 100 - kept));
        assert!(rest.len() <= 200 && rest.len() >= 80, "{}", rest.len());
        assert!(rest.ends_with("99 0.099000000 é99\n"), "{rest}");
    }

    #[test]
    fn coroutines_are_numbered_as_they_come() {
        let mut log = EventLog::new(10);
        assert_eq!(log.number(7), (1, true));
        assert_eq!(log.number(9), (2, true));
        assert_eq!(log.number(7), (1, false));
        log.end(7);
        assert_eq!(log.number(7), (3, true));
    }
}
