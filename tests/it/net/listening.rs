//! Where servers listen, how many connections they take, and how they stop.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use squall::net::{IoStream, ListenOptions, TcpClient, TcpServer};
use squall::testing::Network;
use squall::{Result, run_in_executor, yield_};

use crate::programs::Folder;
use crate::support::{ends, run};

use super::{LIMIT, bind, polls, settled};

#[squall::coroutine]
fn echo(stream: IoStream) -> Result<()> {
    loop {
        let line = yield_!(stream.read_until(b"\n", LIMIT))?;
        yield_!(stream.write(&line))?;
    }
}

#[squall::coroutine]
fn ask(stream: IoStream) -> Result<Vec<u8>> {
    yield_!(stream.write(b"hello\n"))?;
    yield_!(stream.read_until(b"\n", LIMIT))
}

fn options() -> ListenOptions {
    ListenOptions::default()
}

// Addresses.

// tornado: netutil_test.py TestPortAllocation.test_same_port_allocation
#[squall::test]
fn all_addresses_of_a_name_are_listened_on_at_one_port() {
    let addresses = ["127.0.0.1:0", "127.0.0.2:0", "[::1]:0", "127.0.0.1:0"];
    let addresses: Vec<std::net::SocketAddr> =
        addresses.iter().map(|one| one.parse().unwrap()).collect();
    let server = TcpServer::bind(&addresses[..]).unwrap();
    let bound = server.local_addrs().unwrap();
    let ports: BTreeSet<u16> = bound.iter().map(std::net::SocketAddr::port).collect();
    assert_eq!(ports.len(), 1, "{bound:?}");
    assert_eq!(server.local_addr().unwrap(), bound[0]);
    let v4 = bound.iter().filter(|one| one.is_ipv4()).count();
    assert_eq!(
        v4, 2,
        "the one that is there twice is bound once: {bound:?}"
    );
    drop(server.serve(|stream, _| echo(stream)));
    for address in bound {
        let host = address.ip().to_string();
        let stream = yield_!(TcpClient::new().connect(host, address.port())).unwrap();
        assert_eq!(yield_!(ask(stream)).unwrap(), b"hello\n", "{address}");
    }
}

#[squall::test]
fn words_of_a_configuration_are_listened_on() {
    for words in ["127.0.0.1:0", "localhost:0", ":0", "*:0"] {
        let server = TcpServer::listen(words, &options()).unwrap();
        let port = server.local_addr().unwrap().port();
        drop(server.serve(|stream, _| echo(stream)));
        let stream = yield_!(TcpClient::new().connect("127.0.0.1", port)).unwrap();
        assert_eq!(yield_!(ask(stream)).unwrap(), b"hello\n", "{words}");
    }
}

#[squall::test]
fn bad_words_of_a_configuration_say_what_is_wrong() {
    let regular = Folder::new("words");
    let file = regular.join("file");
    fs::write(&file, "").unwrap();
    let unix = format!("unix:{}", file.display());
    let long = format!("unix:/{}", "x".repeat(200));
    let cases = [
        ("fd:", "no number behind `fd:`"),
        ("fd:-1", "-1 is no descriptor's number"),
        ("fd:2000000", "descriptor 2000000 was not inherited"),
        ("systemd", "systemd passed no sockets"),
        (
            "80",
            "write `host:port`, `:port`, `unix:path`, `fd:number` or `systemd`",
        ),
        (":port", "write `host:port`"),
        (":70000", "write `host:port`"),
        (&unix, "exists, and is no socket: it is left alone"),
        (&long, "path must be shorter"),
        ("unix:/no/such/folder/socket", "/no/such/folder/socket"),
    ];
    for (words, want) in cases {
        let error = TcpServer::listen(words, &options()).expect_err(words);
        assert!(error.to_string().contains(want), "{words}: {error}");
    }
    assert!(file.exists());
}

#[squall::test]
fn bad_descriptors_are_no_servers() {
    let (socket, _peer) = UnixStream::pair().unwrap();
    let error = TcpServer::from_fd(socket).unwrap_err();
    let want = "the descriptor is of a socket that does not listen";
    assert_eq!(error.to_string(), want);
    let file = fs::File::open("/dev/null").unwrap();
    let error = TcpServer::from_fd(file).unwrap_err();
    assert_eq!(error.to_string(), "the descriptor is not of a socket");
}

