//! What handlers say: errors and their pages, early ends, redirects, tags, JSON, typed arguments,
//! and who asks.

use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;
use squall::{sleep, yield_};
use squall_web::{
    Application, Cookie, CookieSecret, Error, Exchange, RequestHandler, Result, StatusCode,
    request_handler,
};

use crate::support::{Trace, capture_logs, run};

use super::routing::{send, serve};
use super::{ask, body, get, header, hello, status};

fn with(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a.example:8\r\nConnection: close\r\n{headers}\r\n")
}

// ---------------------------------------------------------------- ends and errors

struct Finishing;

#[request_handler]
impl RequestHandler for Finishing {
    fn prepare(&mut self, ex: &mut Exchange) -> Result<()> {
        if ex.argument_opt("early")?.is_some() {
            // tornado: FinishExceptionTest
            ex.set_status(StatusCode::UNAUTHORIZED);
            ex.set_header("www-authenticate", "Basic realm=\"x\"")?;
            ex.write("authentication required");
            return Err(Error::finish());
        }
        Ok(())
    }

    fn get(&mut self, ex: &mut Exchange) -> Result<()> {
        ex.write("late");
        Err(Error::finish())
    }

    fn write_error(&mut self, ex: &mut Exchange, _: &Error) {
        ex.write("no error was there");
    }
}

// X48, X41
#[test]
fn an_answer_that_is_finished_from_within_is_no_error() {
    let ((), log) = capture_logs(|| {
        run(|| async {
            fn function(ex: &mut Exchange) -> Result<()> {
                ex.set_status(StatusCode::ACCEPTED);
                ex.write("function");
                Err(Error::finish())
            }
            #[squall::coroutine]
            fn stream(ex: &mut Exchange) -> Result<()> {
                ex.write("stream");
                yield_!(ex.flush())?;
                Err(Error::finish())
            }
            let app = Application::new()
                .route("/", || Finishing)
                .get("/function", function)
                .get("/stream", stream);
            let address = serve(app);
            for (target, code, want) in [
                ("/?early=1", "401", "authentication required"),
                ("/", "200", "late"),
                ("/function", "202", "function"),
                ("/stream", "200", "6\r\nstream\r\n0\r\n\r\n"),
            ] {
                let answer = ask(address, get(target)).await;
                assert_eq!((status(&answer), body(&answer)), (code, want), "{target}");
                let realm = (target == "/?early=1").then_some("Basic realm=\"x\"");
                assert_eq!(header(&answer, "www-authenticate"), realm);
            }
        });
    });
    let told: Vec<&String> = log
        .iter()
        .filter(|line| line.contains("squall::web"))
        .collect();
    assert!(told.is_empty(), "{told:?}");
}

fn fails_as(ex: &mut Exchange) -> Result<()> {
    let code: u16 = ex.argument_as("code")?;
    let error = Error::new(StatusCode::from_u16(code)?, "secret-detail");
    Err(match ex.argument_opt("reason")? {
        Some(reason) => error.with_reason(reason),
        None => error,
    })
}

// X27, X37. tornado: ErrorResponseTest, StatusReasonTest
#[squall::test]
fn pages_of_errors_have_status_and_reason() {
    let app = Application::new().get("/", fails_as);
    let address = serve(app);
    for (target, code, want) in [
        ("/?code=500", "500", "500: Internal Server Error"),
        ("/?code=503", "503", "503: Service Unavailable"),
        ("/?code=435", "435", "435: Unknown"),
        ("/?code=682&reason=Foo", "682", "682: Foo"),
        (
            "/?code=400&reason=%3Cb%3E%0D%0AX:+y",
            "400",
            "400: &lt;b&gt;\r\nX: y",
        ),
        ("/", "400", "400: Missing argument code"),
        (
            "/?code=x",
            "400",
            "400: Malformed argument code: invalid digit found in string",
        ),
    ] {
        let answer = yield_!(ask(address, get(target)));
        assert_eq!(status(&answer), code);
        let page = format!("<html><title>{want}</title><body>{want}</body></html>");
        assert_eq!(body(&answer), page);
    }
}

