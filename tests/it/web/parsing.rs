//! What becomes of names, values, targets and forms on their way to a handler: Tornado's utilities, U1 to
//! U22, as far as they are the server's.

use std::fmt::Write as _;

use squall::yield_;
use squall_web::http::Limits;
use squall_web::{Application, Call, Exchange, Handle, HttpServer, Result};

use super::{ask, body, connect, get, read_answer, status};
use crate::support::{capture_logs, run};

/// The bytes of `X`, in hex; `-` without it.
fn show(ex: &mut Exchange) {
    let mut text = String::new();
    for byte in ex.request().header("x").unwrap_or(b"-") {
        write!(text, "{byte:02x}").unwrap();
    }
    ex.write(text);
}

#[squall::coroutine]
fn shown(value: Vec<u8>) -> Option<Vec<u8>> {
    let server = HttpServer::new(Application::new().get("/", show));
    let server = server.listen("127.0.0.1:0").unwrap();
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ";
    let wire = [&head[..], &value, b"\r\n\r\n"].concat();
    let answer = yield_!(ask(server.local_addr(), wire));
    match status(&answer) {
        "200" => {
            let hex = body(&answer).as_bytes();
            let bytes = hex.chunks(2).map(|two| str::from_utf8(two).unwrap());
            Some(
                bytes
                    .map(|two| u8::from_str_radix(two, 16).unwrap())
                    .collect(),
            )
        }
        "400" => None,
        other => panic!("{other} for {value:?}"),
    }
}

// U10
#[squall::test]
fn a_form_and_a_query_have_a_thousand_fields_at_most() {
    fn count(ex: &mut Exchange) -> Result<()> {
        let count = ex.all_arguments()?.len();
        ex.write(count.to_string());
        Ok(())
    }
    let app = Application::new().get("/", count).post("/", count);
    let server = HttpServer::new(app).listen("127.0.0.1:0").unwrap();
    for (fields, want) in [(1000, "200"), (1001, "400")] {
        let text = "a=1&".repeat(fields);
        let query = text.trim_end_matches('&');
        let answer = yield_!(ask(server.local_addr(), get(&format!("/?{query}"))));
        assert_eq!(status(&answer), want, "a query of {fields}");
        let form = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{query}",
            query.len()
        );
        let answer = yield_!(ask(server.local_addr(), form));
        assert_eq!(status(&answer), want, "a form of {fields}");
    }
}

// U12
#[squall::test]
fn every_byte_of_a_value_but_a_control_character_comes_as_it_is() {
    for byte in 0..=255_u8 {
        let got = yield_!(shown(vec![b'a', byte, b'z']));
        let is_control = byte < 0x20 && byte != b'\t' || byte == 0x7f;
        let want = (!is_control).then(|| vec![b'a', byte, b'z']);
        assert_eq!(got, want, "byte {byte:#04x}");
    }
}

// U13
#[squall::test]
fn line_ends_of_unicode_end_no_line() {
    for end in ["\u{85}", "\u{2028}", "\u{2029}"] {
        let value = format!("a{end}Y: z").into_bytes();
        assert_eq!(yield_!(shown(value.clone())), Some(value), "{end:?}");
    }
}

// U14
#[squall::test]
fn blanks_of_unicode_stay_at_the_ends_of_a_value() {
    for blank in [
        &b"\xa0"[..],
        b"\x85",
        "\u{a0}".as_bytes(),
        "\u{3000}".as_bytes(),
    ] {
        let value = [blank, b"a", blank].concat();
        let padded = [b" \t", &value[..], b"\t "].concat();
        assert_eq!(yield_!(shown(padded)), Some(value), "{blank:?}");
    }
}

// U16: a copy is a copy, and has all values.
#[squall::test]
fn a_map_of_the_headers_is_the_handlers_own() {
    fn copies(ex: &mut Exchange) {
        let mut copy = ex.request().header_map();
        let values: Vec<_> = copy.get_all("x").iter().cloned().collect();
        assert_eq!(values, ["1", "2"]);
        copy.append("x", "3".parse().unwrap());
        copy.remove("host");
        let again = ex.request().header_map();
        let text = format!("{} {}", again.get_all("x").iter().count(), again.len());
        ex.write(text);
    }
    let server = HttpServer::new(Application::new().get("/", copies));
    let server = server.listen("127.0.0.1:0").unwrap();
    let wire = "GET / HTTP/1.0\r\nHost: a\r\nX: 1\r\nx: 2\r\n\r\n";
    assert_eq!(body(&yield_!(ask(server.local_addr(), wire))), "2 3");
}

