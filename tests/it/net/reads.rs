//! Reads of streams: what ends them, what they keep, one at a time.

use std::future::poll_fn;
use std::io::Write;
use std::pin::Pin;
use std::task::Poll;

use squall::{run_in_executor, sleep, yield_};

use super::{LIMIT, MS, half, poll_once, polls, settled, tcp_pair};

/// Reads up to the delimiter and then the rest, with `wire` cut in two at every place.
#[squall::coroutine]
fn check_splits(delimiter: &'static str, wire: &'static str, want: &'static str) {
    for cut in 0..=wire.len() {
        let (stream, mut peer) = half();
        let (head, tail) = wire.as_bytes().split_at(cut);
        let mut read = Box::pin(stream.read_until(delimiter.as_bytes(), LIMIT));
        peer.write_all(head).unwrap();
        let early = yield_!(async {
            let mut wait = sleep(MS);
            poll_fn(|cx| match read.as_mut().poll(cx) {
                Poll::Ready(got) => Poll::Ready(Some(got)),
                Poll::Pending => Pin::new(&mut wait).poll(cx).map(|()| None),
            })
            .await
        });
        assert_eq!(early.is_some(), cut >= want.len(), "cut after byte {cut}");
        peer.write_all(tail).unwrap();
        let got = match early {
            Some(got) => got,
            None => yield_!(read),
        };
        let got = String::from_utf8(got.unwrap()).unwrap();
        assert_eq!(got, want, "cut after byte {cut}");
        drop(peer);
        let rest = yield_!(stream.read_until_close(LIMIT)).unwrap();
        assert_eq!(rest, wire.as_bytes()[want.len()..], "cut after byte {cut}");
    }
}

// tornado: iostream_test.py test_delayed_close_callback and others that cut their writes
#[squall::test]
fn delimiter_is_found_however_it_is_cut() {
    yield_!(check_splits("\r\n\r\n", "ab\r\n\r\ncd", "ab\r\n\r\n"));
    yield_!(check_splits(
        "\r\n\r\n",
        "a\r\n\r\r\n\r\n\r\n",
        "a\r\n\r\r\n\r\n"
    ));
    yield_!(check_splits("aab", "aaaab", "aaaab"));
    yield_!(check_splits("\n", "\n\n", "\n"));
    yield_!(check_splits("\r\n\r\n", "\r\n\r\n", "\r\n\r\n"));
}

#[squall::test]
fn delimiter_is_found_byte_by_byte_and_past_a_chunk() {
    let (stream, mut peer) = half();
    let mut wire = vec![b'x'; 40_000];
    wire.extend(b"\r\n\r\nrest");
    let writer = yield_!(run_in_executor(move || {
        // In the background: a socket's buffer may be smaller than this.
        std::thread::spawn(move || {
            peer.write_all(&wire).expect("it is read");
            for byte in *b"\r\n\r\n" {
                peer.write_all(&[byte]).expect("it is read");
            }
        })
    }))
    .unwrap();
    let head = yield_!(stream.read_until(b"\r\n\r\n", LIMIT)).unwrap();
    assert_eq!((head.len(), &head[39_999..]), (40_004, &b"x\r\n\r\n"[..]));
    let next = yield_!(stream.read_until(b"\r\n\r\n", LIMIT)).unwrap();
    assert_eq!(next, b"rest\r\n\r\n");
    writer.join().unwrap();
}

// tornado: iostream_test.py test_read_until_max_bytes, test_read_until_max_bytes_inline
#[squall::test]
fn read_until_fails_past_its_limit_and_keeps_the_bytes() {
    let (stream, mut peer) = half();
    peer.write_all(b"abc\ndef\n").unwrap();
    assert_eq!(yield_!(stream.read_until(b"\n", 4)).unwrap(), b"abc\n");
    let error = yield_!(stream.read_until(b"\n", 3)).unwrap_err();
    assert!(error.is_limit() && !error.is_closed(), "{error:?}");
    let want = "what was waited for did not come within 3 bytes";
    assert_eq!(error.to_string(), want);
    // Without a delimiter in sight it fails as soon as there are too many.
    let error = yield_!(stream.read_until(b"!", 4)).unwrap_err();
    assert!(error.is_limit());
    assert_eq!(yield_!(stream.read_until(b"\n", 4)).unwrap(), b"def\n");
}

