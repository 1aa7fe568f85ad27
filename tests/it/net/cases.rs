//! Tornado's cases of streams, T1 to T16 and T20, over all that a stream can be over.
//!
//! In `one_way` the first stream writes and the second reads; `both_ways` leaves pipes out.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, Read};
use std::pin::pin;
use std::rc::Rc;

use regex::bytes::Regex;
use squall::net::{IoStream, TcpClient, TcpServer};
use squall::{Error, IoLoop, Result, yield_};

use crate::support::{Trace, held_bytes};

use super::{LIMIT, MIB, MS, poll_once, polls, settled, tcp_pair, unix_pair};

type Pair = (&'static str, IoStream, IoStream);

/// A connection of each kind.
#[squall::coroutine]
fn both_ways() -> Vec<Pair> {
    let (a, b) = yield_!(tcp_pair());
    let (c, d) = unix_pair();
    let (e, f) = IoStream::pair();
    vec![("tcp", a, b), ("unix", c, d), ("memory", e, f)]
}

/// The same, and a pipe.
#[squall::coroutine]
fn one_way() -> Vec<Pair> {
    let mut pairs = yield_!(both_ways());
    let (reader, writer) = std::io::pipe().unwrap();
    let writer = IoStream::from_pipe_writer(writer).unwrap();
    let reader = IoStream::from_pipe_reader(reader).unwrap();
    pairs.push(("pipe", writer, reader));
    pairs
}

#[squall::coroutine]
fn send(stream: Rc<IoStream>, data: Vec<u8>) -> Result<()> {
    yield_!(stream.write(&data))
}

/// Sends all, then closes.
#[squall::coroutine]
fn send_all(stream: IoStream, data: Vec<u8>) -> Result<()> {
    yield_!(stream.write(&data))
}

fn numbers(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n % 251) as u8).collect()
}

#[track_caller]
fn assert_closed<T: std::fmt::Debug>(result: Result<T>, name: &str) {
    let error = result.expect_err(name);
    assert!(error.is_closed() && !error.is_limit(), "{name}: {error:?}");
}

#[track_caller]
fn assert_limit<T: std::fmt::Debug>(result: Result<T>, name: &str) {
    let error = result.expect_err(name);
    assert!(error.is_limit() && !error.is_closed(), "{name}: {error:?}");
}

// tornado: iostream_test.py test_read_zero_bytes
#[squall::test]
fn t1_no_bytes_are_read_at_once_and_reading_goes_on() {
    for (name, a, b) in yield_!(one_way()) {
        let mut none = pin!(b.read_bytes(0));
        assert!(poll_once(none.as_mut()).is_ready(), "{name}");
        yield_!(a.write(b"data")).unwrap();
        assert_eq!(yield_!(b.read_bytes(2)).unwrap(), b"da", "{name}");
        assert_eq!(yield_!(b.read_bytes(0)).unwrap(), b"", "{name}");
        assert_eq!(yield_!(b.read_bytes(2)).unwrap(), b"ta", "{name}");
    }
}

// tornado: iostream_test.py test_write_while_connecting; here there is no stream before
#[squall::test]
fn t2_connect_is_done_before_the_first_write() {
    let server = TcpServer::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let trace = Trace::new();
    let steps = trace.clone();
    let client = connect_and_write(port, steps);
    let (accepted, _) = yield_!(server.accept()).unwrap();
    assert_eq!(yield_!(accepted.read_bytes(5)).unwrap(), b"hello");
    yield_!(client);
    assert_eq!(trace.take(), ["connected", "written"]);
}

#[squall::coroutine]
fn connect_and_write(port: u16, trace: Trace) {
    let stream = yield_!(TcpClient::new().connect("127.0.0.1", port)).unwrap();
    trace.add("connected");
    yield_!(stream.write(b"hello")).unwrap();
    trace.add("written");
}

