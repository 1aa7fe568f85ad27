//! Over TLS: certificates, good and bad, and how connections are told apart.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use squall::net::{IoStream, TcpClient, TcpServer, TlsAcceptor, TlsConnector};
use squall::yield_;
use squall_web::client::{
    AsyncHttpClient, ClientConfig, FetchError, Proxies, Proxy, Request, Stage,
};
use squall_web::{Application, Exchange, HttpServer, Result};

use super::{Server, ok, redirect, text};
use crate::net::tls::Authority;
use crate::programs::Folder;
use crate::support::SECOND;

/// The port of a server of ours that says how it was reached.
fn serve(acceptor: TlsAcceptor) -> u16 {
    let app = Application::new()
        .get("/", |ex: &mut Exchange| {
            let request = ex.request();
            let tls = request.tls().expect("there is TLS");
            let name = tls.server_name().unwrap_or("no name").to_owned();
            let alpn = String::from_utf8_lossy(tls.alpn().unwrap_or(b"none")).into_owned();
            let shown = tls.peer_certificates().len();
            let scheme = request.scheme();
            ex.write(format!("{scheme} {name} {alpn} {shown}"));
        })
        .get("/away", |ex: &mut Exchange| -> Result<()> {
            let to = ex.argument("to")?.to_owned();
            ex.redirect(&to)
        })
        .get("/credentials", |ex: &mut Exchange| {
            let has = ex.request().header("authorization").is_some();
            ex.write(has.to_string());
        });
    let server = HttpServer::new(app).tls(acceptor);
    let listening = server.listen("127.0.0.1:0").unwrap();
    listening.local_addr().port()
}

/// A client of HTTP/1.1 that believes these, and finds `*.example` here.
fn client(tls: Option<TlsConnector>) -> AsyncHttpClient {
    let here = |name: &str| (name.to_owned(), "127.0.0.1".to_owned());
    AsyncHttpClient::with_config(ClientConfig {
        tls,
        http2: false,
        hostname_mapping: [here("a.example"), here("b.example"), here("proxy.example")].into(),
        ..ClientConfig::default()
    })
}

#[squall::test]
fn host_is_asked_for_by_name_and_believed() {
    let authority = Authority::new("test authority");
    let port = serve(authority.issue(&["a.example"]).acceptor());
    let client = client(Some(authority.connector()));
    let url = format!("https://a.example:{port}/");
    let first = yield_!(client.fetch(&url)).unwrap();
    assert_eq!(first.text().unwrap(), "https a.example http/1.1 0");
    assert!(!first.time_info().reused);
    let second = yield_!(client.fetch(&url)).unwrap();
    assert!(second.time_info().reused);
}

async fn fails(client: &AsyncHttpClient, request: impl Into<Request>) -> FetchError {
    client.fetch(request).await.expect_err("it is not believed")
}

#[squall::test]
fn bad_certificate_is_told_with_its_reason() {
    let (authority, stranger) = (Authority::new("test authority"), Authority::new("stranger"));
    let client = client(Some(authority.connector()));
    let expired = serve(authority.expired(&["a.example"]).acceptor());
    let wrong = serve(authority.issue(&["other.example"]).acceptor());
    let unknown = serve(stranger.issue(&["a.example"]).acceptor());
    for (port, why) in [
        (expired, "has expired "),
        (wrong, "is not for \"a.example\", but for "),
        (unknown, "is signed by nobody who is trusted here"),
    ] {
        let url = format!("https://a.example:{port}/");
        let error = yield_!(fails(&client, &url));
        let want = format!("TLS handshake with a.example failed: the peer's certificate {why}");
        assert!(text(&error).starts_with(&want), "{error}");
        assert_eq!(error.stage(), Stage::Handshake);
        assert!(error.is_connect() && !error.is_timeout() && error.code() == 599);
        // S37: one may believe anybody.
        let blind = Request::get(&url).validate_cert(false);
        let response = yield_!(client.fetch(blind)).unwrap();
        assert!(response.text().unwrap().starts_with("https a.example"));
        // And those who do not are not given that connection.
        let error = yield_!(fails(&client, &url));
        assert_eq!(error.stage(), Stage::Handshake, "{error}");
    }
}

