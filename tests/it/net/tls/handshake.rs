//! Streams that become TLS ones.

use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice};
use std::rc::Rc;
use std::time::Duration;

use squall::net::{IoStream, TlsAcceptor, TlsConnector};
use squall::testing::Network;
use squall::{Result, sleep, yield_};

use crate::net::{LIMIT, MIB, poll_once, polls, settled, tcp_pair, unix_pair};
use crate::support::held_bytes;

use super::{Authority, accept, shake, start};

/// A TLS connection to `example.org` over each kind of socket: the client's end, then the server's.
#[squall::coroutine]
fn secured() -> Vec<(&'static str, IoStream, IoStream)> {
    let authority = Authority::new("test authority");
    let acceptor = authority.issue(&["example.org"]).acceptor();
    let connector = authority.connector();
    let plain = [
        ("tcp", yield_!(tcp_pair())),
        ("unix", unix_pair()),
        ("memory", IoStream::pair()),
    ];
    let mut secured = Vec::new();
    for (name, pair) in plain {
        let ends = shake(pair, connector.clone(), acceptor.clone(), "example.org");
        let (client, server) = yield_!(ends);
        secured.push((name, client.unwrap(), server.unwrap()));
    }
    secured
}

// tornado: iostream_test.py TestIOStreamStartTLS.test_start_tls_smtp
#[squall::test]
fn t17_dialogue_goes_on_in_secret() {
    #[squall::coroutine]
    fn mail_server(stream: IoStream, tls: TlsAcceptor) -> Result<IoStream> {
        yield_!(stream.write(b"220 mail.example.com ready\r\n"))?;
        assert_eq!(
            yield_!(stream.read_until(b"\r\n", 99))?,
            b"EHLO mail.example.com\r\n"
        );
        yield_!(stream.write(b"250-mail.example.com welcome\r\n250 STARTTLS\r\n"))?;
        assert_eq!(yield_!(stream.read_until(b"\r\n", 99))?, b"STARTTLS\r\n");
        yield_!(stream.write(b"220 Go ahead\r\n"))?;
        let stream = yield_!(stream.accept_tls(&tls))?;
        assert_eq!(yield_!(stream.read_until(b"\r\n", 99))?, b"EHLO again\r\n");
        yield_!(stream.write(b"250 in secret\r\n"))?;
        Ok(stream)
    }

    let authority = Authority::new("test authority");
    for (far, near) in [yield_!(tcp_pair()), unix_pair(), IoStream::pair()] {
        let acceptor = authority.issue(&["mail.example.com"]).acceptor();
        let server = mail_server(far, acceptor);
        yield_!(near.read_until(b"\r\n", 99)).unwrap();
        yield_!(near.write(b"EHLO mail.example.com\r\n")).unwrap();
        yield_!(near.read_until(b"250 STARTTLS\r\n", 99)).unwrap();
        yield_!(near.write(b"STARTTLS\r\n")).unwrap();
        yield_!(near.read_until(b"\r\n", 99)).unwrap();
        assert!(near.tls().is_none());
        let near = yield_!(near.start_tls(&authority.connector(), "mail.example.com")).unwrap();
        assert!(near.tls().is_some());
        yield_!(near.write(b"EHLO again\r\n")).unwrap();
        assert_eq!(
            yield_!(near.read_until(b"\r\n", 99)).unwrap(),
            b"250 in secret\r\n"
        );
        assert!(yield_!(server).unwrap().tls().is_some());
    }
}

// tornado: iostream.py start_tls: the stream is idle and has nothing buffered, or ValueError
#[squall::test]
fn t17_bytes_from_before_the_handshake_are_not_taken_for_secret_ones() {
    let authority = Authority::new("test authority");
    let acceptor = authority.issue(&["example.org"]).acceptor();
    let (near, far) = IoStream::pair();
    yield_!(near.write(b"STARTTLS\r\nQUIT\r\n")).unwrap();
    assert_eq!(
        yield_!(far.read_until(b"\r\n", 99)).unwrap(),
        b"STARTTLS\r\n"
    );
    let error = yield_!(far.accept_tls(&acceptor)).unwrap_err();
    assert!(error.to_string().contains("nobody has read"), "{error}");
    assert_eq!(yield_!(near.read_partial(9)).unwrap(), b"", "it is closed");
}