// tornado: iostream_test.py test_future_close_while_reading
#[squall::test]
fn t3_peer_that_closes_early_fails_the_read() {
    for (name, a, b) in yield_!(one_way()) {
        yield_!(a.write(b"part")).unwrap();
        let mut read = Box::pin(b.read_bytes(64));
        assert!(poll_once(read.as_mut()).is_pending(), "{name}");
        drop(a);
        let ended = yield_!(settled(read)).expect(name);
        assert_closed(ended, name);
    }
}

// tornado: iostream_test.py test_close_buffered_data, test_read_until_close_after_close,
// test_future_read_until_close
#[squall::test]
fn t4_what_came_before_the_end_is_read_after_it_in_pieces() {
    for (name, a, b) in yield_!(one_way()) {
        yield_!(a.write(b"12345678rest")).unwrap();
        drop(a);
        yield_!(b.closed());
        assert_eq!(yield_!(b.read_bytes(4)).unwrap(), b"1234", "{name}");
        assert_eq!(yield_!(b.read_bytes(4)).unwrap(), b"5678", "{name}");
        let rest = yield_!(b.read_until_close(LIMIT)).unwrap();
        assert_eq!(rest, b"rest", "{name}");
        assert_closed(yield_!(b.read_bytes(1)), name);
        assert_eq!(yield_!(b.read_until_close(LIMIT)).unwrap(), b"", "{name}");
        assert!(b.error().is_none(), "{name}: an end is no error");
    }
}

// tornado: iostream_test.py test_large_read_until
#[squall::test]
fn t5_four_megabytes_are_searched_once() {
    for (name, a, b) in yield_!(one_way()) {
        let mut data = vec![b'x'; 4 * MIB];
        data.extend(b"\r\n");
        let sent = send_all(a, data.clone());
        let got = yield_!(b.read_until(b"\r\n", 5 * MIB)).unwrap();
        assert!(got == data, "{name}");
        yield_!(sent).unwrap();
    }
}

#[squall::test]
fn t5_regular_expression_is_found_behind_megabytes() {
    let line = Regex::new("\r?\n").unwrap();
    for (name, a, b) in yield_!(one_way()) {
        let mut data = vec![b'x'; MIB];
        data.extend(b"\nrest");
        let sent = send_all(a, data);
        let got = yield_!(b.read_until_regex(&line, 2 * MIB)).unwrap();
        assert_eq!((got.len(), got.last()), (MIB + 1, Some(&b'\n')), "{name}");
        assert_eq!(yield_!(b.read_until_close(LIMIT)).unwrap(), b"rest");
        yield_!(sent).unwrap();
    }
}

// tornado: iostream_test.py test_read_until_with_close_after_second_packet
#[squall::test]
fn t6_delimiter_that_comes_with_the_end_is_found() {
    let pattern = Regex::new("(?-u)d+;").unwrap();
    for by_pattern in [false, true] {
        for (name, a, b) in yield_!(one_way()) {
            yield_!(a.write(b"abc d")).unwrap();
            yield_!(polls());
            let until = async {
                match by_pattern {
                    true => b.read_until_regex(&pattern, LIMIT).await,
                    false => b.read_until(b";", LIMIT).await,
                }
            };
            let mut until = Box::pin(until);
            assert!(poll_once(until.as_mut()).is_pending(), "{name}");
            yield_!(a.write(b"dd;")).unwrap();
            drop(a);
            assert_eq!(yield_!(until).unwrap(), b"abc ddd;", "{name}");
        }
    }
}

// tornado: iostream_test.py test_read_until_unsatisfied_after_close
#[squall::test]
fn t7_end_without_the_delimiter_fails_the_read() {
    let pattern = Regex::new("\n").unwrap();
    for (name, a, b) in yield_!(one_way()) {
        yield_!(a.write(b"no line")).unwrap();
        drop(a);
        assert_closed(yield_!(b.read_until(b"\n", LIMIT)), name);
        assert_closed(yield_!(b.read_until_regex(&pattern, LIMIT)), name);
        let rest = yield_!(b.read_until_close(LIMIT)).unwrap();
        assert_eq!(rest, b"no line", "{name}");
    }
}

