//! How answers and connections end: whole, cut midway, handed over to another protocol, shut down.

use std::io::ErrorKind;
use std::time::Duration;

use squall::net::{IoStream, TcpClient};
use squall::{IoLoop, sleep, yield_};
use squall_web::http::Limits;
use squall_web::{
    Application, BodyPlan, Call, Error, Exchange, Handle, HttpServer, Listening, Result,
    StatusCode, TrustedProxies,
};

use super::handlers::{echo_pieces, hello, slow};
use super::{ask, body, connect, get, header, read_answer, status};
use crate::programs::Folder;
use crate::support::capture_logs;

fn listen(app: Application) -> Listening {
    HttpServer::new(app).listen("127.0.0.1:0").unwrap()
}

// ---------------------------------------------------------------- cut answers

#[squall::coroutine]
fn breaks_off(ex: &mut Exchange) -> Result<()> {
    ex.write("half");
    yield_!(ex.flush())?;
    yield_!(sleep(Duration::from_millis(10)));
    Err(Error::status_only(StatusCode::BAD_GATEWAY))
}

// An end would say to a client of HTTP/1.0 that the answer is whole: RFC 9112 §8.
#[squall::test]
fn an_answer_up_to_the_end_that_is_cut_resets_the_connection() {
    let server = listen(Application::new().get("/", breaks_off));
    let stream = yield_!(connect(server.local_addr()));
    yield_!(stream.write(b"GET / HTTP/1.0\r\n\r\n")).unwrap();
    yield_!(stream.read_until(b"half", 4096)).unwrap();
    let end = yield_!(stream.read_bytes(1)).unwrap_err();
    let end = end.io().map(std::io::Error::kind);
    assert_eq!(end, Some(ErrorKind::ConnectionReset));
}

#[squall::test]
fn an_answer_in_chunks_that_is_cut_ends_without_its_last_chunk() {
    let server = listen(Application::new().get("/", breaks_off));
    let answer = yield_!(ask(server.local_addr(), get("/")));
    assert_eq!(body(&answer), "4\r\nhalf\r\n");
}

// Otherwise the system would hold what was written for a client that may never take it.
#[squall::test]
fn a_client_that_takes_nothing_is_reset() {
    #[squall::coroutine]
    fn large(ex: &mut Exchange) -> Result<()> {
        ex.write(vec![b'x'; 16 << 20]);
        yield_!(ex.flush())
    }
    let server = listen(Application::new().get("/", large));
    let stream = yield_!(connect(server.local_addr()));
    yield_!(stream.write(get("/").as_bytes())).unwrap();
    let began = IoLoop::current().time();
    while server.connections() > 0 {
        yield_!(sleep(Duration::from_secs(1)));
    }
    let took = (IoLoop::current().time() - began).as_secs();
    assert!((60..64).contains(&took), "{took} s, not the write time-out");
    let end = yield_!(async {
        loop {
            match stream.read_partial(1 << 20).await {
                Ok(bytes) if bytes.is_empty() => return None,
                Ok(_) => {}
                Err(error) => return error.io().map(std::io::Error::kind),
            }
        }
    });
    assert_eq!(end, Some(ErrorKind::ConnectionReset));
}

// RFC 9112 §9.6: who closes reads on for a while, or what the client still sends would reset it.
#[squall::test]
fn a_server_that_closes_of_itself_waits_for_its_client_to_go() {
    let app = Application::new().get("/", |ex: &mut Exchange| {
        ex.close_connection();
        ex.write("last");
    });
    let server = listen(app);
    let stream = yield_!(connect(server.local_addr()));
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    yield_!(stream.write(request)).unwrap();
    let answer = yield_!(read_answer(&stream));
    assert_eq!(header(&answer, "connection"), Some("close"));
    for _ in 0..5 {
        yield_!(stream.write(request)).expect("the server still reads");
        yield_!(sleep(Duration::from_millis(50)));
    }
    assert_eq!(yield_!(stream.read_until_close(80)).unwrap(), b"");
    // But not for ever.
    yield_!(sleep(Duration::from_secs(3)));
    assert_eq!(server.connections(), 0);
}

// ---------------------------------------------------------------- bodies and what follows

