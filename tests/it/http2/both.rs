//! Our client and our server.

use squall::net::{TcpClient, TlsAcceptor};
use squall::{sleep, with_timeout, yield_};
use squall_web::HttpServer;
use squall_web::client::{AsyncHttpClient, BodyWriter, ClientConfig, Request, Stage};
use squall_web::http::Limits;

use super::{MILLI, app, serve};
use crate::client::text;
use crate::net::tls::Authority;
use crate::support::{SECOND, Trace};

fn client(authority: &Authority) -> AsyncHttpClient {
    AsyncHttpClient::with_config(config(authority))
}

fn config(authority: &Authority) -> ClientConfig {
    ClientConfig {
        tls: Some(authority.connector()),
        hostname_mapping: [("a.example".to_owned(), "127.0.0.1".to_owned())].into(),
        ..ClientConfig::default()
    }
}

fn limits() -> Limits {
    Limits::default()
}

#[squall::test]
fn requests_of_an_origin_share_a_connection() {
    let authority = Authority::new("test authority");
    let server = serve(&authority, limits(), &Trace::new());
    let port = server.local_addr().port();
    let url = |path: &str| format!("https://a.example:{port}{path}");
    let client = client(&authority);
    // All begin before it is known what the server speaks.
    let fetches: Vec<_> = (0..20).map(|_| client.fetch(url("/slow"))).collect();
    let began = squall::IoLoop::current().time();
    for response in yield_!(fetches).unwrap() {
        assert_eq!(response.body(), b"slow");
    }
    let took = squall::IoLoop::current().time() - began;
    assert!(took < 3 * SECOND, "{took:?}: at the same time");
    assert_eq!(server.connections(), 1);
    let about = yield_!(client.fetch(url("/"))).unwrap();
    let want = format!("2 https a.example:{port} a.example");
    assert_eq!(about.text().unwrap(), want);
    assert!(about.time_info().reused);
    assert_eq!(about.header("transfer-encoding"), None);
    assert_eq!(
        about.header("content-length"),
        Some(&*want.len().to_string())
    );
}

#[squall::test]
fn http1_is_spoken_to_who_speaks_nothing_else() {
    let authority = Authority::new("test authority");
    let builder = TlsAcceptor::builder(authority.issue(&["a.example"]).identity());
    let old = builder.alpn(["http/1.1"]).build().unwrap();
    let old = HttpServer::new(app(&Trace::new())).tls(old);
    let old = old.listen("127.0.0.1:0").unwrap();
    let new = serve(&authority, limits(), &Trace::new());
    let without = AsyncHttpClient::with_config(ClientConfig {
        http2: false,
        ..config(&authority)
    });
    // A server that was told so, before it got its certificate or after.
    let tls = || {
        let identity = authority.issue(&["a.example"]).identity();
        TlsAcceptor::builder(identity).build().unwrap()
    };
    let plain = || HttpServer::new(app(&Trace::new()));
    let told = [
        plain().http1_only().tls(tls()),
        plain().tls(tls()).http1_only(),
    ];
    let [first, second] = told.map(|server| server.listen("127.0.0.1:0").unwrap());
    for (client, server) in [
        (client(&authority), &old),
        (without, &new),
        (client(&authority), &first),
        (client(&authority), &second),
    ] {
        let url = format!("https://a.example:{}", server.local_addr().port());
        let about = yield_!(client.fetch(format!("{url}/"))).unwrap();
        assert!(about.text().unwrap().starts_with("1 https "));
        let slow = || client.fetch(format!("{url}/slow"));
        yield_!(vec![slow(), slow(), slow()]).unwrap();
        assert_eq!(server.connections(), 3);
    }
}

#[squall::coroutine]
fn pieces(body: BodyWriter) -> squall::Result<()> {
    for n in 0..100_u8 {
        yield_!(body.write(vec![n; 30_011]))?;
    }
    Ok(())
}

#[squall::test]
fn bodies_go_both_ways_whole() {
    let authority = Authority::new("test authority");
    let server = serve(&authority, limits(), &Trace::new());
    let url = |path: &str| format!("https://a.example:{}{path}", server.local_addr().port());
    let client = client(&authority);
    let want: Vec<u8> = (0..100_u8).flat_map(|n| vec![n; 30_011]).collect();
    // In chunks, that is without a length, and with one; streamed, and read whole.
    let produced = Request::post(url("/echo"), "").body_producer(pieces);
    assert!(yield_!(client.fetch(produced)).unwrap().body() == want);
    let known = Request::post(url("/echo"), want.clone());
    assert!(yield_!(client.fetch(known)).unwrap().body() == want);
    for size in [0, 1, 1_000_000] {
        let request = Request::post(url("/length"), vec![b'x'; size]);
        let response = yield_!(client.fetch(request)).unwrap();
        assert_eq!(response.text().unwrap(), size.to_string());
    }
    let asks = Request::post(url("/length"), "12345").expect_100_continue(true);
    assert_eq!(yield_!(client.fetch(asks)).unwrap().body(), b"5");

    // A slow reader makes the server wait, and others do not wait for him.
    let mut flood = yield_!(client.stream(url("/flood"))).unwrap();
    let mut got = Vec::new();
    while let Some(chunk) = yield_!(flood.chunk()).unwrap() {
        got.extend_from_slice(&chunk);
        if got.len() % 13 == 0 {
            yield_!(sleep(MILLI));
            let other = yield_!(client.fetch(url("/"))).unwrap();
            assert!(other.text().unwrap().starts_with('2'));
        }
    }
    let want: Vec<u8> = (0..200_u32).flat_map(|n| vec![n as u8; 30_000]).collect();
    assert!(got == want, "{} of {}", got.len(), want.len());
    assert_eq!(server.connections(), 1);
}