// tornado: iostream_test.py TestIOStreamStartTLS.test_handshake_fail
#[squall::test]
fn t17_failed_handshake_is_an_error_on_both_sides() {
    let trusted = Authority::new("whom the client trusts");
    let other = Authority::new("another");
    for pair in [yield_!(tcp_pair()), unix_pair(), IoStream::pair()] {
        let acceptor = other.issue(&["example.org"]).acceptor();
        let (client, server) = yield_!(shake(pair, trusted.connector(), acceptor, "example.org"));
        let (client, server) = (client.unwrap_err(), server.unwrap_err());
        assert!(client.is_tls() && server.is_tls(), "{client:?}, {server:?}");
        let want = "the peer's certificate is signed by nobody who is trusted here";
        assert_eq!(client.to_string(), want);
        let want = "the peer refused: it does not trust who signed our certificate (unknown CA)";
        assert_eq!(server.to_string(), want);
    }
}

// tornado: iostream_test.py TestIOStreamStartTLS.test_check_hostname
#[squall::test]
fn t17_certificate_for_another_name_is_an_error_on_both_sides() {
    let authority = Authority::new("test authority");
    let acceptor = authority
        .issue(&["example.org", "*.example.org"])
        .acceptor();
    let pair = yield_!(tcp_pair());
    let ends = shake(pair, authority.connector(), acceptor, "example.com");
    let (client, server) = yield_!(ends);
    let client = client.unwrap_err();
    let text = client.to_string();
    assert!(client.is_tls(), "{client:?}");
    assert!(
        text.starts_with("the peer's certificate is not for \"example.com\", but for "),
        "{text}"
    );
    assert!(text.contains("example.org"), "{text}");
    assert!(server.unwrap_err().is_tls());
}

// tornado: iostream.py start_tls: a cancelled handshake closes the socket
#[squall::test]
fn t17_handshake_that_is_dropped_closes_the_connection() {
    let authority = Authority::new("test authority");
    for (near, far) in [yield_!(tcp_pair()), unix_pair(), IoStream::pair()] {
        let connector = authority.connector();
        {
            let mut handshake = Box::pin(near.start_tls(&connector, "example.org"));
            assert!(poll_once(handshake.as_mut()).is_pending());
        }
        let hello = yield_!(settled(far.read_until_close(LIMIT))).expect("it ends");
        assert_eq!(hello.unwrap()[0], 22, "a handshake had begun");
    }
}

// tornado: iostream_test.py WaitForHandshakeTest: here a stream is there when its handshake is done,
// so that there is nothing to wait for, or to wait for twice
#[squall::test]
fn t18_stream_is_there_when_its_handshake_is_done() {
    let authority = Authority::new("test authority");
    let pair = authority.issue(&["example.org"]);
    let acceptor = TlsAcceptor::builder(pair.identity())
        .alpn(["h2", "http/1.1"])
        .build()
        .unwrap();
    let connector = TlsConnector::builder()
        .roots(authority.roots())
        .alpn(["http/1.1", "spdy/1"])
        .build()
        .unwrap();
    let (near, far) = yield_!(tcp_pair());
    let server = accept(far, acceptor.clone());
    yield_!(polls());
    assert!(!server.done(), "the client has not begun");
    let client = yield_!(start(near, connector.clone(), "example.org".into())).unwrap();
    let server = yield_!(server).unwrap();
    let (theirs, ours) = (server.tls().unwrap(), client.tls().unwrap());
    assert_eq!(theirs.server_name(), Some("example.org"));
    assert_eq!(theirs.alpn(), Some(&b"http/1.1"[..]));
    assert_eq!(ours.alpn(), theirs.alpn());
    assert_eq!(
        (ours.version(), theirs.version()),
        (Some("TLSv1_3"), Some("TLSv1_3"))
    );
    assert!(ours.cipher().unwrap().contains("AES"), "{ours:?}");
    assert_eq!(ours.peer_certificates().len(), 1);
    assert!(theirs.peer_certificates().is_empty());
    assert_eq!(client.peer_addr(), server.local_addr());
    assert!(client.raw_fd().is_some());
    client.set_nodelay(true).unwrap();
}

