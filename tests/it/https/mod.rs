//! The HTTP server over TLS.

use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use squall::net::{IoStream, TcpClient, TlsAcceptor, TlsConnector};
use squall::{run_in_executor, sleep, yield_};
use squall_web::http::Limits;
use squall_web::{Application, Exchange, HttpServer, Listening, TrustedProxies};

use crate::net::tls::Authority;
use crate::programs::{Folder, has};
use crate::support::{SECOND, capture_logs, run, run_real};
use crate::web::handlers::flood;

const MILLI: Duration = Duration::from_millis(1);

/// The alert that says that there is no more.
const GOODBYE: [u8; 7] = [21, 3, 3, 0, 2, 1, 0];

fn about(ex: &mut Exchange) {
    let request = ex.request();
    let name = request
        .tls()
        .and_then(|tls| tls.server_name().map(str::to_owned));
    let scheme = request.scheme();
    ex.write(format!("{scheme} {}", name.as_deref().unwrap_or("no name")));
}

fn echo(ex: &mut Exchange) {
    let body = ex.request().body().to_vec();
    ex.write(body);
}

fn app() -> Application {
    let app = Application::new().get("/", about).get("/flood", flood);
    app.post("/echo", echo).get("/slow", slow)
}

#[squall::coroutine]
fn slow(ex: &mut Exchange) {
    yield_!(sleep(2 * SECOND));
    ex.write("done");
}

fn serve(acceptor: TlsAcceptor, limits: Limits) -> Listening {
    let server = HttpServer::new(app()).tls(acceptor).limits(limits);
    server.listen("127.0.0.1:0").unwrap()
}

#[squall::coroutine]
fn connect(port: u16, tls: TlsConnector) -> squall::Result<IoStream> {
    let stream = yield_!(TcpClient::new().connect("127.0.0.1", port))?;
    yield_!(stream.start_tls(&tls, "a.example"))
}

// Answers are appended behind what is being sent; under TLS some of that is encrypted already.
#[squall::test]
fn slow_reader_gets_a_stream_whole() {
    let authority = Authority::new("test authority");
    let server = serve(
        authority.issue(&["a.example"]).acceptor(),
        Limits::default(),
    );
    let port = server.local_addr().port();
    let stream = yield_!(connect(port, authority.connector())).unwrap();
    let asked = "GET /flood HTTP/1.0\r\nHost: a\r\n\r\n";
    yield_!(stream.write(asked.as_bytes())).unwrap();
    yield_!(stream.read_until(b"\r\n\r\n", 1 << 16)).unwrap();
    let mut got = Vec::new();
    for round in 0.. {
        let more = yield_!(stream.read_partial(33_331)).unwrap();
        if more.is_empty() {
            break;
        }
        got.extend_from_slice(&more);
        if round % 29 == 0 {
            yield_!(sleep(MILLI));
        }
    }
    let want: Vec<u8> = (0..200_u32).flat_map(|n| vec![n as u8; 30_000]).collect();
    assert!(got == want, "{} of {} bytes", got.len(), want.len());
}

// Each answer is larger than what is kept of a pipeline, and they go out while others are written.
#[squall::test]
fn slow_reader_gets_all_answers_of_a_pipeline() {
    let authority = Authority::new("test authority");
    let server = serve(
        authority.issue(&["a.example"]).acceptor(),
        Limits::default(),
    );
    let stream = yield_!(connect(server.local_addr().port(), authority.connector())).unwrap();
    let body = "0123456789".repeat(5000);
    let mut asked = String::new();
    for n in 0..40 {
        let end = if n == 39 { "Connection: close\r\n" } else { "" };
        let length = body.len();
        asked += &format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\n{end}Content-Length: {length}\r\n\r\n{body}"
        );
    }
    let stream = Rc::new(stream);
    let sending = send(stream.clone(), asked);
    let mut answers = 0;
    while let Ok(head) = yield_!(stream.read_until(b"\r\n\r\n", 1 << 16)) {
        assert!(head.starts_with(b"HTTP/1.1 200"));
        let got = yield_!(stream.read_bytes(body.len())).unwrap();
        assert!(got == body.as_bytes());
        answers += 1;
        if answers % 7 == 0 {
            yield_!(sleep(MILLI));
        }
    }
    assert_eq!(answers, 40);
    yield_!(sending).unwrap();
}

#[squall::coroutine]
fn send(stream: Rc<IoStream>, text: String) -> squall::Result<()> {
    yield_!(stream.write(text.as_bytes()))
}

// X2. tornado: SSLTestMixin test_non_ssl_request, test_error_logging
#[test]
fn plain_http_is_closed_and_logged() {
    let authority = Authority::new("test authority");
    let ((), log) = capture_logs(|| {
        run(|| async {
            let server = serve(
                authority.issue(&["a.example"]).acceptor(),
                Limits::default(),
            );
            let port = server.local_addr().port();
            let stream = TcpClient::new().connect("127.0.0.1", port).await.unwrap();
            stream
                .write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                .await
                .unwrap();
            let _alert = stream.read_until_close(1 << 16).await;
            while server.connections() > 0 {
                sleep(MILLI).await;
            }
            // And others are served.
            let stream = connect(port, authority.connector()).await.unwrap();
            stream
                .write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                .await
                .unwrap();
            let answer = stream.read_until_close(1 << 16).await.unwrap();
            assert!(answer.ends_with(b"\r\n\r\nhttps a.example"));
        });
    });
    let line = log.iter().find(|line| line.contains("no TLS with"));
    let line = line.expect("it is logged");
    assert!(
        line.starts_with("INFO squall::web: no TLS with 127.0.0.1:"),
        "{line}"
    );
    assert!(
        line.ends_with("the peer speaks plain HTTP where TLS was expected"),
        "{line}"
    );
}

