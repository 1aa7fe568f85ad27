//! What Tornado's tests of its framework ask for, by their numbers in `tests/data/numbers.txt`.

use std::time::Duration;

use squall::{sleep, yield_};
use squall_web::{Application, BodyPlan, Compression, Error, Exchange, Result};

use crate::support::{capture_logs, run};

use super::routing::{send, serve};
use super::{ask, body, connect, get, header, hello, read_answer, status};

// X3, X40. tornado: SimpleHandlerTest test_invalid_methods, PatchMethodTest
#[squall::test]
fn methods_that_nobody_has_are_405_and_what_is_none_400() {
    let app = Application::new()
        .get("/", hello)
        .patch("/", |ex: &mut Exchange| ex.write("patched"));
    let address = serve(app);
    for (method, code) in [
        ("PATCH", "200"),
        ("FOO", "405"),
        ("FOO,BAR", "400"),
        ("OTHER", "405"),
    ] {
        assert_eq!(
            status(&yield_!(ask(address, send(method, "/", "", "")))),
            code,
            "{method}"
        );
    }
}

// X10. tornado: KeepAliveTest test_keepalive_chunked_head_no_body
#[squall::test]
fn head_of_a_stream_leaves_no_chunks_behind() {
    #[squall::coroutine]
    fn stream(ex: &mut Exchange) -> Result<()> {
        for piece in ["a", "b"] {
            ex.write(piece);
            yield_!(ex.flush())?;
        }
        Ok(())
    }
    let address = serve(Application::new().get("/", stream));
    let head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    let answers = yield_!(ask(address, format!("{head}{head}{}", get("/"))));
    let heads = answers.matches("HTTP/1.1 200 OK\r\n").count();
    assert_eq!(heads, 3, "{answers}");
    assert_eq!(
        answers.matches("1\r\na\r\n1\r\nb\r\n0\r\n\r\n").count(),
        1,
        "{answers}"
    );
    assert!(
        answers.ends_with("1\r\na\r\n1\r\nb\r\n0\r\n\r\n"),
        "{answers}"
    );
}

// X9. tornado: KeepAliveTest test_keepalive_chunked
#[squall::test]
fn an_old_client_is_kept_after_a_body_with_a_length() {
    let app = Application::new().post("/", |ex: &mut Exchange| {
        let body = ex.request().body().to_vec();
        ex.write(body);
    });
    let address = serve(app);
    let stream = yield_!(connect(address));
    for _ in 0..2 {
        let wire = "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc";
        yield_!(stream.write(wire.as_bytes())).unwrap();
        let answer = yield_!(read_answer(&stream));
        assert_eq!(body(&answer), "abc");
        assert_eq!(header(&answer, "connection"), Some("keep-alive"));
    }
}

// X13. tornado: BodyLimitsTest test_body_size_override_reset
#[squall::test]
fn a_routes_limit_on_bodies_is_its_own() {
    let count = |ex: &mut Exchange| ex.write(ex.request().body().len().to_string());
    let app = Application::new()
        .post("/large", count)
        .body("/large", BodyPlan::whole().max_bytes(10_000))
        .post("/small", count)
        .body("/small", BodyPlan::whole().max_bytes(10));
    let address = serve(app);
    let sent = "x".repeat(5000);
    let stream = yield_!(connect(address));
    for (target, code) in [("/large", "200"), ("/large", "200"), ("/small", "413")] {
        let wire = send("POST", target, "", &sent).replace("close", "keep-alive");
        yield_!(stream.write(wire.as_bytes())).unwrap();
        assert_eq!(status(&yield_!(read_answer(&stream))), code, "{target}");
    }
}