// tornado: iostream_test.py test_close_callback_with_pending_read
#[squall::test]
fn t8_close_callback_comes_after_the_read_that_the_end_finishes() {
    #[squall::coroutine]
    fn read(stream: Rc<IoStream>, trace: Trace) {
        let line = yield_!(stream.read_until(b"\n", LIMIT)).unwrap();
        trace.add(String::from_utf8(line).unwrap());
        trace.add(match yield_!(stream.read_bytes(9)) {
            Err(error) if error.is_closed() => "closed",
            _ => "something else",
        });
    }

    for watch_first in [true, false] {
        for (name, a, b) in yield_!(one_way()) {
            let (trace, b) = (Trace::new(), Rc::new(b));
            let seen = trace.clone();
            let set = |b: &IoStream| b.set_close_callback(move || seen.add("callback"));
            let reading = match watch_first {
                true => {
                    set(&b);
                    read(b.clone(), trace.clone())
                }
                false => {
                    let reading = read(b.clone(), trace.clone());
                    set(&b);
                    reading
                }
            };
            yield_!(a.write(b"OK\n")).unwrap();
            yield_!(polls());
            assert_eq!(trace.take(), ["OK\n"], "{name}");
            drop(a);
            yield_!(reading);
            yield_!(polls());
            assert_eq!(trace.take(), ["closed", "callback"], "{name}");
        }
    }
}

// tornado: iostream_test.py test_future_close_callback, test_delayed_close_callback
#[squall::test]
fn t8_close_callback_is_called_once_without_a_read_for_any_end() {
    for end in ["peer", "own", "drop", "before"] {
        for (name, a, b) in yield_!(both_ways()) {
            let trace = Trace::new();
            let (first, second) = (trace.clone(), trace.clone());
            if end == "before" {
                b.close();
            }
            b.set_close_callback(move || first.add("forgotten"));
            b.set_close_callback(move || second.add("callback"));
            assert_eq!(
                trace.take(),
                [""; 0],
                "{name}: from the loop, and not from here"
            );
            let _kept = match end {
                "peer" => {
                    yield_!(a.write(b"unread")).unwrap();
                    drop(a);
                    (None, Some(b))
                }
                "drop" => {
                    drop(b);
                    (Some(a), None)
                }
                _ => {
                    b.close();
                    (Some(a), Some(b))
                }
            };
            yield_!(polls());
            assert_eq!(trace.take(), ["callback"], "{name}, {end}");
            yield_!(polls());
            assert_eq!(trace.take(), [""; 0], "{name}, {end}");
        }
    }
}

#[squall::test]
fn t8_writer_learns_that_its_reader_has_gone() {
    let (reader, writer) = std::io::pipe().unwrap();
    let writer = IoStream::from_pipe_writer(writer).unwrap();
    let mut closed = Box::pin(writer.closed());
    assert!(poll_once(closed.as_mut()).is_pending());
    drop(reader);
    assert!(yield_!(settled(closed)).is_some());
}

