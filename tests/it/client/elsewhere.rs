//! Unix sockets, and resolvers of one's own.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use squall::net::{ListenOptions, OverrideResolver, Resolver, TcpServer, ThreadedResolver};
use squall::{Deferred, yield_};
use squall_web::client::{AsyncHttpClient, ClientConfig, Request, Stage};
use squall_web::{Application, Exchange, HttpServer};

use super::{Server, ok, text};
use crate::programs::Folder;

fn host(ex: &mut Exchange) {
    let host = ex.request().host().unwrap_or_default().to_owned();
    ex.write(host);
}

#[squall::test]
fn unix_socket_stands_for_any_host() {
    let folder = Folder::new("client");
    let path = folder.join("socket");
    let server = HttpServer::new(Application::new().get("/", host));
    let listener = TcpServer::bind_unix(&path, &ListenOptions::default()).unwrap();
    let serving = listener.serve(move |stream, _| server.serve_stream(stream));
    let client = AsyncHttpClient::new();
    let get = |url: &str| client.fetch(Request::get(url).unix_socket(&path));
    let first = yield_!(get("http://docker/")).unwrap();
    assert_eq!(first.text().unwrap(), "docker");
    assert!(!first.time_info().reused);
    let second = yield_!(get("http://docker/")).unwrap();
    assert!(second.time_info().reused);
    // Another host may be another server behind the same socket.
    let other = yield_!(get("http://other:81/")).unwrap();
    assert_eq!(other.text().unwrap(), "other:81");
    assert!(!other.time_info().reused);
    client.close();
    serving.cancel();
    let lost = Request::get("http://docker/").unix_socket("/nowhere/at.sock");
    let error = yield_!(AsyncHttpClient::new().fetch(lost)).unwrap_err();
    assert_eq!(error.stage(), Stage::Connect);
    let want =
        "connect to /nowhere/at.sock failed: no connection to /nowhere/at.sock: No such file";
    assert!(text(&error).starts_with(want), "{error}");
}

/// Notes what it is asked.
#[derive(Debug)]
struct Noted {
    asked: Rc<RefCell<Vec<String>>>,
    inner: OverrideResolver<ThreadedResolver>,
}

impl Resolver for Noted {
    fn resolve(&self, host: &str, port: u16) -> Deferred<squall::Result<Vec<SocketAddr>>> {
        self.asked.borrow_mut().push(format!("{host}:{port}"));
        self.inner.resolve(host, port)
    }
}

#[squall::test]
fn resolver_of_the_client_is_asked() {
    let server = Server::answering(ok("here"));
    let asked = Rc::new(RefCell::new(Vec::new()));
    let inner = OverrideResolver::new(ThreadedResolver::new());
    let client = AsyncHttpClient::with_config(ClientConfig {
        resolver: Some(Rc::new(Noted {
            asked: asked.clone(),
            inner: inner.host("a.example", "127.0.0.1"),
        })),
        hostname_mapping: [("b.example".to_owned(), "a.example".to_owned())].into(),
        ..ClientConfig::default()
    });
    for host in ["a.example", "b.example"] {
        let url = format!("http://{host}:{}/", server.port);
        assert_eq!(yield_!(client.fetch(url)).unwrap().body(), b"here");
    }
    let want = format!("a.example:{}", server.port);
    assert_eq!(*asked.borrow(), [want.clone(), want]);
}