#[test]
fn handshake_that_takes_too_long_is_closed_and_counts_until_then() {
    let authority = Authority::new("test authority");
    let ((), log) = capture_logs(|| {
        run(|| async {
            let limits = Limits {
                header_timeout: 3 * SECOND,
                max_connections: 1,
                ..Limits::default()
            };
            let server = serve(authority.issue(&["a.example"]).acceptor(), limits);
            let port = server.local_addr().port();
            let silent = TcpClient::new().connect("127.0.0.1", port).await.unwrap();
            sleep(SECOND).await;
            assert_eq!(server.connections(), 1);
            // There is no room for another one meanwhile.
            let begun = squall::IoLoop::current().time();
            let other = connect(port, authority.connector()).await.unwrap();
            let waited = squall::IoLoop::current().time() - begun;
            assert!(waited >= Duration::from_millis(1900), "{waited:?}");
            assert_eq!(silent.read_until_close(100).await.unwrap(), GOODBYE);
            assert_eq!(server.connections(), 1);
            drop(other);
        });
    });
    assert!(
        log.iter()
            .any(|line| line.contains("no TLS with 127.0.0.1:")),
        "{log:?}"
    );
}

#[squall::test]
fn drain_waits_for_answers_and_ends_handshakes() {
    let authority = Authority::new("test authority");
    let server = serve(
        authority.issue(&["a.example"]).acceptor(),
        Limits::default(),
    );
    let port = server.local_addr().port();
    let silent = yield_!(TcpClient::new().connect("127.0.0.1", port)).unwrap();
    let busy = yield_!(connect(port, authority.connector())).unwrap();
    yield_!(busy.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    yield_!(sleep(SECOND));
    assert_eq!(server.connections(), 2);
    let drained = yield_!(server.drain(10 * SECOND));
    assert!(drained.is_clean(), "{drained:?}");
    assert_eq!(server.connections(), 0);
    let answer = yield_!(busy.read_until_close(1 << 16)).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(
        answer.contains("Connection: close") && answer.ends_with("done"),
        "{answer}"
    );
    assert_eq!(yield_!(silent.read_until_close(100)).unwrap(), GOODBYE);
}

#[squall::test]
fn trusted_proxy_has_the_last_word_on_the_scheme() {
    let authority = Authority::new("test authority");
    let acceptor = authority.issue(&["a.example"]).acceptor();
    let trusted = TrustedProxies::new(["127.0.0.1"]).unwrap();
    let server = HttpServer::new(app())
        .tls(acceptor)
        .trusted_proxies(trusted);
    let port = server.listen("127.0.0.1:0").unwrap().local_addr().port();
    for (told, want) in [
        ("", "https"),
        ("X-Scheme: http\r\n", "http"),
        ("X-Scheme: https\r\n", "https"),
    ] {
        let stream = yield_!(connect(port, authority.connector())).unwrap();
        let asked = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{told}\r\n");
        yield_!(stream.write(asked.as_bytes())).unwrap();
        let answer = yield_!(stream.read_until_close(1 << 16)).unwrap();
        let want = format!("\r\n\r\n{want} a.example");
        assert!(answer.ends_with(want.as_bytes()));
    }
}

#[squall::test]
fn stream_that_is_there_already_is_served_over_tls() {
    let authority = Authority::new("test authority");
    let server = HttpServer::new(app()).tls(authority.issue(&["a.example"]).acceptor());
    let (near, far) = IoStream::pair();
    let serving = server.serve_stream(far);
    let near = yield_!(near.start_tls(&authority.connector(), "a.example")).unwrap();
    yield_!(near.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    yield_!(near.read_until(b"https a.example", 4096)).unwrap();
    assert!(!serving.done(), "as long as the connection is open");
    yield_!(near.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).unwrap();
    let answer = yield_!(near.read_until_close(1 << 16)).unwrap();
    assert!(answer.ends_with(b"https a.example"));
    yield_!(serving);
    assert_eq!(server.connections(), 0);
}

#[test]
fn curl_is_served_over_tls() {
    if !has("curl") {
        return;
    }
    let authority = Authority::new("test authority");
    let own = authority.issue(&["me"]);
    let files = [
        ("roots", &*authority.pem),
        ("cert", &own.certificate),
        ("key", &own.key),
    ];
    let folder = Folder::with("curl-tls", &files);
    run_real(|| async {
        let builder = TlsAcceptor::builder(authority.issue(&["localhost"]).identity());
        let asks = builder
            .require_client_certificate(authority.roots())
            .build();
        let server = serve(asks.unwrap(), Limits::default());
        let url = format!("https://localhost:{}", server.local_addr().port());
        let curl = |arguments: String| {
            let mut curl = Command::new("curl");
            curl.current_dir(&folder)
                .args(["-sS", "-4", "--http1.1", "--cacert", "roots"]);
            curl.args(arguments.split(' '));
            run_in_executor(move || {
                let out = curl.output().unwrap();
                let text = String::from_utf8_lossy(&out.stdout).into_owned();
                text + &String::from_utf8_lossy(&out.stderr)
            })
        };
        let shown = curl(format!("--cert cert --key key {url}/ {url}/"))
            .await
            .unwrap();
        assert_eq!(shown, "https localhosthttps localhost");
        let large = curl(format!(
            "--cert cert --key key --limit-rate 30M {url}/flood -o large"
        ));
        assert_eq!(large.await.unwrap(), "");
        assert_eq!(
            std::fs::metadata(folder.join("large")).unwrap().len(),
            6_000_000
        );
        let none = curl(format!("{url}/")).await.unwrap();
        assert!(none.contains("certificate required"), "{none}");
    });
}