// An echo says its first words while most of the body is still to come.
#[squall::test]
fn a_stream_both_ways_keeps_the_connection() {
    /// Reads a chunk; gives its size.
    async fn echoed(stream: &IoStream) -> usize {
        let size = stream.read_until(b"\r\n", 80).await.unwrap();
        let size = usize::from_str_radix(str::from_utf8(&size).unwrap().trim(), 16).unwrap();
        let chunk = stream.read_bytes(size + 2).await.unwrap();
        assert!(chunk[..size].iter().all(|byte| *byte == b'x'));
        size
    }
    let app = Application::new()
        .post("/", echo_pieces)
        .body("/", BodyPlan::stream());
    let server = listen(app);
    let stream = yield_!(connect(server.local_addr()));
    for _ in 0..2 {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
        let (first, rest) = (head.to_owned() + "xxx", "x".repeat(1_000_000 - 3));
        yield_!(stream.write(first.as_bytes())).unwrap();
        // Nothing more is sent before this has come back.
        let head = yield_!(stream.read_until(b"\r\n\r\n", 4096)).unwrap();
        let head = String::from_utf8(head).unwrap();
        assert_eq!(header(&head, "connection"), None);
        assert_eq!(yield_!(echoed(&stream)), 3);
        let read = async {
            let mut left = rest.len();
            while left > 0 {
                left -= echoed(&stream).await;
            }
        };
        let (sent, ()) = yield_!((stream.write(rest.as_bytes()), read));
        sent.unwrap();
        assert_eq!(
            yield_!(stream.read_until(b"0\r\n\r\n", 80)).unwrap(),
            b"0\r\n\r\n"
        );
    }
}

struct PlanPanics;

impl Handle for PlanPanics {
    fn body_plan(&self, _: &mut Exchange) -> BodyPlan {
        panic!("secret-detail");
    }

    fn handle<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a> {
        ex.write("no body");
        Call::done(())
    }
}

#[test]
fn a_panic_while_the_bodys_plan_is_made_is_answered() {
    let (answers, log) = capture_logs(|| {
        crate::support::run(|| async {
            let server = HttpServer::new(PlanPanics).listen("127.0.0.1:0").unwrap();
            let wire = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
            let answer = ask(server.local_addr(), wire).await;
            (answer, ask(server.local_addr(), get("/")).await)
        })
    });
    assert_eq!(status(&answers.0), "500");
    assert!(!answers.0.contains("secret-detail"), "{}", answers.0);
    assert_eq!(body(&answers.1), "no body");
    let logged = log
        .iter()
        .filter(|line| line.contains("secret-detail"))
        .count();
    assert_eq!(logged, 1, "{log:?}");
}

