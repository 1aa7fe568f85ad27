//! Streams, the TCP server and client, over real sockets on port 0.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::pin::{Pin, pin};
use std::process::Command;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use squall::net::{IoStream, TcpClient, TcpServer};
use squall::{IoLoop, Result, run_in_executor, sleep, yield_};

use crate::support::{Trace, capture_logs, run};

const MS: Duration = Duration::from_millis(1);
const LIMIT: usize = 64 * 1024;
const MIB: usize = 1024 * 1024;

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits for `future`; `None` if the loop has nothing left to do before it is done.
///
/// The virtual clock comes to the end of the hour only when no socket has anything to say.
async fn settled<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut end = sleep(Duration::from_secs(3600));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Pin::new(&mut end).poll(cx).map(|()| None),
    })
    .await
}

/// Lets the loop ask the system for I/O, and hand it out.
#[squall::coroutine]
fn polls() {
    for _ in 0..3 {
        yield_!(sleep(MS));
    }
}

fn bind() -> (TcpServer, u16) {
    let server = TcpServer::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    (server, port)
}

/// Two ends of a TCP connection.
#[squall::coroutine]
fn tcp_pair() -> (IoStream, IoStream) {
    let (server, port) = bind();
    let connecting = TcpClient::new().connect("127.0.0.1", port);
    let (accepted, peer) = yield_!(server.accept()).unwrap();
    let client = yield_!(connecting).unwrap();
    assert_eq!(client.local_addr(), Some(peer));
    assert_eq!(client.peer_addr(), accepted.local_addr());
    (client, accepted)
}

fn unix_pair() -> (IoStream, IoStream) {
    let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
    (
        IoStream::from_unix(a).unwrap(),
        IoStream::from_unix(b).unwrap(),
    )
}

/// A stream and the plain socket at its other end.
fn half() -> (IoStream, std::os::unix::net::UnixStream) {
    let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
    (IoStream::from_unix(a).unwrap(), b)
}

// Server and client.

#[squall::coroutine]
fn echo(stream: IoStream) -> Result<()> {
    loop {
        let line = yield_!(stream.read_until(b"\n", LIMIT))?;
        yield_!(stream.write(&line))?;
        if line == b"bye\n" {
            return Ok(());
        }
    }
}

#[squall::coroutine]
fn talk(port: u16, name: String) -> Result<Vec<u8>> {
    let stream = yield_!(TcpClient::new().connect("127.0.0.1", port))?;
    let mut heard = Vec::new();
    for n in 0..3 {
        yield_!(stream.write(format!("{name} {n}\n").as_bytes()))?;
        heard.extend(yield_!(stream.read_until(b"\n", LIMIT))?);
    }
    yield_!(stream.write(b"bye\n"))?;
    heard.extend(yield_!(stream.read_until_close(LIMIT))?);
    Ok(heard)
}

// tornado: tcpserver_test.py, tcpclient_test.py test_connect_ipv4
#[squall::test]
fn server_serves_many_clients_side_by_side() {
    let (server, port) = bind();
    drop(server.serve(|stream, _| echo(stream))); // it goes on by itself
    let talks: Vec<_> = (0..50).map(|n| talk(port, format!("c{n}"))).collect();
    let heard = yield_!(talks).unwrap();
    for (n, heard) in heard.into_iter().enumerate() {
        let want = format!("c{n} 0\nc{n} 1\nc{n} 2\nbye\n");
        assert_eq!(String::from_utf8(heard).unwrap(), want);
    }
}

#[squall::test]
fn server_tells_who_connects() {
    let (server, port) = bind();
    let trace = Trace::new();
    let seen = trace.clone();
    drop(server.serve(move |stream, peer| {
        seen.add((stream.peer_addr() == Some(peer)).to_string());
        stream.set_nodelay(false).unwrap();
    }));
    let client = yield_!(TcpClient::new().connect("127.0.0.1", port)).unwrap();
    client.set_nodelay(true).unwrap();
    // The server dropped its end at once.
    assert_eq!(yield_!(client.read_partial(10)).unwrap(), b"");
    assert_eq!(trace.take(), ["true"]);
}

