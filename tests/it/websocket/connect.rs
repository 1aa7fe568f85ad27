//! The client's handshake: what it sends, and what it makes of answers (W5, W6).

use std::net::SocketAddr;
use std::time::Duration;

use squall::net::{IoStream, TcpServer};
use squall::yield_;
use squall_web::websocket::{
    Compression, ConnectOptions, Message, WebSocket, WebSocketError, WebSocketOptions,
    websocket_connect,
};
use squall_web::{Application, Exchange, HttpServer, Result, StatusCode};

use super::{echo_app, serve, text};
use crate::net::tls::Authority;
use crate::support::run_real;

/// Reads a handshake, and answers it as it should be, with more headers.
pub(super) async fn answer(stream: &IoStream, more: &str) -> squall::Result<String> {
    let head = stream.read_until(b"\r\n\r\n", 65536).await?;
    let head = String::from_utf8(head).expect("a head is text");
    let accept = accept_of(&head);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    );
    stream.write(answer.as_bytes()).await?;
    Ok(head)
}

/// The answer to the key in a head. Asked of the server under test, which is tested by itself.
fn accept_of(head: &str) -> String {
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("sec-websocket-key: "));
    let key = key.expect("a key");
    squall_web::websocket::codec::accept_key(key.as_bytes())
}

/// Answers one handshake by `answer`, in which `{accept}` is the right one, and sends a message with
/// it; gives what was asked.
fn fake(answer: &str) -> (SocketAddr, squall::Deferred<String>) {
    let server = TcpServer::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    #[squall::coroutine]
    fn serve(server: TcpServer, answer: String) -> String {
        let (stream, _) = yield_!(server.accept()).unwrap();
        let head = yield_!(stream.read_until(b"\r\n\r\n", 65536)).unwrap();
        let head = String::from_utf8(head).unwrap();
        let answer = answer.replace("{accept}", &accept_of(&head));
        if answer.is_empty() {
            return head;
        }
        let message = b"\x81\x02hi";
        yield_!(stream.write(&[answer.as_bytes(), message].concat())).unwrap();
        let _ = yield_!(stream.read_partial(1));
        head
    }
    (address, serve(server, answer.to_owned()))
}

async fn fails(answer: &str, options: ConnectOptions) -> WebSocketError {
    let (address, asked) = fake(answer);
    let connected = websocket_connect(format!("ws://{address}/"), options).await;
    let error = connected.expect_err("the answer is not as it should be");
    drop(asked);
    error
}

/// What the client makes of a 101 with these headers.
async fn switched(
    headers: &str,
    options: ConnectOptions,
) -> std::result::Result<WebSocket, WebSocketError> {
    let (address, asked) = fake(&format!("HTTP/1.1 101 Switching\r\n{headers}\r\n"));
    let connected = websocket_connect(format!("ws://{address}/"), options).await;
    drop(asked);
    connected
}

#[squall::test]
fn handshake_has_what_it_needs() {
    let right = "HTTP/1.1 101 Switching\r\nupgrade: WebSocket\r\nconnection: x, upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n";
    let (address, asked) = fake(right);
    let mut options = ConnectOptions::default()
        .header("X-Test", "one")
        .header("X-Test", "two");
    options.websocket.subprotocols = vec!["a".into(), "b".into()];
    let url = format!("ws://ann:p%40ss@{address}/chat?room=1#part");
    let mut ws = yield_!(websocket_connect(url, options)).unwrap();
    // A message that came with the answer is not lost.
    assert_eq!(text(yield_!(ws.recv())).as_deref(), Some("hi"));
    assert_eq!(ws.subprotocol(), None);
    drop(ws);
    let head = yield_!(asked);
    let mut lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    assert_eq!(lines.remove(0), "GET /chat?room=1 HTTP/1.1");
    assert_eq!(lines.remove(0), format!("Host: {address}"));
    let at = lines
        .iter()
        .position(|line| line.starts_with("sec-websocket-key: "))
        .unwrap();
    let key = lines.remove(at).rsplit(' ').next().unwrap();
    assert_eq!((key.len(), &key[22..]), (24, "=="));
    lines.sort_unstable();
    let want = [
        "authorization: Basic YW5uOnBAc3M=",
        "connection: Upgrade",
        "sec-websocket-protocol: a, b",
        "sec-websocket-version: 13",
        "upgrade: websocket",
        "x-test: one",
        "x-test: two",
    ];
    assert_eq!(lines, want);
}