// tornado: iostream_test.py test_read_until_max_bytes, …_inline, …_ignores_extra, and the same of
// read_until_regex; there the stream is closed, here it keeps its bytes
#[squall::test]
fn t9_match_may_end_at_the_limit_and_not_behind_it() {
    let pattern = Regex::new("def").unwrap();
    for buffered in [true, false] {
        for (name, a, b) in yield_!(one_way()) {
            if buffered {
                yield_!(a.write(b"\n123")).unwrap();
                assert_eq!(yield_!(b.read_until(b"\n", 9)).unwrap(), b"\n");
            } else {
                yield_!(a.write(b"123")).unwrap();
            }
            let (a, rest) = (Rc::new(a), b"abcdef beyond".to_vec());
            let later = send(a.clone(), rest);
            // One byte too few, though more is there.
            assert_limit(yield_!(b.read_until(b"def", 8)), name);
            assert_limit(yield_!(b.read_until_regex(&pattern, 8)), name);
            let mut wait = Box::pin(b.read_until_regex(&pattern, 9));
            let got = match poll_once(wait.as_mut()) {
                std::task::Poll::Ready(got) => got,
                std::task::Poll::Pending => yield_!(wait),
            };
            assert_eq!(got.unwrap(), b"123abcdef", "{name}");
            yield_!(later).unwrap();
            // No match in sight, and too much already.
            assert_limit(yield_!(b.read_until(b"\n", 7)), name);
            assert_eq!(yield_!(b.read_until(b"ond", 7)).unwrap(), b" beyond");
        }
    }
}

#[squall::test]
fn t9_stream_has_a_limit_of_its_own() {
    for (name, a, b) in yield_!(one_way()) {
        b.set_max_buffer_size(8);
        assert_eq!(b.max_buffer_size(), 8);
        assert_limit(yield_!(b.read_bytes(9)), name);
        yield_!(a.write(b"123456789\n")).unwrap();
        assert_limit(yield_!(b.read_until(b"\n", 100)), name);
        assert_limit(yield_!(b.read_until_close(100)), name);
        assert_eq!(yield_!(b.read_bytes(8)).unwrap(), b"12345678", "{name}");
        let numbers_of_a_peer = usize::MAX;
        assert_limit(yield_!(b.read_bytes(numbers_of_a_peer)), name);
        assert_eq!(a.max_buffer_size(), 100 * MIB, "Tornado's");
    }
}

// tornado: iostream_test.py test_read_bytes_partial
#[squall::test]
fn t10_partial_reads_give_what_is_there() {
    for (name, a, b) in yield_!(one_way()) {
        let mut wait = Box::pin(b.read_partial(50));
        assert!(
            poll_once(wait.as_mut()).is_pending(),
            "{name}: one byte at least"
        );
        yield_!(a.write(b"hello")).unwrap();
        assert_eq!(yield_!(wait).unwrap(), b"hello", "{name}");
        yield_!(a.write(b"hello")).unwrap();
        assert_eq!(yield_!(b.read_partial(3)).unwrap(), b"hel", "{name}");
        assert_eq!(yield_!(b.read_partial(0)).unwrap(), b"", "{name}");
        assert_eq!(yield_!(b.read_partial(3)).unwrap(), b"lo", "{name}");
        drop(a);
        assert_eq!(yield_!(b.read_partial(3)).unwrap(), b"", "{name}");
    }
}

// tornado: iostream_test.py test_small_reads_from_large_buffer, test_flow_control
#[squall::test]
fn t11_small_reads_take_no_more_memory_than_they_may() {
    const KIB: usize = 1024;
    for (name, a, b) in yield_!(one_way()) {
        b.set_max_buffer_size(10 * KIB);
        let data = numbers(100 * KIB);
        let sent = send(Rc::new(a), data.clone());
        let mut got = Vec::new();
        for _ in 0..100 {
            got.extend(yield_!(b.read_bytes(KIB)).unwrap());
        }
        assert!(got == data, "{name}");
        yield_!(sent).unwrap();
    }
    // What nobody asks for stays in the system, and its writer waits.
    for (name, a, b) in yield_!(one_way()) {
        let (a, before) = (Rc::new(a), held_bytes());
        let sent = send(a.clone(), vec![0; 16 * MIB]);
        let data = held_bytes() - before;
        assert_eq!(yield_!(b.read_bytes(1)).unwrap(), b"\0");
        yield_!(polls());
        assert!(a.is_writing() && !sent.done(), "{name}");
        let held = held_bytes() - before - data;
        assert!(held < 256 * KIB as i64, "{name}: {held} bytes for one");
        a.close();
        assert!(yield_!(settled(sent)).expect(name).is_err());
    }
}