#[squall::test]
fn files_of_a_request_say_whom_to_believe_and_what_to_show() {
    let authority = Authority::new("test authority");
    let (server, own) = (authority.issue(&["a.example"]), authority.issue(&["me"]));
    let files = [
        ("roots.pem", &*authority.pem),
        ("me.pem", &*own.certificate),
        ("me.key", &*own.key),
        ("empty.pem", ""),
    ];
    let files = Folder::with("client-cert", &files);
    let at = |name: &str| files.join(name);
    let builder = TlsAcceptor::builder(server.identity());
    let acceptor = builder.require_client_certificate(authority.roots());
    let url = format!("https://a.example:{}/", serve(acceptor.build().unwrap()));
    let client = client(Some(authority.connector()));

    let get = || Request::get(&url).ca_certs(at("roots.pem"));
    let shown = yield_!(client.fetch(get().client_cert(at("me.pem"), at("me.key")))).unwrap();
    assert_eq!(shown.text().unwrap(), "https a.example http/1.1 1");
    // TLS 1.3: the server's refusal comes behind the handshake.
    let error = yield_!(fails(&client, get()));
    let want = "the peer refused: it requires a certificate, and none was sent";
    assert!(text(&error).ends_with(want), "{error}");

    for (request, want) in [
        (get().ca_certs(at("lost.pem")), "lost.pem: No such file"),
        (get().ca_certs(at("empty.pem")), "empty.pem"),
        (
            get().client_cert(at("me.pem"), at("lost.key")),
            "lost.key: No such file",
        ),
        (
            get().client_cert(at("me.pem"), at("roots.pem")),
            "roots.pem",
        ),
    ] {
        let error = yield_!(fails(&client, request));
        assert_eq!(error.stage(), Stage::Request, "{error}");
        assert!(text(&error).contains(want), "{error}");
    }
}

#[squall::test]
fn connection_is_used_again_only_by_who_believes_the_same() {
    let authority = Authority::new("test authority");
    let port = serve(authority.issue(&["a.example"]).acceptor());
    let (one, other) = (authority.connector(), authority.connector());
    let client = client(Some(one.clone()));
    let get = || Request::get(format!("https://a.example:{port}/"));
    let mut reused = Vec::new();
    for request in [
        get(),
        get().tls(other.clone()),
        get().tls(one),
        get().tls(other),
        get().validate_cert(false),
        get().validate_cert(false),
    ] {
        reused.push(yield_!(client.fetch(request)).unwrap().time_info().reused);
    }
    assert_eq!(reused, [false, false, true, true, false, true]);
}

#[squall::test]
fn handshake_is_within_the_connect_timeout() {
    let authority = Authority::new("test authority");
    let silent = Server::start(|peer| async move {
        peer.stream.read_until_close(1 << 16).await?;
        Ok(())
    });
    let client = client(Some(authority.connector()));
    let url = format!("https://a.example:{}/", silent.port);
    let request = Request::get(&url).connect_timeout(3 * SECOND);
    let error = yield_!(fails(&client, request));
    let want = "timed out after 3 s while agreeing on TLS with a.example";
    assert_eq!(text(&error), want);
    assert!(error.is_timeout() && error.stage() == Stage::Handshake);
}

#[squall::test]
fn plain_server_on_a_tls_port_and_the_other_way_round() {
    let authority = Authority::new("test authority");
    let client = client(Some(authority.connector()));
    let plain = Server::start(|peer| async move {
        peer.stream.read_partial(100).await?;
        peer.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            .await?;
        peer.closed().await
    });
    let error = yield_!(fails(&client, format!("https://a.example:{}/", plain.port)));
    let want =
        "TLS handshake with a.example failed: the peer speaks plain HTTP where TLS was expected";
    assert_eq!(text(&error), want);
    let port = serve(authority.issue(&["a.example"]).acceptor());
    let error = yield_!(fails(&client, format!("http://a.example:{port}/")));
    assert_eq!(error.stage(), Stage::Head, "{error}");
}