// More comes while some that was decrypted is unread: the reader must be told of it.
#[squall::test]
fn bytes_that_come_while_others_are_unread_are_told_of() {
    for (name, near, far) in yield_!(secured()) {
        let mut buffer = [0; 1000];
        yield_!(near.write(&[1; 100])).unwrap();
        let read = yield_!(poll_fn(|cx| far.poll_read(cx, &mut buffer[..10])));
        assert_eq!(read.unwrap(), 10, "{name}");
        yield_!(near.write(&[2; 50])).unwrap();
        yield_!(sleep(Duration::from_millis(1)));
        let read = yield_!(poll_fn(|cx| far.poll_read(cx, &mut buffer)));
        assert_eq!(read.unwrap(), 90, "{name}");
        let rest = poll_fn(|cx| far.poll_read(cx, &mut buffer));
        let rest = yield_!(squall::with_timeout(Duration::from_secs(1), rest));
        assert_eq!(rest.expect("it has come").unwrap(), 50, "{name}");
    }
}

#[squall::test]
fn slow_reader_gets_all() {
    for (_, near, far) in yield_!(secured()) {
        yield_!(read_slowly(near, far));
    }
}

// A tunnel that a TLS proxy has opened carries TLS.
#[squall::test]
fn tls_within_tls_carries_bytes() {
    let authority = Authority::new("test authority");
    let acceptor = authority.issue(&["inner.example"]).acceptor();
    let connector = authority.connector();
    for (_, near, far) in yield_!(secured()) {
        let ends = (near, far);
        let within = shake(ends, connector.clone(), acceptor.clone(), "inner.example");
        let (near, far) = yield_!(within);
        let (near, far) = (near.unwrap(), far.unwrap());
        assert_eq!(far.tls().unwrap().server_name(), Some("inner.example"));
        yield_!(read_slowly(near, far));
    }
}

#[squall::coroutine]
fn read_slowly(near: IoStream, far: IoStream) {
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7) as u8).collect();
    let writing = write_and_close(near, sent.clone());
    let mut read = Vec::new();
    for round in 0.. {
        let more = yield_!(far.read_partial(10_007)).unwrap();
        if more.is_empty() {
            break;
        }
        read.extend_from_slice(&more);
        if round % 17 == 0 {
            yield_!(sleep(Duration::from_millis(1)));
        }
    }
    // It is kept until here: with tickets of the handshake unread its close would be a reset.
    let near = yield_!(writing).unwrap();
    assert!(read == sent, "{} bytes", read.len());
    assert!(!near.is_closed());
}

#[squall::coroutine]
fn write_and_close(stream: IoStream, data: Vec<u8>) -> Result<IoStream> {
    yield_!(stream.write(&data))?;
    yield_!(stream.finish_writing())?;
    Ok(stream)
}

// tornado: iostream_test.py TestIOStreamCheckHostname
#[squall::test]
fn t19_name_is_checked_unless_that_is_switched_off() {
    let authority = Authority::new("test authority");
    let acceptor = authority.issue(&["example.org", "127.0.0.1"]).acceptor();
    let roots = || TlsConnector::builder().roots(authority.roots());
    let all = roots().build().unwrap();
    let any_name = roots().danger_any_name().build().unwrap();
    let stranger = Authority::new("another");
    let strange_name = TlsConnector::builder()
        .roots(stranger.roots())
        .danger_any_name()
        .build()
        .unwrap();
    let anything = TlsConnector::builder()
        .danger_any_certificate()
        .build()
        .unwrap();
    let cases = [
        (&all, "example.org", true),
        (&all, "EXAMPLE.org", true),
        (&all, "127.0.0.1", true),
        (&all, "example.com", false),
        (&all, "127.0.0.2", false),
        (&any_name, "example.com", true),
        (&any_name, "127.0.0.2", true),
        (&strange_name, "example.org", false),
        (&anything, "example.com", true),
    ];
    for (connector, name, is_good) in cases {
        let ends = shake(IoStream::pair(), connector.clone(), acceptor.clone(), name);
        let (client, _server) = yield_!(ends);
        assert_eq!(client.is_ok(), is_good, "{name}: {client:?}");
    }
}

