//! Servers that stall, reset, never end, redirect for ever, or close what the pool has kept.

use std::time::Duration;

use squall::{IoLoop, sleep, yield_};
use squall_web::client::{AsyncHttpClient, ClientConfig, Request, Stage};

use super::{Server, ok, read_head, redirect, text, thread_server, write_all};
use crate::support::{SECOND, run_real};

/// A server that does some of its work, and then nothing, until the client leaves.
fn stalling(parts: &'static [&'static str]) -> Server {
    Server::start(move |peer| async move {
        peer.read().await?;
        for part in parts {
            peer.write(part).await?;
            sleep(SECOND).await;
        }
        peer.closed().await
    })
}

/// Fetches with a timeout of 10 s and with one of 4 s without progress; gives both errors.
async fn both(parts: &'static [&'static str]) -> [String; 2] {
    let mut texts = Vec::new();
    for stalls in [false, true] {
        let server = stalling(parts);
        let request = Request::get(server.url("/"));
        let request = match stalls {
            false => request.timeout(10 * SECOND),
            true => request.stall_timeout(4 * SECOND),
        };
        let before = IoLoop::current().time();
        let error = AsyncHttpClient::new().fetch(request).await.unwrap_err();
        assert!(error.is_timeout() && !error.is_connect(), "{error}");
        assert_eq!(error.code(), 599);
        let took = IoLoop::current().time() - before;
        let last = if stalls { 4 + parts.len() as u32 } else { 10 };
        assert!(
            took >= (last - 1) * SECOND && took < (last + 1) * SECOND,
            "{took:?}"
        );
        sleep(SECOND).await;
        assert_eq!(server.log.take(), ["1 GET /", "1 closed"]);
        texts.push(text(&error));
    }
    texts.try_into().unwrap()
}

#[squall::test]
fn server_that_stalls_is_given_up_and_the_error_says_where() {
    // S9
    let head = "waiting for the response head";
    for parts in [
        &[][..],
        &["HTTP/1.1 2"],
        &["HTTP/1.1 200 OK\r\n", "A: b\r\n"],
        &["HTTP/1.1 100 Continue\r\n\r\n"],
    ] {
        let want = [
            format!("timed out after 10 s while {head}"),
            format!("no progress for 4 s while {head}"),
        ];
        assert_eq!(yield_!(both(parts)), want);
    }
    let parts = &["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "abc", "de"];
    let body = "receiving the response body (5 of 9 bytes)";
    let want = [
        format!("timed out after 10 s while {body}"),
        format!("no progress for 4 s while {body}"),
    ];
    assert_eq!(yield_!(both(parts)), want);
    let parts = &[
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "3\r\nab",
    ];
    let body = "receiving the response body (2 bytes)";
    let want = [
        format!("timed out after 10 s while {body}"),
        format!("no progress for 4 s while {body}"),
    ];
    assert_eq!(yield_!(both(parts)), want);
}

#[squall::test]
fn redirect_whose_body_stalls_is_given_up() {
    let server = stalling(&["HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 9\r\n\r\nabc"]);
    let request = Request::get(server.url("/")).stall_timeout(4 * SECOND);
    let error = yield_!(AsyncHttpClient::new().fetch(request)).unwrap_err();
    let want = "no progress for 4 s while receiving the response body (3 of 9 bytes)";
    assert_eq!(text(&error), want);
}

#[squall::test]
fn slow_server_makes_progress() {
    let server = Server::start(|peer| async move {
        peer.read().await?;
        for byte in ok("abcdefgh").as_bytes() {
            sleep(3 * SECOND).await;
            peer.write([*byte]).await?;
        }
        Ok(())
    });
    let request = Request::get(server.url("/"))
        .timeout(None)
        .stall_timeout(4 * SECOND);
    let response = yield_!(AsyncHttpClient::new().fetch(request)).unwrap();
    assert_eq!(response.body(), b"abcdefgh");
    assert!(response.request_time() > 100 * SECOND);
}

#[squall::test]
fn server_that_does_not_read_makes_no_progress() {
    let server = Server::start(|peer| async move {
        sleep(3600 * SECOND).await;
        drop(peer);
        Ok(())
    });
    let request = Request::put(server.url("/"), vec![b'x'; 64 << 20]);
    let request = request.timeout(None).stall_timeout(4 * SECOND);
    let error = yield_!(AsyncHttpClient::new().fetch(request)).unwrap_err();
    assert_eq!(
        text(&error),
        "no progress for 4 s while sending the request"
    );
    assert_eq!(error.stage(), Stage::Send);
}

#[squall::test]
fn timeouts_of_zero_are_none() {
    // S10
    let server = Server::start(|peer| async move {
        peer.read().await?;
        sleep(100 * SECOND).await;
        peer.write(ok("late")).await
    });
    let request = Request::get(server.url("/"))
        .timeout(Duration::ZERO)
        .connect_timeout(Duration::ZERO)
        .stall_timeout(Duration::ZERO);
    let response = yield_!(AsyncHttpClient::new().fetch(request)).unwrap();
    assert_eq!(response.body(), b"late");
}

#[test]
fn resets_are_errors_that_say_where() {
    // A socket that is closed with something unread in it resets its connection.
    for (wire, stages) in [
        ("", &[Stage::Send, Stage::Head][..]),
        ("HTTP/1.1 200 OK\r\nA", &[Stage::Send, Stage::Head]),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
            &[Stage::Send, Stage::Head, Stage::Body],
        ),
    ] {
        let port = thread_server(move |mut stream, _| {
            let mut byte = [0];
            std::io::Read::read_exact(&mut stream, &mut byte)?;
            write_all(&mut stream, wire.as_bytes())
        });
        let url = format!("http://127.0.0.1:{port}/");
        let error = run_real(|| AsyncHttpClient::new().fetch(url)).unwrap_err();
        assert!(stages.contains(&error.stage()), "{error}");
        assert!(!error.is_timeout() && !error.is_connect(), "{error}");
    }
}

