//! Redirects, cookies, credentials, and the rest of a request.

use squall::yield_;
use squall_web::client::{AsyncHttpClient, BodyWriter, ClientConfig, CookieJar, Request, Stage};
use squall_web::{Method, StatusCode};

use super::{Server, ok, redirect, text};

/// Redirects the first request, and echoes the second.
fn redirecting(status: u16, location: &str) -> Server {
    let answer = redirect(status, location);
    Server::start(move |peer| {
        let answer = answer.clone();
        async move {
            let first = peer.read().await?;
            if first.starts_with("HEAD") {
                peer.write(answer.trim_end_matches("xyz")).await?;
                peer.read().await?;
                return peer.write(ok("")).await;
            }
            peer.write(&answer).await?;
            let second = peer.read().await?;
            peer.write(ok(&second)).await
        }
    })
}

#[squall::test]
fn redirect_changes_method_and_body_by_its_status() {
    // S5
    for (method, status, next) in [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("POST", 307, "POST body"),
        ("POST", 308, "POST body"),
        ("PUT", 301, "PUT body"),
        ("PUT", 302, "PUT body"),
        ("PUT", 303, "GET"),
        ("PUT", 307, "PUT body"),
        ("PATCH", 308, "PATCH body"),
        ("GET", 301, "GET"),
        ("GET", 307, "GET"),
        ("DELETE", 303, "GET"),
        ("DELETE", 308, "DELETE"),
        ("HEAD", 303, "HEAD"),
        ("HEAD", 302, "HEAD"),
    ] {
        let server = redirecting(status, "/next");
        let request = Request::new(method.parse().unwrap(), server.url("/first"));
        let request = match method {
            "POST" | "PUT" | "PATCH" => request.header("Content-Type", "text/plain").body("body"),
            _ => request,
        };
        let response = yield_!(AsyncHttpClient::new().fetch(request)).unwrap();
        let log = server.log.take();
        let (want, body) = next.split_once(' ').unwrap_or((next, ""));
        assert_eq!(log[1], format!("1 {want} /next"), "{method}, {status}");
        if method != "HEAD" {
            let (head, got) = response.text().unwrap().split_once("\r\n\r\n").unwrap();
            assert_eq!(got, body, "{method}, {status}");
            assert_eq!(head.contains("content-type"), !body.is_empty());
            assert_eq!(head.contains("Content-Length"), !body.is_empty());
        }
    }
}

#[squall::coroutine]
fn produce(body: BodyWriter) -> squall::Result<()> {
    yield_!(body.write("made"))
}

#[squall::test]
fn producer_is_called_again_for_a_redirect_if_it_can_be() {
    let server = redirecting(307, "/next");
    let request = Request::put(server.url("/"), "").body_producer(produce);
    let response = yield_!(AsyncHttpClient::new().fetch(request)).unwrap();
    assert!(
        response
            .text()
            .unwrap()
            .ends_with("\r\n\r\n4\r\nmade\r\n0\r\n\r\n")
    );

    let server = redirecting(307, "/next");
    let request = Request::put(server.url("/"), "").body_producer_once(produce);
    let error = yield_!(AsyncHttpClient::new().fetch(request)).unwrap_err();
    let want = "redirected with a body that cannot be made again; see body_producer";
    assert_eq!(
        (text(&error).as_str(), error.stage()),
        (want, Stage::Response)
    );

    // A redirect that drops the body does not need it.
    let server = redirecting(303, "/next");
    let request = Request::post(server.url("/"), "").body_producer_once(produce);
    yield_!(AsyncHttpClient::new().fetch(request)).unwrap();
    assert_eq!(server.log.take(), ["1 POST /", "1 GET /next"]);
}

#[squall::test]
fn location_is_relative_to_its_url() {
    for (location, path) in [
        ("b", "/x/b"),
        ("/b", "/b"),
        ("?q", "/x/a?q"),
        ("../b", "/b"),
        ("b#f", "/x/b#f"),
        ("", "/x/a#top"),
    ] {
        let server = redirecting(302, location);
        let response = yield_!(AsyncHttpClient::new().fetch(server.url("/x/a#top"))).unwrap();
        let url = response.effective_url().as_str();
        let want = match path.contains('#') {
            true => server.url(path),
            false => server.url(path) + "#top",
        };
        assert_eq!(url, want, "{location}");
    }
}

#[squall::test]
fn redirect_without_location_is_the_answer() {
    // S6
    let server = Server::answering("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n");
    let request = Request::get(server.url("/")).raise_error(false);
    let response = yield_!(AsyncHttpClient::new().fetch(request)).unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(text(&response.rethrow().unwrap_err()), "status 302 Found");
}