#[test]
fn coroutine_that_fails_ends_its_connection_and_not_the_server() {
    #[squall::coroutine]
    fn fragile(stream: IoStream) -> Result<()> {
        match yield_!(stream.read_until(b"\n", LIMIT))?.as_slice() {
            b"panic\n" => panic!("asked to"),
            line => yield_!(stream.write(line)),
        }
    }

    #[squall::coroutine]
    fn ask(port: u16, line: &'static str) -> Vec<u8> {
        let stream = yield_!(TcpClient::new().connect("127.0.0.1", port)).unwrap();
        yield_!(stream.write(line.as_bytes())).unwrap();
        yield_!(stream.read_until_close(LIMIT)).unwrap()
    }

    let (answers, log) = capture_logs(|| {
        run(|| async {
            let (server, port) = bind();
            drop(server.serve(|stream, _| fragile(stream)));
            [yield_!(ask(port, "panic\n")), yield_!(ask(port, "hello\n"))]
        })
    });
    assert_eq!(answers, [b"".as_slice(), b"hello\n"]);
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].contains("was never retrieved: asked to"), "{log:?}");
}

// tornado: tcpserver_test.py test_handle_stream_coroutine_logging, for a plain function
#[test]
fn function_that_panics_ends_its_connection_and_not_the_server() {
    let (served, log) = capture_logs(|| {
        run(|| async {
            let (server, port) = bind();
            let calls = Cell::new(0);
            let serving = server.serve(move |_, _| {
                calls.set(calls.get() + 1);
                assert!(calls.get() > 1, "the first is refused");
            });
            for _ in 0..2 {
                let client = yield_!(TcpClient::new().connect("127.0.0.1", port)).unwrap();
                let end = yield_!(settled(client.read_partial(1)));
                assert!(end.is_some(), "its stream is dropped");
            }
            let served = !serving.done();
            drop(serving);
            served
        })
    });
    assert!(served, "the server has ended: {log:?}");
    assert_eq!(log.len(), 1, "{log:?}");
}

#[squall::test]
fn port_in_use_is_an_error() {
    let (_server, port) = bind();
    let error = TcpServer::bind(("127.0.0.1", port)).unwrap_err();
    assert_eq!(error.io().unwrap().kind(), ErrorKind::AddrInUse);
}

#[squall::test]
fn listening_socket_that_was_inherited_serves() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = TcpServer::from_std(listener).unwrap();
    let port = server.local_addr().unwrap().port();
    drop(server.serve(|stream, _| echo(stream)));
    assert!(yield_!(talk(port, "a".into())).is_ok());
}

#[squall::test]
fn accept_that_is_dropped_loses_no_connection() {
    let (server, port) = bind();
    {
        let mut accept = pin!(server.accept());
        assert!(poll_once(accept.as_mut()).is_pending());
    }
    let connecting = TcpClient::new().connect("127.0.0.1", port);
    yield_!(polls());
    let (accepted, peer) = yield_!(server.accept()).unwrap();
    let client = yield_!(connecting).unwrap();
    assert_eq!(
        (client.local_addr(), accepted.peer_addr()),
        (Some(peer), Some(peer))
    );
}

#[squall::test]
fn two_coroutines_may_accept_from_one_server() {
    #[squall::coroutine]
    fn accept(server: Rc<TcpServer>) -> bool {
        yield_!(server.accept()).is_ok()
    }

    let (server, port) = bind();
    let server = Rc::new(server);
    let both = [accept(server.clone()), accept(server)];
    let client = TcpClient::new();
    let _clients = yield_!([(); 2].map(|()| client.connect("127.0.0.1", port))).unwrap();
    let both = yield_!(settled(async { yield_!(both) }));
    assert_eq!(both, Some([true; 2]), "one of them waits for ever");
}

// tornado: tcpclient_test.py test_connect_ipv4_dual (localhost)
#[squall::test]
fn name_is_looked_up() {
    let (server, port) = bind();
    let connecting = TcpClient::new().connect("localhost", port);
    let (accepted, peer) = yield_!(server.accept()).unwrap();
    // Only 127.0.0.1 listens: if the name has ::1 as well, that is tried and passed over.
    let client = yield_!(connecting).unwrap();
    assert_eq!(client.local_addr(), Some(peer));
    drop(accepted);
}

