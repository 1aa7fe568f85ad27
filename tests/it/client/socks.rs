//! Through SOCKS.

use std::cell::RefCell;
use std::rc::Rc;

use squall::net::{IoStream, TcpClient, TcpServer};
use squall::yield_;
use squall_web::client::{AsyncHttpClient, ClientConfig, Proxies, Proxy, Request, Stage};
use squall_web::{Application, Exchange, HttpServer};

use super::{Server, ok, text};
use crate::net::tls::Authority;

/// A proxy of RFC 1928 that notes what it is asked for: user, kind of address, address.
fn socks(asked: Rc<RefCell<Vec<String>>>, asks_user: bool) -> u16 {
    let server = TcpServer::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    drop(server.serve(move |stream, _| serve(stream, asked.clone(), asks_user)));
    port
}

#[squall::coroutine]
fn serve(stream: IoStream, asked: Rc<RefCell<Vec<String>>>, asks_user: bool) -> squall::Result<()> {
    let hello = yield_!(stream.read_bytes(2))?;
    assert_eq!(hello[0], 5);
    let methods = yield_!(stream.read_bytes(usize::from(hello[1])))?;
    let method = if asks_user { 2 } else { 0 };
    if !methods.contains(&method) {
        yield_!(stream.write(&[5, 0xff]))?;
        return Ok(());
    }
    yield_!(stream.write(&[5, method]))?;
    let mut note = String::new();
    if asks_user {
        assert_eq!(yield_!(stream.read_bytes(1))?, [1]);
        for _ in 0..2 {
            let length = yield_!(stream.read_bytes(1))?[0];
            let part = yield_!(stream.read_bytes(length.into()))?;
            note += &format!("{} ", String::from_utf8_lossy(&part));
        }
        let is_known = note.starts_with("user secret ");
        yield_!(stream.write(&[1, u8::from(!is_known)]))?;
        if !is_known {
            return Ok(());
        }
    }
    let head = yield_!(stream.read_bytes(4))?;
    assert_eq!(head[..3], [5, 1, 0]);
    note += &match head[3] {
        1 => format!("4 {:?}", yield_!(stream.read_bytes(4))?),
        4 => format!("6 {:?}", yield_!(stream.read_bytes(16))?),
        3 => {
            let length = yield_!(stream.read_bytes(1))?[0];
            let name = yield_!(stream.read_bytes(length.into()))?;
            format!("name {}", String::from_utf8_lossy(&name))
        }
        kind => panic!("{kind}"),
    };
    let port = yield_!(stream.read_bytes(2))?;
    let port = u16::from_be_bytes([port[0], port[1]]);
    let is_refused = note.ends_with("refused.example");
    asked.borrow_mut().push(note);
    if is_refused {
        yield_!(stream.write(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]))?;
        return Ok(());
    }
    let to = Rc::new(yield_!(TcpClient::new().connect("127.0.0.1", port))?);
    // Its own end is a name, with a length that has to be read.
    yield_!(stream.write(b"\x05\x00\x00\x03\x05proxy\x12\x34"))?;
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

fn through(proxy: &str) -> AsyncHttpClient {
    AsyncHttpClient::with_config(ClientConfig {
        proxies: Proxies::all(Proxy::new(proxy).unwrap()),
        hostname_mapping: [("b.example".to_owned(), "127.0.0.1".to_owned())].into(),
        ..ClientConfig::default()
    })
}

#[squall::test]
fn names_are_looked_up_here_or_there() {
    let server = Server::answering(ok("through"));
    let asked = Rc::new(RefCell::new(Vec::new()));
    let proxy = socks(asked.clone(), false);
    let (here, there) = (
        through(&format!("socks5://127.0.0.1:{proxy}")),
        through(&format!("socks5h://127.0.0.1:{proxy}")),
    );
    for (client, host) in [
        (&here, "b.example"),
        (&there, "a.example"),
        (&there, "127.0.0.1"),
        (&there, "[::1]"),
    ] {
        for reused in [false, true] {
            let url = format!("http://{host}:{}/x", server.port);
            let response = yield_!(client.fetch(url)).unwrap();
            assert_eq!(response.body(), b"through");
            assert_eq!(response.time_info().reused, reused, "{host}");
        }
    }
    let want = [
        "4 [127, 0, 0, 1]",
        "name a.example",
        "4 [127, 0, 0, 1]",
        "6 [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]",
    ];
    assert_eq!(*asked.borrow(), want);
    // The server is sent requests as without a proxy.
    assert_eq!(server.log.take()[0], "1 GET /x");
}

#[squall::test]
fn user_is_told_and_refusals_are_explained() {
    let server = Server::answering(ok("through"));
    let asked = Rc::new(RefCell::new(Vec::new()));
    let proxy = socks(asked.clone(), true);
    let url = format!("http://a.example:{}/", server.port);
    let client = through(&format!("socks5h://user:s%65cret@127.0.0.1:{proxy}"));
    assert_eq!(yield_!(client.fetch(&url)).unwrap().body(), b"through");
    assert_eq!(*asked.borrow(), ["user secret name a.example"]);

    let not_socks = Server::answering("HTTP/1.1 400 Bad Request\r\n\r\n");
    let with = |user: &str, port| format!("socks5h://{user}127.0.0.1:{port}");
    for (proxy, url, why) in [
        (
            with("user:wrong@", proxy),
            &*url,
            "the proxy refused user name and password",
        ),
        (
            with("", proxy),
            &*url,
            "the proxy wants a user name; see Proxy::auth",
        ),
        (
            with("user:secret@", proxy),
            "http://refused.example/",
            "the proxy answered: the host refused the connection",
        ),
        (with("", not_socks.port), &*url, ""),
    ] {
        let request = Request::get(url).connect_timeout(crate::support::SECOND);
        let error = yield_!(through(&proxy).fetch(request)).unwrap_err();
        assert_eq!(error.stage(), Stage::Proxy, "{error}");
        assert!(
            text(&error).contains("a tunnel through 127.0.0.1:"),
            "{error}"
        );
        assert!(text(&error).ends_with(why), "{error}");
    }
}

#[squall::test]
fn tls_goes_through() {
    let authority = Authority::new("test authority");
    let app = Application::new().get("/", |ex: &mut Exchange| ex.write("secure"));
    let server = HttpServer::new(app).tls(authority.issue(&["a.example"]).acceptor());
    let port = server.listen("127.0.0.1:0").unwrap().local_addr().port();
    let proxy = socks(Rc::default(), false);
    let client = through(&format!("socks5h://127.0.0.1:{proxy}"));
    let request = Request::get(format!("https://a.example:{port}/")).tls(authority.connector());
    assert_eq!(yield_!(client.fetch(request)).unwrap().body(), b"secure");
}
