//! The client against a server that follows a script, over real sockets and a virtual clock.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use http::{Method, StatusCode};
use squall::net::{IoStream, TcpServer};
use squall::{IoLoop, yield_};

use super::{AsyncHttpClient, ClientConfig, Request};

/// What the server does on one connection, step by step; it closes after the last.
#[derive(Clone)]
enum Step {
    /// Reads a request with its body, and logs it.
    Read,
    Write(Vec<u8>),
    Sleep(Duration),
    /// Waits until the client closes, and logs that.
    Closed,
}

use Step::{Closed, Read};

fn write(bytes: impl AsRef<[u8]>) -> Step {
    Step::Write(bytes.as_ref().to_vec())
}

fn pause(millis: u64) -> Step {
    Step::Sleep(Duration::from_millis(millis))
}

/// An answer that keeps the connection.
fn ok(body: &str) -> Step {
    write(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A server that plays one script for each connection that it accepts.
struct Server {
    port: u16,
    log: Rc<RefCell<Vec<String>>>,
}

impl Server {
    fn start(scripts: impl IntoIterator<Item = Vec<Step>>) -> Server {
        let server = TcpServer::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let log = Rc::<RefCell<Vec<String>>>::default();
        let scripts = RefCell::new(scripts.into_iter().collect::<VecDeque<_>>());
        let (written, accepted) = (log.clone(), RefCell::new(0));
        let serving = server.serve(move |stream, _| {
            *accepted.borrow_mut() += 1;
            let script = scripts.borrow_mut().pop_front();
            let script = script.expect("there is a script for each connection");
            play(stream, script, *accepted.borrow(), written.clone())
        });
        drop(serving);
        Server { port, log }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What happened: `1 GET /path` is a request on the first connection, `1 closed` its end.
    #[track_caller]
    fn check_log(&self, want: &[&str]) {
        let log = self.log.borrow();
        let brief = |entry: &String| {
            entry
                .lines()
                .next()
                .map(|line| line.replace(" HTTP/1.1", ""))
        };
        let log: Vec<String> = log.iter().filter_map(brief).collect();
        assert_eq!(log, want);
    }
}

#[squall::coroutine]
fn play(
    stream: IoStream,
    script: Vec<Step>,
    number: u32,
    log: Rc<RefCell<Vec<String>>>,
) -> squall::Result<()> {
    for step in script {
        match step {
            Step::Read => {
                let request = yield_!(read_request(&stream))?;
                log.borrow_mut().push(format!("{number} {request}"));
            }
            Step::Write(bytes) => yield_!(stream.write(&bytes))?,
            Step::Sleep(time) => yield_!(squall::sleep(time)),
            Step::Closed => {
                match yield_!(stream.read_until_close(0)) {
                    Ok(_) => {}
                    // The client left something unread.
                    Err(error) => assert!(error.is_closed(), "{error}"),
                }
                log.borrow_mut().push(format!("{number} closed"));
            }
        }
    }
    Ok(())
}

async fn read_request(stream: &IoStream) -> squall::Result<String> {
    let head = stream.read_until(b"\r\n\r\n", 1 << 20).await?;
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .map_or(0, |length| length.parse().unwrap());
    let body = stream.read_bytes(length).await?;
    Ok(head + &String::from_utf8(body).unwrap())
}

const CLOSED_EARLY: &str = "receiving the response head failed: \
    the server closed the connection before the end of its answer";

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Fetches one answer in these pieces; gives status and body, or the error's text.
async fn fetch_pieces(pieces: &[&[u8]]) -> Result<(u16, String), String> {
    let mut script = vec![Read];
    for piece in pieces {
        script.extend([write(piece), pause(1)]);
    }
    let server = Server::start([script]);
    let request = Request::get(server.url("/")).raise_error(false);
    let fetched = AsyncHttpClient::new().fetch(request).await;
    let response = fetched.map_err(|error| {
        let text = error.to_string();
        let stage = text.split_once(": ").map(|(_, stage)| stage.to_owned());
        stage.unwrap_or(text)
    })?;
    let body = response.text().unwrap().to_owned();
    Ok((response.status().as_u16(), body))
}

#[squall::test]
fn request_and_answer_arrive_whole() {
    let answer = "HTTP/1.1 201 Made\r\nContent-Length: 2\r\nA: 1\r\na: 2\r\n\r\nok";
    let server = Server::start([vec![Read, write(answer)]]);
    let client = AsyncHttpClient::new();
    let request = Request::post(server.url("/a?b=c"), "body")
        .header("Content-Type", "text/plain")
        .header("X-Y", "1")
        .header("X-Y", "2");
    let response = yield_!(client.fetch(request)).unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.header("a"), Some("1"));
    assert_eq!(response.header("b"), None);
    assert_eq!(response.headers().get_all("A").iter().count(), 2);
    assert_eq!(response.text().unwrap(), "ok");
    assert_eq!(response.effective_url().path(), "/a");
    assert_eq!(response.into_body(), b"ok");
    let version = env!("CARGO_PKG_VERSION");
    let want = format!(
        "1 POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:{}\r\ncontent-type: text/plain\r\n\
         x-y: 1\r\nx-y: 2\r\nuser-agent: squall/{version}\r\naccept-encoding: {}\r\nContent-Length: 4\r\n\r\nbody",
        server.port,
        crate::http::ContentDecoder::ACCEPTED
    );
    assert_eq!(*server.log.borrow(), [want]);
}

#[squall::test]
fn fetch_starts_at_once_and_goes_on_without_its_deferred() {
    let server = Server::start([vec![Read, ok(""), Closed]]);
    let client = AsyncHttpClient::new();
    drop(client.fetch(server.url("/")));
    drop(client); // The fetch holds what it needs; the connection closes with the last hold.
    yield_!(squall::sleep(secs(1)));
    server.check_log(&["1 GET /", "1 closed"]);
}

#[squall::test]
fn connection_is_kept_and_used_again() {
    let server = Server::start([vec![Read, ok("a"), Read, ok("b"), Read, ok("c"), Closed]]);
    let client = AsyncHttpClient::new();
    for (path, body) in [("/1", "a"), ("/2", "b")] {
        let response = yield_!(client.fetch(server.url(path))).unwrap();
        assert_eq!(response.body(), body.as_bytes());
    }
    let clone = client.clone();
    yield_!(clone.fetch(server.url("/3"))).unwrap();
    server.check_log(&["1 GET /1", "1 GET /2", "1 GET /3"]);
}

#[squall::test]
fn connection_that_either_side_closes_is_not_kept() {
    let close = write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    let old = write("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
    let junk = write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n");
    let scripts = [close, old, junk, ok("")].map(|answer| vec![Read, answer, Closed]);
    let server = Server::start(scripts);
    let client = AsyncHttpClient::new();
    for _ in 0..3 {
        yield_!(client.fetch(server.url("/"))).unwrap();
        yield_!(squall::sleep(secs(1)));
    }
    let request = Request::get(server.url("/")).header("Connection", "close");
    yield_!(client.fetch(request)).unwrap();
    yield_!(squall::sleep(secs(1)));
    server.check_log(&[
        "1 GET /", "1 closed", "2 GET /", "2 closed", "3 GET /", "3 closed", "4 GET /", "4 closed",
    ]);
}

#[squall::test]
fn connection_that_ended_while_idle_is_thrown_away() {
    let server = Server::start([vec![Read, ok(""), pause(10)], vec![Read, ok("")]]);
    let client = AsyncHttpClient::new();
    yield_!(client.fetch(server.url("/"))).unwrap();
    assert_eq!(client.shared.pool.idle_count(), 1);
    yield_!(squall::sleep(secs(1)));
    assert_eq!(
        client.shared.pool.idle_count(),
        0,
        "the watcher saw the end"
    );
    // A POST would not be tried again, so this needs a good connection.
    yield_!(client.fetch(Request::post(server.url("/"), ""))).unwrap();
    server.check_log(&["1 GET /", "2 POST /"]);
}

#[squall::test]
fn connection_that_speaks_while_idle_is_thrown_away() {
    let late = write("HTTP/1.1 408 Request Timeout\r\n\r\n");
    let server = Server::start([
        vec![Read, ok(""), pause(10), late, Closed],
        vec![Read, ok(""), Closed],
    ]);
    let client = AsyncHttpClient::new();
    yield_!(client.fetch(server.url("/"))).unwrap();
    yield_!(squall::sleep(secs(1)));
    yield_!(client.fetch(server.url("/"))).unwrap();
    server.check_log(&["1 GET /", "1 closed", "2 GET /"]);
}

#[squall::test]
fn stale_connection_is_replaced_once_if_the_method_allows_it() {
    let dying = || vec![Read, ok(""), Read]; // closes instead of the second answer
    let server = Server::start([
        dying(),
        vec![Read, ok("again"), Closed],
        dying(),
        vec![Read],
    ]);
    let client = AsyncHttpClient::new();
    yield_!(client.fetch(server.url("/1"))).unwrap();
    let response = yield_!(client.fetch(server.url("/2"))).unwrap();
    assert_eq!(response.body(), b"again");
    server.check_log(&["1 GET /1", "1 GET /2", "2 GET /2"]);

    let client = AsyncHttpClient::new();
    yield_!(client.fetch(server.url("/3"))).unwrap();
    let error = yield_!(client.fetch(server.url("/4"))).unwrap_err();
    assert!(error.to_string().ends_with(CLOSED_EARLY), "{error}");
    assert!(!error.is_connect() && !error.is_timeout() && error.status().is_none());
    let brief = ["3 GET /3", "3 GET /4", "4 GET /4"];
    server.check_log(&[&["1 GET /1", "1 GET /2", "2 GET /2"][..], &brief].concat());
}

#[squall::test]
fn stale_connection_is_an_error_for_a_post() {
    let server = Server::start([vec![Read, ok(""), Read], vec![Read, ok("")]]);
    let client = AsyncHttpClient::new();
    yield_!(client.fetch(server.url("/1"))).unwrap();
    let error = yield_!(client.fetch(Request::post(server.url("/2"), "x"))).unwrap_err();
    assert!(error.to_string().ends_with(CLOSED_EARLY), "{error}");
    server.check_log(&["1 GET /1", "1 POST /2"]);
}

#[squall::test]
fn answer_that_began_is_not_asked_for_again() {
    let begins = vec![Read, ok(""), Read, write("HTTP/1.1 2")];
    let server = Server::start([begins, vec![Read, ok("")]]);
    let client = AsyncHttpClient::new();
    yield_!(client.fetch(server.url("/1"))).unwrap();
    yield_!(client.fetch(server.url("/2"))).unwrap_err();
    server.check_log(&["1 GET /1", "1 GET /2"]);
}

#[squall::test]
fn idle_connection_closes_after_its_time() {
    let server = Server::start([vec![Read, ok(""), Closed]]);
    let client = AsyncHttpClient::new();
    yield_!(client.fetch(server.url("/"))).unwrap();
    yield_!(squall::sleep(secs(89)));
    server.check_log(&["1 GET /"]);
    yield_!(squall::sleep(secs(2)));
    server.check_log(&["1 GET /", "1 closed"]);
    assert_eq!(client.shared.pool.idle_count(), 0);
}

#[squall::test]
fn watcher_serves_connections_that_come_later_and_ends_without_any() {
    let watchers = || {
        let mut live = squall::live();
        live.retain(|coroutine| coroutine.coroutine().name == "watch");
        live.len()
    };
    let scripts = [
        vec![Read, ok(""), Read, ok(""), Closed],
        vec![Read, ok(""), Closed],
    ];
    let server = Server::start(scripts);
    let client = AsyncHttpClient::new();
    assert_eq!(watchers(), 0);
    yield_!(client.fetch(server.url("/"))).unwrap();
    yield_!(squall::sleep(secs(60)));
    yield_!(client.fetch(server.url("/"))).unwrap();
    assert_eq!(watchers(), 1);
    yield_!(squall::sleep(secs(60)));
    assert_eq!(client.shared.pool.idle_count(), 1, "its time began anew");
    yield_!(squall::sleep(secs(31)));
    server.check_log(&["1 GET /", "1 GET /", "1 closed"]);
    assert_eq!(watchers(), 0);
    yield_!(client.fetch(server.url("/"))).unwrap();
    assert_eq!(watchers(), 1);
    drop(client);
    yield_!(squall::sleep(secs(1)));
    assert_eq!(watchers(), 0, "it ends with its pool");
}

#[squall::test]
fn idle_connections_are_limited_and_the_oldest_goes_first() {
    let serve = || Server::start((0..3).map(|_| vec![Read, ok(""), Closed]));
    for (per_host, in_all) in [(2, 9), (9, 2)] {
        let server = serve();
        let client = AsyncHttpClient::with_config(ClientConfig {
            max_idle_per_host: per_host,
            max_idle: in_all,
            ..ClientConfig::default()
        });
        let fetches: Vec<_> = (0..3).map(|_| client.fetch(server.url("/"))).collect();
        yield_!(fetches).unwrap();
        yield_!(squall::sleep(secs(1)));
        assert_eq!(client.shared.pool.idle_count(), 2);
        server.check_log(&["1 GET /", "2 GET /", "3 GET /", "1 closed"]);
    }
    let server = serve();
    let client = AsyncHttpClient::with_config(ClientConfig {
        max_idle_per_host: 0,
        ..ClientConfig::default()
    });
    yield_!(client.fetch(server.url("/"))).unwrap();
    yield_!(squall::sleep(secs(1)));
    server.check_log(&["1 GET /", "1 closed"]);
}

#[squall::test]
fn fetches_of_a_list_run_side_by_side() {
    let slow = || vec![Read, pause(10_000), ok("x"), Closed];
    let server = Server::start([slow(), slow(), slow()]);
    let client = AsyncHttpClient::new();
    let before = IoLoop::current().time();
    let responses = yield_!(vec![
        client.fetch(server.url("/1")),
        client.fetch(server.url("/2")),
        client.fetch(server.url("/3")),
    ])
    .unwrap();
    assert_eq!(responses.len(), 3);
    assert!(IoLoop::current().time() - before < secs(11));
    for response in responses {
        assert!(response.request_time() >= secs(10) && response.request_time() < secs(11));
    }
}

#[squall::test]
fn fetches_beyond_the_limit_wait_in_line() {
    let answer = || [Read, pause(1000), ok("")];
    let server = Server::start([[answer(), answer(), answer(), answer()].concat()]);
    let client = AsyncHttpClient::with_config(ClientConfig {
        max_clients_per_host: 1,
        ..ClientConfig::default()
    });
    yield_!(["/1", "/2", "/3"].map(|path| client.fetch(server.url(path)))).unwrap();
    yield_!(client.fetch(server.url("/4"))).unwrap();
    server.check_log(&["1 GET /1", "1 GET /2", "1 GET /3", "1 GET /4"]);
}

#[squall::test]
fn those_who_gave_up_do_not_pile_up_in_the_line() {
    let server = Server::start([vec![Read, pause(60_000), ok("")]]);
    let client = AsyncHttpClient::with_config(ClientConfig {
        max_clients_per_host: 1,
        ..ClientConfig::default()
    });
    let first = client.fetch(Request::get(server.url("/")).timeout(None));
    for _ in 0..100 {
        let request = Request::get(server.url("/")).timeout(Duration::from_millis(1));
        yield_!(client.fetch(request)).unwrap_err();
    }
    assert!(client.shared.pool.waiting_count() < 10);
    yield_!(first).unwrap();
    assert_eq!(client.shared.pool.waiting_count(), 0);
}

#[squall::test]
fn waiting_in_line_counts_for_the_timeouts() {
    let server = Server::start([vec![Read, pause(10_000), ok(""), Read, ok(""), Closed]]);
    let client = AsyncHttpClient::with_config(ClientConfig {
        max_clients_per_host: 1,
        ..ClientConfig::default()
    });
    let get = |path| Request::get(server.url(path));
    let first = client.fetch(get("/1"));
    let by_connect = client.fetch(get("/2").connect_timeout(secs(1)));
    let by_request = client.fetch(get("/3").timeout(secs(2)));
    let last = client.fetch(get("/4"));
    for (fetch, limit) in [(by_connect, 1), (by_request, 2)] {
        let error = yield_!(fetch).unwrap_err();
        assert!(error.is_timeout() && error.is_connect());
        let want = format!("timed out after {limit} s while waiting for a free connection");
        assert!(error.to_string().ends_with(&want), "{error}");
    }
    yield_!([first, last]).unwrap();
    server.check_log(&["1 GET /1", "1 GET /4"]);
}

#[squall::test]
fn chunked_answer_may_be_cut_anywhere() {
    let wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n";
    let want = Ok((200, "abcde".to_owned()));
    for cut in 0..=wire.len() {
        let (head, tail) = wire.split_at(cut);
        let got = yield_!(fetch_pieces(&[head, tail]));
        assert_eq!(got, want, "cut after byte {cut}");
    }
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(yield_!(fetch_pieces(&bytes)), want);
}

#[squall::test]
fn chunked_answer_keeps_the_connection() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let server = Server::start([vec![Read, write(chunked), Read, write(chunked)]]);
    let client = AsyncHttpClient::new();
    for _ in 0..2 {
        let response = yield_!(client.fetch(server.url("/"))).unwrap();
        assert_eq!(response.body(), b"ok");
    }
}

#[squall::test]
fn answer_without_length_ends_with_the_connection() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n";
    let got = yield_!(fetch_pieces(&[head, b"ab", b"c"]));
    assert_eq!(got, Ok((200, "abc".into())));
    assert_eq!(yield_!(fetch_pieces(&[head])), Ok((200, String::new())));
}

#[squall::test]
fn answer_that_is_cut_short_is_an_error() {
    let body = |detail: &str| Err(format!("receiving the response body failed after {detail}"));
    let early = CLOSED_EARLY.trim_start_matches("receiving the response head failed");
    let short = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab";
    let want = body(&format!("2 of 3 bytes{early}"));
    assert_eq!(yield_!(fetch_pieces(&[short])), want);
    let short = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n";
    let want = body(&format!("2 bytes{early}"));
    assert_eq!(yield_!(fetch_pieces(&[short])), want);
    let malformed = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    let want = body("0 bytes: bad body: malformed chunk size");
    assert_eq!(yield_!(fetch_pieces(&[malformed])), want);
    let early = Err(CLOSED_EARLY.to_owned());
    assert_eq!(
        yield_!(fetch_pieces(&[b"HTTP/1.1 200 OK\r\nA: b\r\n"])),
        early
    );
    assert_eq!(yield_!(fetch_pieces(&[])), early);
    let head = |reason: &str| {
        let failed = "receiving the response head failed: bad message";
        Err(format!("{failed}: {reason}"))
    };
    let want = head("malformed version");
    assert_eq!(yield_!(fetch_pieces(&[b"SSH-2.0-x\r\n\r\n"])), want);
    let two = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab";
    let want = head("two different Content-Lengths");
    assert_eq!(yield_!(fetch_pieces(&[two])), want);
}

#[squall::test]
fn answer_that_is_too_large_is_an_error() {
    let client = AsyncHttpClient::with_config(ClientConfig {
        max_body_bytes: 4,
        max_head_bytes: 100,
        ..ClientConfig::default()
    });
    let body = "the response body is too large, over 4 bytes";
    let head = "the response head is too large, over 100 bytes";
    let long_field = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(100));
    let many_fields = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A:\r\n".repeat(101));
    for (answer, want) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", body),
        ("HTTP/1.1 200 OK\r\n\r\n12345", body),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
            body,
        ),
        (&long_field, head),
        (&"x".repeat(200), head),
        (&many_fields, head),
    ] {
        // It stays open: the limit alone ends the fetch, and closes.
        let server = Server::start([vec![Read, write(answer), Closed]]);
        let error = yield_!(client.fetch(server.url("/"))).unwrap_err();
        assert!(error.to_string().ends_with(want), "{error}");
        yield_!(squall::sleep(secs(1)));
        server.check_log(&["1 GET /", "1 closed"]);
    }
    let server = Server::start([vec![Read, ok("1234")]]);
    yield_!(client.fetch(server.url("/"))).unwrap();
}

