//! Writes of streams, slow readers, and closing.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::rc::Rc;

use squall::net::IoStream;
use squall::{IoLoop, Result, yield_};

use crate::support::Trace;

use super::{LIMIT, MIB, MS, half, settled, tcp_pair, unix_pair};

/// Sends 8 MiB to a reader that takes its time.
#[squall::coroutine]
fn check_back_pressure(stream: IoStream, peer: IoStream) {
    #[squall::coroutine]
    fn send(stream: IoStream, data: Rc<Vec<u8>>, trace: Trace) -> Result<()> {
        yield_!(stream.write(&data))?;
        trace.add("written");
        stream.shutdown_write()
    }

    let trace = Trace::new();
    let data: Rc<Vec<u8>> = Rc::new((0..8 * MIB).map(|n| (n % 251) as u8).collect());
    let writer = send(stream, data.clone(), trace.clone());
    for _ in 0..1000 {
        yield_!(());
    }
    assert!(!writer.done(), "8 MiB are in no socket's buffer");
    let mut got = Vec::new();
    loop {
        let part = yield_!(peer.read_partial(100_000)).unwrap();
        if part.is_empty() {
            break;
        }
        got.extend(part);
        if got.len() < MIB {
            assert_eq!(trace.take(), [""; 0], "7 MiB are to be sent");
        }
        // Slow: the writer could run often meanwhile.
        for _ in 0..4 {
            yield_!(());
        }
    }
    trace.add("read");
    yield_!(writer).unwrap();
    assert!(got == *data);
    assert_eq!(trace.take(), ["written", "read"]);
}

// tornado: iostream_test.py test_large_read_until, test_future_write
#[squall::test]
fn slow_reader_of_a_tcp_stream_makes_its_writer_wait() {
    let (stream, peer) = yield_!(tcp_pair());
    yield_!(check_back_pressure(stream, peer));
}

#[squall::test]
fn slow_reader_of_a_unix_stream_makes_its_writer_wait() {
    let (stream, peer) = unix_pair();
    yield_!(check_back_pressure(stream, peer));
}

#[squall::test]
fn one_coroutine_reads_while_another_writes() {
    #[squall::coroutine]
    fn send(stream: Rc<IoStream>, byte: u8) -> Result<()> {
        for _ in 0..64 {
            yield_!(stream.write(&[byte; 64 * 1024]))?;
        }
        Ok(())
    }

    #[squall::coroutine]
    fn receive(stream: Rc<IoStream>) -> Result<Vec<u8>> {
        yield_!(stream.read_bytes(4 * MIB))
    }

    let (a, b) = yield_!(tcp_pair());
    let (a, b) = (Rc::new(a), Rc::new(b));
    let (sent, got) = yield_!((
        [send(a.clone(), 1), send(b.clone(), 2)],
        [receive(a), receive(b)]
    ))
    .unwrap();
    assert_eq!(sent, [(), ()]);
    assert!(got[0].iter().all(|byte| *byte == 2));
    assert!(got[1].iter().all(|byte| *byte == 1));
}

// tornado: iostream.py BaseIOStream.write: writes queue up, and none is mixed with another
#[squall::test]
fn two_coroutines_that_write_at_the_same_time_both_come_to_their_end() {
    #[squall::coroutine]
    fn send(stream: Rc<IoStream>, byte: u8) -> Result<()> {
        yield_!(stream.write(&vec![byte; MIB]))
    }

    #[squall::coroutine]
    fn receive(stream: IoStream) -> Result<Vec<u8>> {
        yield_!(stream.read_bytes(2 * MIB))
    }

    let (stream, peer) = unix_pair();
    let stream = Rc::new(stream);
    let sent = [send(stream.clone(), 1), send(stream, 2)];
    let got = receive(peer);
    let all = yield_!(settled(async { yield_!((sent, got)) }));
    let (_, got) = all.expect("no writer waits for ever").unwrap();
    let first = got.iter().take_while(|byte| **byte == 1).count();
    assert_eq!(first, MIB, "the second follows the first");
}

#[squall::test]
fn empty_write_is_done_at_once() {
    let (stream, peer) = unix_pair();
    yield_!(stream.write(b"")).unwrap();
    drop(peer);
    let error = yield_!(stream.write(b"x")).unwrap_err();
    assert!(error.is_closed(), "{error:?}");
}