#[test]
fn endless_answers_end_at_their_limit() {
    for (name, begin, more, want) in [
        (
            "head",
            "HTTP/1.1 200 OK\r\n",
            "A: b\r\n",
            "the response head is too large, over 1000 bytes",
        ),
        (
            "line",
            "",
            "x",
            "the response head is too large, over 1000 bytes",
        ),
        (
            "interim",
            "",
            "HTTP/1.1 102 Wait\r\n\r\n",
            "more than 10 interim answers",
        ),
        (
            "body",
            "HTTP/1.1 200 OK\r\n\r\n",
            "x",
            "the response body is too large, over 5000 bytes",
        ),
        (
            "chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "1\r\nx\r\n",
            "the response body is too large, over 5000 bytes",
        ),
        (
            "trailers",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            "A: bbbbbbbbbbbbbbbbbbbbbbbb\r\n",
            "bad body: trailers too long",
        ),
        (
            "extensions",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n",
            "bad body: too much beside the chunks",
        ),
    ] {
        let port = thread_server(move |mut stream, _| {
            read_head(&mut stream)?;
            write_all(&mut stream, begin.as_bytes())?;
            loop {
                write_all(&mut stream, more.repeat(100).as_bytes())?;
            }
        });
        let client = AsyncHttpClient::with_config(ClientConfig {
            max_head_bytes: 1000,
            max_body_bytes: 5000,
            ..ClientConfig::default()
        });
        let url = format!("http://127.0.0.1:{port}/");
        let error = run_real(|| client.fetch(url)).unwrap_err();
        assert!(error.to_string().ends_with(want), "{name}: {error}");
        assert_eq!(error.is_too_large(), want.contains("too large"), "{name}");
    }
}