// tornado: iostream_test.py test_read_bytes, test_read_zero_bytes, test_read_bytes_partial
#[squall::test]
fn reads_by_count_take_what_they_say() {
    let (stream, mut peer) = half();
    peer.write_all(b"abcdef").unwrap();
    assert_eq!(yield_!(stream.read_bytes(2)).unwrap(), b"ab");
    assert_eq!(yield_!(stream.read_bytes(0)).unwrap(), b"");
    assert_eq!(yield_!(stream.read_partial(1)).unwrap(), b"c");
    assert_eq!(yield_!(stream.read_partial(100)).unwrap(), b"def");
    let mut wait = Box::pin(stream.read_bytes(3));
    assert!(poll_once(wait.as_mut()).is_pending());
    for byte in *b"gh" {
        peer.write_all(&[byte]).unwrap();
        yield_!(polls());
        assert!(
            poll_once(wait.as_mut()).is_pending(),
            "not before it has all"
        );
    }
    peer.write_all(b"ij").unwrap();
    assert_eq!(yield_!(wait).unwrap(), b"ghi");
    assert_eq!(yield_!(stream.read_partial(100)).unwrap(), b"j");
    drop(peer);
    assert_eq!(yield_!(stream.read_bytes(0)).unwrap(), b"");
    assert_eq!(yield_!(stream.read_partial(100)).unwrap(), b"");
}

// tornado: iostream_test.py test_read_until_close, test_read_until_close_with_error
#[squall::test]
fn read_until_close_takes_all_up_to_its_limit() {
    let (stream, mut peer) = half();
    peer.write_all(b"abc").unwrap();
    let mut wait = Box::pin(stream.read_until_close(6));
    assert!(poll_once(wait.as_mut()).is_pending());
    yield_!(polls());
    assert!(poll_once(wait.as_mut()).is_pending());
    peer.write_all(b"def").unwrap();
    drop(peer);
    assert_eq!(yield_!(wait).unwrap(), b"abcdef");
    assert_eq!(yield_!(stream.read_until_close(6)).unwrap(), b"");

    let (stream, mut peer) = half();
    peer.write_all(b"abcdef").unwrap();
    let error = yield_!(stream.read_until_close(5)).unwrap_err();
    assert!(error.is_limit(), "it does not wait for the end: {error:?}");
}

// tornado: iostream_test.py test_read_until_close_after_close, test_close_buffered_data
#[squall::test]
fn bytes_that_came_before_the_end_can_be_read_after_it() {
    let (client, server) = yield_!(tcp_pair());
    yield_!(server.write(b"one\ntwo")).unwrap();
    drop(server);
    yield_!(polls());
    assert_eq!(yield_!(client.read_until(b"\n", LIMIT)).unwrap(), b"one\n");
    let error = yield_!(client.read_until(b"\n", LIMIT)).unwrap_err();
    assert!(error.is_closed(), "{error:?}");
    let error = yield_!(client.read_bytes(4)).unwrap_err();
    assert!(error.is_closed() && !error.is_limit(), "{error:?}");
    assert_eq!(yield_!(client.read_partial(LIMIT)).unwrap(), b"two");
    assert_eq!(yield_!(client.read_partial(LIMIT)).unwrap(), b"");
    assert!(!client.is_closed(), "its own end is open");
}