// U17
#[squall::test]
fn a_name_is_a_token() {
    let app = Application::new().get("/", |ex: &mut Exchange| ex.write("hello"));
    let server = HttpServer::new(app).listen("127.0.0.1:0").unwrap();
    for byte in 0..=255_u8 {
        // What ends a name, or begins one, is another matter.
        if matches!(byte, b':' | b'\n') {
            continue;
        }
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX";
        let wire = [&head[..], &[byte], b"Y: z\r\n\r\n"].concat();
        let is_token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let want = if is_token { "200" } else { "400" };
        let answer = yield_!(ask(server.local_addr(), wire));
        assert_eq!(status(&answer), want, "byte {byte:#04x}");
    }
}

// U18
#[squall::test]
fn a_header_may_be_repeated_as_often_as_the_limits_say() {
    const TIMES: usize = 20_000;
    fn count(ex: &mut Exchange) {
        let map = ex.request().header_map();
        ex.write(map.get_all("x").iter().count().to_string());
    }
    let limits = Limits {
        max_headers: TIMES + 2,
        max_head_bytes: 1 << 20,
        ..Limits::default()
    };
    let server = HttpServer::new(Application::new().get("/", count)).limits(limits);
    let server = server.listen("127.0.0.1:0").unwrap();
    for (times, want) in [(TIMES, "200"), (TIMES + 1, "431")] {
        let fields = "X: y\r\n".repeat(times);
        let wire = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
        let answer = yield_!(ask(server.local_addr(), wire));
        assert_eq!(status(&answer), want);
        if want == "200" {
            assert_eq!(body(&answer), TIMES.to_string());
        }
    }
}

// U20
#[squall::test]
fn a_request_that_is_shown_keeps_its_headers_to_itself() {
    fn shows(ex: &mut Exchange) {
        let text = format!("{ex:?} {:?}", ex.request());
        ex.write(text);
    }
    let server = HttpServer::new(Application::new().get("/path", shows));
    let server = server.listen("127.0.0.1:0").unwrap();
    let wire = "GET /path HTTP/1.0\r\nCookie: secret\r\nAuthorization: secret\r\n\r\n";
    let answer = yield_!(ask(server.local_addr(), wire));
    assert!(body(&answer).contains("/path"), "{answer}");
    assert!(!answer.contains("secret"), "{answer}");
}

// RFC 9112 §3: at least 8,000 bytes of a request line are taken.
#[squall::test]
fn a_request_line_of_eight_thousand_bytes_is_taken() {
    let app = Application::new().get("/", |ex: &mut Exchange| {
        let length = ex.request().target().len().to_string();
        ex.write(length);
    });
    let server = HttpServer::new(app).listen("127.0.0.1:0").unwrap();
    let target = format!("/?{}", "a".repeat(8000));
    let answer = yield_!(ask(server.local_addr(), get(&target)));
    assert_eq!(body(&answer), "8002");
}

// ---------------------------------------------------------------- whoever answers fails

struct Fails;

impl Handle for Fails {
    fn handle<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a> {
        match ex.request().path() {
            "/handle" => panic!("in handle"),
            "/later" => Call::coroutine(async {
                squall::moment().await;
                panic!("in handle, later");
                #[allow(unreachable_code)] // it says what the coroutine would give
                Ok::<(), squall_web::Error>(())
            }),
            _ => {
                ex.write("fine");
                Call::done(())
            }
        }
    }

    fn finished(&self, ex: &Exchange) {
        assert_ne!(ex.request().path(), "/finished", "in finished");
    }
}

// S30
#[test]
fn a_failure_of_whoever_answers_is_logged_once_and_harms_nobody_else() {
    let (answers, log) = capture_logs(|| {
        run(|| async {
            let server = HttpServer::new(Fails).listen("127.0.0.1:0").unwrap();
            let other = connect(server.local_addr()).await;
            let mut answers = Vec::new();
            for path in ["/handle", "/later", "/finished"] {
                let answer = ask(server.local_addr(), get(path)).await;
                answers.push(status(&answer).to_owned());
            }
            other
                .write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                .await
                .unwrap();
            answers.push(body(&read_answer(&other).await).to_owned());
            answers
        })
    });
    assert_eq!(answers, ["500", "500", "200", "fine"]);
    for what in ["in handle", "in handle, later", "in finished"] {
        let of_it = log.iter().filter(|line| {
            line.contains(what) && (what != "in handle" || !line.contains(", later"))
        });
        assert_eq!(of_it.count(), 1, "{what}: {log:?}");
    }
}