#[squall::test]
fn many_tiny_chunks_let_others_run() {
    // S16
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()
            + &"1\r\nx\r\n".repeat(5000)
            + "0\r\n\r\n",
    );
    let calls = std::rc::Rc::new(std::cell::Cell::new(0));
    let counted = calls.clone();
    let request =
        Request::get(server.url("/")).streaming_callback(move |_| counted.set(counted.get() + 1));
    yield_!(AsyncHttpClient::new().fetch(request)).unwrap();
    assert!(calls.get() < 20, "{} calls", calls.get());
}

#[squall::test]
fn redirects_in_a_circle_are_an_error_that_has_the_last() {
    // S3
    let server = Server::start(|peer| async move {
        for n in 1..20 {
            peer.read().await?;
            peer.write(redirect(302, &format!("/{n}"))).await?;
        }
        Ok(())
    });
    let request = Request::get(server.url("/0")).max_redirects(3);
    let error = yield_!(AsyncHttpClient::new().fetch(request.clone())).unwrap_err();
    assert_eq!(text(&error), "too many redirects, over 3");
    let response = error.response().unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(response.effective_url().path(), "/3");
    assert_eq!(error.code(), 302);
    assert_eq!(response.time_info().redirects, 3);
    let want = ["1 GET /0", "1 GET /1", "1 GET /2", "1 GET /3"];
    assert_eq!(server.log.take(), want);
    let kept = yield_!(AsyncHttpClient::new().fetch(request.raise_error(false))).unwrap();
    assert_eq!(kept.rethrow().unwrap_err().to_string(), error.to_string());
}

#[squall::test]
fn redirect_to_what_is_no_http_is_an_error() {
    // S4
    for (location, want) in [
        ("ftp://h/", "the scheme is neither http nor https"),
        ("file:///etc/passwd", "the scheme is neither http nor https"),
        (
            "javascript:alert(1)",
            "the scheme is neither http nor https",
        ),
        ("http://", "redirected to a malformed url"),
    ] {
        let server = Server::answering(redirect(301, location));
        let error = yield_!(AsyncHttpClient::new().fetch(server.url("/"))).unwrap_err();
        assert!(error.to_string().ends_with(want), "{location}: {error}");
    }
}

/// Answers the first request of each connection, and closes at the second; or before it.
fn closing(before: bool) -> Server {
    Server::start(move |peer| async move {
        peer.read().await?;
        peer.write(ok("first")).await?;
        if !before {
            peer.read().await?;
        }
        Ok(())
    })
}

#[squall::test]
fn stale_connection_is_replaced_for_idempotent_methods_only() {
    let wants = |method: &str| match method {
        "POST" | "PATCH" => "error",
        _ => "first",
    };
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH"] {
        let server = closing(false);
        let client = AsyncHttpClient::new();
        yield_!(client.fetch(server.url("/1"))).unwrap();
        let request = Request::new(method.parse().unwrap(), server.url("/2"));
        let request = match method {
            "PUT" | "POST" | "PATCH" => request.body("x"),
            _ => request,
        };
        match (yield_!(client.fetch(request)), wants(method)) {
            (Ok(response), "first") => assert!(!response.time_info().reused),
            (Err(error), "error") => assert_eq!(error.stage(), Stage::Head, "{method}"),
            (got, want) => panic!("{method}: {got:?}, not {want}"),
        }
    }
}

#[squall::test]
fn connection_that_closed_while_idle_is_replaced_for_every_method() {
    let server = closing(true);
    let client = AsyncHttpClient::new();
    for _ in 0..3 {
        let request = Request::post(server.url("/"), "x");
        let response = yield_!(client.fetch(request)).unwrap();
        assert!(!response.time_info().reused);
        yield_!(sleep(SECOND));
    }
}

#[squall::test]
fn body_that_was_made_is_not_made_again_for_a_stale_connection() {
    let server = closing(false);
    let client = AsyncHttpClient::new();
    yield_!(client.fetch(server.url("/1"))).unwrap();
    let request = Request::put(server.url("/2"), "")
        .body_producer_once(|body| async move { body.write("once").await });
    let error = yield_!(client.fetch(request)).unwrap_err();
    assert!(
        matches!(error.stage(), Stage::Head | Stage::Send),
        "{error}"
    );
}