#[squall::test]
fn credentials_go_to_their_origin_only() {
    // S7, CVE-2026-49853
    for same in [true, false] {
        let other = Server::start(|peer| async move {
            let request = peer.read().await?;
            peer.write(ok(&request)).await
        });
        let location = if same {
            "/next".to_owned()
        } else {
            other.url("/next")
        };
        let server = redirecting(302, &location);
        let url = server.url("/").replace("http://", "http://user:secret@");
        let request = Request::get(url)
            .header("Cookie", "session=secret")
            .header("X", "y");
        let response = yield_!(AsyncHttpClient::new().fetch(request)).unwrap();
        let last = response.text().unwrap();
        assert!(last.contains("\r\nx: y\r\n"));
        assert_eq!(
            last.contains("authorization: Basic dXNlcjpzZWNyZXQ="),
            same,
            "{last}"
        );
        assert_eq!(last.contains("cookie: session=secret"), same, "{last}");
        // S26
        assert!(!last.contains('@'), "S26: not in Host");
    }
}

#[squall::test]
fn request_can_be_sent_again_and_is_not_changed() {
    // S8
    let server = redirecting(303, "/next");
    let request = Request::post(server.url("/"), "body").header("X", "y");
    let before = format!("{request:?}");
    yield_!(AsyncHttpClient::new().fetch(request.clone())).unwrap();
    assert_eq!(format!("{request:?}"), before);
    yield_!(AsyncHttpClient::new().fetch(request)).unwrap();
}

#[squall::test]
fn headers_that_are_added_can_be_replaced() {
    // S32
    let server = Server::start(|peer| async move {
        loop {
            let request = peer.read().await?;
            peer.write(ok(&request)).await?;
        }
    });
    let config = ClientConfig {
        user_agent: "mine/1".to_owned(),
        ..ClientConfig::default()
    };
    let client = AsyncHttpClient::with_config(config);
    let sent = yield_!(client.fetch(server.url("/"))).unwrap();
    assert!(sent.text().unwrap().contains("\r\nuser-agent: mine/1\r\n"));
    assert!(sent.text().unwrap().contains("\r\naccept-encoding: gzip"));
    let request = Request::get(server.url("/"))
        .user_agent("other")
        .header("Accept-Encoding", "identity")
        .bearer("token");
    let sent = yield_!(client.fetch(request)).unwrap();
    let sent = sent.text().unwrap();
    assert!(sent.contains("\r\nuser-agent: other\r\n"));
    assert!(sent.contains("\r\naccept-encoding: identity\r\n"));
    assert!(sent.contains("\r\nauthorization: Bearer token\r\n"));
    let config = ClientConfig {
        user_agent: "a\nb".to_owned(),
        ..ClientConfig::default()
    };
    let error = yield_!(AsyncHttpClient::with_config(config).fetch(server.url("/")));
    assert_eq!(
        text(&error.unwrap_err()),
        "malformed user agent of the client"
    );
}

#[squall::test]
fn methods_of_ones_own_pass_if_allowed() {
    let server = Server::answering(ok(""));
    let client = AsyncHttpClient::new();
    let request = || Request::new(Method::from_bytes(b"BREW").unwrap(), server.url("/"));
    let error = yield_!(client.fetch(request())).unwrap_err();
    assert_eq!((error.stage(), error.code()), (Stage::Request, 599));
    yield_!(client.fetch(request().allow_nonstandard_methods(true))).unwrap();
    let request = Request::get(server.url("/"))
        .body("x")
        .allow_nonstandard_methods(true);
    yield_!(client.fetch(request)).unwrap();
    let request = Request::new(Method::POST, server.url("/")).allow_nonstandard_methods(true);
    yield_!(client.fetch(request)).unwrap();
    assert_eq!(server.log.take(), ["1 BREW /", "1 GET /", "1 POST /"]);
}

#[squall::test]
fn cookies_are_kept_and_sent_and_follow_redirects() {
    let server = Server::start(|peer| async move {
        peer.read().await?;
        peer.write(
            "HTTP/1.1 302 Found\r\nLocation: /b\r\nSet-Cookie: a=1; Path=/\r\n\
             Set-Cookie: b=2; Path=/b\r\nContent-Length: 0\r\n\r\n",
        )
        .await?;
        loop {
            let request = peer.read().await?;
            peer.write(ok(&request)).await?;
        }
    });
    let jar = CookieJar::new();
    let client = AsyncHttpClient::with_config(ClientConfig {
        cookies: Some(jar.clone()),
        ..ClientConfig::default()
    });
    let sent = yield_!(client.fetch(server.url("/a"))).unwrap();
    assert!(sent.text().unwrap().contains("\r\ncookie: b=2; a=1\r\n"));
    assert_eq!(jar.len(), 2);
    let request = Request::get(server.url("/c")).header("Cookie", "own=0");
    let sent = yield_!(client.fetch(request)).unwrap();
    assert!(sent.text().unwrap().contains("\r\ncookie: own=0; a=1\r\n"));
    // Without a jar nothing is kept.
    let sent = yield_!(AsyncHttpClient::new().fetch(server.url("/d"))).unwrap();
    assert!(!sent.text().unwrap().contains("cookie"));
}

