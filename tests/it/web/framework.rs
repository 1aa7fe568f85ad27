//! Handlers: their errors, arguments, routes and hooks.

use std::cell::RefCell;
use std::rc::Rc;

use squall::yield_;
use squall_web::http::Limits;
use squall_web::{Application, Exchange, HttpServer, Result};

use crate::support::{Trace, capture_logs, run};

use super::handlers::hello;
use super::{ask, body, connect, get, header, read_answer, serve, status};

#[squall::test]
fn g114_errors_and_panics_become_500_and_say_nothing_of_themselves() {
    let address = serve(Limits::default(), &Trace::default());
    let other = yield_!(connect(address));
    for target in ["/fails", "/panics", "/panics-later"] {
        let answer = yield_!(ask(address, get(target)));
        assert_eq!(status(&answer), "500", "{target}");
        assert!(!answer.contains("secret-detail"), "{target}: {answer}");
        yield_!(other.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
        assert_eq!(
            status(&yield_!(read_answer(&other))),
            "200",
            "after {target}"
        );
    }
    // The connection of the failure lives on as well.
    let wire = format!("GET /panics-later HTTP/1.1\r\nHost: a\r\n\r\n{}", get("/"));
    let answer = yield_!(ask(address, wire));
    assert!(answer.ends_with("hello"), "{answer}");
}

// tornado: GenWebTest.test_exception_handler (G114)
#[test]
fn g114_an_uncaught_failure_is_logged_with_its_request() {
    let (statuses, log) = capture_logs(|| {
        run(|| async {
            let address = serve(Limits::default(), &Trace::default());
            let mut statuses = Vec::new();
            for target in ["/fails", "/panics-later"] {
                statuses.push(status(&ask(address, get(target)).await).to_owned());
            }
            statuses
        })
    });
    assert_eq!(statuses, ["500", "500"]);
    let told: Vec<_> = (log.iter().filter(|line| line.contains("squall::web:"))).collect();
    assert_eq!(told.len(), 2, "{log:#?}");
    let error =
        "ERROR squall::web: uncaught error GET /fails: 500 Internal Server Error: invalid digit";
    assert!(told[0].starts_with(error), "{}", told[0]);
    let panic = "ERROR squall::web: panic GET /panics-later: secret-detail";
    assert!(told[1].starts_with(panic), "{}", told[1]);
}

#[squall::test]
fn a_stream_that_fails_is_cut_without_its_end() {
    let address = serve(Limits::default(), &Trace::default());
    let answer = yield_!(ask(address, get("/cut")));
    assert_eq!((status(&answer), body(&answer)), ("200", "4\r\nhalf\r\n"));
}

#[squall::test]
fn an_error_says_its_reason_escaped() {
    let address = serve(Limits::default(), &Trace::default());
    let answer = yield_!(ask(address, get("/teapot")));
    assert_eq!(status(&answer), "418");
    assert!(
        body(&answer).contains("418: short &lt;and&gt; stout"),
        "{answer}"
    );
    assert!(!answer.contains("secret-detail"));
}

#[squall::test]
fn unknown_paths_are_404_and_unknown_methods_405_with_allow() {
    let address = serve(Limits::default(), &Trace::default());
    assert_eq!(status(&yield_!(ask(address, get("/nowhere")))), "404");
    assert_eq!(status(&yield_!(ask(address, get("/page/a")))), "404");
    for (method, target, allow) in [
        ("DELETE", "/", "GET, HEAD"),
        ("GET", "/echo", "POST, PUT"),
        ("POST", "/page/a/1", "GET, PUT, HEAD"),
        ("BREW", "/", "GET, HEAD"),
    ] {
        let wire = format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = yield_!(ask(address, wire));
        assert_eq!(
            (status(&answer), header(&answer, "allow")),
            ("405", Some(allow)),
            "{method}"
        );
    }
}

#[squall::test]
fn arguments_come_from_query_and_form_decoded() {
    let address = serve(Limits::default(), &Trace::default());
    let answer = yield_!(ask(address, get("/add?n=1&n=2&name=a+b%20%C3%A9")));
    assert_eq!(body(&answer), "a b é=3");
    let form = "n=10&name=form";
    let wire = format!(
        "POST /add?n=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    assert_eq!(body(&yield_!(ask(address, wire))), "form=11");
    assert_eq!(status(&yield_!(ask(address, get("/add?n=1")))), "400");
    assert_eq!(status(&yield_!(ask(address, get("/add?name=%ff")))), "400");
}

#[squall::test]
fn path_arguments_are_typed_and_decoded() {
    let address = serve(Limits::default(), &Trace::default());
    assert_eq!(body(&yield_!(ask(address, get("/page/a%20b/7")))), "a b 7");
    // tornado: a typed argument that does not match is no such page.
    assert_eq!(status(&yield_!(ask(address, get("/page/a/x")))), "404");
    assert_eq!(body(&yield_!(ask(address, get("/rest/a/b%2Fc")))), "a/b/c");
    let wire =
        "PUT /page/s/9 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(body(&yield_!(ask(address, wire))), "put s 9");
}

// tornado: web_test.py, gen_test.py test_undecorated_coroutines (G112, G113)
#[squall::test]
fn g112_g113_a_handler_runs_prepare_method_and_on_finish_in_order() {
    let trace = Trace::default();
    let address = serve(Limits::default(), &trace);
    yield_!(ask(address, get("/page/a/1")));
    assert_eq!(trace.take(), ["prepare", "get a 1", "on_finish 200"]);
    let answer = yield_!(ask(address, get("/page/a/1?refuse=1")));
    assert_eq!(
        (status(&answer), body(&answer)),
        ("403", "own page for 403")
    );
    assert_eq!(trace.take(), ["prepare", "write_error", "on_finish 403"]);
    let answer = yield_!(ask(address, get("/page/a/1?early=1")));
    assert_eq!(body(&answer), "early");
    assert_eq!(trace.take(), ["prepare", "on_finish 200"]);
}

#[squall::test]
fn a_redirect_has_a_location_and_no_way_to_split_the_answer() {
    let address = serve(Limits::default(), &Trace::default());
    let answer = yield_!(ask(address, get("/away")));
    assert_eq!(
        (status(&answer), header(&answer, "location")),
        ("302", Some("/there?x=1"))
    );
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = seen.clone();
    let app = Application::new().get("/", move |ex: &mut Exchange| {
        let split = "x\r\nSet-Cookie: evil=1";
        log.borrow_mut()
            .push(ex.set_header("x-test", split).is_err());
        log.borrow_mut().push(ex.add_header("x\r\ny", "z").is_err());
        log.borrow_mut().push(ex.redirect(split).is_err());
    });
    let address = HttpServer::new(app)
        .listen("127.0.0.1:0")
        .unwrap()
        .local_addr();
    let answer = yield_!(ask(address, get("/")));
    assert_eq!(*seen.borrow(), [true, true, true]);
    assert!(!answer.contains("evil"), "{answer}");
}

#[squall::test]
fn the_first_route_that_matches_is_taken() {
    let name = |name: &'static str| move |ex: &mut Exchange| ex.write(name);
    let app = Application::new()
        .get("/{any}", name("pattern"))
        .get("/late", name("literal"))
        .get("/deep/first", name("literal"))
        .get("/deep/{any}", name("pattern"));
    let address = HttpServer::new(app)
        .listen("127.0.0.1:0")
        .unwrap()
        .local_addr();
    assert_eq!(body(&yield_!(ask(address, get("/late")))), "pattern");
    assert_eq!(body(&yield_!(ask(address, get("/deep/first")))), "literal");
    assert_eq!(body(&yield_!(ask(address, get("/deep/other")))), "pattern");
}

#[test]
fn a_malformed_pattern_is_found_when_the_program_starts() {
    let panic = std::panic::catch_unwind(|| Application::new().get("no-slash", hello));
    let message = panic.unwrap_err();
    let message = message.downcast_ref::<String>().expect("a message");
    assert!(message.contains("needs a slash in front"), "{message}");
}

// A handler borrows, and so is a scoped coroutine; what it calls may end it all the same.
#[squall::test]
fn a_return_from_a_plain_function_ends_the_handler() {
    fn number(ex: &mut Exchange) -> u32 {
        match ex.argument("n").ok().and_then(|n| n.parse().ok()) {
            Some(n) => n,
            None => {
                ex.write("no number");
                squall::Return(Ok::<(), squall_web::Error>(())).raise()
            }
        }
    }
    #[squall::coroutine]
    fn double(ex: &mut Exchange) -> Result<()> {
        yield_!(squall::moment());
        let n = number(ex);
        ex.write((2 * n).to_string());
        Ok(())
    }
    let address = HttpServer::new(Application::new().get("/", double))
        .listen("127.0.0.1:0")
        .unwrap()
        .local_addr();
    assert_eq!(body(&yield_!(ask(address, get("/?n=21")))), "42");
    let answer = yield_!(ask(address, get("/?n=x")));
    assert_eq!((status(&answer), body(&answer)), ("200", "no number"));
}