// tornado: netutil_test.py TestPortAllocation.test_reuse_port
#[squall::test]
fn port_is_shared_by_those_who_say_so() {
    let shared = ListenOptions {
        reuse_port: true,
        ..options()
    };
    let first = TcpServer::bind_with("127.0.0.1:0", &shared).unwrap();
    let address = first.local_addr().unwrap();
    let second = TcpServer::bind_with(address, &shared).unwrap();
    assert_eq!(second.local_addr().unwrap(), address);
    let error = TcpServer::bind(address).unwrap_err();
    assert_eq!(error.io().unwrap().kind(), ErrorKind::AddrInUse);
    // Two servers in one: whichever gets a connection serves it.
    drop(first.and(second).serve(|stream, _| echo(stream)));
    for _ in 0..20 {
        let stream = yield_!(TcpClient::new().connect("127.0.0.1", address.port())).unwrap();
        assert_eq!(yield_!(ask(stream)).unwrap(), b"hello\n");
    }
}

// Unix sockets.

// tornado: httpserver_test.py UnixSocketTest.test_unix_socket
#[squall::test]
fn unix_socket_is_served_with_its_mode_and_removed_at_the_end() {
    let folder = Folder::new("unix");
    for (mode, name) in [(None, "default"), (Some(0o666), "open")] {
        let path = folder.join(name);
        let mut options = options();
        options.unix_mode = mode.unwrap_or(options.unix_mode);
        let server = TcpServer::bind_unix(&path, &options).unwrap();
        let found = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode.unwrap_or(0o600));
        assert_eq!(server.unix_paths(), vec![path.clone()]);
        assert_eq!(server.local_addr().unwrap().to_string(), "0.0.0.0:0");
        let handle = server.handle();
        let serving = server.serve(|stream, peer| {
            assert_eq!(peer.to_string(), "0.0.0.0:0");
            assert_eq!(stream.peer_addr(), None);
            echo(stream)
        });
        let stream = IoStream::from_unix(UnixStream::connect(&path).unwrap()).unwrap();
        assert_eq!(yield_!(ask(stream)).unwrap(), b"hello\n");
        handle.stop();
        yield_!(serving).unwrap();
        assert!(!path.exists(), "it went with its server");
    }
}

// tornado: netutil.py bind_unix_socket
#[squall::test]
fn stale_unix_socket_is_replaced_and_a_live_one_is_not() {
    let folder = Folder::new("stale");
    let path = folder.join("socket");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "the standard library leaves it");
    let server = TcpServer::bind_unix(&path, &options()).unwrap();
    let error = TcpServer::bind_unix(&path, &options()).unwrap_err();
    assert_eq!(error.io().unwrap().kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains("another server listens"));
    let link = folder.join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(
        TcpServer::bind_unix(&link, &options()).is_err(),
        "no socket"
    );
    // Another server has taken the place: its file is not ours.
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    drop(server);
    assert!(path.exists());
}

// tornado: [6.5] netutil.py bind_unix_socket, the abstract namespace
#[cfg(target_os = "linux")]
#[squall::test]
fn unix_socket_may_have_a_name_without_a_file() {
    use std::os::linux::net::SocketAddrExt;

    let name = format!("squall-test-{}", std::process::id());
    let server = TcpServer::bind_unix(format!("\0{name}"), &options()).unwrap();
    assert!(server.unix_paths().is_empty());
    drop(server.serve(|stream, _| echo(stream)));
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let stream = UnixStream::connect_addr(&address).unwrap();
    let stream = IoStream::from_unix(stream).unwrap();
    assert_eq!(yield_!(ask(stream)).unwrap(), b"hello\n");
}

// Descriptors that are inherited.

/// Set in the child that is given a socket, to what it is to listen on.
const CHILD: &str = "SQUALL_TEST_INHERITS";

#[test]
fn sockets_that_were_inherited_are_served() {
    if let Some(words) = std::env::var_os(CHILD) {
        return serve_one(words.to_str().unwrap());
    }
    for (words, shell) in [
        ("fd:3", "exec 3<&0 && exec \"$@\""),
        ("fd:0", "exec \"$@\""),
        (
            "systemd",
            "exec 3<&0 && LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"",
        ),
    ] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (_, module) = module_path!().split_once("::").unwrap();
        let name = format!("{module}::sockets_that_were_inherited_are_served");
        let child = Command::new("sh")
            .args(["-c", shell, "sh"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", &name])
            .env(CHILD, words)
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(b"hello\n").unwrap();
        let mut answer = [0; 6];
        let answered = stream.read_exact(&mut answer);
        drop(stream);
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && answered.is_ok(),
            "{words}: {error}"
        );
        assert_eq!(&answer, b"hello\n", "{words}");
    }
}

