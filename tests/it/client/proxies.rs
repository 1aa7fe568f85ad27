//! Through proxies.

use std::cell::RefCell;
use std::rc::Rc;

use squall::net::TcpClient;
use squall::{with_timeout, yield_};
use squall_web::client::{AsyncHttpClient, ClientConfig, Proxies, Proxy, Request, Stage};

use super::{Peer, Server, ok, redirect, text};
use crate::support::SECOND;

/// A server that echoes requests.
fn echo() -> Server {
    Server::start(|peer| async move {
        loop {
            let request = peer.read().await?;
            peer.write(ok(&request)).await?;
        }
    })
}

/// A proxy that makes tunnels, and copies what goes through.
fn tunnels(seen: Rc<RefCell<Vec<String>>>) -> Server {
    Server::start(move |peer| {
        let seen = seen.clone();
        async move {
            let head = peer.read().await?;
            let authority = head.split(' ').nth(1).unwrap().to_owned();
            seen.borrow_mut().push(head);
            let (host, port) = authority.rsplit_once(':').unwrap();
            let to = TcpClient::new()
                .connect(host, port.parse().unwrap())
                .await?;
            peer.write("HTTP/1.1 200 Connection established\r\n\r\n")
                .await?;
            copy(&peer, &to).await
        }
    })
}

/// Copies requests one way and answers the other, until there are no more.
async fn copy(peer: &Peer, to: &squall::net::IoStream) -> squall::Result<()> {
    loop {
        let there = peer.stream.read_partial(1000).await?;
        to.write(&there).await?;
        let back = to.read_partial(1000).await?;
        if there.is_empty() || back.is_empty() {
            return Ok(());
        }
        peer.write(back).await?;
    }
}

fn through(proxy: &Server) -> Proxy {
    Proxy::new(&format!("127.0.0.1:{}", proxy.port)).unwrap()
}

#[squall::test]
fn proxy_is_sent_the_whole_url() {
    let proxy = echo();
    let request =
        || Request::get("http://a.example:81/x?y#z").proxy(through(&proxy).auth("u", "p"));
    let client = AsyncHttpClient::new();
    let response = yield_!(client.fetch(request())).unwrap();
    let sent = response.text().unwrap();
    assert!(sent.starts_with("GET http://a.example:81/x?y HTTP/1.1\r\nHost: a.example:81\r\n"));
    assert!(sent.contains("\r\nproxy-authorization: Basic dTpw\r\n"));
    // Requests for all servers share its connections.
    let other = Request::get("http://b.example/").proxy(through(&proxy).auth("u", "p"));
    assert!(yield_!(client.fetch(other)).unwrap().time_info().reused);
}

#[squall::test]
fn clients_proxy_is_used_but_for_some() {
    let (proxy, direct) = (echo(), echo());
    let client = AsyncHttpClient::with_config(ClientConfig {
        proxies: Proxies::all(through(&proxy)).bypass("localhost, 127.0.0.0/8"),
        ..ClientConfig::default()
    });
    let sent = yield_!(client.fetch("http://a.example/")).unwrap();
    assert!(sent.text().unwrap().starts_with("GET http://a.example/ "));
    let sent = yield_!(client.fetch(direct.url("/x"))).unwrap();
    assert!(sent.text().unwrap().starts_with("GET /x "));
    let request = Request::get(format!("http://localhost:{}/x", direct.port)).proxy(None);
    let sent = yield_!(client.fetch(request.allow_ipv6(false))).unwrap();
    assert!(sent.text().unwrap().starts_with("GET /x "));
}

#[squall::test]
fn tunnel_is_opened_once_and_kept() {
    let seen = Rc::<RefCell<Vec<String>>>::default();
    let (proxy, server) = (tunnels(seen.clone()), echo());
    let client = AsyncHttpClient::new();
    let request = |user: &str| {
        let proxy = through(&proxy).tunnel(true).auth(user, "p");
        Request::get(server.url("/x")).proxy(proxy)
    };
    for n in 0..2 {
        let response = yield_!(client.fetch(request("u"))).unwrap();
        let sent = response.text().unwrap();
        assert!(sent.starts_with("GET /x HTTP/1.1\r\n"));
        assert!(
            !sent.contains("proxy-authorization"),
            "it is the proxy's alone"
        );
        assert_eq!(response.time_info().reused, n == 1);
    }
    let want = format!(
        "CONNECT 127.0.0.1:{0} HTTP/1.1\r\nHost: 127.0.0.1:{0}\r\n\
         proxy-authorization: Basic dTpw\r\n\r\n",
        server.port
    );
    assert_eq!(*seen.borrow(), [want]);
    // Somebody else gets a tunnel of his own.
    assert!(
        !yield_!(client.fetch(request("other")))
            .unwrap()
            .time_info()
            .reused
    );
    assert_eq!(seen.borrow().len(), 2);
}

#[squall::test]
fn refused_tunnel_is_an_error_that_says_who_refused() {
    for (answer, want) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            "the proxy answered 407 Proxy Authentication Required; see Proxy::auth",
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\n\r\n",
            "the proxy answered 502 Bad Gateway",
        ),
        ("SSH-2.0-x\r\n\r\n", "bad message: malformed version"),
        (
            "HTTP/1.1 200 OK\r\n\r\nand more",
            "the proxy sent more than its answer",
        ),
    ] {
        let proxy = Server::answering(answer);
        let tunnel = through(&proxy).tunnel(true);
        let request = Request::get("http://a.example/").proxy(tunnel);
        let error = yield_!(AsyncHttpClient::new().fetch(request)).unwrap_err();
        let by = format!("opening a tunnel through 127.0.0.1:{} failed: ", proxy.port);
        assert_eq!(text(&error), by + want);
        assert_eq!(error.stage(), Stage::Proxy);
        assert!(error.is_connect());
    }
}

#[squall::test]
fn silent_proxy_is_given_up() {
    let proxy = Server::start(|peer| async move {
        peer.read().await?;
        peer.closed().await
    });
    let request = Request::get("http://a.example/")
        .proxy(through(&proxy).tunnel(true))
        .connect_timeout(3 * SECOND);
    let fetch = AsyncHttpClient::new().fetch(request);
    let error = yield_!(with_timeout(10 * SECOND, fetch))
        .unwrap()
        .unwrap_err();
    let by = format!("127.0.0.1:{}", proxy.port);
    let want = format!("timed out after 3 s while opening a tunnel through {by}");
    assert_eq!(text(&error), want);
    yield_!(squall::sleep(SECOND));
    assert_eq!(proxy.log.take(), ["1 CONNECT a.example:80", "1 closed"]);
}

#[squall::test]
fn redirects_go_through_the_proxy_too() {
    let proxy = Server::start(|peer| async move {
        peer.read().await?;
        peer.write(redirect(302, "http://b.example/next")).await?;
        let request = peer.read().await?;
        peer.write(ok(&request)).await
    });
    let request = Request::get("http://a.example/").proxy(through(&proxy).auth("u", "p"));
    let response = yield_!(AsyncHttpClient::new().fetch(request)).unwrap();
    assert!(
        response
            .text()
            .unwrap()
            .contains("proxy-authorization: Basic dTpw")
    );
    let want = ["1 GET http://a.example/", "1 GET http://b.example/next"];
    assert_eq!(proxy.log.take(), want);
}