// What a TLS stream does as any other.

#[squall::test]
fn bytes_go_both_ways_in_any_amounts() {
    #[squall::coroutine]
    fn send(stream: Rc<IoStream>, data: Rc<Vec<u8>>) -> Result<()> {
        yield_!(stream.write(&data))
    }

    #[squall::coroutine]
    fn receive(stream: Rc<IoStream>, count: usize) -> Result<Vec<u8>> {
        yield_!(stream.read_bytes(count))
    }

    let data: Rc<Vec<u8>> = Rc::new((0..3 * MIB).map(|n| (n % 251) as u8).collect());
    for (name, client, server) in yield_!(secured()) {
        let (client, server) = (Rc::new(client), Rc::new(server));
        let sent = [
            send(client.clone(), data.clone()),
            send(server.clone(), data.clone()),
        ];
        let got = [
            receive(client.clone(), data.len()),
            receive(server.clone(), data.len()),
        ];
        let both = async { yield_!((sent, got)) };
        let (_, got) = yield_!(settled(both)).expect(name).unwrap();
        assert!(got.iter().all(|got| *got == *data), "{name}");
        // Several writes at a time, slices, lines, and what is left between reads.
        let more = [b"slices ", b"and par", b"ts\nrest"].map(|part| &part[..]);
        let mut slices = more.map(IoSlice::new);
        yield_!(client.write_vectored(&mut slices)).unwrap();
        let line = yield_!(server.read_until(b"\n", 99)).unwrap();
        assert_eq!(line, b"slices and parts\n", "{name}");
        let mut room = [0; 2];
        yield_!(server.read_into(&mut room)).unwrap();
        assert_eq!(&room, b"re", "{name}");
        assert_eq!(yield_!(server.read_partial(9)).unwrap(), b"st", "{name}");
    }
}

#[squall::test]
fn slow_reader_makes_its_writer_wait_and_a_write_that_is_given_up_spoils_nothing() {
    for (name, client, server) in yield_!(secured()) {
        let big = vec![b'x'; 8 * MIB];
        {
            let mut write = Box::pin(client.write(&big));
            assert!(poll_once(write.as_mut()).is_pending(), "{name}");
        }
        // A part was sent; what follows is whole.
        let client = Rc::new(client);
        let writer = client.clone();
        let after = async move { writer.write(b"\nnext line\n").await };
        let read = async { server.read_until(b"\nnext line\n", 9 * MIB).await };
        let (_, got) = yield_!(settled(async { yield_!((after, read)) }))
            .expect(name)
            .unwrap();
        assert!(got.len() < 8 * MIB, "{name}: not all of it");
        let xs = got.iter().take_while(|byte| **byte == b'x').count();
        assert_eq!(got.len() - xs, b"\nnext line\n".len(), "{name}");
    }
}

#[squall::test]
fn end_is_told_and_a_cut_is_an_error() {
    // By dropping, closing, and the end of writing, which leaves reading open.
    for end in ["drop", "close", "shutdown"] {
        for (name, client, server) in yield_!(secured()) {
            yield_!(client.write(b"last words")).unwrap();
            let client = match end {
                "drop" => {
                    drop(client);
                    None
                }
                "close" => {
                    client.close();
                    Some(client)
                }
                _ => {
                    client.shutdown_write().unwrap();
                    Some(client)
                }
            };
            yield_!(settled(server.closed())).expect(name);
            let got = yield_!(server.read_until_close(LIMIT)).unwrap();
            assert_eq!(got, b"last words", "{name}, {end}");
            assert_eq!(
                yield_!(server.read_partial(1)).unwrap(),
                b"",
                "{name}, {end}"
            );
            if end == "shutdown" {
                yield_!(server.write(b"an answer")).unwrap();
                drop(server);
                let answer = yield_!(client.unwrap().read_until_close(LIMIT)).unwrap();
                assert_eq!(answer, b"an answer", "{name}");
            }
        }
    }
}