#[squall::test]
fn answers_that_are_none_are_told_apart() {
    // W5
    let plain = ConnectOptions::default;
    let error = yield_!(fails(
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        plain()
    ));
    assert_eq!(error.http_status(), Some(StatusCode::NOT_FOUND));
    assert_eq!(error.to_string(), "the server answered 404 instead of 101");
    let error = yield_!(fails(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        plain()
    ));
    assert_eq!(error.http_status(), Some(StatusCode::OK));
    assert_eq!(error.to_string(), "the server answered 200 instead of 101");
    let redirect = "HTTP/1.1 302 Found\r\nLocation: ws://other/\r\nContent-Length: 0\r\n\r\n";
    let error = yield_!(fails(redirect, plain()));
    assert_eq!(error.http_status(), Some(StatusCode::FOUND));
    assert_eq!(
        error.to_string(),
        "the server answered 302 and sends to \"ws://other/\"; redirects are not followed"
    );
    const RIGHT: &str =
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n";
    let connected = yield_!(switched(RIGHT, plain()));
    assert!(
        connected.is_ok(),
        "without what the cases below leave out or add"
    );
    for (headers, want) in [
        (
            "Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n",
            "no upgrade",
        ),
        (
            "Upgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n",
            "no upgrade",
        ),
        (
            "Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n",
            "no upgrade",
        ),
        (
            "Upgrade: websocket\r\nConnection: Upgrade\r\n",
            "does not answer the key",
        ),
        (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n",
            "does not answer the key",
        ),
        (
            &format!("{RIGHT}Sec-WebSocket-Protocol: c\r\n"),
            "was not offered",
        ),
        (
            &format!("{RIGHT}Sec-WebSocket-Extensions: permessage-deflate\r\n"),
            "was not offered",
        ),
    ] {
        let error = yield_!(switched(headers, plain())).expect_err(want);
        assert!(
            error.is_handshake() && error.to_string().contains(want),
            "{headers}: {error}"
        );
    }
    for (answer, want) in [
        ("SSH-2.0-OpenSSH\r\n\r\n", "malformed"),
        ("", "closed the connection in the handshake"),
    ] {
        let error = yield_!(fails(answer, plain()));
        assert!(
            error.is_handshake() && error.to_string().contains(want),
            "{answer}: {error}"
        );
    }
    let mut compressed = plain();
    compressed.websocket.compression = Some(Compression::default());
    let extensions = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7\r\n";
    let connected = yield_!(switched(&format!("{RIGHT}{extensions}"), compressed));
    let error = connected.expect_err("seven bits are none");
    assert!(error.to_string().contains("malformed"), "{error}");
}

#[squall::test]
fn urls_and_headers_that_cannot_be_are_told() {
    let connect = |url: &str, options| websocket_connect(url, options);
    for (url, want) in [
        (
            "http://localhost/",
            "http: is no scheme of a WebSocket: take ws:",
        ),
        (
            "localhost:80",
            "localhost: is no scheme of a WebSocket: take ws:",
        ),
        ("ws://", "\"ws://\" is no URL: empty host"),
        (
            "nonsense",
            "\"nonsense\" is no URL: relative URL without a base",
        ),
    ] {
        let error = yield_!(connect(url, ConnectOptions::default())).unwrap_err();
        assert_eq!(error.to_string(), want);
    }
    let split = ConnectOptions::default().header("X-A", "b\r\nX-C: d");
    let error = yield_!(connect("ws://localhost/", split)).unwrap_err();
    assert_eq!(error.to_string(), "malformed header value");
    let split = ConnectOptions::default().header("X A", "b");
    let error = yield_!(connect("ws://localhost/", split)).unwrap_err();
    assert_eq!(error.to_string(), "malformed header name");
    let mut options = ConnectOptions::default();
    options.websocket.subprotocols = vec!["a b".into()];
    let error = yield_!(connect("ws://localhost/", options)).unwrap_err();
    assert_eq!(error.to_string(), "the subprotocol \"a b\" is no token");
}