#[squall::test]
fn answers_without_body_keep_the_connection() {
    let server = Server::start([vec![
        Read,
        write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        Read,
        write("HTTP/1.1 204 No Content\r\n\r\n"),
        Read,
        write("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        Read,
        ok("x"),
    ]]);
    let client = AsyncHttpClient::new();
    let head = Request::new(Method::HEAD, server.url("/1"));
    let response = yield_!(client.fetch(head)).unwrap();
    assert_eq!(response.header("content-length"), Some("5"));
    assert_eq!(response.body(), b"");
    let response = yield_!(client.fetch(server.url("/2"))).unwrap();
    assert_eq!(response.status(), 204);
    let error = yield_!(client.fetch(server.url("/3"))).unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::NOT_MODIFIED));
    yield_!(client.fetch(server.url("/4"))).unwrap();
    server.check_log(&["1 HEAD /1", "1 GET /2", "1 GET /3", "1 GET /4"]);
}

#[squall::test]
fn interim_answers_are_skipped_up_to_ten() {
    let interim = b"HTTP/1.1 103 Early Hints\r\nLink: a/long/way/to/the/other/end\r\n\r\n";
    let last = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    for cut in 0..interim.len() {
        let (head, tail) = interim.split_at(cut);
        let got = yield_!(fetch_pieces(&[head, tail, last]));
        assert_eq!(got, Ok((200, "x".into())), "cut after byte {cut}");
        let got = yield_!(fetch_pieces(&[head, &[tail, last].concat()]));
        assert_eq!(
            got,
            Ok((200, "x".into())),
            "cut after byte {cut}, the rest at once"
        );
    }
    let many = |times| [&interim.repeat(times)[..], last].concat();
    assert!(yield_!(fetch_pieces(&[&many(10)])).is_ok());
    assert_eq!(
        yield_!(fetch_pieces(&[&many(11)])),
        Err("receiving the response head failed: more than 10 interim answers".into())
    );
}

