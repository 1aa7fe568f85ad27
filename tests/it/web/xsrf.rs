//! `Application::xsrf_cookies`: who has to show a token, where it may stand, and who need not.

use std::net::SocketAddr;

use squall::yield_;
use squall_web::{
    Application, BodyPlan, Cookie, Exchange, HttpServer, RequestHandler, Result, Xsrf,
    request_handler,
};

use crate::support::{capture_logs, run};

use super::{ask, body, get, header, status};

/// Shows a token, which gives a client without one the cookie.
fn form(ex: &mut Exchange) -> Result<()> {
    let token = ex.xsrf_token()?;
    ex.write(token);
    Ok(())
}

fn done(ex: &mut Exchange) {
    ex.write("done");
}

/// Answers every method.
struct Acts;

#[request_handler]
impl RequestHandler for Acts {
    fn get(&mut self, ex: &mut Exchange) {
        done(ex);
    }

    fn head(&mut self, ex: &mut Exchange) {
        done(ex);
    }

    fn options(&mut self, ex: &mut Exchange) {
        done(ex);
    }

    fn post(&mut self, ex: &mut Exchange) {
        done(ex);
    }

    fn put(&mut self, ex: &mut Exchange) {
        done(ex);
    }

    fn patch(&mut self, ex: &mut Exchange) {
        done(ex);
    }

    fn delete(&mut self, ex: &mut Exchange) {
        done(ex);
    }
}

fn serve(xsrf: Xsrf) -> SocketAddr {
    let app = Application::new()
        .get("/form", form)
        .route("/act", || Acts)
        .post("/streamed", done)
        .body("/streamed", BodyPlan::stream())
        .post("/hook/{name}", |ex: &mut Exchange| ex.write("hooked"))
        .xsrf_exempt("/hook/{name}")
        .xsrf_cookies(xsrf);
    let listening = HttpServer::new(app).listen("127.0.0.1:0");
    listening.expect("a free port").local_addr()
}

/// A cookie as a client sends it back, and a token that goes with it.
#[squall::coroutine]
fn visit(address: SocketAddr) -> (String, String) {
    let page = yield_!(ask(address, get("/form")));
    assert_eq!(status(&page), "200", "{page}");
    let cookie = header(&page, "set-cookie").expect("a cookie");
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    (cookie, body(&page).to_owned())
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut wire = format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
    for (name, value) in headers {
        wire += &format!("{name}: {value}\r\n");
    }
    wire + &format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// In a form's body, where a `|` may not stand as it is.
fn field(token: &str) -> String {
    format!("a=b&_xsrf={}", token.replace('|', "%7C"))
}

#[squall::test]
fn token_may_stand_in_the_form_the_query_or_a_header() {
    let address = serve(Xsrf::new());
    let (cookie, token) = yield_!(visit(address));
    let cookie = ("Cookie", &*cookie);
    let query = format!("/act?{}", field(&token));
    for wire in [
        request("POST", "/act", &[cookie, FORM], &field(&token)),
        request("POST", &query, &[cookie], ""),
        request("POST", "/act", &[cookie, ("X-XSRFToken", &token)], ""),
        request("POST", "/act", &[cookie, ("X-CSRFToken", &token)], ""),
        // An empty field is none.
        request(
            "POST",
            "/act",
            &[cookie, FORM, ("X-XSRFToken", &token)],
            "_xsrf=",
        ),
    ] {
        let answer = yield_!(ask(address, wire.clone()));
        assert_eq!((status(&answer), body(&answer)), ("200", "done"), "{wire}");
    }
    // A token is masked anew for each page; with the cookie all of them are good.
    let again = yield_!(ask(address, request("GET", "/form", &[cookie], "")));
    assert_eq!(header(&again, "set-cookie"), None, "it has the cookie");
    assert_ne!(body(&again), token);
    let wire = request("POST", "/act", &[cookie, ("X-XSRFToken", body(&again))], "");
    assert_eq!(status(&yield_!(ask(address, wire))), "200");
}

#[squall::test]
fn token_that_is_missing_or_wrong_is_refused() {
    let address = serve(Xsrf::new());
    let (cookie, token) = yield_!(visit(address));
    let (other_cookie, other) = yield_!(visit(address));
    assert_ne!(cookie, other_cookie);
    let cookie = ("Cookie", &*cookie);
    let cut = &token[..token.len() - 1];
    let cut = cut.rsplit_once('|').expect("fields").0;
    for (what, wire) in [
        ("nothing", request("POST", "/act", &[], "")),
        ("no token", request("POST", "/act", &[cookie, FORM], "a=b")),
        (
            "no cookie",
            request("POST", "/act", &[("X-XSRFToken", &token)], ""),
        ),
        (
            "no cookie beside the form",
            request("POST", "/act", &[FORM], &field(&token)),
        ),
        (
            "somebody else's, in the header",
            request("POST", "/act", &[cookie, ("X-XSRFToken", &other)], ""),
        ),
        (
            "somebody else's, in the form",
            request("POST", "/act", &[cookie, FORM], &field(&other)),
        ),
        (
            "the form's counts before the header's",
            request(
                "POST",
                "/act",
                &[cookie, FORM, ("X-XSRFToken", &token)],
                &field(&other),
            ),
        ),
        (
            "half of it",
            request("POST", "/act", &[cookie, ("X-XSRFToken", cut)], ""),
        ),
        (
            "a body that is no form",
            request(
                "POST",
                "/act",
                &[cookie, ("Content-Type", "text/plain")],
                &field(&token),
            ),
        ),
    ] {
        let answer = yield_!(ask(address, wire));
        assert_eq!(status(&answer), "403", "{what}: {answer}");
        assert!(!answer.contains("done"), "{what}: {answer}");
    }
}

#[squall::test]
fn methods_that_change_something_need_one_and_harmless_ones_none() {
    let address = serve(Xsrf::new());
    for method in ["GET", "HEAD", "OPTIONS"] {
        let answer = yield_!(ask(address, request(method, "/act", &[], "")));
        assert_eq!(status(&answer), "200", "{method}: {answer}");
    }
    let (cookie, token) = yield_!(visit(address));
    let headers = [("Cookie", &*cookie), ("X-XSRFToken", &*token)];
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let answer = yield_!(ask(address, request(method, "/act", &[], "")));
        assert_eq!(status(&answer), "403", "{method}: {answer}");
        let answer = yield_!(ask(address, request(method, "/act", &headers, "")));
        assert_eq!(status(&answer), "200", "{method}: {answer}");
    }
    // What is lacking is told of first.
    let answer = yield_!(ask(address, request("POST", "/form", &[], "")));
    assert_eq!(status(&answer), "405");
    let answer = yield_!(ask(address, request("POST", "/nowhere", &[], "")));
    assert_eq!(status(&answer), "404");
}