#[squall::test]
fn answers_of_all_kinds_come_as_they_are() {
    let authority = Authority::new("test authority");
    let limits = Limits {
        max_body_bytes: 1000,
        ..limits()
    };
    let server = serve(&authority, limits, &Trace::new());
    let url = |path: &str| format!("https://a.example:{}{path}", server.local_addr().port());
    let client = client(&authority);
    let get = |path: &str| client.fetch(Request::get(url(path)).raise_error(false));
    for (path, status, body) in [
        ("/204", 204, ""),
        ("/304", 304, ""),
        ("/empty", 200, ""),
        ("/trailers", 200, "1 2 3"),
        ("/lost", 404, "<html>"),
        ("/panics", 500, "<html>"),
    ] {
        let response = yield_!(get(path)).unwrap();
        assert_eq!(response.status(), status, "{path}");
        let is_as = match body {
            "<html>" => response.body().starts_with(b"<html>"),
            body => response.body() == body.as_bytes(),
        };
        assert!(is_as, "{path}: {:?}", response.text());
    }
    let head = yield_!(client.fetch(Request::head(url("/")))).unwrap();
    assert!(head.body().is_empty() && head.header("content-length").is_some());
    let large = Request::post(url("/length"), vec![0; 1001]);
    assert_eq!(yield_!(client.fetch(large)).unwrap_err().code(), 413);
    let cut = yield_!(get("/cut")).unwrap_err();
    // A reset overtakes what was sent before, perhaps the head as well.
    assert!(matches!(cut.stage(), Stage::Head | Stage::Body), "{cut}");
    assert!(text(&cut).contains("before the end of its answer"), "{cut}");
    // None of that was the end of the connection.
    let about = yield_!(get("/")).unwrap();
    assert!(about.time_info().reused);
    assert_eq!(server.connections(), 1);
}

#[squall::test]
fn header_fields_are_told_apart_and_bounded() {
    let authority = Authority::new("test authority");
    let server = serve(&authority, limits(), &Trace::new());
    let url = format!("https://a.example:{}/headers", server.local_addr().port());
    let client = client(&authority);
    let request = Request::get(&url).header("X-A", "1").header("X-A", "2");
    let request = request
        .header("Connection", "close")
        .header("Cookie", "a=b");
    let told = yield_!(client.fetch(request)).unwrap();
    let told = told.text().unwrap().to_owned();
    assert!(
        told.contains("x-a=1|x-a=2") && told.contains("cookie=a=b"),
        "{told}"
    );
    assert!(!told.contains("connection"), "{told}");
    let many = (0..101).fold(Request::get(&url), |request, n| {
        request.header(format!("x-{n}"), "")
    });
    assert_eq!(yield_!(client.fetch(many)).unwrap_err().code(), 431);
    let large = Request::get(&url).header("x", "y".repeat(70_000));
    assert_eq!(yield_!(client.fetch(large)).unwrap_err().code(), 431);
    assert!(yield_!(client.fetch(&url)).is_ok());
}

#[squall::test]
fn handler_learns_that_its_stream_was_reset() {
    let authority = Authority::new("test authority");
    let trace = Trace::new();
    let server = serve(&authority, limits(), &trace);
    let url = |path: &str| format!("https://a.example:{}{path}", server.local_addr().port());
    let client = client(&authority);
    let request = Request::get(url("/waits")).timeout(SECOND);
    assert!(yield_!(client.fetch(request)).unwrap_err().is_timeout());
    yield_!(sleep(MILLI));
    assert_eq!(trace.take(), ["waits", "gone"]);
    assert!(yield_!(client.fetch(url("/"))).unwrap().time_info().reused);
}

#[squall::test]
fn streams_beyond_the_limit_wait_for_their_turn() {
    let authority = Authority::new("test authority");
    let limits = Limits {
        max_concurrent_streams: 3,
        ..limits()
    };
    let server = serve(&authority, limits, &Trace::new());
    let url = format!("https://a.example:{}/slow", server.local_addr().port());
    let client = client(&authority);
    let began = squall::IoLoop::current().time();
    let fetches: Vec<_> = (0..9).map(|_| client.fetch(&url)).collect();
    assert_eq!(yield_!(fetches).unwrap().len(), 9);
    let took = squall::IoLoop::current().time() - began;
    assert!(took >= 6 * SECOND && took < 8 * SECOND, "{took:?}");
    assert_eq!(server.connections(), 1);
}