#[squall::test]
fn switch_of_protocols_is_final_and_ends_the_connection() {
    let server = Server::start([vec![
        Read,
        write("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        Closed,
    ]]);
    let client = AsyncHttpClient::new();
    let error = yield_!(client.fetch(server.url("/"))).unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::SWITCHING_PROTOCOLS));
    yield_!(squall::sleep(secs(1)));
    server.check_log(&["1 GET /", "1 closed"]);
}

#[squall::test]
fn error_status_is_an_error_that_holds_the_answer() {
    let lost = || write("HTTP/1.1 404 Lost\r\nContent-Length: 4\r\n\r\nlost");
    let server = Server::start([vec![Read, lost(), Read, lost()]]);
    let client = AsyncHttpClient::new();
    let error = yield_!(client.fetch(server.url("/?secret"))).unwrap_err();
    let want = format!("fetch from 127.0.0.1:{}: status 404 Not Found", server.port);
    assert_eq!(error.to_string(), want);
    assert!(!format!("{error:?}").contains("secret"));
    assert_eq!(error.status(), Some(StatusCode::NOT_FOUND));
    assert_eq!(error.response().unwrap().body(), b"lost");
    assert_eq!(error.into_response().unwrap().into_body(), b"lost");

    let request = Request::get(server.url("/")).raise_error(false);
    let response = yield_!(client.fetch(request)).unwrap();
    assert_eq!(response.status(), 404);
    server.check_log(&["1 GET /?secret", "1 GET /"]);
}