#[squall::test]
fn names_can_be_mapped() {
    // S29
    let server = Server::start(|peer| async move {
        let request = peer.read().await?;
        peer.write(ok(&request)).await
    });
    let mapping = [(
        "www.example.com:8080".to_owned(),
        format!("127.0.0.1:{}", server.port),
    )];
    let client = AsyncHttpClient::with_config(ClientConfig {
        hostname_mapping: mapping.into(),
        ..ClientConfig::default()
    });
    let sent = yield_!(client.fetch("http://www.example.com:8080/")).unwrap();
    assert!(
        sent.text()
            .unwrap()
            .contains("\r\nHost: www.example.com:8080\r\n")
    );
}

#[squall::test]
fn connection_comes_from_the_address_that_is_asked_for() {
    let server = Server::start(|peer| async move {
        peer.read().await?;
        let address = peer.stream.peer_addr().unwrap().ip().to_string();
        peer.write(ok(&address)).await?;
        peer.closed().await
    });
    let client = AsyncHttpClient::new();
    for address in ["127.0.0.1", "127.0.0.2"] {
        let source: std::net::IpAddr = address.parse().unwrap();
        let request = Request::get(server.url("/")).source_ip(source);
        let response = yield_!(client.fetch(request)).unwrap();
        assert_eq!(response.text().unwrap(), address);
    }
    let foreign: std::net::IpAddr = "192.0.2.1".parse().unwrap();
    let request = Request::get(server.url("/")).source_ip(foreign);
    let error = yield_!(client.fetch(request)).unwrap_err();
    let want = format!(
        "connect to 127.0.0.1:{} failed: Cannot assign requested address (os error 99)",
        server.port
    );
    assert_eq!(text(&error), want);
    let v6: std::net::IpAddr = "::1".parse().unwrap();
    let request = Request::get(server.url("/")).source_ip(v6);
    let error = yield_!(client.fetch(request)).unwrap_err();
    assert!(
        text(&error).ends_with("it has no address of version 6, and the source address is one"),
        "{error}"
    );
}

#[squall::test]
fn bodies_of_answers_are_taken_as_what_they_should_be() {
    let server = Server::answering(ok("{\"a\": [1, 2]}"));
    let client = AsyncHttpClient::new();
    let response = yield_!(client.fetch(server.url("/"))).unwrap();
    let value: std::collections::HashMap<String, Vec<u32>> = response.json().unwrap();
    assert_eq!(value["a"], [1, 2]);
    let error = response.json::<Vec<u32>>().unwrap_err();
    assert!(text(&error).starts_with("the response body is not the json that was expected: "));
    assert_eq!(error.stage(), Stage::Response);
    let latin =
        Server::answering([ok("xxxx").trim_end_matches('x').as_bytes(), b"caf\xe9"].concat());
    let response = yield_!(client.fetch(latin.url("/"))).unwrap();
    assert!(text(&response.text().unwrap_err()).starts_with("the response body is not utf-8: "));
}

#[squall::test]
fn error_status_has_the_servers_word_if_there_is_no_other() {
    // S28
    for (line, want) in [
        ("404 Lost", "status 404 Not Found"),
        ("599 Own Word", "status 599 Own Word"),
        ("682", "status 682"),
        ("304 Not Modified", "status 304 Not Modified"),
    ] {
        let server = Server::answering(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n"));
        let client = AsyncHttpClient::new();
        let error = yield_!(client.fetch(server.url("/secret?token"))).unwrap_err();
        assert_eq!(text(&error), want);
        assert!(!format!("{error:?}{error}").contains("secret"));
        let request = Request::get(server.url("/")).raise_error(false);
        let response = yield_!(client.fetch(request)).unwrap();
        assert_eq!(text(&response.rethrow().unwrap_err()), want);
    }
    let unused = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let request = Request::get(format!("http://{unused}/")).raise_error(false);
    let error = yield_!(AsyncHttpClient::new().fetch(request)).unwrap_err();
    assert_eq!((error.code(), error.stage()), (599, Stage::Connect));
}

#[squall::test]
fn name_that_is_not_there_is_an_error_of_the_look_up() {
    let error = yield_!(AsyncHttpClient::new().fetch("http://no.such.name.invalid/")).unwrap_err();
    assert_eq!(error.stage(), Stage::Resolve);
    let want = "looking up no.such.name.invalid failed: ";
    assert!(text(&error).starts_with(want), "{error}");
}