// tornado: iostream_test.py test_read_into, test_read_into_partial, test_read_into_zero_bytes
#[squall::test]
fn t12_bytes_are_read_into_the_caller_s_room() {
    for (name, a, b) in yield_!(one_way()) {
        yield_!(a.write(b"line\nhello")).unwrap();
        assert_eq!(yield_!(b.read_until(b"\n", LIMIT)).unwrap(), b"line\n");
        let mut room = *b"0123456789";
        // What is buffered comes first, then what the socket has.
        {
            let mut wait = Box::pin(b.read_into(&mut room));
            assert!(poll_once(wait.as_mut()).is_pending(), "{name}");
            yield_!(a.write(b"world!!surplus")).unwrap();
            yield_!(wait).unwrap();
        }
        assert_eq!(&room, b"helloworld", "{name}");
        assert_eq!(yield_!(b.read_bytes(2)).unwrap(), b"!!", "{name}");
        // Partial: as much as there is, or as there is room for.
        let mut small = [0; 3];
        assert_eq!(yield_!(b.read_into_partial(&mut small)).unwrap(), 3);
        assert_eq!(&small, b"sur", "{name}: the surplus is kept");
        let mut large = [0; 100];
        let count = yield_!(b.read_into_partial(&mut large)).unwrap();
        assert_eq!(&large[..count], b"plus", "{name}");
        yield_!(b.read_into(&mut [])).unwrap();
        assert_eq!(yield_!(b.read_into_partial(&mut [])).unwrap(), 0);
        assert!(!b.is_reading(), "{name}");
    }
}

#[squall::test]
fn t12_room_that_is_not_filled_gives_its_bytes_back() {
    for (name, a, b) in yield_!(one_way()) {
        let mut room = [0; 10];
        yield_!(a.write(b"abc")).unwrap();
        assert!(yield_!(settled(b.read_into(&mut room))).is_none(), "{name}");
        yield_!(a.write(b"def")).unwrap();
        assert_eq!(yield_!(b.read_bytes(4)).unwrap(), b"abcd", "{name}");
        drop(a);
        assert_closed(yield_!(b.read_into(&mut room)), name);
        assert_eq!(yield_!(b.read_until_close(9)).unwrap(), b"ef", "{name}");
    }
}

// tornado: iostream_test.py test_write_bytearray_resizable, test_write_memoryview: the buffer is the
// caller's again after the write, the close and the error, which here the borrow checker holds
#[squall::test]
fn bytes_are_read_behind_those_that_are_there() {
    for (name, a, b) in yield_!(one_way()) {
        let data = numbers(MIB);
        let sent = send_all(a, data.clone());
        let mut read = yield_!(b.read_bytes(10)).unwrap();
        let mut most = 0;
        loop {
            let count = yield_!(poll_fn(|cx| b.poll_read_behind(cx, &mut read, 1000))).unwrap();
            most = most.max(count);
            if count == 0 {
                break;
            }
        }
        assert_eq!(read.len(), data.len(), "{name}");
        assert!(read == data, "{name}");
        assert!(most >= 1000, "{name}: {most}");
        yield_!(sent).unwrap();

        let mut nothing = Vec::new();
        yield_!(poll_fn(|cx| b.poll_read_behind(cx, &mut nothing, 1000))).unwrap();
        b.close();
        let late = yield_!(poll_fn(|cx| b.poll_read_behind(cx, &mut nothing, 1000)));
        assert_closed(late, name);
        assert_eq!(nothing, b"", "{name}");
    }
}

#[squall::test]
fn reading_behind_takes_no_room_while_nothing_has_come() {
    let (_peer, stream) = IoStream::pair();
    let mut read = Vec::new();
    let waits = yield_!(settled(poll_fn(|cx| {
        stream.poll_read_behind(cx, &mut read, 1000)
    })));
    assert!(waits.is_none());
    assert_eq!(read.capacity(), 0);
}