fn redirect(status: u16, location: &str) -> Step {
    write(format!(
        "HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 3\r\n\r\nxyz"
    ))
}

#[squall::test]
fn redirects_are_followed_on_the_same_connection() {
    let server = Server::start([vec![
        Read,
        redirect(307, "b?c"),
        Read,
        redirect(302, "/d"),
        Read,
        ok("end"),
    ]]);
    let client = AsyncHttpClient::new();
    let request = Request::post(server.url("/a"), "body").header("Cookie", "c");
    let response = yield_!(client.fetch(request)).unwrap();
    assert_eq!(response.effective_url().as_str(), server.url("/d"));
    assert_eq!(response.body(), b"end");
    server.check_log(&["1 POST /a", "1 POST /b?c", "1 GET /d"]);
    let log = server.log.borrow();
    assert!(log[1].ends_with("\r\nContent-Length: 4\r\n\r\nbody"));
    assert!(log[2].contains("cookie") && !log[2].contains("Length"));
}

#[squall::test]
fn credentials_do_not_follow_to_another_port() {
    let other = Server::start([vec![Read, ok("")]]);
    let server = Server::start([vec![Read, redirect(301, &other.url("/b"))]]);
    let client = AsyncHttpClient::new();
    let request = Request::get(server.url("/a"))
        .header("Authorization", "secret")
        .header("Host", "virtual")
        .header("X", "y");
    yield_!(client.fetch(request)).unwrap();
    assert!(server.log.borrow()[0].contains("secret"));
    let log = other.log.borrow();
    assert!(!log[0].contains("secret") && log[0].contains("x: y"));
    assert!(log[0].contains(&format!("\r\nHost: 127.0.0.1:{}\r\n", other.port)));
}