#[squall::test]
fn drain_lets_streams_finish_and_says_goodbye() {
    let authority = Authority::new("test authority");
    let server = serve(&authority, limits(), &Trace::new());
    let url = |path: &str| format!("https://a.example:{}{path}", server.local_addr().port());
    let (busy, idle) = (client(&authority), client(&authority));
    yield_!(idle.fetch(url("/"))).unwrap();
    let slow = busy.fetch(url("/slow"));
    yield_!(sleep(SECOND));
    assert_eq!(server.connections(), 2);
    let drained = yield_!(server.drain(10 * SECOND));
    assert!(drained.is_clean(), "{drained:?}");
    assert_eq!(server.connections(), 0);
    assert_eq!(yield_!(slow).unwrap().body(), b"slow");
    let error = yield_!(busy.fetch(url("/"))).unwrap_err();
    assert_eq!(
        error.stage(),
        Stage::Connect,
        "it does not listen any more: {error}"
    );
}

#[squall::test]
fn drain_tells_which_stream_did_not_finish() {
    let authority = Authority::new("test authority");
    let server = serve(&authority, limits(), &Trace::new());
    let url = format!("https://a.example:{}/slow", server.local_addr().port());
    let slow = client(&authority).fetch(url);
    yield_!(sleep(SECOND));
    let drained = yield_!(server.drain(SECOND / 2));
    let told = format!("{:?}", drained.unfinished);
    assert!(!drained.is_clean() && told.contains("slow"), "{told}");
    assert!(yield_!(slow).is_err());
    assert_eq!(server.connections(), 0);
}

#[squall::test]
fn idle_connections_end_on_either_side() {
    let authority = Authority::new("test authority");
    let limits = Limits {
        idle_timeout: 5 * SECOND,
        ..limits()
    };
    let impatient = serve(&authority, limits, &Trace::new());
    let patient = serve(
        &authority,
        Limits {
            idle_timeout: 500 * SECOND,
            ..Limits::default()
        },
        &Trace::new(),
    );
    let client = AsyncHttpClient::with_config(ClientConfig {
        idle_timeout: 20 * SECOND,
        ..config(&authority)
    });
    for (server, within) in [(&impatient, 7), (&patient, 45)] {
        let url = format!("https://a.example:{}/", server.local_addr().port());
        yield_!(client.fetch(&url)).unwrap();
        yield_!(sleep(4 * SECOND));
        assert_eq!(server.connections(), 1);
        yield_!(sleep(within * SECOND));
        assert_eq!(server.connections(), 0, "{within}");
        let again = yield_!(client.fetch(&url)).unwrap();
        assert!(!again.time_info().reused);
    }
}

#[squall::test]
fn client_that_is_dropped_or_closed_lets_go_of_its_connections() {
    let authority = Authority::new("test authority");
    let server = serve(&authority, limits(), &Trace::new());
    let url = format!("https://a.example:{}/", server.local_addr().port());
    for is_dropped in [true, false] {
        let client = client(&authority);
        yield_!(client.fetch(&url)).unwrap();
        assert_eq!(server.connections(), 1);
        match is_dropped {
            true => drop(client),
            false => client.close(),
        }
        yield_!(sleep(SECOND));
        assert_eq!(server.connections(), 0);
    }
}

// RFC 9113 §3.4: a client that begins with less than the whole preface, or with it on a plain connection.
#[squall::test]
fn bad_preface_is_no_request() {
    let server = HttpServer::new(app(&Trace::new())).limits(Limits {
        header_timeout: 3 * SECOND,
        ..limits()
    });
    let listening = server.listen("127.0.0.1:0").unwrap();
    let port = listening.local_addr().port();
    for (sent, is_http2) in [
        (
            &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..],
            true,
        ),
        (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", false),
        (b"PRI * HTTP/2.0\r\n\r\n", true),
        (b"PRI /x HTTP/2.0\r\nHost: a\r\n\r\n", false),
    ] {
        let stream = yield_!(TcpClient::new().connect("127.0.0.1", port)).unwrap();
        yield_!(stream.write(sent)).unwrap();
        let answer = with_timeout(2 * SECOND, stream.read_bytes(9));
        let answer = yield_!(answer);
        let is_frame = matches!(&answer, Ok(Ok(bytes)) if bytes[3] == 4);
        assert_eq!(is_frame, is_http2, "{answer:?}");
        if !is_http2 {
            let answer = answer.unwrap().unwrap_or_default();
            assert!(
                answer.is_empty() || answer.starts_with(b"HTTP/1.1 "),
                "{answer:?}"
            );
        }
    }
    // One that never completes it is closed.
    yield_!(sleep(5 * SECOND));
    assert_eq!(listening.connections(), 0);
}