#[squall::test]
fn an_application_writes_its_own_pages_of_errors() {
    fn page(ex: &mut Exchange, error: &Error) {
        match ex.argument_opt("how").ok().flatten().as_deref() {
            Some("panic") => {
                ex.write("half a page");
                panic!("the page fails");
            }
            Some("plain") => ex.write_error_page(error),
            _ => ex.write(format!("sorry, {}", error.reason())),
        }
    }
    let inner = Application::new()
        .get("/", fails_as)
        .write_error(|ex: &mut Exchange, _: &Error| ex.write("inner page"));
    let app = Application::new()
        .get("/", fails_as)
        .nest("/in", inner)
        .route("/own", || Finishing)
        .write_error(page);
    let address = serve(app);
    let plain =
        "<html><title>503: Service Unavailable</title><body>503: Service Unavailable</body></html>";
    for (target, code, want) in [
        ("/?code=503", "503", "sorry, Service Unavailable"),
        ("/?code=503&how=panic", "503", plain),
        ("/?code=503&how=plain", "503", plain),
        ("/lost", "404", "sorry, Not Found"),
        ("/in/?code=503", "503", "inner page"),
    ] {
        let answer = yield_!(ask(address, get(target)));
        assert_eq!((status(&answer), body(&answer)), (code, want), "{target}");
    }
    let answer = yield_!(ask(address, send("DELETE", "/", "", "")));
    assert_eq!(
        (status(&answer), body(&answer)),
        ("405", "sorry, Method Not Allowed")
    );
    assert_eq!(header(&answer, "allow"), Some("GET, HEAD"));
}

// ---------------------------------------------------------------- the page for debugging

#[squall::coroutine]
fn deep(n: u32) -> Result<u32> {
    yield_!(sleep(Duration::from_millis(1)));
    if n == 0 {
        return Err(Error::from("x".parse::<u32>().unwrap_err()));
    }
    yield_!(deep(n - 1))
}

#[squall::coroutine]
fn fails_deep(ex: &mut Exchange) -> Result<()> {
    let n = yield_!(deep(1))?; // <the place & "mark">
    ex.write(format!("{n}"));
    Ok(())
}

#[squall::coroutine]
fn panics_late(_: &mut Exchange) {
    yield_!(());
    panic!("<b>panicked</b>");
}