#[squall::test]
fn endless_redirects_are_an_error() {
    let script = || (0..7).flat_map(|_| [Read, redirect(302, "/")]).collect();
    let client = AsyncHttpClient::new();

    let server = Server::start([script()]);
    let error = yield_!(client.fetch(server.url("/"))).unwrap_err();
    assert!(error.to_string().ends_with("too many redirects, over 5"));
    assert_eq!(error.status(), Some(StatusCode::FOUND));
    assert_eq!(server.log.borrow().len(), 6);

    let server = Server::start([script()]);
    let request = Request::get(server.url("/")).max_redirects(1);
    yield_!(client.fetch(request.clone())).unwrap_err();
    assert_eq!(server.log.borrow().len(), 2);
    let response = yield_!(client.fetch(request.raise_error(false))).unwrap();
    assert_eq!(response.status(), 302);
}

#[squall::test]
fn redirect_is_the_answer_where_it_is_not_followed() {
    let server = Server::start([vec![
        Read,
        redirect(302, "/b"),
        Read,
        write("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
    ]]);
    let client = AsyncHttpClient::new();
    let request = Request::get(server.url("/a")).follow_redirects(false);
    let error = yield_!(client.fetch(request)).unwrap_err();
    assert_eq!(error.response().unwrap().header("location"), Some("/b"));
    let error = yield_!(client.fetch(server.url("/no-location"))).unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::FOUND));
}

