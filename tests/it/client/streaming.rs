//! Bodies in pieces, both ways.

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::rc::Rc;

use flate2::Compression;
use flate2::write::GzEncoder;
use squall::{catch_panic, sleep, yield_};
use squall_web::client::{AsyncHttpClient, BodyWriter, Multipart, Request, Stage};

use super::{Server, ok, redirect, text};
use crate::programs::Folder;
use crate::support::SECOND;

/// Echoes a request's head and body as the body of its answer.
fn echo() -> Server {
    Server::start(|peer| async move {
        loop {
            let request = peer.read().await?;
            peer.write(ok(&request)).await?;
        }
    })
}

/// What a server got, without the head.
async fn sent(request: impl Fn(String) -> Request) -> Result<String, String> {
    let server = echo();
    let fetched = AsyncHttpClient::new().fetch(request(server.url("/"))).await;
    let response = fetched.map_err(|error| text(&error))?;
    let echoed = response.text().unwrap();
    let (_, body) = echoed.split_once("\r\n\r\n").unwrap();
    Ok(body.to_owned())
}

#[squall::coroutine]
fn three(body: BodyWriter) -> squall::Result<()> {
    for piece in ["one", "", "two"] {
        yield_!(body.write(piece))?;
        yield_!(sleep(SECOND));
    }
    Ok(())
}

#[squall::test]
fn producer_sends_chunks_or_a_length() {
    // S19
    let chunked = yield_!(sent(|url| Request::put(url, "").body_producer(three)));
    assert_eq!(chunked.unwrap(), "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
    let length = |length: &'static str| {
        sent(move |url| {
            let request = Request::put(url, "").header("Content-Length", length);
            request.body_producer(three)
        })
    };
    assert_eq!(yield_!(length("6")).unwrap(), "onetwo");
    assert_eq!(
        yield_!(length("7")).unwrap_err(),
        "making the request body failed: the body producer wrote 6 of 7 bytes"
    );
    assert_eq!(
        yield_!(length("5")).unwrap_err(),
        "making the request body failed: the body producer wrote more than its Content-Length"
    );
    let nothing = |_: BodyWriter| async { Ok::<(), String>(()) };
    let empty = yield_!(sent(|url| Request::post(url, "").body_producer(nothing)));
    assert_eq!(empty.unwrap(), "0\r\n\r\n");
}

#[squall::test]
fn error_of_the_producer_is_the_fetchs() {
    let fails = |body: BodyWriter| async move {
        body.write("half")
            .await
            .map_err(|error| error.to_string())?;
        Err("the disk is on fire".to_owned())
    };
    let server = Server::start(|peer| async move {
        let _ = peer.read().await;
        peer.closed().await
    });
    let request = Request::put(server.url("/"), "").body_producer(fails);
    let error = yield_!(AsyncHttpClient::new().fetch(request)).unwrap_err();
    assert_eq!(
        text(&error),
        "making the request body failed: the disk is on fire"
    );
    assert_eq!(error.stage(), Stage::Send);
    assert!(!error.is_timeout() && error.status().is_none());
}

#[squall::test]
fn writer_that_is_kept_fails_after_the_fetch() {
    let kept = Rc::new(RefCell::new(None));
    let keep = kept.clone();
    let request = move |url| {
        let keep = keep.clone();
        Request::put(url, "").body_producer(move |body: BodyWriter| {
            *keep.borrow_mut() = Some(body.clone());
            async move { body.write("x").await }
        })
    };
    yield_!(sent(request)).unwrap();
    let writer: BodyWriter = kept.take().unwrap();
    // The connection is in the pool, or was: what is written now must not get there.
    let error = yield_!(writer.write("y"));
    assert!(error.is_err());
}

#[squall::test]
fn slow_server_makes_the_producer_wait() {
    let written = Rc::new(Cell::new(0));
    let count = written.clone();
    let server = Server::start(|peer| async move {
        sleep(10 * SECOND).await;
        peer.read().await?;
        peer.write(ok("")).await
    });
    let request = Request::put(server.url("/"), "").body_producer(move |body: BodyWriter| {
        let count = count.clone();
        async move {
            for _ in 0..512 {
                body.write(vec![b'x'; 64 * 1024]).await?;
                count.set(count.get() + 1);
            }
            Ok::<(), squall::Error>(())
        }
    });
    let fetch = AsyncHttpClient::new().fetch(request);
    yield_!(sleep(5 * SECOND));
    assert!(written.get() < 400, "{} pieces", written.get());
    yield_!(fetch).unwrap();
    assert_eq!(written.get(), 512);
}

