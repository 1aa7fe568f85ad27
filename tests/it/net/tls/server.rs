//! Servers and clients with TLS.

use std::fs;
use std::io::{Read, Write};
use std::time::Duration;

use squall::net::{
    Identity, IoStream, OverrideResolver, TcpClient, TcpServer, ThreadedResolver, TlsAcceptor,
};
use squall::testing::Network;
use squall::{Result, sleep, yield_};

use crate::net::{LIMIT, bind, settled};
use crate::programs::Folder;
use crate::support::{capture_all_logs, ends, run};

use super::{Authority, Pair};

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

/// A client to whom `host` is this machine.
fn client(authority: &Authority, hosts: &[&str]) -> TcpClient {
    let resolver = OverrideResolver::new(ThreadedResolver::new());
    let here = |resolver: OverrideResolver<_>, host: &&str| resolver.host(host, "127.0.0.1");
    let resolver = hosts.iter().fold(resolver, here);
    TcpClient::new()
        .resolver(resolver)
        .tls(authority.connector())
}

#[squall::test]
fn server_and_client_speak_tls() {
    let authority = Authority::new("test authority");
    let (server, port) = bind();
    let server = server.tls(authority.issue(&["example.org"]).acceptor());
    drop(server.serve(|stream, peer| {
        assert_eq!(stream.peer_addr(), Some(peer));
        assert!(stream.tls().is_some());
        echo(stream)
    }));
    let stream = client(&authority, &["example.org"]).connect("example.org", port);
    assert_eq!(yield_!(ask(yield_!(stream).unwrap())).unwrap(), b"hello\n");
}

#[squall::test]
fn accept_gives_the_stream_after_its_handshake() {
    let authority = Authority::new("test authority");
    let (server, port) = bind();
    let server = server.tls(authority.issue(&["127.0.0.1"]).acceptor());
    let connecting = client(&authority, &[]).connect("127.0.0.1", port);
    let (accepted, _) = yield_!(server.accept()).unwrap();
    assert!(accepted.tls().is_some() && yield_!(connecting).unwrap().tls().is_some());
}

#[test]
fn slow_or_strange_clients_hold_up_nobody_and_are_logged() {
    let ((), log) = capture_all_logs(|| {
        run(|| async {
            let authority = Authority::new("test authority");
            let (server, port) = bind();
            let server = server.tls(authority.issue(&["127.0.0.1"]).acceptor());
            let handle = server.handle();
            drop(server.serve(|stream, _| echo(stream)));
            let silent = yield_!(TcpClient::new().connect("127.0.0.1", port)).unwrap();
            let strange = yield_!(TcpClient::new().connect("127.0.0.1", port)).unwrap();
            yield_!(strange.write(b"GET / HTTP/1.0\r\n\r\n")).unwrap();
            let good = client(&authority, &[]).connect("127.0.0.1", port);
            assert_eq!(yield_!(ask(yield_!(good).unwrap())).unwrap(), b"hello\n");
            // The silent one has 20 seconds.
            sleep(Duration::from_secs(19)).await;
            assert_eq!(handle.connections(), 1);
            sleep(Duration::from_secs(2)).await;
            assert_eq!(handle.connections(), 0);
            drop(silent);
        })
    });
    let failed: Vec<_> = log
        .iter()
        .filter(|line| line.contains("no TLS with 127.0.0.1:"))
        .collect();
    assert_eq!(failed.len(), 2, "{log:?}");
    assert!(
        failed[0].contains("plain HTTP where TLS was expected"),
        "{log:?}"
    );
    assert!(
        failed[1].contains("the TLS handshake took more than 20s"),
        "{log:?}"
    );
    assert!(failed.iter().all(|line| line.starts_with("INFO squall: ")));
}

#[squall::test]
fn each_name_has_its_certificate() {
    let authority = Authority::new("test authority");
    let hosts = [
        "example.org",
        "a.example.org",
        "b.example.org",
        "a.b.example.org",
        "other.net",
    ];
    let pair = |name: &str| authority.issue(&[name]);
    let acceptor = TlsAcceptor::builder(pair("default.net").identity())
        .name("Example.org", pair("example.org").identity())
        .name("*.example.org", pair("*.example.org").identity())
        .name(
            "b.example.org",
            authority.issue(&["b.example.org", "b"]).identity(),
        )
        .build()
        .unwrap();
    let (server, port) = bind();
    drop(server.tls(acceptor).serve(|stream, _| echo(stream)));
    let client = client(&authority, &hosts);
    let mut answered = Vec::new();
    for host in hosts {
        match yield_!(client.connect(host, port)) {
            Ok(stream) => answered.push(stream.tls().unwrap()),
            // A wildcard is for one label, and the default for another name.
            Err(error) => {
                assert!(error.is_tls(), "{error:?}");
                let text = error.to_string();
                assert!(text.contains("default.net"), "{host}: {text}");
                assert!(["a.b.example.org", "other.net"].contains(&host), "{host}");
            }
        }
    }
    assert_eq!(answered.len(), 3);
    let shown: Vec<_> = answered
        .iter()
        .map(|info| &info.peer_certificates()[0])
        .collect();
    assert!(shown[0] != shown[1] && shown[1] != shown[2], "each its own");
}

#[squall::test]
fn timeout_of_a_client_includes_the_handshake() {
    let authority = Authority::new("test authority");
    let (server, port) = bind();
    let client = client(&authority, &[]).timeout(Duration::from_secs(2));
    let connecting = client.connect("127.0.0.1", port);
    let (_plain, _) = yield_!(server.accept()).unwrap();
    let error = yield_!(settled(connecting)).expect("it ends").unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    let want =
        format!("connecting to 127.0.0.1:{port} took more than 2s: it was in the TLS handshake");
    assert_eq!(error.to_string(), want);
}

