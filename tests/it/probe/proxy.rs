//! `examples/reverse_proxy` between a client and the probe.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::ops::Deref;
use std::process::{Command, Stdio};
use std::thread;

use super::{Probe, Server, example, ms, sha256};
use crate::programs::{Running, free_port, wait_for};

struct Proxy {
    _process: Running,
    server: Server,
}

impl Deref for Proxy {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Proxy {
    fn before(upstream: u16) -> Proxy {
        let port = free_port();
        let mut command = Command::new(example("reverse_proxy"));
        command
            .args([
                port.to_string(),
                format!("http://127.0.0.1:{upstream}"),
                "1".into(),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Running::start(&mut command);
        wait_for(port);
        Proxy {
            _process: process,
            server: Server { port },
        }
    }
}

#[test]
fn answers_come_as_they_are_given() {
    let probe = Probe::patient();
    let proxy = Proxy::before(probe.port);
    for target in [
        "/hello",
        "/args?a=%20b&c",
        "/status/404",
        "/status/204",
        "/status/304",
        "/redirect",
        "/raise",
        "/nowhere",
        "/bytes/200000",
        "/stream/5/10000",
        "/static/hello.txt",
        "/cookie/set?name=a&value=b",
    ] {
        let (direct, proxied) = (probe.get(target), proxy.get(target));
        assert_eq!(proxied.status, direct.status, "{target}");
        assert!(proxied.body == direct.body, "{target}");
        for name in [
            "content-type",
            "content-length",
            "location",
            "etag",
            "set-cookie",
            "allow",
        ] {
            assert_eq!(proxied.all(name), direct.all(name), "{name} of {target}");
        }
        assert_eq!(proxied.header("via"), Some("1.1 squall"));
    }
    let mut wire = proxy.connect();
    wire.send("HEAD /bytes/1000 HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = wire.answer(true).expect("an answer");
    assert_eq!(head.header("content-length"), Some("1000"));
    wire.is_kept();
    let packed = "GET /gzip HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n";
    assert_eq!(proxy.ask(packed).header("content-encoding"), Some("gzip"));
    assert_eq!(proxy.get("/gzip").header("content-encoding"), None);
}

#[test]
fn headers_of_one_connection_stay_on_it() {
    let probe = Probe::patient();
    let proxy = Proxy::before(probe.port);
    let request = "GET /headers HTTP/1.1\r\nHost: h.example\r\nX-A: 1\r\nX-A: 2\r\n\
        Connection: x-mine, keep-alive\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
        Upgrade: h2c\r\nProxy-Connection: close\r\nVia: 1.0 before\r\n\
        X-Forwarded-For: 10.0.0.9\r\nAccept-Encoding: br\r\n\r\n";
    let headers = proxy.ask(request).json();
    assert_eq!(headers["host"], serde_json::json!(["h.example"]));
    assert_eq!(headers["x-a"], serde_json::json!(["1", "2"]));
    assert_eq!(
        headers["x-forwarded-for"],
        serde_json::json!(["10.0.0.9, 127.0.0.1"])
    );
    assert_eq!(
        headers["via"],
        serde_json::json!(["1.0 before, 1.1 squall"])
    );
    assert_eq!(headers["accept-encoding"], serde_json::json!(["br"]));
    for name in [
        "x-mine",
        "keep-alive",
        "te",
        "upgrade",
        "proxy-connection",
        "transfer-encoding",
    ] {
        assert!(headers[name].is_null(), "{name}: {headers}");
    }
}

#[test]
fn bodies_stream_both_ways() {
    let probe = Probe::patient();
    let proxy = Proxy::before(probe.port);
    let echo = |headers: &str, body: &str| {
        let head =
            format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: text/x\r\n{headers}\r\n");
        proxy.ask(head + body)
    };
    assert_eq!(echo("Content-Length: 3\r\n", "abc").text(), "abc");
    assert_eq!(echo("Content-Length: 0\r\n", "").text(), "");
    let chunks = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(
        echo("Transfer-Encoding: chunked\r\n", chunks).text(),
        "abcde"
    );

    // More than anything between could hold.
    let body: Vec<u8> = (0..20_000_000_u32).map(|i| (i % 241) as u8).collect();
    let mut wire = proxy.connect();
    wire.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n");
    wire.send(&body);
    let answer = wire.answer(false).expect("an answer").json();
    assert_eq!(answer["sha256"], sha256(&body));
    wire.is_kept();

    // The first piece comes through, though the last comes after an hour.
    let mut wire = proxy.connect();
    wire.send("GET /stream/2/3?delay=3600000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wire.until(b"3\r\naaa\r\n");
}

#[test]
fn other_server_that_fails_is_told_of() {
    // Nobody listens there.
    let proxy = Proxy::before(free_port());
    assert_eq!(proxy.get("/hello").status, 502);

    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let proxy = Proxy::before(listener.local_addr().expect("an address").port());
    let server = thread::spawn(move || {
        let mut request = [0; 4096];
        let mut kept = Vec::new();
        for answer in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"[..],
            b"nonsense\r\n\r\n",
            b"",
            b"wait",
        ] {
            let (mut stream, _) = listener.accept().expect("the proxy connects");
            assert!(stream.read(&mut request).expect("a request") > 0);
            match answer {
                b"wait" => kept.push(stream),
                answer => stream.write_all(answer).expect("it is taken"),
            }
        }
        kept
    });
    let mut wire = proxy.connect();
    wire.send("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(wire.answer(false).is_none(), "half an answer is cut");
    assert_eq!(proxy.get("/nonsense").status, 502);
    assert_eq!(proxy.get("/closed").status, 502);
    // For longer than the second that it is allowed.
    assert_eq!(proxy.get("/silent").status, 504);
    drop(server.join().expect("the server ends"));
}

#[test]
fn client_that_goes_takes_its_request_along() {
    let probe = Probe::patient();
    let proxy = Proxy::before(probe.port);
    let waiting = "GET /poll/wait?topic=t&timeout=60000 HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut goes = proxy.connect();
    goes.send(waiting);
    let mut stays = probe.connect();
    stays.send(waiting);
    thread::sleep(ms(300));
    drop(goes);
    thread::sleep(ms(300));
    let published = probe.post("/poll/publish?topic=t", "", "x");
    assert_eq!(
        published.json()["delivered"],
        1,
        "the one that went is forgotten"
    );
    assert_eq!(stays.answer(false).expect("an answer").status, 200);
    assert_eq!(proxy.get("/hello").text(), "Hello, world");
}