// X23, X26. tornado: test_multi_header, EmptyFlushCallbackHandler
#[squall::test]
fn headers_are_set_in_any_case_and_go_out_once() {
    #[squall::coroutine]
    fn flushes(ex: &mut Exchange) -> Result<()> {
        ex.set_header("X-Overwrite", "1")?;
        ex.set_header("x-overwrite", 2)?;
        ex.add_header("X-Multi", "3")?;
        ex.add_header("x-multi", "4")?;
        ex.set_header("x-empty", "")?;
        for _ in 0..3 {
            yield_!(ex.flush())?;
        }
        ex.write("o");
        yield_!(ex.flush())?;
        yield_!(ex.flush())?;
        ex.write("k");
        Ok(())
    }
    let address = serve(Application::new().get("/", flushes));
    let answer = yield_!(ask(address, get("/")));
    assert_eq!(body(&answer), "1\r\no\r\n1\r\nk\r\n0\r\n\r\n");
    let lower = answer.to_lowercase();
    for (line, count) in [
        ("http/1.1 ", 1),
        ("x-overwrite: 2\r\n", 1),
        ("x-overwrite", 1),
        ("x-multi: 3\r\n", 1),
        ("x-multi: 4\r\n", 1),
        ("x-empty:", 1),
    ] {
        assert_eq!(lower.matches(line).count(), count, "{line}: {answer}");
    }
}

// X25. tornado: GetArgumentHandler, test_get_query_arguments
#[squall::test]
fn the_forms_value_counts_and_all_are_there_in_order() {
    let app = Application::new().post("/", |ex: &mut Exchange| {
        let (one, all) = (ex.argument("foo")?, ex.arguments("foo")?.join(","));
        let query = ex.query_argument("foo")?;
        let form = ex.body_argument("foo")?;
        ex.write(format!("{one} {all} {query:?} {form:?}"));
        Ok::<(), Error>(())
    });
    let address = serve(app);
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let answer = yield_!(ask(address, send("POST", "/?foo=bar", form, "foo=hello")));
    assert_eq!(
        body(&answer),
        "hello bar,hello Some(\"bar\") Some(\"hello\")"
    );
    let answer = yield_!(ask(address, send("POST", "/?foo=bar", "", "")));
    assert_eq!(body(&answer), "bar bar Some(\"bar\") None");
}

// X28. tornado: CancellationTest
#[test]
fn a_cancellation_inside_of_a_handler_is_500_and_no_hang() {
    #[squall::coroutine]
    fn waits() -> Result<u32, squall::Cancelled> {
        yield_!(sleep(Duration::from_secs(3600)));
        Ok(1)
    }
    #[squall::coroutine]
    fn cancelled(ex: &mut Exchange) -> Result<()> {
        let waiting = waits();
        waiting.cancel();
        let n = yield_!(waiting)?;
        ex.write(format!("{n}"));
        Ok(())
    }
    let (answers, _) = capture_logs(|| {
        run(|| async {
            let app = Application::new()
                .get("/", cancelled)
                .post("/", cancelled)
                .body("/", BodyPlan::stream());
            let address = serve(app);
            let whole = ask(address, get("/")).await;
            [whole, ask(address, send("POST", "/", "", "body")).await]
        })
    });
    for answer in answers {
        assert_eq!(status(&answer), "500");
    }
}

// X39. tornado: GzipTestCase
#[squall::test]
fn compressed_answers_say_what_they_vary_on_beside_what_they_said() {
    let long = |vary: Option<&'static str>| {
        move |ex: &mut Exchange| {
            if let Some(vary) = vary {
                ex.set_header("vary", vary)?;
            }
            ex.write("hello world ".repeat(200));
            Ok::<(), Error>(())
        }
    };
    let app = Application::new()
        .get("/", long(None))
        .get("/cookie", long(Some("Cookie")))
        .get("/both", long(Some("accept-encoding, Cookie")))
        .compress(Compression::new());
    let address = serve(app);
    for (target, vary) in [
        ("/", "Accept-Encoding"),
        ("/cookie", "Cookie, Accept-Encoding"),
        ("/both", "accept-encoding, Cookie"),
    ] {
        let plain = yield_!(ask(address, get(target)));
        assert_eq!(header(&plain, "content-encoding"), None);
        assert_eq!(header(&plain, "vary"), Some(vary));
        assert_eq!(body(&plain).len(), 2400);
    }
}