#[cfg(not(feature = "tls"))]
#[squall::test]
fn redirect_to_https_says_what_is_missing() {
    let server = Server::start([vec![Read, redirect(301, "https://h.example/x")]]);
    let error = yield_!(AsyncHttpClient::new().fetch(server.url("/"))).unwrap_err();
    let want = "fetch from h.example: https needs the feature `tls` of squall-web";
    assert_eq!(error.to_string(), want);
}

#[squall::test]
fn mistakes_of_the_request_come_out_of_the_deferred() {
    let client = AsyncHttpClient::new();
    let deferred = client.fetch("no url");
    assert!(deferred.done());
    assert_eq!(
        yield_!(deferred).unwrap_err().to_string(),
        "fetch: malformed url: relative URL without a base"
    );
    let request = Request::get("http://h/").header("A", "\n");
    let error = yield_!(client.fetch(request)).unwrap_err();
    assert_eq!(error.to_string(), "fetch from h: malformed header value");
    let error = yield_!(client.fetch("gopher://h/")).unwrap_err();
    assert!(error.to_string().contains("neither http nor https"));
    assert!(!error.is_connect());
}

#[squall::test]
fn refused_connection_and_unknown_name_are_told_apart() {
    let client = AsyncHttpClient::new();
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = unused.local_addr().unwrap().port();
    drop(unused);
    let error = yield_!(client.fetch(format!("http://127.0.0.1:{port}/"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "fetch from 127.0.0.1:{port}: connect to 127.0.0.1:{port} failed: \
             Connection refused (os error 111)"
        )
    );
    assert!(error.is_connect() && !error.is_timeout());
    let refused = Some(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(error.io().map(std::io::Error::kind), refused);

    let error = yield_!(client.fetch("http://no.such.name.invalid/")).unwrap_err();
    let want = "fetch from no.such.name.invalid: looking up no.such.name.invalid failed: ";
    assert!(error.to_string().starts_with(want), "{error}");
    assert!(error.is_connect());
}

#[squall::test]
fn name_and_ipv6_address_are_connected_to() {
    let server = TcpServer::bind("[::1]:0");
    let Ok(server) = server else {
        return; // A machine without IPv6.
    };
    let port = server.local_addr().unwrap().port();
    let log = Rc::<RefCell<Vec<String>>>::default();
    let written = log.clone();
    let script = vec![Read, ok(""), Read, ok("")];
    drop(server.serve(move |stream, _| play(stream, script.clone(), 1, written.clone())));
    yield_!(AsyncHttpClient::new().fetch(format!("http://[::1]:{port}/"))).unwrap();
    assert!(log.borrow()[0].contains(&format!("\r\nHost: [::1]:{port}\r\n")));

    let server = Server::start([vec![Read, ok("")]]);
    let url = format!("http://localhost:{}/", server.port);
    yield_!(AsyncHttpClient::new().fetch(url)).unwrap();
}

/// Fetches from a server that stops somewhere; gives the error's text after the host.
async fn time_out(script: Vec<Step>, request: impl Fn(String) -> Request) -> String {
    let server = Server::start([script]);
    let before = IoLoop::current().time();
    let error = AsyncHttpClient::new().fetch(request(server.url("/")));
    let error = error.await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(!error.is_connect());
    let took = IoLoop::current().time() - before;
    assert!(took >= secs(20) && took < secs(21), "{took:?}");
    squall::sleep(secs(2)).await;
    let log = server.log.borrow();
    assert_eq!(log.last().unwrap(), "1 closed");
    let text = error.to_string();
    text.split_once(": ").unwrap().1.to_owned()
}

#[squall::test]
fn silent_server_times_out_after_twenty_seconds() {
    let silent = yield_!(time_out(vec![Read, Closed], Request::get));
    assert_eq!(
        silent,
        "timed out after 20 s while waiting for the response head"
    );
    let cut = write("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab");
    let cut = yield_!(time_out(vec![Read, cut, Closed], Request::get));
    let want = "timed out after 20 s while receiving the response body (2 of 3 bytes)";
    assert_eq!(cut, want);
}

#[squall::test]
fn slow_server_times_out_all_the_same() {
    let mut script = vec![Read, write("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")];
    for _ in 0..6 {
        script.extend([write("x"), pause(3500)]);
    }
    script.push(Closed);
    let slow = yield_!(time_out(script, Request::get));
    let want = "timed out after 20 s while receiving the response body (6 of 99 bytes)";
    assert_eq!(slow, want);
}

#[squall::test]
fn server_that_does_not_read_times_out() {
    let server = Server::start([vec![pause(60_000)]]);
    let request = Request::post(server.url("/"), vec![b'x'; 64 << 20]);
    let error = yield_!(AsyncHttpClient::new().fetch(request)).unwrap_err();
    let want = "timed out after 20 s while sending the request";
    assert!(error.to_string().ends_with(want), "{error}");
}

#[squall::test]
fn timeout_covers_redirects_and_can_be_switched_off() {
    let round = || [Read, pause(8000), redirect(302, "/")];
    let slow = || [&[round(), round(), round()].concat()[..], &[Read, ok("")]].concat();
    let client = AsyncHttpClient::new();
    let server = Server::start([slow()]);
    let error = yield_!(client.fetch(server.url("/"))).unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(server.log.borrow().len(), 3);
    let server = Server::start([slow()]);
    let request = Request::get(server.url("/")).timeout(None);
    let response = yield_!(client.fetch(request)).unwrap();
    assert!(response.request_time() >= secs(24));
    let server = Server::start([slow()]);
    let request = Request::get(server.url("/")).timeout(Duration::MAX);
    yield_!(client.fetch(request)).unwrap();
}

#[squall::test]
fn host_that_does_not_accept_times_out() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Fill its queue, so that the system leaves the next one without an answer.
    let mut queued = Vec::new();
    let patience = Duration::from_millis(50);
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, patience) {
        queued.push(stream);
    }
    let request = Request::get(format!("http://{address}/")).connect_timeout(secs(5));
    let before = IoLoop::current().time();
    let error = yield_!(AsyncHttpClient::new().fetch(request)).unwrap_err();
    let want = format!("timed out after 5 s while connecting to {address}");
    assert!(error.to_string().ends_with(&want), "{error}");
    assert!(error.is_timeout() && error.is_connect());
    assert!(IoLoop::current().time() - before < secs(6));
}

