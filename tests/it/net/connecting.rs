//! Looking names up, and connecting to hosts with several addresses.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::time::Duration;

use squall::net::{
    BlockingResolver, IoStream, ListenOptions, OverrideResolver, Resolver, TcpClient, TcpServer,
    ThreadedResolver,
};
use squall::testing::Network;
use squall::{Deferred, Error, IoLoop, Result, ThreadPool, yield_};

use super::{LIMIT, MS, bind, polls, settled};
use crate::programs::Folder;

const V4: [&str; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
const V6: [&str; 3] = ["fd00::1", "fd00::2", "fd00::3"];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A network in which `db` has these addresses, in their order.
fn named(addresses: &[&str]) -> Network {
    let named = |network: Network, one: &&str| network.name("db", ip(one));
    addresses.iter().fold(Network::new(), named)
}

/// Listens at port 80 of a host, and keeps what connects.
fn listen(network: &Network, host: &str) -> Rc<RefCell<Vec<IoStream>>> {
    let streams = Rc::new(RefCell::new(Vec::new()));
    let kept = streams.clone();
    let server = network.listen(SocketAddr::new(ip(host), 80)).unwrap();
    drop(server.serve(move |stream, _| kept.borrow_mut().push(stream)));
    streams
}

/// Connects to `db`, and gives the address that answered, or the error, with the milliseconds that it
/// took.
#[squall::coroutine]
fn reach(client: TcpClient) -> (std::result::Result<String, Error>, u128) {
    let start = IoLoop::current().time();
    let connected = yield_!(settled(client.connect("db", 80))).expect("it ends");
    let took = IoLoop::current().time() - start;
    let peer = |stream: IoStream| stream.peer_addr().unwrap().ip().to_string();
    (connected.map(peer), took.as_millis())
}

// tornado: tcpclient_test.py ConnectorTest
#[squall::test]
fn first_address_wins_if_it_answers() {
    let network = named(&[V6[0], V4[0]]);
    network.install();
    let (first, second) = (listen(&network, V6[0]), listen(&network, V4[0]));
    let (reached, took) = yield_!(reach(TcpClient::new()));
    assert_eq!((reached.unwrap().as_str(), took), (V6[0], 0));
    yield_!(polls());
    assert_eq!((first.borrow().len(), second.borrow().len()), (1, 0));
}

// tornado: tcpclient_test.py ConnectorTest.test_one_family_timeout, test_two_family_timeout
#[squall::test]
fn other_version_begins_after_the_head_start() {
    let network = named(&[V6[0], V6[1], V4[0]]).silent(ip(V6[0]));
    network.install();
    let streams = listen(&network, V4[0]);
    let (reached, took) = yield_!(reach(TcpClient::new()));
    assert_eq!((reached.unwrap().as_str(), took), (V4[0], 300));
    assert_eq!(streams.borrow().len(), 1);
}

// tornado: tcpclient_test.py ConnectorTest.test_immediate_failure, test_two_families_immediate_failure
#[squall::test]
fn failure_ends_the_head_start_and_the_next_address_is_tried() {
    // Refused, then silent: the other version does not wait for 0.3 seconds.
    let network = named(&[V6[0], V6[1], V4[0]]).silent(ip(V6[1]));
    network.install();
    let _streams = listen(&network, V4[0]);
    let (reached, took) = yield_!(reach(TcpClient::new()));
    assert_eq!((reached.unwrap().as_str(), took), (V4[0], 0));
}

#[squall::test]
fn addresses_of_one_version_are_tried_in_order() {
    let network = named(&V4);
    network.install();
    let _streams = listen(&network, V4[2]);
    let (reached, took) = yield_!(reach(TcpClient::new()));
    assert_eq!((reached.unwrap().as_str(), took), (V4[2], 0));
}

// tornado: tcpclient_test.py ConnectorTest.test_all_fail
#[squall::test]
fn error_is_that_of_the_first_address_if_all_fail() {
    named(&[V6[0], V4[0], V4[1]]).install();
    let (reached, _) = yield_!(reach(TcpClient::new()));
    let error = reached.unwrap_err();
    assert_eq!(error.io().unwrap().kind(), ErrorKind::ConnectionRefused);
    let want = "no connection to [fd00::1]:80: connection refused";
    assert_eq!(error.to_string(), want);
}

// tornado: tcpclient_test.py ConnectorTest.test_one_family_second_try_after_connect_timeout
#[squall::test]
fn late_connections_of_losers_are_dropped() {
    let slow = Duration::from_millis(200);
    let network = named(&[V6[0], V4[0]]).latency(slow..=slow);
    network.install();
    let (first, second) = (listen(&network, V6[0]), listen(&network, V4[0]));
    // There and back takes 400 ms: the second begins 100 ms before the first is there.
    let (reached, took) = yield_!(reach(TcpClient::new()));
    assert_eq!((reached.unwrap().as_str(), took), (V6[0], 400));
    yield_!(squall::sleep(Duration::from_secs(2)));
    assert_eq!(first.borrow().len(), 1);
    for loser in second.take() {
        assert_eq!(yield_!(loser.read_partial(1)).unwrap(), b"", "its end");
    }
}

// tornado: tcpclient_test.py test_connect_timeout, and the messages of 6.6
#[squall::test]
fn timeout_says_what_it_did() {
    #[derive(Debug)]
    struct Never;

    #[squall::coroutine]
    fn never() -> Result<Vec<SocketAddr>> {
        yield_!(std::future::pending())
    }

    impl Resolver for Never {
        fn resolve(&self, _: &str, _: u16) -> Deferred<Result<Vec<SocketAddr>>> {
            never()
        }
    }

    let client = TcpClient::new().timeout(Duration::from_secs(3));
    named(&[V6[0], V4[0]])
        .silent(ip(V6[0]))
        .silent(ip(V4[0]))
        .install();
    let (reached, took) = yield_!(reach(client.clone()));
    let error = reached.unwrap_err();
    assert!(error.is_timeout() && took == 3000, "{error:?} after {took}");
    let want = "connecting to db:80 took more than 3s: it was waiting for the host to accept";
    assert_eq!(error.to_string(), want);
    let (reached, took) = yield_!(reach(client.resolver(Never)));
    let error = reached.unwrap_err();
    assert!(error.is_timeout() && took == 3000, "{error:?} after {took}");
    let want = "connecting to db:80 took more than 3s: it was looking the name up";
    assert_eq!(error.to_string(), want);
}

// Over real sockets.

#[squall::test]
fn host_that_does_not_answer_is_given_up_in_time() {
    // Nobody accepts, and the queue of one is full: further connections hang.
    let options = ListenOptions {
        backlog: 0,
        ..ListenOptions::default()
    };
    let server = TcpServer::bind_with("127.0.0.1:0", &options).unwrap();
    let port = server.local_addr().unwrap().port();
    let client = TcpClient::new().timeout(Duration::from_secs(1));
    let mut streams = Vec::new();
    let error = loop {
        match yield_!(client.connect("127.0.0.1", port)) {
            Ok(stream) => streams.push(stream),
            Err(error) => break error,
        }
        assert!(streams.len() < 10, "the queue is short");
    };
    assert!(error.is_timeout(), "{error:?}");
}

// tornado: tcpclient_test.py test_source_ip_success, test_source_port_success, test_source_ip_fail
#[squall::test]
fn source_address_and_port_are_one_s_own_choice() {
    let (server, port) = bind();
    let client = TcpClient::new().source_ip(ip("127.0.0.3"));
    let stream = yield_!(client.connect("127.0.0.1", port)).unwrap();
    let (_accepted, peer) = yield_!(server.accept()).unwrap();
    assert_eq!(peer.ip(), ip("127.0.0.3"));
    assert_eq!(stream.local_addr(), Some(peer));
    // A port that was just free.
    let free = bind().1;
    let stream = yield_!(
        TcpClient::new()
            .source_port(free)
            .connect("127.0.0.1", port)
    )
    .unwrap();
    assert_eq!(stream.local_addr().unwrap().port(), free);
    yield_!(stream.write(b"x")).unwrap();
    // Not of this machine.
    let client = TcpClient::new().source_ip(ip("192.0.2.1"));
    let error = yield_!(client.connect("127.0.0.1", port)).unwrap_err();
    assert_eq!(error.io().unwrap().kind(), ErrorKind::AddrNotAvailable);
    // Of the other version.
    let client = TcpClient::new().source_ip(ip("::1"));
    let error = yield_!(client.connect("127.0.0.1", port)).unwrap_err();
    assert!(error.is_resolve(), "{error:?}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        source,
        "it has no address of version 6, and the source address is one"
    );
}

#[squall::test]
fn client_s_streams_have_its_limit() {
    let (_server, port) = bind();
    let client = TcpClient::new().max_buffer_size(1000);
    let stream = yield_!(client.connect("127.0.0.1", port)).unwrap();
    assert_eq!(stream.max_buffer_size(), 1000);
}

#[squall::test]
fn unix_client_connects_waits_and_tells_errors() {
    let folder = Folder::new("client");
    let path = folder.join("socket");
    let client = TcpClient::new();
    let error = yield_!(client.connect_unix(&path)).unwrap_err();
    assert_eq!(error.io().unwrap().kind(), ErrorKind::NotFound);
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
    let server = TcpServer::bind_unix(
        &path,
        &ListenOptions {
            backlog: 0,
            ..ListenOptions::default()
        },
    )
    .unwrap();
    let first = yield_!(client.connect_unix(&path)).unwrap();
    // The queue is full: it waits.
    let limited = client.clone().timeout(Duration::from_secs(1));
    let error = yield_!(limited.connect_unix(&path)).unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    let second = client.connect_unix(&path);
    yield_!(polls());
    assert!(!second.done());
    for _ in 0..2 {
        let (accepted, _) = yield_!(server.accept()).unwrap();
        yield_!(accepted.write(b"hello")).unwrap();
    }
    for stream in [first, yield_!(second).unwrap()] {
        assert_eq!(yield_!(stream.read_until_close(LIMIT)).unwrap(), b"hello");
    }
    drop(server);
    drop(UnixListener::bind(&path).unwrap()); // its file stays
    let error = yield_!(client.connect_unix(&path)).unwrap_err();
    assert_eq!(error.io().unwrap().kind(), ErrorKind::ConnectionRefused);
    std::fs::remove_file(&path).unwrap();
}

// Resolvers.

fn resolvers() -> Vec<Box<dyn Resolver>> {
    vec![
        Box::new(ThreadedResolver::new()),
        Box::new(ThreadedResolver::on(ThreadPool::new(1).unwrap())),
        Box::new(BlockingResolver),
        Box::new(OverrideResolver::new(BlockingResolver)),
        Box::new(Rc::new(BlockingResolver)),
    ]
}

// tornado: netutil_test.py _ResolverTestMixin.test_localhost, _ResolverErrorTestMixin.test_bad_host
#[squall::test]
fn every_resolver_knows_localhost_and_addresses_and_no_nonsense() {
    for resolver in resolvers() {
        let found = yield_!(resolver.resolve("localhost", 80)).unwrap();
        assert!(
            found.contains(&"127.0.0.1:80".parse().unwrap()),
            "{resolver:?}: {found:?}"
        );
        for (host, want) in [
            ("127.0.0.1", "127.0.0.1:7"),
            ("::1", "[::1]:7"),
            ("[::1]", "[::1]:7"),
        ] {
            let numeric = resolver.resolve(host, 7);
            assert!(numeric.done(), "{resolver:?}: an address needs no look-up");
            assert_eq!(yield_!(numeric).unwrap(), [want.parse().unwrap()]);
        }
        for host in ["no-such-host.invalid", "", "with\0nul", "with space"] {
            let error = yield_!(resolver.resolve(host, 80)).unwrap_err();
            assert!(error.is_resolve(), "{resolver:?}, {host:?}: {error:?}");
        }
    }
}

// tornado: netutil_test.py OverrideResolverTest
#[squall::test]
fn overrides_are_by_host_and_by_host_and_port() {
    let resolver = OverrideResolver::new(BlockingResolver)
        .host("google.com", "1.2.3.4")
        .host("Case.Example", "localhost")
        .host_and_port("google.com", 80, "5.6.7.8", 81)
        .host_and_port("127.0.0.1", 443, "::1", 8443);
    let cases = [
        ("google.com", 80, "5.6.7.8:81"),
        ("google.com", 443, "1.2.3.4:443"),
        ("GOOGLE.com", 443, "1.2.3.4:443"),
        ("127.0.0.1", 443, "[::1]:8443"),
        ("127.0.0.1", 80, "127.0.0.1:80"),
    ];
    for (host, port, want) in cases {
        let found = yield_!(resolver.resolve(host, port)).unwrap();
        assert_eq!(found, [want.parse().unwrap()], "{host}:{port}");
    }
    let found = yield_!(resolver.resolve("case.example", 1)).unwrap();
    assert!(found.contains(&"127.0.0.1:1".parse().unwrap()));
}

#[squall::test]
fn client_connects_where_its_resolver_says() {
    let (server, port) = bind();
    let resolver = OverrideResolver::new(ThreadedResolver::new()).host_and_port(
        "example.com",
        443,
        "127.0.0.1",
        port,
    );
    let client = TcpClient::new().resolver(resolver);
    let connecting = client.connect("example.com", 443);
    let accepted = yield_!(server.accept());
    assert!(accepted.is_ok() && yield_!(connecting).is_ok());
}

#[squall::test]
fn pool_of_a_resolver_is_its_own() {
    let pool = ThreadPool::new(1).unwrap();
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let held = pool.submit(move || wait.recv().is_ok());
    let resolver = ThreadedResolver::on(pool);
    let waits = resolver.resolve("localhost", 80);
    let goes = ThreadedResolver::new().resolve("localhost", 80);
    assert!(yield_!(goes).is_ok());
    yield_!(squall::sleep(MS));
    assert!(!waits.done());
    drop(release);
    yield_!(held).unwrap();
    assert!(yield_!(waits).is_ok());
}