fn serve_one(words: &str) {
    run(|| async {
        let server = TcpServer::listen(words, &options()).unwrap();
        let (stream, _) = yield_!(server.accept()).unwrap();
        assert!(yield_!(echo(stream)).unwrap_err().is_closed());
    });
}

// How many, and when it ends.

#[squall::test]
fn connections_over_the_limit_wait_for_one_to_go() {
    let (server, port) = bind();
    let server = server.max_connections(2);
    let handle = server.handle();
    drop(server.serve(|stream, _| echo(stream)));
    let client = TcpClient::new();
    let mut streams = yield_!([(); 3].map(|()| client.connect("127.0.0.1", port)))
        .unwrap()
        .into_iter()
        .map(Rc::new)
        .collect::<Vec<_>>();
    for stream in &streams {
        yield_!(stream.write(b"hello\n")).unwrap();
    }
    yield_!(polls());
    assert_eq!(handle.connections(), 2);
    let mut answered = Vec::new();
    for (index, stream) in streams.iter().enumerate() {
        if yield_!(settled(stream.read_until(b"\n", LIMIT))).is_some() {
            answered.push(index);
        }
    }
    assert_eq!(answered.len(), 2, "{answered:?}");
    let late = (0..3).find(|index| !answered.contains(index)).unwrap();
    let last = streams.swap_remove(late);
    drop(streams);
    let answer = yield_!(settled(last.read_until(b"\n", LIMIT)));
    assert_eq!(answer.expect("there is room").unwrap(), b"hello\n");
    assert_eq!(handle.connections(), 1);
}

// tornado: tcpserver_test.py test_stop_twice, httpserver_test.py: stop leaves connections
#[squall::test]
fn stop_ends_accepting_and_leaves_connections() {
    let (server, port) = bind();
    let handle = server.handle();
    let serving = server.serve(|stream, _| echo(stream));
    let stream = yield_!(TcpClient::new().connect("127.0.0.1", port)).unwrap();
    let stream = Rc::new(stream);
    yield_!(polls());
    assert_eq!(handle.connections(), 1);
    handle.stop();
    handle.stop();
    yield_!(settled(serving)).expect("it ends").unwrap();
    let error = yield_!(TcpClient::new().connect("127.0.0.1", port)).unwrap_err();
    assert_eq!(error.io().unwrap().kind(), ErrorKind::ConnectionRefused);
    assert!(yield_!(settled(handle.idle())).is_none(), "one is there");
    yield_!(stream.write(b"still there\n")).unwrap();
    let answer = yield_!(stream.read_until(b"\n", LIMIT)).unwrap();
    assert_eq!(answer, b"still there\n");
    stream.close();
    assert!(yield_!(settled(handle.idle())).is_some());
    assert_eq!(handle.connections(), 0);
}

#[squall::test]
fn stop_wakes_whoever_accepts() {
    let (server, _) = bind();
    let (handle, server) = (server.handle(), Rc::new(server));
    let accepting = server.clone();
    let mut accept = Box::pin(async move { accepting.accept().await });
    assert!(super::poll_once(accept.as_mut()).is_pending());
    handle.stop();
    let error = yield_!(settled(accept)).expect("it is woken").unwrap_err();
    assert!(error.is_closed(), "{error:?}");
    assert!(yield_!(server.accept()).is_err(), "and stays so");
}

#[squall::test]
fn streams_of_a_server_have_its_limit() {
    let (server, port) = bind();
    let server = server.max_buffer_size(1000);
    let _client = yield_!(TcpClient::new().connect("127.0.0.1", port)).unwrap();
    let (accepted, _) = yield_!(server.accept()).unwrap();
    assert_eq!(accepted.max_buffer_size(), 1000);
    assert!(yield_!(accepted.read_bytes(1001)).unwrap_err().is_limit());
}

#[squall::test]
fn server_in_memory_counts_and_stops_like_a_real_one() {
    let network = Network::new();
    let server = network.listen("10.0.0.1:7".parse().unwrap()).unwrap();
    let handle = server.handle();
    let serving = server.max_connections(1).serve(|stream, _| echo(stream));
    let first = yield_!(network.connect("10.0.0.1:7".parse().unwrap())).unwrap();
    let second = yield_!(network.connect("10.0.0.1:7".parse().unwrap())).unwrap();
    yield_!(ask(first)).unwrap();
    yield_!(ask(second)).unwrap();
    handle.stop();
    yield_!(serving).unwrap();
    let refused = yield_!(network.connect("10.0.0.1:7".parse().unwrap()));
    assert!(refused.is_err());
}