#[squall::test]
fn a_page_for_debugging_shows_way_source_and_request_escaped() {
    let routes = || {
        Application::new()
            .get("/", fails_deep)
            .get("/panics", panics_late)
            .get("/as", fails_as)
    };
    let address = serve(routes().debug(true));
    let headers = "Accept: text/html,*/*\r\nCookie: key=secret-cookie\r\nAuthorization: Basic secret-auth\r\nX-Odd: <script>alert(1)</script>\r\n";
    let answer = yield_!(ask(address, with("/?a=<i>'\"", headers)));
    assert_eq!(status(&answer), "500");
    assert_eq!(
        header(&answer, "content-type"),
        Some("text/html; charset=utf-8")
    );
    let page = body(&answer);
    for part in [
        "<h1>500: Internal Server Error</h1>",
        "<p class=\"why\">invalid digit found in string</p>",
        "answers::fails_deep</b> at the yield of deep(1)",
        "answers::deep</b> at the yield of deep(n - 1)",
        "answers::deep</b> after the yield of sleep(Duration::from_millis(1))",
        "tests/it/web/answers.rs:",
        "// &lt;the place &amp; &quot;mark&quot;&gt;</span>",
        "GET /?a=&lt;i&gt;&#39;&quot;",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "(not shown)",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    for hidden in ["secret-cookie", "secret-auth", "<script", "<i>"] {
        assert!(!page.contains(hidden), "{hidden}\n{page}");
    }
    // The innermost is last, as in Python.
    let at = |part: &str| page.find(part).unwrap();
    assert!(at("fails_deep</b>") < at("deep(n - 1)"));

    let answer = yield_!(ask(address, with("/panics", "Accept: text/html\r\n")));
    assert_eq!(status(&answer), "500");
    assert!(
        body(&answer).contains("panic: &lt;b&gt;panicked&lt;/b&gt;"),
        "{answer}"
    );

    // For a terminal.
    let answer = yield_!(ask(address, get("/as?code=404")));
    assert_eq!(status(&answer), "404");
    assert_eq!(
        header(&answer, "content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert!(
        body(&answer).starts_with("404: Not Found\n  secret-detail\n"),
        "{answer}"
    );

    // Nothing of it otherwise.
    let address = serve(routes());
    for target in ["/", "/panics", "/as?code=404"] {
        let answer = yield_!(ask(address, with(target, "Accept: text/html\r\n")));
        let body = body(&answer);
        assert!(body.len() < 120 && !body.contains("panicked"), "{answer}");
        assert!(
            !body.contains("secret-detail") && !body.contains("digit"),
            "{answer}"
        );
    }
}

// ---------------------------------------------------------------- redirects

// X24, X22
#[squall::test]
fn redirects_have_their_status_and_keep_cookies() {
    let app = Application::new()
        .get("/", |ex: &mut Exchange| {
            ex.set_cookie(("seen", "yes"))?;
            ex.write("lost");
            ex.redirect("/next?a=b")
        })
        .get("/permanent", |ex: &mut Exchange| {
            ex.redirect_permanent("/next")
        })
        .get("/with", |ex: &mut Exchange| {
            let code: u16 = ex.argument_as("code")?;
            ex.redirect_with(StatusCode::from_u16(code)?, "/next")
        })
        .get("/split", |ex: &mut Exchange| {
            for bad in [
                "/a\r\nSet-Cookie: b=c",
                "/\t/evil.example",
                "/\0",
                "/\u{7f}",
                "/\u{85}",
            ] {
                assert!(ex.redirect(bad).is_err(), "{bad:?}");
            }
            ex.redirect("/é")
        });
    let address = serve(app);
    let answer = yield_!(ask(address, get("/")));
    assert_eq!((status(&answer), body(&answer)), ("302", ""));
    assert_eq!(header(&answer, "location"), Some("/next?a=b"));
    assert_eq!(header(&answer, "set-cookie"), Some("seen=yes; Path=/"));
    for (target, code) in [
        ("/permanent", "301"),
        ("/with?code=307", "307"),
        ("/with?code=200", "500"),
        ("/split", "302"),
    ] {
        assert_eq!(
            status(&yield_!(ask(address, get(target)))),
            code,
            "{target}"
        );
    }
}

// ---------------------------------------------------------------- tags

// X36. tornado: web_test.py, Header304Test; H205
#[squall::test]
fn answers_that_the_client_has_are_304() {
    #[squall::coroutine]
    fn stream(ex: &mut Exchange) -> Result<()> {
        ex.write("stream");
        yield_!(ex.flush())
    }
    let app = Application::new()
        .get("/", |ex: &mut Exchange| {
            ex.set_header("content-language", "en")?;
            ex.set_header("x-kept", "yes")?;
            ex.write("hello");
            Ok::<(), Error>(())
        })
        .post("/", hello)
        .get("/own", |ex: &mut Exchange| {
            ex.set_header("etag", "W/\"own\"")?;
            ex.write("mine");
            Ok::<(), Error>(())
        })
        .get("/stream", stream)
        .get("/fails", fails_as)
        .etags(true);
    let address = serve(app);
    let first = yield_!(ask(address, get("/")));
    // SHA-1 of "hello", as Tornado's.
    let etag = "\"aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d\"";
    assert_eq!(
        (status(&first), header(&first, "etag")),
        ("200", Some(etag))
    );
    for tags in [
        etag.to_owned(),
        format!("W/{etag}"),
        format!("\"a\", {etag}"),
        "*".to_owned(),
    ] {
        for method in ["GET", "HEAD"] {
            let wire = with("/", &format!("If-None-Match: {tags}\r\n")).replace("GET", method);
            let answer = yield_!(ask(address, wire));
            assert_eq!(
                (status(&answer), body(&answer)),
                ("304", ""),
                "{method} {tags}"
            );
            assert_eq!(header(&answer, "etag"), Some(etag));
            assert_eq!(header(&answer, "x-kept"), Some("yes"));
            for gone in [
                "content-length",
                "content-type",
                "content-language",
                "transfer-encoding",
            ] {
                assert_eq!(header(&answer, gone), None, "{gone}");
            }
        }
    }
    let other = yield_!(ask(address, with("/", "If-None-Match: \"other\"\r\n")));
    assert_eq!((status(&other), body(&other)), ("200", "hello"));
    let own = yield_!(ask(address, with("/own", "If-None-Match: \"own\"\r\n")));
    assert_eq!(
        (status(&own), header(&own, "etag")),
        ("304", Some("W/\"own\""))
    );
    for wire in [
        send("POST", "/", &format!("If-None-Match: {etag}\r\n"), ""),
        get("/stream"),
    ] {
        let answer = yield_!(ask(address, wire));
        assert_eq!((status(&answer), header(&answer, "etag")), ("200", None));
    }
    let failed = yield_!(ask(
        address,
        with("/fails?code=404", "If-None-Match: *\r\n")
    ));
    assert_eq!((status(&failed), header(&failed, "etag")), ("404", None));
    // Not unless it is asked for.
    let address = serve(Application::new().get("/", hello));
    assert_eq!(header(&yield_!(ask(address, get("/"))), "etag"), None);
}

// ---------------------------------------------------------------- JSON

#[derive(Deserialize)]
struct Order {
    item: String,
    count: u8,
}

#[squall::test]
fn a_body_of_json_is_a_value_or_says_what_is_wrong() {
    let app = Application::new()
        .post("/", |ex: &mut Exchange| {
            let Order { item, count } = ex.json()?;
            ex.write(format!("{count} of {item}"));
            Ok::<(), Error>(())
        })
        .post("/any", |ex: &mut Exchange| {
            let value: serde_json::Value = ex.json()?;
            ex.write(format!("{}", value.is_array()));
            Ok::<(), Error>(())
        });
    let address = serve(app);
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    let wire = send("POST", "/", json, r#"{"item": "caf\u00e9", "count": 2}"#);
    assert_eq!(body(&yield_!(ask(address, wire))), "2 of café");
    for (body_sent, want) in [
        (
            "{\n\"item\": 1}",
            "invalid type: integer `1`, expected a string at line 2 column 9",
        ),
        (
            r#"{"item": "a"}"#,
            "missing field `count` at line 1 column 13",
        ),
        (
            r#"{"item": "a", "count": 300}"#,
            "invalid value: integer `300`, expected u8",
        ),
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("", "EOF while parsing a value"),
        ("{} x", "missing field `item`"),
    ] {
        let answer = yield_!(ask(address, send("POST", "/", json, body_sent)));
        assert_eq!(status(&answer), "400", "{body_sent}");
        let want = format!("Malformed JSON: {want}");
        assert!(body(&answer).contains(&want), "{answer}");
    }
    // A bomb of one MiB of brackets: refused, and the stack stays.
    for bomb in ["[".repeat(1 << 20), "{\"a\":".repeat(1 << 18)] {
        let answer = yield_!(ask(address, send("POST", "/any", json, &bomb)));
        assert_eq!(status(&answer), "400");
        assert!(
            body(&answer).contains("recursion limit exceeded"),
            "{answer}"
        );
    }
    for other in ["Content-Type: text/plain\r\n", ""] {
        let answer = yield_!(ask(address, send("POST", "/any", other, "[]")));
        assert_eq!(status(&answer), "415");
    }
    let problem = "Content-Type: application/problem+json\r\n";
    assert_eq!(
        body(&yield_!(ask(address, send("POST", "/any", problem, "[]")))),
        "true"
    );
}

#[squall::test]
fn arguments_are_parsed_or_named() {
    let app = Application::new().get("/", |ex: &mut Exchange| {
        let n: i8 = ex.argument_as("n")?;
        let on = ex.argument_as_opt::<bool>("on")?;
        ex.write(format!("{n} {on:?}"));
        Ok::<(), Error>(())
    });
    let address = serve(app);
    for (target, code, want) in [
        ("/?n=-5", "200", "-5 None"),
        ("/?n=1&on=true&n=2", "200", "2 Some(true)"),
        ("/?on=true", "400", "Missing argument n"),
        ("/?n=200", "400", "Malformed argument n: number too large"),
        (
            "/?n=1&on=%3Cb%3E",
            "400",
            "Malformed argument on: provided string was not",
        ),
    ] {
        let answer = yield_!(ask(address, get(target)));
        assert_eq!(status(&answer), code, "{target}");
        assert!(body(&answer).contains(want), "{answer}");
    }
    let error = Error::missing_argument("n");
    assert_eq!(error.missing_argument_name(), Some("n"));
}

// ---------------------------------------------------------------- who asks

struct User {
    name: String,
}

fn users(login: &str, trace: &Trace) -> Application {
    let trace = trace.clone();
    Application::new()
        .cookie_secret(CookieSecret::new("x"))
        .current_user(move |ex: &mut Exchange| {
            trace.add("asked");
            Ok(ex.signed_cookie("user")?.map(|name| User { name }))
        })
        .login_url(login)
        .any("/account", |ex: &mut Exchange| {
            let user: Rc<User> = ex.authenticated()?;
            let again = ex.current_user::<User>()?.unwrap();
            ex.write(format!("{} {}", user.name, Rc::ptr_eq(&user, &again)));
            Ok::<(), Error>(())
        })
        .get("/wrong", |ex: &mut Exchange| {
            ex.current_user::<String>().map(|_| ())
        })
        .get("/login", |ex: &mut Exchange| {
            let next = ex.next_url()?;
            ex.set_signed_cookie(("user", "ann"))?;
            ex.redirect(next.as_deref().unwrap_or("/home"))
        })
}

// X19. tornado: AuthRedirectTest
#[squall::test]
fn who_is_not_logged_in_is_sent_to_log_in_and_back() {
    let trace = Trace::new();
    let address = serve(users("/login", &trace));
    let answer = yield_!(ask(address, with("/account?a=b&c", "")));
    let location = "/login?next=%2Faccount%3Fa%3Db%26c";
    assert_eq!(
        (status(&answer), header(&answer, "location")),
        ("302", Some(location))
    );
    let answer = yield_!(ask(address, get(location)));
    assert_eq!(header(&answer, "location"), Some("/account?a=b&c"));
    let cookie = header(&answer, "set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap();
    assert_eq!(trace.take(), ["asked"]);
    let answer = yield_!(ask(
        address,
        with("/account", &format!("Cookie: {cookie}\r\n"))
    ));
    assert_eq!(body(&answer), "ann true");
    assert_eq!(trace.take(), ["asked"], "once a request");
    let answer = yield_!(ask(address, send("POST", "/account", "", "")));
    assert_eq!(status(&answer), "403");
    for evil in [
        "https://evil.example",
        "//evil.example",
        "/%5Cevil.example",
        "/%09/evil.example",
    ] {
        let answer = yield_!(ask(address, get(&format!("/login?next={evil}"))));
        assert_eq!(header(&answer, "location"), Some("/home"), "{evil}");
    }

    let address = serve(users("https://login.example/?for=us", &trace));
    let answer = yield_!(ask(address, with("/account?a=b", "")));
    let location =
        "https://login.example/?for=us&next=http%3A%2F%2Fa%2Eexample%3A8%2Faccount%3Fa%3Db";
    assert_eq!(header(&answer, "location"), Some(location));
}

#[test]
fn who_asks_is_found_by_the_application_and_of_its_type() {
    let (statuses, log) = capture_logs(|| {
        run(|| async {
            let address = serve(users("/login", &Trace::new()));
            let cookie = ask(address, get("/login")).await;
            let cookie = header(&cookie, "set-cookie")
                .unwrap()
                .split(';')
                .next()
                .unwrap()
                .to_owned();
            let wrong = ask(address, with("/wrong", &format!("Cookie: {cookie}\r\n"))).await;
            let without = Application::new()
                .get("/", |ex: &mut Exchange| {
                    ex.current_user::<User>().map(|_| ())
                })
                .get("/set", |ex: &mut Exchange| {
                    ex.set_current_user(User { name: "bob".into() });
                    let user: Rc<User> = ex.authenticated()?;
                    ex.set_cookie(Cookie::new("name", user.name.as_str()))
                })
                .get("/no-login", |ex: &mut Exchange| {
                    ex.authenticated::<User>().map(|_| ())
                });
            let without = serve(
                without.nest(
                    "/in",
                    Application::new()
                        .get("/", |ex: &mut Exchange| {
                            ex.authenticated::<User>().map(|_| ())
                        })
                        .current_user(|_: &mut Exchange| Ok(None::<User>)),
                ),
            );
            let mut statuses = vec![status(&wrong).to_owned()];
            for target in ["/", "/set", "/no-login", "/in/"] {
                statuses.push(status(&ask(without, get(target)).await).to_owned());
            }
            statuses
        })
    });
    assert_eq!(statuses, ["500", "500", "200", "500", "500"]);
    for want in [
        "is asked for as alloc::string::String, and is",
        "give the application a `current_user`",
        "give the application a `login_url`",
    ] {
        assert!(
            log.iter().any(|line| line.contains(want)),
            "{want}: {log:#?}"
        );
    }
}
