//! Servers and clients: connections, names, descriptors that run out.

use std::cell::Cell;
use std::io::{ErrorKind, Read};
use std::pin::pin;
use std::process::Command;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use squall::net::{IoStream, TcpClient, TcpServer};
use squall::{Result, run_in_executor, sleep, yield_};

use crate::support::{Trace, capture_logs, run};

use super::{LIMIT, bind, poll_once, polls, settled, tcp_pair};

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
    // Once a minute, and all this takes eleven seconds.
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].starts_with(pauses), "{log:?}");
}

/// Greets, and holds the stream until its peer goes.
#[squall::coroutine]
fn hold(stream: IoStream) {
    let _ = yield_!(stream.write(b"hello"));
    let _ = yield_!(stream.read_until_close(1));
}

#[squall::test]
fn client_connects_from_the_address_it_is_given() {
    let server = TcpServer::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    for source in ["127.0.0.1", "127.0.0.3"] {
        let source: std::net::IpAddr = source.parse().unwrap();
        let client = TcpClient::new().source_ip(source);
        let stream = yield_!(client.connect_addresses(vec![address])).unwrap();
        assert_eq!(stream.local_addr().unwrap().ip(), source);
        let (_, peer) = yield_!(server.accept()).unwrap();
        assert_eq!(peer.ip(), source);
        let stream = yield_!(client.connect("127.0.0.1", address.port())).unwrap();
        assert_eq!(stream.local_addr().unwrap().ip(), source);
        yield_!(server.accept()).unwrap();
    }
    let foreign: std::net::IpAddr = "192.0.2.1".parse().unwrap();
    let client = TcpClient::new().source_ip(foreign);
    let error = yield_!(client.connect_addresses(vec![address])).unwrap_err();
    assert_eq!(error.io().unwrap().kind(), ErrorKind::AddrNotAvailable);
}