// Threads.

/// Tells its thread's number at each line.
#[squall::coroutine]
fn tell(stream: IoStream, thread: String) -> Result<()> {
    loop {
        yield_!(stream.read_until(b"\n", LIMIT))?;
        yield_!(stream.write(format!("{thread}\n").as_bytes()))?;
    }
}

fn ask_thread(stream: &mut impl Io) -> String {
    stream.write_all(b"who?\n").unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while byte != *b"\n" {
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

trait Io: Read + Write {}

impl<T: Read + Write> Io for T {}

fn told_by_threads() -> impl Fn(IoStream, std::net::SocketAddr) -> squall::Deferred<Result<()>> {
    let name = thread::current().name().unwrap().to_owned();
    move |stream, _| tell(stream, name.clone())
}

#[test]
fn threads_serve_with_a_loop_each() {
    for reuse_port in [true, false] {
        ends(move || {
            let options = ListenOptions {
                reuse_port,
                ..options()
            };
            let server = TcpServer::bind_with("127.0.0.1:0", &options).unwrap();
            let threads = server.start(3, told_by_threads).unwrap();
            assert_eq!(threads.len(), 3);
            let connect = |_| std::net::TcpStream::connect(threads.local_addr()).unwrap();
            let mut streams: Vec<_> = (0..60).map(connect).collect();
            let told: BTreeSet<String> = streams.iter_mut().map(ask_thread).collect();
            assert!(told.iter().all(|name| name.starts_with("squall-server-")));
            if reuse_port {
                // The system spreads them by a hash: three chances of 1 in 2^60 / 3 each to miss one.
                assert_eq!(told.len(), 3, "{told:?}");
            }
            drop(streams);
            threads.stop(Duration::from_secs(60));
            threads.join().unwrap();
        });
    }
}

#[test]
fn threads_end_when_their_connections_have_and_after_the_grace() {
    ends(|| {
        let server = TcpServer::bind("127.0.0.1:0").unwrap();
        let threads = server.start(2, told_by_threads).unwrap();
        let address = threads.local_addr();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        ask_thread(&mut stream);
        threads.stop(Duration::from_secs(3600));
        threads.stop(Duration::ZERO); // too late
        // The other thread is gone as soon as it knows; this one serves on.
        ask_thread(&mut stream);
        drop(stream);
        threads.join().unwrap();
        assert!(std::net::TcpStream::connect(address).is_err());

        let server = TcpServer::bind("127.0.0.1:0").unwrap();
        let threads = server.start(2, told_by_threads).unwrap();
        let mut stream = std::net::TcpStream::connect(threads.local_addr()).unwrap();
        ask_thread(&mut stream);
        threads.stop(Duration::from_millis(10));
        threads.join().unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"", "it was cut off");
    });
}

#[test]
fn threads_share_a_unix_socket_and_its_file_goes_with_the_last() {
    ends(|| {
        let folder = Folder::new("threads");
        let path = folder.join("socket");
        let server = TcpServer::bind_unix(&path, &options()).unwrap();
        let threads = server.start(2, told_by_threads).unwrap();
        for _ in 0..10 {
            ask_thread(&mut UnixStream::connect(&path).unwrap());
        }
        threads.stop(Duration::from_secs(60));
        threads.join().unwrap();
        assert!(!path.exists());
    });
}

#[squall::test]
fn threads_may_be_waited_for_by_a_coroutine() {
    let (server, _) = bind();
    let threads = server.start(0, told_by_threads).unwrap();
    assert!(!threads.is_empty());
    threads.stop(Duration::ZERO);
    yield_!(run_in_executor(move || threads.join()))
        .unwrap()
        .unwrap();
}

#[test]
fn bad_factory_ends_the_start_with_its_panic() {
    ends(|| {
        let server = TcpServer::bind("127.0.0.1:0").unwrap();
        let factory = || {
            if thread::current().name() == Some("squall-server-1") {
                panic!("no handler today");
            }
            told_by_threads()
        };
        let start = std::panic::AssertUnwindSafe(|| server.start(3, factory).map(drop));
        let panic = std::panic::catch_unwind(start).expect_err("it is resumed");
        assert_eq!(panic.downcast_ref(), Some(&"no handler today"));
    });
}

#[squall::test]
fn server_in_memory_has_one_thread() {
    let server = Network::new()
        .listen("10.0.0.1:7".parse().unwrap())
        .unwrap();
    let error = server.start(2, told_by_threads).unwrap_err();
    let want = "a server of a simulated network stays on its loop";
    assert_eq!(error.to_string(), want);
}