// tornado: iostream_test.py test_connection_closed, test_close_callback_with_pending_read
#[squall::test]
fn peer_that_closes_ends_a_pending_read() {
    let (client, server) = yield_!(tcp_pair());
    yield_!(server.write(b"part")).unwrap();
    let mut until = Box::pin(client.read_until(b"\n", LIMIT));
    assert!(poll_once(until.as_mut()).is_pending());
    yield_!(polls());
    assert!(poll_once(until.as_mut()).is_pending());
    drop(server);
    let error = yield_!(until).unwrap_err();
    assert!(error.is_closed(), "{error:?}");
    assert_eq!(yield_!(client.read_until_close(LIMIT)).unwrap(), b"part");
}

// tornado: iostream_test.py test_read_from_reset_connection or the like; is_closed tells
#[squall::test]
fn connection_that_is_reset_is_closed() {
    let (client, server) = yield_!(tcp_pair());
    yield_!(client.write(b"never read")).unwrap();
    yield_!(polls());
    drop(server); // with unread bytes: the system resets the connection
    let error = yield_!(client.read_bytes(1)).unwrap_err();
    assert!(error.is_closed(), "{error:?}");
    let error = yield_!(async {
        loop {
            if let Err(error) = client.write(&[0; 1024]).await {
                return error;
            }
        }
    });
    assert!(error.is_closed(), "{error:?}");
}

// tornado: iostream.py BaseIOStream._set_read_callback, "Already reading"
#[squall::test]
fn bad_second_read_at_the_same_time_is_an_error() {
    let (stream, mut peer) = half();
    let mut first = Box::pin(stream.read_bytes(1));
    assert!(poll_once(first.as_mut()).is_pending());
    let errors = [
        yield_!(stream.read_bytes(1)).unwrap_err(),
        yield_!(stream.read_until(b"\n", LIMIT)).unwrap_err(),
        yield_!(stream.read_partial(1)).unwrap_err(),
        yield_!(stream.read_until_close(LIMIT)).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.to_string(), "another read of this stream is pending");
    }
    peer.write_all(b"ab").unwrap();
    assert_eq!(yield_!(first).unwrap(), b"a", "the first goes on");
    assert_eq!(yield_!(stream.read_bytes(1)).unwrap(), b"b");
}

#[squall::test]
fn read_that_is_dropped_loses_no_bytes() {
    let (stream, mut peer) = half();
    peer.write_all(b"abc").unwrap();
    let given_up = yield_!(settled(stream.read_until(b"\n", LIMIT)));
    assert!(given_up.is_none());
    let given_up = yield_!(settled(stream.read_bytes(10)));
    assert!(given_up.is_none());
    let given_up = yield_!(settled(stream.read_until_close(LIMIT)));
    assert!(given_up.is_none());
    peer.write_all(b"def\n").unwrap();
    let got = yield_!(stream.read_until(b"\n", LIMIT)).unwrap();
    assert_eq!(got, b"abcdef\n");
}

#[squall::test]
fn raw_reads_come_after_what_is_buffered() {
    let (stream, mut peer) = half();
    peer.write_all(b"line\nrest").unwrap();
    assert_eq!(yield_!(stream.read_until(b"\n", LIMIT)).unwrap(), b"line\n");
    yield_!(poll_fn(|cx| stream.poll_readable(cx))).unwrap();
    let mut into = [0; 3];
    let read = yield_!(poll_fn(|cx| stream.poll_read(cx, &mut into))).unwrap();
    assert_eq!((read, &into), (3, b"res"));
    peer.write_all(b"more").unwrap();
    let mut into = [0; 100];
    let read = yield_!(poll_fn(|cx| stream.poll_read(cx, &mut into))).unwrap();
    assert_eq!(into[..read], *b"t");
    let read = yield_!(poll_fn(|cx| stream.poll_read(cx, &mut into))).unwrap();
    assert_eq!(into[..read], *b"more");
    drop(peer);
    yield_!(poll_fn(|cx| stream.poll_readable(cx))).unwrap();
    let read = yield_!(poll_fn(|cx| stream.poll_read(cx, &mut into))).unwrap();
    assert_eq!(read, 0);
}