#[squall::test]
fn answer_that_refuses_ends_the_producer() {
    let dropped = Rc::new(Cell::new(false));
    struct Drops(Rc<Cell<bool>>);
    impl Drop for Drops {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let mark = dropped.clone();
    let server = Server::start(|peer| async move {
        peer.stream.read_until(b"\r\n\r\n", 1000).await?;
        peer.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
            .await?;
        peer.closed().await
    });
    let request = Request::put(server.url("/"), "").body_producer(move |body: BodyWriter| {
        let drops = Drops(mark.clone());
        async move {
            let _drops = drops;
            loop {
                body.write("x").await?;
                sleep(SECOND).await;
            }
            #[expect(unreachable_code, reason = "it says what the error is")]
            Ok::<(), squall::Error>(())
        }
    });
    let error = yield_!(AsyncHttpClient::new().fetch(request)).unwrap_err();
    assert_eq!(error.response().unwrap().body(), b"no");
    assert!(dropped.get());
    yield_!(sleep(SECOND));
    assert_eq!(server.log.take(), ["1 closed"]);
}

#[squall::test]
fn answer_may_begin_before_the_request_has_ended() {
    let server = Server::start(|peer| async move {
        peer.stream.read_until(b"\r\n\r\n", 1000).await?;
        peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await?;
        loop {
            let size = peer.stream.read_until(b"\r\n", 100).await?;
            let size = usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim(), 16);
            let chunk = peer.stream.read_bytes(size.unwrap() + 2).await?;
            match chunk.len() {
                2 => return peer.write("0\r\n\r\n").await,
                len => {
                    peer.write([format!("{:x}\r\n", len - 2).as_bytes(), &chunk].concat())
                        .await?
                }
            }
        }
    });
    let (ask, asked) = (squall::sync::Queue::new(), squall::sync::Queue::new());
    let questions: squall::sync::Queue<Option<&str>> = ask.clone();
    let request = Request::post(server.url("/"), "").body_producer(move |body: BodyWriter| {
        let questions = questions.clone();
        async move {
            while let Some(question) = questions.get().await {
                body.write(question).await?;
            }
            Ok::<(), squall::Error>(())
        }
    });
    let mut answer = yield_!(AsyncHttpClient::new().stream(request)).unwrap();
    for word in ["ping", "pong"] {
        ask.put_nowait(Some(word)).unwrap();
        let chunk = yield_!(answer.chunk()).unwrap().unwrap();
        asked.put_nowait(String::from_utf8(chunk).unwrap()).unwrap();
    }
    ask.put_nowait(None).unwrap();
    assert_eq!(yield_!(answer.chunk()).unwrap(), None);
    assert_eq!(
        asked.get_nowait().unwrap() + &asked.get_nowait().unwrap(),
        "pingpong"
    );
}

/// A server that is asked whether it wants the body, and answers so; then it reads the body.
fn asked(first: &'static str, then: &'static str) -> Server {
    Server::start(move |peer| async move {
        let head = peer.read().await?;
        peer.write(first).await?;
        if head.contains("expect: 100-continue") && then.is_empty() {
            return peer.closed().await;
        }
        let body = peer.stream.read_partial(100).await?;
        let body = String::from_utf8(body).unwrap();
        peer.write(format!("{then}{}", ok(&body))).await?;
        peer.closed().await
    })
}

#[squall::test]
fn body_is_sent_when_the_server_wants_it() {
    // S18
    let ask = |url: String| Request::put(url, "body").expect_100_continue(true);
    let client = AsyncHttpClient::new();
    let go = "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    let server = asked(go, "HTTP/1.1 102 Processing\r\n\r\n");
    let response = yield_!(client.fetch(ask(server.url("/")))).unwrap();
    assert_eq!(response.body(), b"body");

    // One that is silent gets it after a second.
    let server = asked("", "HTTP/1.1 102 Processing\r\n\r\n");
    let response = yield_!(client.fetch(ask(server.url("/")))).unwrap();
    assert_eq!(response.body(), b"body");
    assert!(response.request_time() >= SECOND && response.request_time() < 2 * SECOND);
}