#[squall::test]
fn server_that_is_not_there_is_an_error_and_one_that_says_nothing_too() {
    let server = TcpServer::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let options = ConnectOptions {
        connect_timeout: Duration::from_secs(3),
        ..ConnectOptions::default()
    };
    // It accepts, by the system, and is silent.
    let began = squall::IoLoop::current().time();
    let error = yield_!(websocket_connect(
        format!("ws://{address}/"),
        options.clone()
    ))
    .unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let took = squall::IoLoop::current().time() - began;
    assert!((3..5).contains(&took.as_secs()), "{took:?}");
    drop(server);
    let error = yield_!(websocket_connect(format!("ws://{address}/"), options)).unwrap_err();
    assert!(!error.is_handshake() && !error.is_timeout(), "{error}");
    assert!(
        error
            .to_string()
            .contains(&format!("cannot connect to {address}")),
        "{error}"
    );
}

#[squall::test]
fn interim_answers_are_skipped() {
    let (address, _asked) = fake(
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n",
    );
    let connected = yield_!(websocket_connect(
        format!("ws://{address}/"),
        ConnectOptions::default()
    ));
    assert!(connected.is_ok());
}

#[squall::test]
fn agreement_is_on_the_subprotocol_that_both_speak() {
    // W10
    let options = WebSocketOptions {
        subprotocols: vec!["b".into(), "a".into()],
        ..WebSocketOptions::default()
    };
    let app = Application::new().get("/ws", async move |ex: &mut Exchange| -> Result<()> {
        let ws = yield_!(ex.websocket_with(&options))?;
        yield_!(ws.send(format!("{:?}", ws.subprotocol())))?;
        Ok(())
    });
    let address = serve(app);
    for (offered, want) in [
        (vec!["a"], Some("a")),
        (vec!["c", "a", "b"], Some("b")),
        (vec!["c"], None),
        (vec![], None),
    ] {
        let mut options = ConnectOptions::default();
        options.websocket.subprotocols = offered.into_iter().map(Into::into).collect();
        let mut ws = yield_!(websocket_connect(format!("ws://{address}/ws"), options)).unwrap();
        assert_eq!(ws.subprotocol(), want);
        assert_eq!(text(yield_!(ws.recv())), Some(format!("{want:?}")));
    }
}

#[test]
fn wss_is_a_websocket_over_tls() {
    run_real(async || {
        let authority = Authority::new("test authority");
        let acceptor = authority.issue(&["localhost"]).acceptor();
        let server = HttpServer::new(echo_app(WebSocketOptions::default())).tls(acceptor);
        let address = server.listen("127.0.0.1:0").unwrap().local_addr();
        let url = format!("wss://localhost:{}/ws", address.port());
        let options = ConnectOptions {
            tls: Some(authority.connector()),
            ..ConnectOptions::default()
        };
        let mut ws = websocket_connect(&url, options).await.unwrap();
        assert!(ws.stream().tls().is_some());
        for size in [0, 100, 100_000, 3_000_000] {
            ws.send(vec![7; size]).await.unwrap();
            assert!(
                ws.recv().await == Some(Message::from(vec![7; size])),
                "{size}"
            );
        }
        // Many at a time, each of which TLS may have taken a part of.
        for n in 0..500_u32 {
            ws.send(vec![n as u8; 5000]).await.unwrap();
        }
        for n in 0..500_u32 {
            assert!(
                ws.recv().await == Some(Message::from(vec![n as u8; 5000])),
                "{n}"
            );
        }
        ws.close(1001, "bye").await.unwrap();
        // An authority that nobody knows.
        let error = websocket_connect(&url, ConnectOptions::default()).await;
        let error = error.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot connect to localhost:"),
            "{error}"
        );
    });
}