#[squall::test]
fn exempt_route_asks_nobody_and_the_others_still_do() {
    let address = serve(Xsrf::new());
    for headers in [&[][..], &[("X-XSRFToken", "nonsense")]] {
        let wire = request("POST", "/hook/ann", headers, "");
        let answer = yield_!(ask(address, wire));
        assert_eq!((status(&answer), body(&answer)), ("200", "hooked"));
        let wire = request("POST", "/act", headers, "");
        assert_eq!(status(&yield_!(ask(address, wire))), "403");
    }
}

#[test]
#[should_panic(expected = "/nowhere")]
fn bad_exemption_of_no_route_is_told_at_once() {
    let _ = Application::new()
        .post("/act", done)
        .xsrf_exempt("/nowhere");
}

// Of a body that is not read yet the arguments do not count.
#[squall::test]
fn route_that_streams_its_body_wants_the_header() {
    let address = serve(Xsrf::new());
    let (cookie, token) = yield_!(visit(address));
    let cookie = ("Cookie", &*cookie);
    let wire = request("POST", "/streamed", &[cookie, FORM], &field(&token));
    let head = wire.replace(&field(&token), "");
    assert_eq!(status(&yield_!(ask(address, head))), "403");
    let headers = [cookie, FORM, ("X-XSRFToken", &*token)];
    let wire = request("POST", "/streamed", &headers, "a=b");
    assert_eq!(status(&yield_!(ask(address, wire))), "200");
}

#[squall::test]
fn cookie_has_the_name_that_it_was_given() {
    let address = serve(Xsrf::new().cookie(Cookie::new("own", "").http_only()));
    let page = yield_!(ask(address, get("/form")));
    let set = header(&page, "set-cookie").expect("a cookie");
    assert!(
        set.starts_with("own=2|") && set.contains("HttpOnly"),
        "{set}"
    );
    let cookie = set.split(';').next().expect("a pair");
    let token = body(&page);
    let wire = request("POST", "/act", &[("Cookie", cookie), FORM], &field(token));
    assert_eq!(status(&yield_!(ask(address, wire))), "200");
    let cookie = cookie.replace("own=", "_xsrf=");
    let wire = request("POST", "/act", &[("Cookie", &cookie), FORM], &field(token));
    assert_eq!(status(&yield_!(ask(address, wire))), "403");
}

#[test]
fn refusal_is_logged_with_its_reason() {
    let (answer, log) = capture_logs(|| {
        run(|| async {
            let address = serve(Xsrf::new());
            ask(address, request("POST", "/act", &[], "")).await
        })
    });
    assert!(!answer.contains("XSRF"), "{answer}");
    let reason = log
        .iter()
        .filter(|line| line.contains("the XSRF token is missing"));
    assert_eq!(reason.count(), 1, "{log:?}");
}