#[squall::test]
fn tls_goes_over_a_network_in_memory() {
    let authority = Authority::new("test authority");
    let ms = Duration::from_millis(1);
    let network = Network::new()
        .latency(ms..=ms)
        .name("example.org", [10, 0, 0, 1].into());
    network.install();
    let server = TcpServer::bind("10.0.0.1:443").unwrap();
    let server = server.tls(authority.issue(&["example.org"]).acceptor());
    drop(server.serve(|stream, _| echo(stream)));
    let client = TcpClient::new().tls(authority.connector());
    let stream = yield_!(client.connect("example.org", 443)).unwrap();
    assert_eq!(yield_!(ask(stream)).unwrap(), b"hello\n");
}

#[test]
fn threads_have_the_server_s_tls() {
    ends(|| {
        let authority = Authority::new("test authority");
        let acceptor = authority.issue(&["127.0.0.1"]).acceptor();
        let server = TcpServer::bind("127.0.0.1:0").unwrap().tls(acceptor);
        let threads = server.start(2, || |stream, _| echo(stream)).unwrap();
        let port = threads.local_addr().port();
        run(|| async {
            for _ in 0..4 {
                let stream = client(&authority, &[]).connect("127.0.0.1", port);
                assert_eq!(yield_!(ask(yield_!(stream).unwrap())).unwrap(), b"hello\n");
            }
        });
        threads.stop(Duration::ZERO);
        threads.join().unwrap();
        // Plain bytes on such a port are answered by an alert, and no more.
        let server = TcpServer::bind("127.0.0.1:0").unwrap();
        let server = server.tls(authority.issue(&["127.0.0.1"]).acceptor());
        let threads = server.start(1, || |stream, _| echo(stream)).unwrap();
        let mut plain = std::net::TcpStream::connect(threads.local_addr()).unwrap();
        plain.write_all(b"hello\n").unwrap();
        let mut alert = Vec::new();
        plain.read_to_end(&mut alert).unwrap();
        assert_eq!(alert[0], 21, "{alert:?}");
        threads.stop(Duration::from_secs(60));
        threads.join().unwrap();
    });
}

// Reloading.

struct Files(Folder);

impl Files {
    fn new(pair: &Pair) -> Files {
        let files = Files(Folder::new("reload"));
        files.put("key.pem", &pair.key);
        files.put("cert.pem", &pair.certificate);
        files
    }

    /// As those who renew certificates do: beside, then in its place.
    fn put(&self, name: &str, text: &str) {
        let beside = self.0.write("new", text);
        fs::rename(beside, self.0.join(name)).unwrap();
    }

    fn acceptor(&self) -> TlsAcceptor {
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| self.0.join(name));
        let identity = Identity::files(cert, key).unwrap();
        TlsAcceptor::builder(identity).build().unwrap()
    }
}

/// The certificate that a server shows.
#[squall::coroutine]
fn shown(client: TcpClient, port: u16) -> Vec<u8> {
    let stream = yield_!(client.connect("127.0.0.1", port)).unwrap();
    stream.tls().unwrap().peer_certificates()[0].clone()
}

#[test]
fn certificate_that_changes_is_loaded_anew_and_a_bad_one_is_not() {
    let ((), log) = capture_all_logs(|| {
        run(|| async {
            let authority = Authority::new("test authority");
            let [first, second, third] = [(); 3].map(|()| authority.issue(&["127.0.0.1"]));
            let files = Files::new(&first);
            let (server, port) = bind();
            drop(server.tls(files.acceptor()).serve(|stream, _| echo(stream)));
            let client = client(&authority, &[]);
            let a_minute = Duration::from_secs(61);
            let old = yield_!(shown(client.clone(), port));

            files.put("cert.pem", &second.certificate);
            files.put("key.pem", &second.key);
            let soon = yield_!(shown(client.clone(), port));
            assert_eq!(soon, old, "it is not looked at for each connection");
            sleep(a_minute).await;
            let new = yield_!(shown(client.clone(), port));
            assert_ne!(new, old);

            // Half of a change: the key is of another certificate.
            files.put("cert.pem", &third.certificate);
            for _ in 0..2 {
                sleep(a_minute).await;
                assert_eq!(
                    yield_!(shown(client.clone(), port)),
                    new,
                    "the last good one"
                );
            }
            files.put("cert.pem", "nonsense");
            sleep(a_minute).await;
            assert_eq!(yield_!(shown(client.clone(), port)), new);
            fs::remove_file(files.0.join("cert.pem")).unwrap();
            sleep(a_minute).await;
            assert_eq!(yield_!(shown(client.clone(), port)), new);

            files.put("cert.pem", &third.certificate);
            files.put("key.pem", &third.key);
            sleep(a_minute).await;
            let newest = yield_!(shown(client, port));
            assert!(newest != new && newest != old);
        })
    });
    let of = |level: &str, words: &str| {
        let is_one = |line: &&String| line.starts_with(level) && line.contains(words);
        log.iter().filter(is_one).count()
    };
    assert_eq!(of("INFO squall: ", "was loaded anew"), 2, "{log:?}");
    assert_eq!(
        of("ERROR squall: ", "the one before is kept: "),
        3,
        "once a change: {log:?}"
    );
    assert_eq!(of("ERROR squall: ", "is not the key of"), 1, "{log:?}");
    assert_eq!(of("ERROR squall: ", "No such file"), 1, "{log:?}");
}
