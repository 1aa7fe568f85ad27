//! What the server makes of handshakes: H243 to H254, W1, W9, W10, and what RFC 6455 §4.2 asks for.

use squall::net::IoStream;
use squall::yield_;
use squall_web::websocket::{Origins, WebSocketOptions};
use squall_web::{Application, Exchange, Result};

use super::{close_code, echo_app, frame, handshake, masked, open, serve, serve_echo};
use crate::web::{connect, header, read_answer, status};

const UPGRADE: &str = "Upgrade: websocket\r\n";
const CONNECTION: &str = "Connection: Upgrade\r\n";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const HOST: &str = "GET /ws HTTP/1.1\r\nHost: h.example\r\n";

/// Sends a request, and gives the status and the head of the answer.
async fn asks(stream: &IoStream, request: &str) -> (u16, String) {
    stream.write(request.as_bytes()).await.unwrap();
    let answer = read_answer(stream).await;
    (status(&answer).parse().unwrap(), answer)
}

#[squall::test]
fn handshakes_are_judged() {
    let address = serve_echo(WebSocketOptions::default());
    let whole = format!("{HOST}{UPGRADE}{CONNECTION}{KEY}{VERSION}");
    let with = |more: &str| format!("{whole}{more}\r\n");
    let cases = [
        ("all as it should be", with(""), 101),
        // H247
        (
            "upgrade among others",
            format!("{HOST}{UPGRADE}Connection: keep-alive, Upgrade\r\n{KEY}{VERSION}\r\n"),
            101,
        ),
        (
            "other cases of letters",
            format!("{HOST}upgrade: WebSocket\r\nconnection: UPGRADE\r\n{KEY}{VERSION}\r\n"),
            101,
        ),
        (
            "several protocols to upgrade to",
            format!("{HOST}Upgrade: h2c, websocket\r\n{CONNECTION}{KEY}{VERSION}\r\n"),
            101,
        ),
        // W1, H245
        ("no handshake", format!("{HOST}\r\n"), 400),
        (
            "no upgrade",
            format!("{HOST}{CONNECTION}{KEY}{VERSION}\r\n"),
            400,
        ),
        (
            "another upgrade",
            format!("{HOST}Upgrade: h2c\r\n{CONNECTION}{KEY}{VERSION}\r\n"),
            400,
        ),
        // H246
        (
            "no connection",
            format!("{HOST}{UPGRADE}{KEY}{VERSION}\r\n"),
            400,
        ),
        (
            "another connection",
            format!("{HOST}{UPGRADE}Connection: keep-alive\r\n{KEY}{VERSION}\r\n"),
            400,
        ),
        // H250
        (
            "no key",
            format!("{HOST}{UPGRADE}{CONNECTION}{VERSION}\r\n"),
            400,
        ),
        (
            "an empty key",
            format!("{HOST}{UPGRADE}{CONNECTION}Sec-WebSocket-Key:\r\n{VERSION}\r\n"),
            400,
        ),
        (
            "a key that is no base 64",
            format!(
                "{HOST}{UPGRADE}{CONNECTION}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!!==\r\n{VERSION}\r\n"
            ),
            400,
        ),
        (
            "a key of 15 bytes",
            format!(
                "{HOST}{UPGRADE}{CONNECTION}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n{VERSION}\r\n"
            ),
            400,
        ),
        ("two keys", with(KEY), 400),
        // H248, H249, W1
        (
            "version 12",
            format!("{HOST}{UPGRADE}{CONNECTION}{KEY}Sec-WebSocket-Version: 12\r\n\r\n"),
            426,
        ),
        (
            "version 8",
            format!("{HOST}{UPGRADE}{CONNECTION}{KEY}Sec-WebSocket-Version: 8\r\n\r\n"),
            426,
        ),
        (
            "no version",
            format!("{HOST}{UPGRADE}{CONNECTION}{KEY}\r\n"),
            426,
        ),
        (
            "no number",
            format!("{HOST}{UPGRADE}{CONNECTION}{KEY}Sec-WebSocket-Version: 13a\r\n\r\n"),
            426,
        ),
        // H254
        (
            "a POST",
            whole.replacen("GET", "POST", 1) + "Content-Length: 0\r\n\r\n",
            405,
        ),
        ("a HEAD", whole.replacen("GET", "HEAD", 1) + "\r\n", 405),
        (
            "HTTP/1.0",
            whole.replacen("HTTP/1.1", "HTTP/1.0", 1) + "Connection: keep-alive\r\n\r\n",
            400,
        ),
        // H251 to H253, W9
        (
            "another origin",
            with("Origin: http://evil.example\r\n"),
            403,
        ),
        ("a sub-domain", with("Origin: http://a.h.example\r\n"), 403),
        ("another port", with("Origin: http://h.example:81\r\n"), 403),
        ("no scheme", with("Origin: h.example\r\n"), 403),
        ("no page", with("Origin: null\r\n"), 403),
        (
            "two origins",
            with("Origin: http://h.example\r\nOrigin: http://h.example\r\n"),
            403,
        ),
        ("the same origin", with("Origin: http://h.example\r\n"), 101),
        (
            "the same by TLS",
            with("Origin: https://h.example\r\n"),
            101,
        ),
        (
            "the same with a path",
            with("Origin: http://h.example/page\r\n"),
            101,
        ),
    ];
    for (name, request, want) in cases {
        let stream = yield_!(connect(address));
        let (status, answer) = match name {
            // Its answer has a length and no body.
            "a HEAD" => {
                yield_!(stream.write(request.as_bytes())).unwrap();
                let head = yield_!(stream.read_until(b"\r\n\r\n", 65536)).unwrap();
                let head = String::from_utf8(head).unwrap();
                (status(&head).parse().unwrap(), head)
            }
            _ => yield_!(asks(&stream, &request)),
        };
        assert_eq!(status, want, "{name}: {answer}");
        match want {
            101 => {
                let accept = header(&answer, "sec-websocket-accept");
                assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{name}");
                assert_eq!(header(&answer, "upgrade"), Some("websocket"), "{name}");
                assert_eq!(header(&answer, "connection"), Some("Upgrade"), "{name}");
                assert_eq!(header(&answer, "content-length"), None, "{name}");
                yield_!(stream.write(&masked(0x88, b""))).unwrap();
                assert_eq!(yield_!(close_code(&stream)), 0, "{name}");
            }
            426 => {
                assert_eq!(
                    header(&answer, "sec-websocket-version"),
                    Some("13"),
                    "{name}"
                );
                assert_eq!(header(&answer, "upgrade"), Some("websocket"), "{name}");
            }
            405 => assert!(
                header(&answer, "allow").unwrap().starts_with("GET"),
                "{name}"
            ),
            _ => {}
        }
    }
}