#[squall::test]
fn redirects_go_between_http_and_https() {
    let authority = Authority::new("test authority");
    let port = serve(authority.issue(&["a.example", "b.example"]).acceptor());
    let secure = format!("https://a.example:{port}");
    let to = format!("{secure}/credentials");
    let plain = Server::answering(redirect(302, &to));
    let client = client(Some(authority.connector()));
    let get = |url: String| Request::get(url).auth("user", "secret");
    let up = yield_!(client.fetch(get(plain.url("/")))).unwrap();
    assert_eq!(up.effective_url().as_str(), to);
    assert_eq!(up.body(), b"false", "it is another origin");
    let own = format!("{secure}/away?to=/credentials");
    assert_eq!(yield_!(client.fetch(get(own))).unwrap().body(), b"true");
    let other = format!("{secure}/away?to=https://b.example:{port}/credentials");
    assert_eq!(yield_!(client.fetch(get(other))).unwrap().body(), b"false");

    let open = Server::answering(ok("in clear"));
    let down = format!("{secure}/away?to={}", open.url("/"));
    assert_eq!(
        yield_!(client.fetch(get(down))).unwrap().body(),
        b"in clear"
    );
}

/// Serves one connection after the other over TLS.
fn scripted<F>(acceptor: TlsAcceptor, play: impl Fn(IoStream) -> F + 'static) -> u16
where
    F: Future<Output = squall::Result<()>> + 'static,
{
    let server = TcpServer::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    drop(
        server
            .tls(acceptor)
            .serve(move |stream, _| run(play(stream))),
    );
    port
}

#[squall::coroutine]
fn run<R: Future<Output = squall::Result<()>> + 'static>(play: R) {
    let _ = yield_!(play);
}

// A close without the end of TLS may be anybody's: what ends by it is not known to be whole.
#[squall::test]
fn body_that_ends_with_the_connection_needs_the_end_of_tls() {
    let authority = Authority::new("test authority");
    let acceptor = authority.issue(&["a.example"]).acceptor();
    let client = client(Some(authority.connector()));
    for is_cut in [false, true] {
        let cut = Rc::new(Cell::new(false));
        let about_to_end = cut.clone();
        let port = scripted(acceptor.clone(), move |stream| {
            let about_to_end = about_to_end.clone();
            async move {
                stream.read_until(b"\r\n\r\n", 1 << 16).await?;
                stream.write(b"HTTP/1.1 200 OK\r\n\r\nall of it").await?;
                squall::sleep(SECOND).await;
                about_to_end.set(is_cut);
                Ok(())
            }
        });
        let between = TcpServer::bind("127.0.0.1:0").unwrap();
        let at = between.local_addr().unwrap().port();
        drop(between.serve(move |stream, _| relay(stream, port, cut.clone())));
        let fetched = yield_!(client.fetch(format!("https://a.example:{at}/")));
        match (is_cut, fetched) {
            (false, Ok(response)) => assert_eq!(response.body(), b"all of it"),
            (true, Err(error)) => {
                let want = "receiving the response body failed after 9 bytes: the connection ended \
                            without the end of TLS: what came may be cut off";
                assert_eq!(text(&error), want);
            }
            (_, other) => panic!("{is_cut}: {other:?}"),
        }
    }
}

/// Copies both ways; nothing more back once it is cut.
#[squall::coroutine]
fn relay(stream: IoStream, port: u16, cut: Rc<Cell<bool>>) -> squall::Result<()> {
    let to = Rc::new(yield_!(TcpClient::new().connect("127.0.0.1", port))?);
    let stream = Rc::new(stream);
    drop(copy(stream.clone(), to.clone()));
    loop {
        match yield_!(to.read_partial(1 << 16)) {
            Ok(bytes) if !cut.get() && !bytes.is_empty() => yield_!(stream.write(&bytes))?,
            _ => break,
        }
    }
    stream.close();
    Ok(())
}

/// A proxy that makes tunnels, with TLS or without, and notes whom it was asked for.
fn tunnels(tls: Option<TlsAcceptor>, asked: Rc<RefCell<Vec<String>>>) -> u16 {
    let server = TcpServer::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let server = match tls {
        Some(tls) => server.tls(tls),
        None => server,
    };
    drop(server.serve(move |stream, _| tunnel(stream, asked.clone())));
    port
}