// RFC 9110 §9.3.2: HEAD has the headers that GET would have.
#[squall::test]
fn head_of_a_stream_has_the_type_of_its_content() {
    #[squall::coroutine]
    fn flushes(ex: &mut Exchange) -> Result<()> {
        ex.write("a");
        yield_!(ex.flush())
    }
    let server = listen(Application::new().get("/", flushes));
    let wire = "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = yield_!(ask(server.local_addr(), wire));
    assert_eq!(
        header(&answer, "content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(header(&answer, "content-length"), None);
    assert_eq!(body(&answer), "");
}

// ---------------------------------------------------------------- upgrades

#[squall::coroutine]
fn shout(ex: &mut Exchange) -> Result<()> {
    let shout = yield_!(ex.upgrade("shout"))?;
    let mut read = shout.read;
    while !read.is_empty() {
        yield_!(shout.stream.write(&read.to_ascii_uppercase()))?;
        read = yield_!(shout.stream.read_partial(80))?;
    }
    Ok(())
}

const UPGRADE: &str = "Host: a\r\nConnection: Upgrade\r\nUpgrade: shout\r\n";

#[squall::test]
fn an_upgrade_hands_over_the_stream_with_what_came_behind_the_request() {
    let server = listen(Application::new().get("/", shout).get("/plain", hello));
    let stream = yield_!(connect(server.local_addr()));
    // Behind an earlier request of a pipeline, whose answer has to come first.
    let wire =
        format!("GET /plain HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n{UPGRADE}\r\nearly");
    yield_!(stream.write(wire.as_bytes())).unwrap();
    assert_eq!(body(&yield_!(read_answer(&stream))), "hello");
    let head = yield_!(stream.read_until(b"\r\n\r\n", 4096)).unwrap();
    let head = String::from_utf8(head).unwrap();
    assert_eq!(status(&head), "101");
    assert_eq!(header(&head, "connection"), Some("Upgrade"));
    assert_eq!(header(&head, "upgrade"), Some("shout"));
    assert_eq!(yield_!(stream.read_bytes(5)).unwrap(), b"EARLY");
    yield_!(stream.write(b"late")).unwrap();
    assert_eq!(yield_!(stream.read_bytes(4)).unwrap(), b"LATE");
    stream.close();
    yield_!(sleep(Duration::from_millis(100)));
    assert_eq!(server.connections(), 0);
}

// RFC 9110 §15.5.22: a 426 names the protocol; §7.8: an Upgrade is named in Connection.
#[squall::test]
fn a_client_that_has_not_asked_is_told_what_to_upgrade_to() {
    let server = listen(Application::new().get("/", shout));
    let stream = yield_!(connect(server.local_addr()));
    yield_!(stream.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    let answer = yield_!(read_answer(&stream));
    assert_eq!(status(&answer), "426");
    assert_eq!(header(&answer, "upgrade"), Some("shout"));
    assert_eq!(header(&answer, "connection"), Some("Upgrade"));
    let last = yield_!(ask(server.local_addr(), get("/")));
    assert_eq!(header(&last, "connection"), Some("close, Upgrade"));
}

#[squall::test]
fn an_upgrade_before_the_body_is_read_is_an_error_and_one_answer() {
    let app = Application::new()
        .post("/", shout)
        .body("/", BodyPlan::stream());
    let server = listen(app);
    let wire = format!("POST / HTTP/1.1\r\n{UPGRADE}Content-Length: 9\r\n\r\nabc");
    let answer = yield_!(ask(server.local_addr(), wire));
    assert_eq!(status(&answer), "500");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

// ---------------------------------------------------------------- who asks

fn who(ex: &mut Exchange) {
    let request = ex.request();
    let text = format!(
        "{:?} {:?} {}",
        request.remote_addr(),
        request.remote_ip(),
        request.scheme()
    );
    ex.write(text);
}

#[squall::test]
fn a_unix_socket_has_no_address_and_may_be_trusted() {
    let folder = Folder::new("who");
    let path = folder.join("socket");
    let told = "GET / HTTP/1.0\r\nX-Real-Ip: 4.4.4.4\r\nX-Scheme: https\r\n\r\n";
    for (proxies, want) in [
        (["127.0.0.1"], "None None http"),
        (["unix"], "None Some(4.4.4.4) https"),
    ] {
        let server = HttpServer::new(Application::new().get("/", who))
            .trusted_proxies(TrustedProxies::new(proxies).unwrap());
        let listening = server.listen(&format!("unix:{}", path.display())).unwrap();
        let stream = yield_!(TcpClient::new().connect_unix(&path)).unwrap();
        yield_!(stream.write(told.as_bytes())).unwrap();
        let answer = yield_!(stream.read_until_close(4096)).unwrap();
        assert_eq!(body(str::from_utf8(&answer).unwrap()), want);
        server.stop();
        yield_!(listening).unwrap();
    }
}

// ---------------------------------------------------------------- the end of a server

/// A request whose bytes fill the room that is read into exactly leaves the socket "readable".
#[squall::test]
fn a_connection_that_seems_readable_and_is_not_idles() {
    let server = listen(Application::new().get("/", hello));
    let stream = yield_!(connect(server.local_addr()));
    let head = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    let wire = format!("{head}{}\r\n\r\n", "x".repeat(8192 - head.len() - 4));
    assert_eq!(wire.len(), 8192);
    yield_!(stream.write(wire.as_bytes())).unwrap();
    assert_eq!(body(&yield_!(read_answer(&stream))), "hello");
    yield_!(sleep(Duration::from_millis(100)));
    let began = IoLoop::current().time();
    let drained = yield_!(server.drain(Duration::from_secs(30)));
    assert!(drained.is_clean());
    let took = IoLoop::current().time() - began;
    assert!(
        took < Duration::from_secs(1),
        "{took:?} for a connection that idles"
    );
}

#[squall::test]
fn a_drain_waits_for_the_requests_in_flight_and_closes_what_idles() {
    #[squall::coroutine]
    fn two_seconds(ex: &mut Exchange) {
        yield_!(sleep(Duration::from_secs(2)));
        ex.write("done");
    }
    let app = Application::new().get("/", hello).get("/two", two_seconds);
    let server = HttpServer::new(app);
    let listening = server.listen("127.0.0.1:0").unwrap();
    let address = listening.local_addr();
    let idle = yield_!(connect(address));
    yield_!(idle.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    yield_!(read_answer(&idle));
    let busy = yield_!(connect(address));
    yield_!(busy.write(b"GET /two HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    yield_!(sleep(Duration::from_millis(100)));
    let began = IoLoop::current().time();
    // One more, which the system has taken in and nobody has accepted.
    let waiting = std::net::TcpStream::connect(address).unwrap();
    let waiting = IoStream::from_tcp(waiting).unwrap();
    let (drained, idles_end, answer, fresh) = yield_!((
        server.drain(Duration::from_secs(30)),
        idle.read_until_close(80),
        read_answer(&busy),
        async {
            waiting
                .write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                .await
                .unwrap();
            read_answer(&waiting).await
        },
    ));
    assert!(drained.is_clean());
    assert_eq!(idles_end.unwrap(), b"");
    assert_eq!(body(&answer), "done");
    assert_eq!(header(&answer, "connection"), Some("close"));
    assert_eq!(body(&fresh), "hello");
    assert_eq!(header(&fresh, "connection"), Some("close"));
    let took = (IoLoop::current().time() - began).as_secs();
    assert!((1..5).contains(&took), "{took} s");
    yield_!(listening).unwrap();
    assert!(yield_!(TcpClient::new().connect("127.0.0.1", address.port())).is_err());
}

// And of another server on the same thread nobody is named, and nothing is cut.
#[squall::test]
fn a_drain_names_who_did_not_finish_and_where() {
    let other = listen(Application::new().get("/", slow));
    let bystander = yield_!(connect(other.local_addr()));
    yield_!(bystander.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    let server = listen(Application::new().get("/", slow).get("/hello", hello));
    let stream = yield_!(connect(server.local_addr()));
    yield_!(stream.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    yield_!(sleep(Duration::from_secs(1)));
    let drained = yield_!(server.drain(Duration::from_secs(5)));
    let [unfinished] = &drained.unfinished[..] else {
        panic!("{:?}", drained.unfinished);
    };
    let told = unfinished.to_string();
    assert!(
        told.starts_with("slow (") && told.contains("tests/it/web/handlers.rs:"),
        "{told}"
    );
    assert!(
        told.contains(" `sleep(Duration::from_secs(3600))`) since 6."),
        "{told}"
    );
    assert!(told.contains(" < serve_connection ("), "{told}");
    let end = yield_!(stream.read_until_close(4096)).unwrap();
    assert!(end.is_empty() || end.starts_with(b"HTTP/1.1 5"), "{end:?}");
    assert_eq!((server.connections(), other.connections()), (0, 1));
}

#[squall::test]
fn a_drain_does_not_wait_for_a_client_that_will_not_go() {
    let server = listen(Application::new().get("/", hello));
    let stream = yield_!(connect(server.local_addr()));
    // The head never comes to its end.
    yield_!(stream.write(b"GET / HTTP/1.1\r\n")).unwrap();
    yield_!(sleep(Duration::from_secs(1)));
    let limits = Limits::default();
    assert!(limits.header_timeout > Duration::from_secs(5));
    let began = IoLoop::current().time();
    let drained = yield_!(server.drain(Duration::from_secs(5)));
    assert_eq!(drained.unfinished.len(), 1);
    let took = (IoLoop::current().time() - began).as_secs();
    assert_eq!(took, 5);
    assert_eq!(server.connections(), 0);
}

// A panic in the destructor of what belongs to a thread would end the process.
#[test]
fn a_thread_may_end_with_connections_open() {
    let thread = std::thread::spawn(|| {
        let io_loop = IoLoop::current();
        let answer = io_loop.run_sync(|| async {
            let server = listen(Application::new().get("/", hello));
            let stream = connect(server.local_addr()).await;
            stream
                .write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                .await
                .unwrap();
            let answer = read_answer(&stream).await;
            std::mem::forget(stream);
            answer
        });
        assert_eq!(body(&answer), "hello");
    });
    thread.join().unwrap();
}