#[squall::test]
fn early_answer_to_a_large_body_is_found() {
    let refuse = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno";
    let server = Server::start([vec![write(refuse), Step::Sleep(secs(1))]]);
    let request = Request::post(server.url("/"), vec![b'x'; 64 << 20]);
    match yield_!(AsyncHttpClient::new().fetch(request)) {
        Err(error) if error.status().is_some() => {
            assert_eq!(error.response().unwrap().body(), b"no");
        }
        // The system may throw away what came before the reset.
        Err(error) => assert!(error.to_string().contains("sending the request failed: ")),
        Ok(response) => panic!("{response:?}"),
    }
}

#[squall::test]
fn large_bodies_go_through() {
    let big = "0123456789abcdef".repeat(64 * 1024); // 1 MiB
    let server = Server::start([vec![Read, ok(&big)]]);
    let request = Request::post(server.url("/"), big.clone());
    let response = yield_!(AsyncHttpClient::new().fetch(request)).unwrap();
    assert!(response.body() == big.as_bytes());
    assert!(server.log.borrow()[0].ends_with(&big));
}

#[squall::test]
fn random_answers_never_panic() {
    // xorshift: bytes that look like an answer, with some changed.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let good = b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 302 OK\r\nLocation: /x\r\n\
        Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let client = AsyncHttpClient::new();
    for _ in 0..150 {
        let mut wire = good.to_vec();
        for _ in 0..=random(3) {
            let at = random(wire.len());
            wire[at] = random(256) as u8;
        }
        wire.truncate(1 + random(2 * wire.len()));
        let server = Server::start(
            [vec![Read, write(wire)]]
                .into_iter()
                .chain(std::iter::repeat_with(|| vec![Read]).take(6)),
        );
        let _ = yield_!(client.fetch(server.url("/")));
    }
}

#[squall::test]
fn client_can_be_used_on_the_next_loop() {
    // As a client in a `thread_local!` would be, from test to test.
    thread_local!(static CLIENT: AsyncHttpClient = AsyncHttpClient::new());
    let client = CLIENT.with(AsyncHttpClient::clone);
    let worker = std::thread::spawn(|| {
        for _ in 0..2 {
            let io_loop = IoLoop::with_virtual_clock().unwrap();
            io_loop.run_sync(|| async {
                let server = Server::start([vec![Read, ok(""), Read, ok("")]]);
                let client = CLIENT.with(AsyncHttpClient::clone);
                client.fetch(server.url("/")).await.unwrap();
                client.fetch(server.url("/")).await.unwrap();
                server.check_log(&["1 GET /", "1 GET /"]);
            });
            io_loop.close();
        }
    });
    worker.join().unwrap();
    drop(client);
}