#[squall::test]
fn refused_handshake_leaves_the_connection_to_http() {
    let stream = yield_!(connect(serve_echo(WebSocketOptions::default())));
    assert_eq!(yield_!(asks(&stream, &format!("{HOST}\r\n"))).0, 400);
    assert_eq!(yield_!(asks(&stream, &handshake(""))).0, 101);
}

#[squall::test]
fn frames_may_come_with_the_handshake() {
    // H243
    let stream = yield_!(connect(serve_echo(WebSocketOptions::default())));
    let wire = [
        handshake("").as_bytes(),
        &masked(0x81, b"hello"),
        &masked(0x88, b""),
    ]
    .concat();
    yield_!(stream.write(&wire)).unwrap();
    yield_!(stream.read_until(b"\r\n\r\n", 65536)).unwrap();
    assert_eq!(yield_!(frame(&stream)), Some((0x81, b"hello".to_vec())));
    assert_eq!(yield_!(close_code(&stream)), 0);
}

#[squall::test]
fn origins_can_be_chosen() {
    let app = |origins| {
        echo_app(WebSocketOptions {
            origins,
            ..WebSocketOptions::default()
        })
    };
    let any = serve(app(Origins::Any));
    let also = serve(app(Origins::Also(vec!["https://app.example".into()])));
    for (address, origin, want) in [
        (any, "http://evil.example", 101),
        (any, "null", 101),
        (also, "https://app.example", 101),
        (also, "http://h.example", 101),
        (also, "http://app.example", 403),
        (also, "https://app.example.evil", 403),
    ] {
        let stream = yield_!(connect(address));
        let request = handshake(&format!("Origin: {origin}\r\n"));
        assert_eq!(yield_!(asks(&stream, &request)).0, want, "{origin}");
    }
}

#[squall::test]
fn subprotocol_is_the_first_of_the_servers_that_the_client_speaks() {
    let address = serve_echo(WebSocketOptions {
        subprotocols: vec!["b".into(), "a".into()],
        ..WebSocketOptions::default()
    });
    for (offer, want) in [
        ("", None),
        ("Sec-WebSocket-Protocol: c\r\n", None),
        ("Sec-WebSocket-Protocol: a\r\n", Some("a")),
        ("Sec-WebSocket-Protocol: a, b\r\n", Some("b")),
        (
            "Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: y,a\r\n",
            Some("a"),
        ),
        ("Sec-WebSocket-Protocol: A\r\n", None),
    ] {
        let stream = yield_!(connect(address));
        let (_, answer) = yield_!(asks(&stream, &handshake(offer)));
        assert_eq!(header(&answer, "sec-websocket-protocol"), want, "{offer}");
    }
}

#[squall::test]
fn headers_that_are_set_go_along() {
    // W6
    #[squall::coroutine]
    fn own_header(ex: &mut Exchange) -> Result<()> {
        let asked = ex.request().header_str("x-test").unwrap_or("").to_owned();
        ex.set_header("x-answer", asked)?;
        let ws = yield_!(ex.websocket())?;
        yield_!(ws.send(format!("subprotocol {:?}", ws.subprotocol())))?;
        Ok(())
    }
    let address = serve(Application::new().get("/ws", own_header));
    let stream = yield_!(connect(address));
    let (_, answer) = yield_!(asks(&stream, &handshake("X-Test: hello\r\n")));
    assert_eq!(header(&answer, "x-answer"), Some("hello"));
    assert_eq!(
        yield_!(frame(&stream)),
        Some((0x81, b"subprotocol None".to_vec()))
    );
}

#[squall::test]
fn extensions_are_only_answered_if_they_were_asked_for() {
    // W12
    let plain = serve_echo(WebSocketOptions::default());
    let stream = yield_!(connect(plain));
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let (_, answer) = yield_!(asks(&stream, &handshake(offer)));
    assert_eq!(header(&answer, "sec-websocket-extensions"), None);
    let stream = yield_!(open(plain));
    yield_!(stream.write(&masked(0x81, &[b'a'; 100]))).unwrap();
    let echo = yield_!(stream.read_bytes(102)).unwrap();
    assert_eq!(echo[..2], [0x81, 100]);
}