#[squall::test]
fn t13_data_is_the_caller_s_again_when_a_write_is_over() {
    for (name, a, b) in yield_!(one_way()) {
        let mut data = b"first".to_vec();
        yield_!(a.write(&data)).unwrap();
        data.clear();
        data.extend(b"and second");
        yield_!(a.write(&data)).unwrap();
        drop(data);
        assert_eq!(yield_!(b.read_bytes(15)).unwrap(), b"firstand second");
        // Not even a close in the middle keeps it.
        let a = Rc::new(a);
        let before = held_bytes();
        let sent = send(a.clone(), vec![0; 16 * MIB]);
        assert!(held_bytes() - before >= 16 * MIB as i64);
        a.close();
        assert!(yield_!(settled(sent)).expect(name).is_err());
        let kept = held_bytes() - before;
        assert!(kept < MIB as i64, "{name} keeps {kept} bytes");
        assert_closed(yield_!(a.write(b"more")), name);
    }
}

// tornado: iostream_test.py test_future_write
#[squall::test]
fn t14_each_of_many_writes_is_done() {
    for (name, a, b) in yield_!(one_way()) {
        let a = Rc::new(a);
        let writes: Vec<_> = (0..100u8)
            .map(|n| send(a.clone(), vec![n; 100_000]))
            .collect();
        assert!(a.is_writing(), "{name}");
        let got = async { b.read_bytes(10_000_000).await };
        let (sent, got) = yield_!((async { yield_!(writes) }, got)).unwrap();
        assert_eq!(sent.len(), 100);
        let want: Vec<u8> = (0..100u8).flat_map(|n| vec![n; 100_000]).collect();
        assert!(got == want, "{name}: in the order of their calls");
        assert!(!a.is_writing(), "{name}");
    }
}

#[squall::test]
fn t14_slices_are_written_as_one() {
    for (name, a, b) in yield_!(one_way()) {
        let (head, body) = (numbers(3000), numbers(2 * MIB));
        let want = [&b""[..], &head, b"", &body, b"\r\n"].concat();
        let writing = async {
            let mut parts = [&b""[..], &head, b"", &body, b"\r\n"].map(IoSlice::new);
            a.write_vectored(&mut parts).await
        };
        let reading = async { b.read_bytes(want.len()).await };
        let (_, got) = yield_!((writing, reading)).unwrap();
        assert!(got == want, "{name}");
        yield_!(a.write_vectored(&mut [])).unwrap();
        yield_!(a.write_vectored(&mut [IoSlice::new(b"")])).unwrap();
        drop(b);
        yield_!(polls());
        // Over TCP the first finds out for the next.
        let _ = yield_!(a.write_vectored(&mut [IoSlice::new(b"lost")]));
        yield_!(polls());
        let lost = yield_!(a.write_vectored(&mut [IoSlice::new(b"lost")]));
        assert_closed(lost, name);
    }
}

// tornado: iostream.py BaseIOStream.write, StreamBufferFullError
#[squall::test]
fn t14_writes_over_the_limit_fail_and_send_nothing() {
    for (name, a, b) in yield_!(one_way()) {
        assert_eq!(a.max_write_buffer_size(), None);
        a.set_max_write_buffer_size(Some(8 * MIB));
        let a = Rc::new(a);
        let first = send(a.clone(), vec![1; 5 * MIB]);
        let second = send(a.clone(), vec![2; 3 * MIB]);
        let third = send(a.clone(), vec![3; 1]);
        assert!(!first.done() && !second.done(), "{name}");
        let error = yield_!(third).expect_err(name);
        assert!(error.is_limit(), "{name}: {error:?}");
        let want = "more than 8388608 bytes would wait to be written; wait for the writes before";
        assert_eq!(error.to_string(), want);
        let got = yield_!(b.read_bytes(8 * MIB)).unwrap();
        assert_eq!(got.iter().filter(|byte| **byte == 1).count(), 5 * MIB);
        assert_eq!(got.last(), Some(&2), "{name}");
        yield_!([first, second]).unwrap();
        yield_!(a.write(b"there is room again")).unwrap();
    }
}

