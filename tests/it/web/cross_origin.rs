//! `Application::cross_origin_protection`: whose pages may send what changes something (X47).

use std::net::SocketAddr;

use squall::yield_;
use squall_web::{
    Application, CrossOrigin, Exchange, HttpServer, RequestHandler, Result, request_handler,
};

use crate::support::{capture_logs, run};

use super::{ask, body, status};

fn done(ex: &mut Exchange) {
    ex.write("done");
}

/// Says that it was asked, though nobody may.
struct Tells;

#[request_handler]
impl RequestHandler for Tells {
    fn prepare(&mut self, ex: &mut Exchange) -> Result<()> {
        ex.write("prepare ran");
        ex.finish();
        Ok(())
    }

    fn post(&mut self, ex: &mut Exchange) {
        done(ex);
    }
}

fn serve() -> SocketAddr {
    let protection = CrossOrigin::new()
        .trust("https://shop.example")
        .trust("http://localhost:3000");
    let app = Application::new()
        .any("/act", done)
        .route("/tells", || Tells)
        .post("/hook", done)
        .xsrf_exempt("/hook")
        .cross_origin_protection(protection);
    let listening = HttpServer::new(app).listen("127.0.0.1:0");
    listening.expect("a free port").local_addr()
}

#[squall::coroutine]
fn send(address: SocketAddr, line: &'static str, headers: &'static [&'static str]) -> String {
    let mut wire = format!("{line} HTTP/1.1\r\nHost: h.example:81\r\nConnection: close\r\n");
    for header in headers {
        wire += header;
        wire += "\r\n";
    }
    yield_!(ask(address, wire + "Content-Length: 0\r\n\r\n"))
}

const CROSS: &str = "Sec-Fetch-Site: cross-site";

#[squall::test]
fn own_and_trusted_pages_are_let_in() {
    let address = serve();
    let let_in: [&[&str]; 13] = [
        &[],
        &["Sec-Fetch-Site: same-origin"],
        &["Sec-Fetch-Site: none"],
        // What the browser says of the site counts before the origin.
        &[
            "Sec-Fetch-Site: same-origin",
            "Origin: https://evil.example",
        ],
        &[CROSS, "Origin: https://shop.example"],
        &["Sec-Fetch-Site: same-site", "Origin: http://localhost:3000"],
        &["Origin: https://shop.example"],
        &["Origin: http://h.example:81"],
        &["Origin: https://h.example:81"],
        &["Origin: https://H.Example:81"],
        &["Origin: https://h.example:81/a/path"],
        &["origin: https://h.example:81"],
        &["Referer: https://evil.example/"],
    ];
    for headers in let_in {
        for line in ["POST /act", "PUT /act", "PATCH /act", "DELETE /act"] {
            let answer = yield_!(send(address, line, headers));
            let told = (status(&answer), body(&answer));
            assert_eq!(told, ("200", "done"), "{line} {headers:?}");
        }
    }
}

#[squall::test]
fn other_sites_pages_are_refused() {
    let address = serve();
    let refused: [&[&str]; 16] = [
        &[CROSS],
        &["Sec-Fetch-Site: same-site"],
        &["Sec-Fetch-Site: "],
        &["Sec-Fetch-Site: Same-Origin"],
        &["Sec-Fetch-Site: same-origin", CROSS],
        &[CROSS, "Origin: https://evil.example"],
        // It is what the browser says of the site that counts.
        &[CROSS, "Origin: https://h.example:81"],
        &[CROSS, "Origin: https://shop.example/"],
        &[CROSS, "Origin: http://shop.example"],
        &[CROSS, "Origin: https://shop.example:443"],
        &["Origin: https://evil.example"],
        &["Origin: https://h.example"],
        &["Origin: https://h.example:82"],
        &["Origin: null"],
        &["Origin: "],
        &[
            "Origin: https://h.example:81",
            "Origin: https://shop.example",
        ],
    ];
    for headers in refused {
        for line in ["POST /act", "DELETE /act"] {
            let answer = yield_!(send(address, line, headers));
            assert_eq!(status(&answer), "403", "{line} {headers:?}");
        }
    }
    let before = yield_!(send(address, "POST /tells", &[CROSS]));
    assert_eq!(status(&before), "403", "before prepare");
    assert!(!before.contains("prepare ran"));
}

#[squall::test]
fn what_changes_nothing_and_what_is_exempt_is_not_checked() {
    let address = serve();
    for line in ["GET /act", "HEAD /act", "OPTIONS /act", "POST /hook"] {
        let answer = yield_!(send(
            address,
            line,
            &[CROSS, "Origin: https://evil.example"]
        ));
        assert_eq!(status(&answer), "200", "{line}");
    }
    // Who asks for what there is not is told so.
    let absent = yield_!(send(address, "POST /absent", &[CROSS]));
    assert_eq!(status(&absent), "404");
    let lacking = yield_!(send(address, "PUT /hook", &[CROSS]));
    assert_eq!(status(&lacking), "405");
}

#[test]
fn refusal_is_logged_with_whose_page_it_was() {
    let (answer, log) = capture_logs(|| {
        run(|| async {
            let address = serve();
            let headers = &[CROSS, "Origin: https://evil.example"];
            send(address, "POST /act", headers).await
        })
    });
    assert!(answer.contains("Cross origin request refused"), "{answer}");
    assert!(!answer.contains("CrossOrigin"), "{answer}");
    let told = |line: &&String| {
        line.contains("https://evil.example") && line.contains("CrossOrigin::trust")
    };
    assert_eq!(log.iter().filter(told).count(), 1, "{log:?}");
}

#[test]
#[should_panic(expected = "is no origin: write scheme and host")]
fn trusting_what_is_no_origin_panics() {
    let _ = CrossOrigin::new().trust("https://shop.example/");
}