#[squall::test]
fn body_is_never_made_for_a_server_that_refuses() {
    // S18
    let server = asked("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "");
    let request = Request::put(server.url("/"), "")
        .expect_100_continue(true)
        .body_producer_once(|_| async { Err::<(), _>("it was made") });
    let error = yield_!(AsyncHttpClient::new().fetch(request)).unwrap_err();
    assert_eq!(error.code(), 403);
    yield_!(sleep(SECOND));
    // The server may still wait for the body: its connection is of no use.
    assert_eq!(server.log.take(), ["1 PUT /", "1 closed"]);
}

#[squall::test]
fn server_that_does_not_know_the_question_is_not_asked_again() {
    let server = Server::start(|peer| async move {
        let request = peer.read().await?;
        match request.contains("expect:") {
            true => {
                peer.write("HTTP/1.1 417 What\r\nContent-Length: 0\r\n\r\n")
                    .await
            }
            false => {
                peer.write(ok(request.split("\r\n\r\n").nth(1).unwrap()))
                    .await
            }
        }
    });
    let request = Request::put(server.url("/"), "body").expect_100_continue(true);
    let response = yield_!(AsyncHttpClient::new().fetch(request)).unwrap();
    assert_eq!(response.body(), b"body");
    assert_eq!(server.log.take(), ["1 PUT /", "2 PUT /"]);
}

#[squall::test]
fn stream_is_read_as_fast_as_it_is_asked_for() {
    let written = Rc::new(Cell::new(0));
    let count = written.clone();
    let server = Server::start(move |peer| {
        let count = count.clone();
        async move {
            peer.read().await?;
            let length = 512 * 64 * 1024;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            peer.write(head).await?;
            for _ in 0..512 {
                peer.write(vec![b'x'; 64 * 1024]).await?;
                count.set(count.get() + 1);
            }
            peer.read().await?;
            peer.write(ok("again")).await
        }
    });
    let client = AsyncHttpClient::new();
    let mut answer = yield_!(client.stream(server.url("/"))).unwrap();
    assert_eq!(answer.content_length(), Some(512 * 64 * 1024));
    yield_!(sleep(5 * SECOND));
    assert!(written.get() < 400, "{} pieces", written.get());
    let mut total = 0;
    while let Some(chunk) = yield_!(answer.chunk()).unwrap() {
        assert!(!chunk.is_empty() && chunk.len() <= 64 * 1024);
        total += chunk.len();
    }
    assert_eq!(total, 512 * 64 * 1024);
    assert_eq!(yield_!(answer.chunk()).unwrap(), None);
    // It was read to its end: the connection goes on, although the stream is still there.
    let response = yield_!(client.fetch(server.url("/again"))).unwrap();
    assert_eq!(response.body(), b"again");
    assert!(response.time_info().reused);
    drop(answer);
}

#[squall::test]
fn stream_that_is_dropped_closes_its_connection() {
    let server = Server::start(|peer| async move {
        peer.read().await?;
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
            .await?;
        peer.closed().await
    });
    let client = AsyncHttpClient::new();
    let mut answer = yield_!(client.stream(server.url("/"))).unwrap();
    assert_eq!(yield_!(answer.chunk()).unwrap().unwrap(), b"abc");
    drop(answer);
    yield_!(sleep(SECOND));
    assert_eq!(server.log.take(), ["1 GET /", "1 closed"]);
}

#[squall::test]
fn stream_has_the_timeouts_of_its_request() {
    let server = Server::start(|peer| async move {
        peer.read().await?;
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
            .await?;
        peer.closed().await
    });
    let client = AsyncHttpClient::new();
    let request = Request::get(server.url("/")).timeout(10 * SECOND);
    let mut answer = yield_!(client.stream(request)).unwrap();
    assert_eq!(yield_!(answer.chunk()).unwrap().unwrap(), b"abc");
    let error = yield_!(answer.chunk()).unwrap_err();
    let want = "timed out after 10 s while receiving the response body (3 of 9 bytes)";
    assert_eq!(text(&error), want);
    yield_!(sleep(SECOND));
    assert_eq!(server.log.take(), ["1 GET /", "1 closed"]);

    let request = Request::get(server.url("/"))
        .timeout(None)
        .stall_timeout(3 * SECOND);
    let mut answer = yield_!(client.stream(request)).unwrap();
    yield_!(sleep(100 * SECOND)); // The caller's own time does not count.
    assert_eq!(yield_!(answer.chunk()).unwrap().unwrap(), b"abc");
    let error = yield_!(answer.chunk()).unwrap_err();
    assert!(
        text(&error).starts_with("no progress for 3 s while"),
        "{error}"
    );
}

#[squall::test]
fn chunk_that_is_given_up_is_not_lost() {
    let server = Server::start(|peer| async move {
        peer.read().await?;
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
            .await?;
        sleep(10 * SECOND).await;
        peer.write("def").await
    });
    let mut answer = yield_!(AsyncHttpClient::new().stream(server.url("/"))).unwrap();
    let mut body = yield_!(answer.chunk()).unwrap().unwrap();
    for _ in 0..3 {
        assert!(yield_!(squall::with_timeout(SECOND, answer.chunk())).is_err());
    }
    body.extend(yield_!(answer.bytes()).unwrap());
    assert_eq!(body, b"abcdef");
}

#[squall::test]
fn stream_of_an_error_is_an_error_with_the_body() {
    let server = Server::answering("HTTP/1.1 404 Lost\r\nContent-Length: 4\r\n\r\nlost");
    let client = AsyncHttpClient::new();
    let error = yield_!(client.stream(server.url("/"))).unwrap_err();
    assert_eq!(error.response().unwrap().body(), b"lost");
    let request = Request::get(server.url("/")).raise_error(false);
    let answer = yield_!(client.stream(request)).unwrap();
    assert_eq!((answer.status().as_u16(), answer.reason()), (404, "Lost"));
    assert_eq!(yield_!(answer.bytes()).unwrap(), b"lost");
}

#[squall::test]
fn callbacks_are_told_of_the_last_answer_only() {
    // S20
    let server = Server::start(|peer| async move {
        peer.read().await?;
        peer.write(redirect(302, "/b")).await?;
        peer.read().await?;
        peer.write("HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await?;
        for chunk in ["1\r\n1\r\n", "1\r\n2\r\n", "0\r\n\r\n"] {
            sleep(SECOND).await;
            peer.write(chunk).await?;
        }
        Ok(())
    });
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (heads, bodies) = (seen.clone(), seen.clone());
    let request = Request::get(server.url("/a"))
        .header_callback(move |status, headers| {
            let value = headers["a"].to_str().unwrap();
            heads.borrow_mut().push(format!("{status} a={value}"));
        })
        .streaming_callback(move |chunk| {
            bodies
                .borrow_mut()
                .push(String::from_utf8_lossy(chunk).into_owned());
        });
    let response = yield_!(AsyncHttpClient::new().fetch(request)).unwrap();
    assert_eq!(response.body(), b"");
    assert_eq!(*seen.borrow(), ["200 OK a=b", "1", "2"]);
}

#[squall::test]
fn panic_in_a_callback_is_the_fetchs() {
    // S21
    let server = Server::answering(ok("x"));
    let client = AsyncHttpClient::new();
    for head in [true, false] {
        let request = Request::get(server.url("/"));
        let request = match head {
            true => request.header_callback(|_, _| panic!("in the callback")),
            false => request.streaming_callback(|_| panic!("in the callback")),
        };
        let caught = yield_!(catch_panic(client.fetch(request)));
        assert_eq!(caught.unwrap_err().message(), "in the callback");
    }
    // The next one has its place, and a connection.
    yield_!(client.fetch(server.url("/"))).unwrap();
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[squall::test]
fn compressed_body_says_so_and_keeps_the_connection() {
    let body = gzip(b"plain");
    let server = Server::answering(compressed(&body));
    let client = AsyncHttpClient::new();
    for n in 0..2 {
        let response = yield_!(client.fetch(server.url("/"))).unwrap();
        assert_eq!(response.body(), b"plain");
        assert_eq!(response.header("content-encoding"), None);
        assert_eq!(response.header("x-consumed-content-encoding"), Some("gzip"));
        assert_eq!(response.time_info().reused, n == 1);
    }
    let request = Request::get(server.url("/")).decompress_response(false);
    let response = yield_!(client.fetch(request)).unwrap();
    assert_eq!(response.body(), body);
    assert_eq!(response.header("content-encoding"), Some("gzip"));
    let answer = yield_!(client.stream(server.url("/"))).unwrap();
    assert_eq!(answer.content_length(), None, "it is that of what is sent");
    assert_eq!(yield_!(answer.bytes()).unwrap(), b"plain");
}

#[squall::test]
fn bomb_is_an_error_before_it_has_gone_off() {
    // S22, CVE-2026-49855
    let server = Server::answering(compressed(&gzip(&vec![0; 64 << 20])));
    let client = AsyncHttpClient::new();
    let request = || Request::get(server.url("/")).max_body_bytes(1 << 20);
    let error = yield_!(client.fetch(request())).unwrap_err();
    assert_eq!(
        text(&error),
        "the response body is too large, over 1048576 bytes"
    );
    let total = Rc::new(Cell::new(0));
    let count = total.clone();
    let counted = request().streaming_callback(move |chunk| count.set(count.get() + chunk.len()));
    assert!(yield_!(client.fetch(counted)).unwrap_err().is_too_large());
    assert!(total.get() <= 1 << 20, "{} bytes", total.get());
    let mut answer = yield_!(client.stream(request())).unwrap();
    let mut total = 0;
    let error = loop {
        match yield_!(answer.chunk()) {
            Ok(chunk) => total += chunk.expect("it does not end well").len(),
            Err(error) => break error,
        }
    };
    assert!(error.is_too_large() && total <= 1 << 20);
}

#[squall::test]
fn large_answer_needs_leave() {
    let server = Server::answering(ok(&"x".repeat(1000)));
    let client = AsyncHttpClient::new();
    let request = Request::get(server.url("/")).max_body_bytes(999);
    assert!(yield_!(client.fetch(request)).unwrap_err().is_too_large());
    let request = Request::get(server.url("/")).max_body_bytes(1000);
    assert_eq!(yield_!(client.fetch(request)).unwrap().body().len(), 1000);
}

#[squall::test]
fn files_are_sent_as_bodies_and_in_forms() {
    let content = "0123456789abcdef".repeat(10_000);
    let folder = Folder::new("bodies");
    let file = folder.write("body.txt", &content);
    let path = file.clone();
    let body = yield_!(sent(move |url| Request::put(url, "").body_file(&path)));
    assert!(body.unwrap() == content);
    let path = file.clone();
    let body = yield_!(sent(move |url| {
        let form = Multipart::new()
            .text("a", "b")
            .file("f", &path, "text/plain");
        Request::post(url, "").multipart(form)
    }));
    let body = body.unwrap();
    assert!(body.starts_with("------squall"));
    assert!(body.contains("name=\"a\"\r\n\r\nb\r\n------squall"));
    assert!(body.contains(&format!(
        "\r\nContent-Type: text/plain\r\n\r\n{content}\r\n--"
    )));
}

#[squall::test]
fn file_that_is_not_there_is_an_error_before_anything_is_sent() {
    let server = echo();
    let client = AsyncHttpClient::new();
    for (path, want) in [
        ("/no/such/file", "No such file or directory (os error 2)"),
        ("/tmp", "it is not a plain file"),
    ] {
        let request = Request::put(server.url("/"), "").body_file(path);
        let error = yield_!(client.fetch(request)).unwrap_err();
        assert_eq!(
            text(&error),
            format!("making the request body failed: reading {path}: {want}")
        );
    }
    assert!(server.log.take().is_empty());
}

#[squall::test]
fn write_that_is_given_up_ends_the_request() {
    let server = Server::start(|peer| async move {
        sleep(10 * SECOND).await;
        peer.closed().await
    });
    let request = Request::put(server.url("/"), "").body_producer(|body: BodyWriter| async move {
        let large = vec![b'x'; 64 << 20];
        let given_up = squall::with_timeout(SECOND, body.write(large)).await;
        assert!(given_up.is_err());
        Ok::<(), squall::Error>(())
    });
    let error = yield_!(AsyncHttpClient::new().fetch(request)).unwrap_err();
    assert!(text(&error).contains("gave up a write"), "{error}");
}

#[squall::test]
fn writes_at_the_same_time_go_out_whole() {
    let body = yield_!(sent(|url| {
        let request = Request::put(url, "").header("Content-Length", "400000");
        request.body_producer(|body: BodyWriter| async move {
            let writes = [b'a', b'b'].map(|byte| body.write(vec![byte; 200_000]));
            yield_!(writes).map(|_| ())
        })
    }));
    let want = "a".repeat(200_000) + &"b".repeat(200_000);
    assert!(body.unwrap() == want);
}