// tornado: iostream_test.py test_connection_refused
#[squall::test]
fn t15_refused_connection_tells_the_system_s_error() {
    let (client, _server) = yield_!(tcp_pair());
    let port = client.local_addr().unwrap().port();
    let error = yield_!(TcpClient::new().connect("127.0.0.1", port)).unwrap_err();
    let error = error.io().expect("it is the system's");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert!(error.raw_os_error().is_some());
}

/// Two TCP streams, the first of which was reset after it got `data`.
#[squall::coroutine]
fn reset_after(data: &'static [u8]) -> IoStream {
    let (client, server) = yield_!(tcp_pair());
    yield_!(server.write(data)).unwrap();
    yield_!(client.write(b"never read")).unwrap();
    if !data.is_empty() {
        // A reset loses what was not taken from the system.
        assert_eq!(yield_!(client.read_partial(1)).unwrap(), data[..1]);
    }
    yield_!(polls());
    drop(server);
    yield_!(polls());
    client
}

#[squall::test]
fn t15_error_is_kept_by_the_stream() {
    let client = yield_!(reset_after(b""));
    assert!(client.error().is_none(), "nobody has met it yet");
    assert_closed(yield_!(client.read_bytes(1)), "tcp");
    let kept = client.error().expect("a reset is an error");
    assert_eq!(kept.kind(), ErrorKind::ConnectionReset);
    assert_closed(yield_!(client.write(b"x")), "tcp");
    let kept = client.error().expect("the first is kept");
    assert_eq!(kept.kind(), ErrorKind::ConnectionReset);
    // That of the wrong end of a pipe has no number of the system's.
    let (_reader, writer) = std::io::pipe().unwrap();
    let writer = IoStream::from_pipe_writer(writer).unwrap();
    let got = yield_!(settled(writer.read_bytes(1))).expect("it is no reader");
    let error = got.unwrap_err();
    let kept = writer.error().expect("it was tried");
    assert_eq!(kept.kind(), ErrorKind::Unsupported);
    assert_eq!(kept.to_string(), error.to_string());
}

// tornado: iostream_test.py test_read_until_close_with_error, test_read_until_close_buffer_full,
// test_read_until_close_reset
#[squall::test]
fn t16_read_until_close_tells_ends_from_errors() {
    for (name, a, b) in yield_!(one_way()) {
        yield_!(a.write(b"123456")).unwrap();
        assert_limit(yield_!(b.read_until_close(5)), name);
        let b = Rc::new(b);
        let reader = b.clone();
        let mut read = Box::pin(async move { reader.read_until_close(LIMIT).await });
        assert!(poll_once(read.as_mut()).is_pending(), "{name}");
        b.close();
        assert_closed(yield_!(settled(read)).expect(name), name);
        drop(a);
    }
}

#[squall::test]
fn t16_reset_ends_read_until_close_and_is_kept() {
    let client = yield_!(reset_after(b"data"));
    // The rest of it was buffered with the first byte.
    assert_eq!(yield_!(client.read_until_close(LIMIT)).unwrap(), b"ata");
    let kept = client.error().expect("the reset can be seen");
    assert_eq!(kept.kind(), ErrorKind::ConnectionReset);
}