#[squall::coroutine]
fn tunnel(stream: IoStream, asked: Rc<RefCell<Vec<String>>>) -> squall::Result<()> {
    let head = yield_!(stream.read_until(b"\r\n\r\n", 1 << 16))?;
    let head = String::from_utf8_lossy(&head).into_owned();
    let line = head.lines().next().unwrap_or_default().to_owned();
    asked.borrow_mut().push(line.clone());
    let port = line.split([':', ' ']).nth(2).unwrap_or_default().to_owned();
    let to = TcpClient::new().connect("127.0.0.1", port.parse().unwrap());
    let to = Rc::new(yield_!(to)?);
    yield_!(stream.write(b"HTTP/1.1 200 OK\r\n\r\n"))?;
    let stream = Rc::new(stream);
    drop(copy(stream.clone(), to.clone()));
    yield_!(copy(to, stream))
}

#[squall::coroutine]
fn copy(from: Rc<IoStream>, to: Rc<IoStream>) -> squall::Result<()> {
    loop {
        let bytes = yield_!(from.read_partial(1 << 16))?;
        if bytes.is_empty() {
            to.close();
            return Ok(());
        }
        yield_!(to.write(&bytes))?;
    }
}

#[squall::test]
fn proxies_are_gone_through_by_a_tunnel() {
    let authority = Authority::new("test authority");
    let port = serve(authority.issue(&["a.example"]).acceptor());
    let url = format!("https://a.example:{port}/");
    let of_proxy = authority.issue(&["proxy.example"]).acceptor();
    for is_secure in [false, true] {
        let asked = Rc::new(RefCell::new(Vec::new()));
        let tls = is_secure.then(|| of_proxy.clone());
        let at = tunnels(tls, asked.clone());
        let scheme = if is_secure { "https" } else { "http" };
        let proxy = Proxy::new(&format!("{scheme}://proxy.example:{at}")).unwrap();
        let client = AsyncHttpClient::with_config(ClientConfig {
            tls: Some(authority.connector()),
            http2: false,
            proxies: Proxies::all(proxy.clone()),
            hostname_mapping: [("proxy.example".to_owned(), "127.0.0.1".to_owned())].into(),
            ..ClientConfig::default()
        });
        for reused in [false, true] {
            let response = yield_!(client.fetch(&url)).unwrap();
            assert_eq!(response.text().unwrap(), "https a.example http/1.1 0");
            assert_eq!(response.time_info().reused, reused);
        }
        assert_eq!(
            *asked.borrow(),
            [format!("CONNECT a.example:{port} HTTP/1.1")]
        );
        // What the request believes of the server says nothing about the proxy.
        let blind = Authority::new("stranger").connector();
        let request = Request::get(&url)
            .proxy(proxy.tls(blind))
            .validate_cert(false);
        let fetched = yield_!(client.fetch(request));
        match is_secure {
            false => assert_eq!(fetched.unwrap().status(), 200),
            true => {
                let want = "TLS handshake with proxy.example failed: the peer's certificate is signed \
                            by nobody who is trusted here";
                assert_eq!(text(&fetched.unwrap_err()), want);
            }
        }
    }
}

#[squall::test]
fn proxy_with_tls_is_sent_plain_requests_as_well() {
    let authority = Authority::new("test authority");
    let of_proxy = authority.issue(&["proxy.example"]).acceptor();
    let port = scripted(of_proxy, |stream| async move {
        let head = stream.read_until(b"\r\n\r\n", 1 << 16).await?;
        let line = String::from_utf8_lossy(&head)
            .lines()
            .next()
            .map(str::to_owned);
        stream
            .write(ok(&line.unwrap_or_default()).as_bytes())
            .await?;
        squall::sleep(Duration::from_secs(1)).await;
        Ok(())
    });
    let proxy = Proxy::new(&format!("https://proxy.example:{port}")).unwrap();
    let client = client(Some(authority.connector()));
    let request = Request::get("http://a.example/x").proxy(proxy);
    let response = yield_!(client.fetch(request)).unwrap();
    assert_eq!(response.body(), b"GET http://a.example/x HTTP/1.1");
}