#[squall::test]
fn connection_that_is_cut_off_fails_reads_to_its_end() {
    let authority = Authority::new("test authority");
    let acceptor = authority.issue(&["example.org"]).acceptor();
    // Somebody in between passes on what comes, and cuts the connection in the middle.
    let (near, relay_near) = IoStream::pair();
    let (relay_far, far) = IoStream::pair();
    let (relay_near, relay_far) = (Rc::new(relay_near), Rc::new(relay_far));
    #[squall::coroutine]
    fn pass_on(from: Rc<IoStream>, to: Rc<IoStream>) -> Result<()> {
        loop {
            let some = yield_!(from.read_partial(LIMIT))?;
            if some.is_empty() {
                return Ok(());
            }
            yield_!(to.write(&some))?;
        }
    }
    drop(pass_on(relay_near.clone(), relay_far.clone()));
    drop(pass_on(relay_far.clone(), relay_near.clone()));
    let ends = shake((near, far), authority.connector(), acceptor, "example.org");
    let (client, server) = yield_!(ends);
    let (client, server) = (client.unwrap(), server.unwrap());
    yield_!(client.write(b"half of the mes")).unwrap();
    assert_eq!(yield_!(server.read_bytes(4)).unwrap(), b"half");
    relay_far.close();
    let error = yield_!(settled(server.read_until_close(LIMIT)))
        .expect("it ends")
        .unwrap_err();
    assert!(error.is_closed(), "{error:?}");
    assert_eq!(error.io().unwrap().kind(), ErrorKind::UnexpectedEof);
    let want = "the connection ended without the end of TLS: what came may be cut off";
    assert_eq!(error.to_string(), want);
    assert_eq!(yield_!(server.read_bytes(11)).unwrap(), b" of the mes");
}

#[squall::test(seeds = 60)]
fn short_transfers_and_latency_change_nothing() {
    let authority = Authority::new("test authority");
    let acceptor = authority.issue(&["example.org"]).acceptor();
    let ms = Duration::from_millis(1);
    let network = Network::new()
        .latency(ms..=20 * ms)
        .short_transfers()
        .buffer(1000);
    let ends = shake(
        network.pair(),
        authority.connector(),
        acceptor,
        "example.org",
    );
    let (client, server) = yield_!(ends);
    let (client, server) = (client.unwrap(), server.unwrap());

    #[squall::coroutine]
    fn echo(stream: IoStream) -> Result<()> {
        loop {
            let line = yield_!(stream.read_until(b"\n", LIMIT))?;
            yield_!(stream.write(&line))?;
        }
    }

    let echoing = echo(server);
    for count in [0, 1, 100, 5000] {
        let mut line = vec![b'x'; count];
        line.push(b'\n');
        yield_!(client.write(&line)).unwrap();
        assert_eq!(yield_!(client.read_until(b"\n", LIMIT)).unwrap(), line);
    }
    drop(client);
    assert!(yield_!(echoing).unwrap_err().is_closed());
}

#[squall::test]
fn stream_that_idles_holds_no_more_after_megabytes_than_before() {
    for (name, client, server) in yield_!(secured()) {
        let (client, server) = (Rc::new(client), Rc::new(server));
        let talk = |count: usize| {
            let (client, server) = (client.clone(), server.clone());
            async move {
                let data = vec![7; count];
                let sent = async { client.write(&data).await };
                let got = async { server.read_bytes(count).await };
                yield_!((sent, got)).unwrap();
                sleep(Duration::from_millis(1)).await;
            }
        };
        yield_!(talk(100));
        let before = held_bytes();
        yield_!(talk(4 * MIB));
        let more = held_bytes() - before;
        // rustls keeps the room of a record or two at each end.
        assert!(more < 48 * 1024, "{name} holds {more} bytes more");
    }
}