// tornado: iostream_test.py TestPipeIOStream
#[squall::test]
fn t20_pipe_carries_lines_that_are_split_and_megabytes() {
    let (reader, writer) = std::io::pipe().unwrap();
    let writer = IoStream::from_pipe_writer(writer).unwrap();
    let reader = IoStream::from_pipe_reader(reader).unwrap();
    yield_!(writer.write(b"hel")).unwrap();
    yield_!(writer.write(b"lo\nworld\n")).unwrap();
    assert_eq!(yield_!(reader.read_until(b"\n", 99)).unwrap(), b"hello\n");
    assert_eq!(yield_!(reader.read_until(b"\n", 99)).unwrap(), b"world\n");
    let data = numbers(MIB);
    let sent = send_all(writer, data.clone());
    let got = yield_!(reader.read_until_close(2 * MIB)).unwrap();
    assert!(got == data);
    yield_!(sent).unwrap();
}

// Beyond Tornado's cases.

#[squall::test]
fn closed_waits_for_either_side() {
    for (name, a, b) in yield_!(both_ways()) {
        let (a, b) = (Rc::new(a), Rc::new(b));
        let mut far = Box::pin({
            let b = b.clone();
            async move { b.closed().await }
        });
        let mut near = Box::pin({
            let a = a.clone();
            async move { a.closed().await }
        });
        yield_!(a.write(b"bytes are no end")).unwrap();
        yield_!(polls());
        assert!(poll_once(far.as_mut()).is_pending(), "{name}");
        assert!(poll_once(near.as_mut()).is_pending(), "{name}");
        a.close();
        assert!(yield_!(settled(near)).is_some(), "{name}: by itself");
        assert!(yield_!(settled(far)).is_some(), "{name}: by its peer");
        assert_eq!(
            yield_!(b.read_until_close(99)).unwrap(),
            b"bytes are no end"
        );
    }
}

#[squall::test]
fn descriptor_can_be_looked_at() {
    for (name, a, _b) in yield_!(one_way()) {
        assert_eq!(a.raw_fd().is_none(), name == "memory", "{name}");
    }
}

#[test]
fn idle_streams_hold_no_buffer_after_any_read() {
    let io_loop = IoLoop::with_virtual_clock().unwrap();
    io_loop.make_current();
    let held = Rc::new(RefCell::new(Vec::new()));
    let seen = held.clone();
    io_loop.run_sync(|| async move {
        let (a, b) = unix_pair();
        let pattern = Regex::new("\n").unwrap();
        let mut room = [0; 4];
        for _ in 0..3 {
            yield_!(a.write(b"line\nline\n12341234")).unwrap();
            yield_!(b.read_until(b"\n", 99)).unwrap();
            yield_!(b.read_until_regex(&pattern, 99)).unwrap();
            yield_!(b.read_into(&mut room)).unwrap();
            yield_!(b.read_bytes(4)).unwrap();
            seen.borrow_mut().push(held_bytes());
        }
    });
    io_loop.close();
    IoLoop::clear_current();
    let held = held.take();
    assert!(held[2] - held[1] < 64, "{held:?}");
}

/// A peer that is no stream of ours reads what slices became.
#[squall::test]
fn slices_reach_other_programs() {
    let (stream, mut peer) = super::half();
    let mut parts = [b"one ", b"two "].map(|part| IoSlice::new(part));
    yield_!(stream.write_vectored(&mut parts)).unwrap();
    drop(stream);
    let mut all = String::new();
    peer.read_to_string(&mut all).unwrap();
    assert_eq!(all, "one two ");
}

#[squall::test]
fn close_callback_that_panics_is_logged_and_no_more() {
    let (a, b) = IoStream::pair();
    let panics = Rc::new(RefCell::new(Vec::new()));
    let seen = panics.clone();
    IoLoop::current().set_callback_error_hook(move |panicked| {
        seen.borrow_mut().push(panicked.message().to_string());
    });
    b.set_close_callback(|| assert_eq!(1, 2, "of the callback"));
    drop(a);
    yield_!(squall::sleep(MS));
    let panics = panics.take();
    assert_eq!(panics.len(), 1);
    assert!(panics[0].contains("of the callback"), "{panics:?}");
    let _: Result<(), Error> = yield_!(b.write(b""));
}