#[squall::test]
fn end_of_writing_leaves_reading_open() {
    let (client, server) = yield_!(tcp_pair());
    yield_!(client.write(b"question")).unwrap();
    client.shutdown_write().unwrap();
    let question = yield_!(server.read_until_close(LIMIT)).unwrap();
    assert_eq!(question, b"question");
    yield_!(server.write(b"answer")).unwrap();
    drop(server);
    assert_eq!(yield_!(client.read_until_close(LIMIT)).unwrap(), b"answer");
    assert!(yield_!(client.write(b"more")).unwrap_err().is_closed());
}

// Closing.

#[squall::coroutine]
fn check_close_while_reading(stream: IoStream, peer: IoStream) {
    let stream = Rc::new(stream);
    let reader = stream.clone();
    let closer = stream.clone();
    IoLoop::current().call_later(MS, move || closer.close());
    let read = async move { reader.read_until(b"\n", LIMIT).await };
    let ended = yield_!(settled(read)).expect("the read ends");
    let error = ended.unwrap_err();
    assert!(error.is_closed(), "{error:?}");
    assert!(stream.is_closed());
    // The peer sees the end, though the descriptor is still there.
    assert_eq!(yield_!(peer.read_partial(1)).unwrap(), b"");
    stream.close();
    assert!(yield_!(stream.write(b"x")).unwrap_err().is_closed());
    assert!(yield_!(stream.read_bytes(1)).unwrap_err().is_closed());
    let readable = yield_!(poll_fn(|cx| stream.poll_readable(cx)));
    assert!(readable.unwrap_err().is_closed());
}

// tornado: iostream_test.py test_close_callback_with_pending_read
#[squall::test]
fn close_ends_a_pending_read_with_an_error() {
    let (stream, peer) = yield_!(tcp_pair());
    yield_!(check_close_while_reading(stream, peer));
    let (stream, peer) = unix_pair();
    yield_!(check_close_while_reading(stream, peer));
}

// tornado: iostream_test.py test_write_memoryview and test_flow_control have a close like this
#[squall::test]
fn close_ends_a_pending_write_with_an_error() {
    for (stream, _peer) in [yield_!(tcp_pair()), unix_pair()] {
        let stream = Rc::new(stream);
        let (writer, closer) = (stream.clone(), stream.clone());
        IoLoop::current().call_later(MS, move || closer.close());
        let write = async move { writer.write(&vec![0; 8 * MIB]).await };
        let ended = yield_!(settled(write)).expect("the write ends");
        let error = ended.unwrap_err();
        assert!(error.is_closed(), "{error:?}");
    }
}

#[squall::test]
fn reads_fail_after_close_even_if_bytes_are_buffered() {
    let (stream, mut peer) = half();
    peer.write_all(b"one\ntwo\n").unwrap();
    assert_eq!(yield_!(stream.read_until(b"\n", LIMIT)).unwrap(), b"one\n");
    stream.close();
    // "Reads and writes of it fail from now on."
    let after = yield_!(stream.read_until(b"\n", LIMIT));
    assert!(after.is_err_and(|error| error.is_closed()));
}

#[squall::test]
fn stream_that_outlives_its_loop_gives_errors() {
    let (kept, mut peer) = {
        let other = IoLoop::with_virtual_clock().unwrap();
        let here = IoLoop::current();
        other.make_current();
        let kept = half();
        here.make_current();
        other.close();
        kept
    };
    peer.write_all(b"x").unwrap();
    assert!(yield_!(settled(kept.read_bytes(1))).unwrap().is_err());
    assert!(yield_!(settled(kept.write(b"x"))).unwrap().is_err());
}

#[squall::test]
fn dropped_stream_closes_its_descriptor() {
    let (stream, mut peer) = half();
    drop(stream);
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).unwrap();
    assert!(peer.write_all(b"x").is_err());
}

#[squall::test]
fn unix_streams_talk_and_have_no_address() {
    let (a, b) = unix_pair();
    yield_!(a.write(b"to b\n")).unwrap();
    yield_!(b.write(b"to a\n")).unwrap();
    assert_eq!(yield_!(a.read_until(b"\n", LIMIT)).unwrap(), b"to a\n");
    assert_eq!(yield_!(b.read_until(b"\n", LIMIT)).unwrap(), b"to b\n");
    assert_eq!((a.peer_addr(), a.local_addr()), (None, None));
    a.set_nodelay(true).unwrap();
}