#[squall::test]
fn name_is_looked_up_on_a_thread_of_the_executor() {
    // With all of its threads held, the look-up has to wait, and the loop has not.
    let (releases, held): (Vec<_>, Vec<_>) = (0..32)
        .map(|_| {
            let (release, wait) = mpsc::channel::<()>();
            (release, run_in_executor(move || wait.recv().is_ok()))
        })
        .unzip();
    let (server, port) = bind();
    let by_name = TcpClient::new().connect("localhost", port);
    let by_address = TcpClient::new().connect("127.0.0.1", port);
    let (_accepted, peer) = yield_!(server.accept()).unwrap();
    let client = yield_!(by_address).unwrap();
    assert_eq!(
        client.local_addr(),
        Some(peer),
        "an address needs no thread"
    );
    assert!(!by_name.done());
    drop(releases);
    yield_!(held).unwrap();
    assert!(yield_!(by_name).is_ok());
}

// tornado: tcpclient_test.py, netutil_test.py test_bad_host
#[squall::test]
fn name_that_nobody_has_is_a_resolve_error() {
    let error = yield_!(TcpClient::new().connect("no-such-host.invalid", 80)).unwrap_err();
    assert!(error.is_resolve() && !error.is_closed(), "{error:?}");
    let want = "the name \"no-such-host.invalid\" could not be looked up";
    assert_eq!(error.to_string(), want);
    assert!(std::error::Error::source(&error).is_some());
}

// tornado: tcpclient_test.py test_refused_ipv4
#[squall::test]
fn refused_connection_is_an_error_of_the_system() {
    // A port that is in use by a connection, and where nobody listens.
    let (client, _accepted) = yield_!(tcp_pair());
    let port = client.local_addr().unwrap().port();
    let error = yield_!(TcpClient::new().connect("127.0.0.1", port)).unwrap_err();
    assert_eq!(error.io().unwrap().kind(), ErrorKind::ConnectionRefused);
    assert!(!error.is_resolve());
}

// Reads.

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

// Writes.

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

// Descriptors.

/// Set in the child that has few descriptors.
const CHILD: &str = "SQUALL_TEST_FEW_DESCRIPTORS";

// tornado: netutil.py add_accept_handler, for EMFILE
#[test]
fn accepting_pauses_when_descriptors_run_out_and_goes_on_when_some_are_free() {
    if std::env::var_os(CHILD).is_some() {
        return run_out_of_descriptors();
    }
    // This test, in a process of its own: the limit is the process's.
    let (_, module) = module_path!().split_once("::").unwrap();
    let name = "accepting_pauses_when_descriptors_run_out_and_goes_on_when_some_are_free";
    let child = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("{module}::{name}")])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&child.stdout);
    let err = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{out}\n{err}");
    assert!(out.contains("1 passed"), "{out}\n{err}");
}

fn run_out_of_descriptors() {
    let ((), log) = capture_logs(|| {
        run(|| async {
            let (server, port) = bind();
            let accepted = Rc::new(Cell::new(0));
            let count = accepted.clone();
            let serving = server.serve(move |stream, _| {
                count.set(count.get() + 1);
                hold(stream)
            });
            // The system takes connections as long as there are descriptors for this side of them.
            let mut clients = Vec::new();
            while let Ok(client) = std::net::TcpStream::connect(("127.0.0.1", port)) {
                clients.push(client);
                assert!(clients.len() < 100, "the limit is lower");
            }
            clients.pop(); // one is left for the server, that is all
            let total = clients.len();
            yield_!(sleep(Duration::from_secs(1)));
            assert!(accepted.get() < total, "there was no descriptor left");
            assert!(!serving.done(), "the server waits for better times");
            let keep = clients.len() / 3;
            // The connections of those that go are accepted, and end at once.
            clients.truncate(keep);
            yield_!(sleep(Duration::from_secs(10)));
            for client in &mut clients {
                client.set_nonblocking(true).unwrap();
                let mut hello = [0; 5];
                client.read_exact(&mut hello).expect("it was accepted");
                assert_eq!(&hello, b"hello");
            }
            assert!(!serving.done());
            drop(serving);
        });
    });
    let pauses = "WARN squall: accepting pauses, as ";
    assert!(!log.is_empty());
    assert!(log.iter().all(|entry| entry.starts_with(pauses)), "{log:?}");
}

/// Greets, and holds the stream until its peer goes.
#[squall::coroutine]
fn hold(stream: IoStream) {
    let _ = yield_!(stream.write(b"hello"));
    let _ = yield_!(stream.read_until_close(1));
}