// X44. tornado: IncorrectContentLengthTest
#[test]
fn a_length_that_is_wrong_is_logged_and_ends_the_connection() {
    fn with(length: u64) -> impl Fn(&mut Exchange) -> Result<()> {
        move |ex| ex.set_header("content-length", length)
    }
    #[squall::coroutine]
    fn high(ex: &mut Exchange) -> Result<()> {
        with(50)(ex)?;
        ex.write("0123456789");
        yield_!(ex.flush())
    }
    #[squall::coroutine]
    fn low(ex: &mut Exchange) -> Result<()> {
        with(2)(ex)?;
        ex.write("01");
        yield_!(ex.flush())?;
        ex.write("3456789");
        yield_!(ex.flush())
    }
    let (answers, log) = capture_logs(|| {
        run(|| async {
            let address = serve(Application::new().get("/high", high).get("/low", low));
            let keep = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            [
                ask(address, keep("/high")).await,
                ask(address, keep("/low")).await,
            ]
        })
    });
    let bodies = answers.each_ref().map(|answer| body(answer).to_owned());
    assert_eq!(bodies, ["0123456789", "01"]);
    for want in [
        "has 40 bytes less than its Content-Length",
        "more is written than the Content-Length",
    ] {
        assert!(
            log.iter().any(|line| line.contains(want)),
            "{want}: {log:#?}"
        );
    }
}

// X49. tornado: DecoratorTest
#[squall::test]
fn slashes_are_put_right_with_the_query() {
    fn with_slash(ex: &mut Exchange) -> Result<()> {
        ex.add_slash()?;
        ex.write("slash");
        Ok(())
    }
    fn without(ex: &mut Exchange) -> Result<()> {
        ex.remove_slash()?;
        ex.write("none");
        Ok(())
    }
    let app = Application::new()
        .any("/add/{x...}", with_slash)
        .any("/add", with_slash)
        .any("/remove/{x...}", without)
        .any("//{x...}", with_slash)
        .any("/{x}/", without)
        .get("/", without);
    let address = serve(app);
    for (method, target, code, location) in [
        ("GET", "/add?foo=bar", "301", Some("/add/?foo=bar")),
        ("GET", "/add/", "200", None),
        ("POST", "/add", "404", None),
        (
            "GET",
            "/remove/a/?foo=bar",
            "301",
            Some("/remove/a?foo=bar"),
        ),
        ("GET", "/remove/a//", "301", Some("/remove/a")),
        ("GET", "/remove/a", "200", None),
        ("GET", "/", "200", None),
        ("POST", "/remove/a/", "404", None),
        ("GET", "//evil.example", "403", None),
        ("GET", "//evil.example/", "200", None),
    ] {
        let answer = yield_!(ask(address, send(method, target, "", "")));
        assert_eq!(
            (status(&answer), header(&answer, "location")),
            (code, location),
            "{target}"
        );
    }
}

// X12. tornado: InvalidOutputContentLengthTest
#[squall::test]
fn a_length_that_is_no_number_is_an_error_before_anything_is_sent() {
    let app = Application::new().get("/", |ex: &mut Exchange| {
        let length = ex.argument("length")?;
        ex.write("body");
        ex.set_header("content-length", length)
    });
    let address = serve(app);
    for (length, code) in [
        ("4", "200"),
        ("foo", "500"),
        ("%2B10", "500"),
        ("1_0", "500"),
        ("", "500"),
    ] {
        let answer = yield_!(ask(address, get(&format!("/?length={length}"))));
        assert_eq!(status(&answer), code, "{length}");
    }
}

// X7. tornado: test_cancel_during_download, test_pipelined_cancel
#[test]
fn a_client_that_leaves_amid_answers_is_no_failure_of_the_server() {
    #[squall::coroutine]
    fn large(ex: &mut Exchange) -> Result<()> {
        for _ in 0..32 {
            ex.write(vec![b'x'; 16 * 1024]);
            yield_!(ex.flush())?;
        }
        Ok(())
    }
    let (after, log) = capture_logs(|| {
        run(|| async {
            let address = serve(Application::new().get("/", hello).get("/large", large));
            for (wire, seen) in [
                ("GET /large HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "xxx"),
                ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2), "hello"),
            ] {
                let stream = connect(address).await;
                stream.write(wire.as_bytes()).await.unwrap();
                stream.read_until(seen.as_bytes(), 1 << 20).await.unwrap();
                stream.close();
                sleep(Duration::from_secs(5)).await;
            }
            ask(address, get("/")).await
        })
    });
    assert_eq!(status(&after), "200");
    let errors: Vec<&String> = log
        .iter()
        .filter(|line| line.starts_with("ERROR"))
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
}
