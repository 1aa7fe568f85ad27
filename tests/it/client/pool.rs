//! How many at a time, in which order, and what is left behind.

use std::cell::Cell;
use std::rc::Rc;

use squall::{IoLoop, sleep, yield_};
use squall_web::client::{AsyncHttpClient, ClientConfig, Request, Stage};
use squall_web::{Application, Exchange, HttpServer, Result};

use super::{Server, ok, text};
use crate::support::{SECOND, live_names, run_real};

/// Requests that are under way now, the most of them, and connections.
type Counts = Rc<Cell<(usize, usize, usize)>>;

/// Answers after a second, and counts.
fn counting() -> (Server, Counts) {
    let counts = Counts::default();
    let counted = counts.clone();
    let server = Server::start(move |peer| {
        let counts = counted.clone();
        async move {
            let (now, most, connections) = counts.get();
            counts.set((now, most, connections + 1));
            loop {
                peer.read().await?;
                let (now, most, connections) = counts.get();
                counts.set((now + 1, most.max(now + 1), connections));
                sleep(SECOND).await;
                let (now, most, connections) = counts.get();
                counts.set((now - 1, most, connections));
                peer.write(ok("")).await?;
            }
        }
    });
    (server, counts)
}

fn limited(max_clients: usize, max_clients_per_host: usize) -> AsyncHttpClient {
    AsyncHttpClient::with_config(ClientConfig {
        max_clients,
        max_clients_per_host,
        ..ClientConfig::default()
    })
}

#[squall::test]
fn thousand_fetches_share_ten_connections() {
    let (server, counts) = counting();
    let client = limited(512, 10);
    let fetches: Vec<_> = (0..1000)
        .map(|n| {
            client.fetch(
                Request::get(server.url(&format!("/{n}")))
                    .timeout(None)
                    .connect_timeout(None),
            )
        })
        .collect();
    let responses = yield_!(fetches).unwrap();
    assert_eq!(responses.len(), 1000);
    assert_eq!(counts.get(), (0, 10, 10));
    let log = server.log.take();
    let order: Vec<usize> = (log
        .iter()
        .map(|line| line.rsplit_once('/').unwrap().1.parse().unwrap()))
    .collect();
    // First come, first served: nobody is passed by more than those who were served with him.
    assert!(
        order.iter().enumerate().all(|(at, n)| at.abs_diff(*n) < 10),
        "{order:?}"
    );
    assert_eq!(
        responses.iter().filter(|r| !r.time_info().reused).count(),
        10
    );
    assert!(responses[999].time_info().queue >= 99 * SECOND);
}

#[test]
fn thousand_fetches_of_the_servers_own_pass() {
    let served = run_real(|| async {
        let app = Application::new().get("/{n}", |ex: &mut Exchange| -> Result<()> {
            let n: usize = ex.path_argument("n")?;
            ex.write(format!("{n}"));
            Ok(())
        });
        let server = HttpServer::new(app).listen("127.0.0.1:0").unwrap();
        let site = format!("http://{}", server.local_addr());
        let client = limited(10, 256);
        let fetches: Vec<_> = (0..1000)
            .map(|n| client.fetch(format!("{site}/{n}")))
            .collect();
        let responses = yield_!(fetches).unwrap();
        responses
            .iter()
            .enumerate()
            .filter(|(n, response)| response.text().unwrap() == n.to_string())
            .count()
    });
    assert_eq!(served, 1000);
}

#[squall::test]
fn fetches_are_limited_in_all_and_for_each_host() {
    // S1
    let (one, counts_of_one) = counting();
    let (two, counts_of_two) = counting();
    let client = limited(3, 2);
    let mut fetches = Vec::new();
    for _ in 0..6 {
        fetches.push(client.fetch(one.url("/")));
        fetches.push(client.fetch(two.url("/")));
    }
    yield_!(sleep(SECOND / 2));
    let (now_one, now_two) = (counts_of_one.get().0, counts_of_two.get().0);
    assert_eq!(now_one + now_two, 3);
    yield_!(fetches).unwrap();
    let most = (counts_of_one.get().1, counts_of_two.get().1);
    assert_eq!(most, (2, 2));
}

#[squall::test]
fn redirect_needs_no_second_place() {
    // S2
    let server = Server::start(|peer| async move {
        peer.read().await?;
        peer.write(super::redirect(302, "/b")).await?;
        peer.read().await?;
        peer.write(ok("")).await
    });
    yield_!(limited(1, 1).fetch(server.url("/a"))).unwrap();
    assert_eq!(server.log.take(), ["1 GET /a", "1 GET /b"]);
}

#[squall::test]
fn place_in_the_line_is_counted_for_the_timeouts() {
    // S9: "timeout in request queue"
    let (server, _) = counting();
    let client = limited(1, 256);
    let first = client.fetch(server.url("/"));
    let request = Request::get(server.url("/")).connect_timeout(SECOND / 2);
    let error = yield_!(client.fetch(request)).unwrap_err();
    assert_eq!(
        text(&error),
        "timed out after 500 ms while waiting for a free connection"
    );
    assert_eq!(error.stage(), Stage::Queue);
    assert!(error.is_connect() && error.is_timeout());
    yield_!(first).unwrap();
}

#[squall::test]
fn fetch_that_is_cancelled_closes_its_connection_and_lets_the_next_have_its_place() {
    let server = Server::start(|peer| async move {
        peer.read().await?;
        if peer.number == 1 {
            return peer.closed().await;
        }
        peer.write(ok("")).await?;
        peer.closed().await
    });
    let client = limited(1, 1);
    let first = client.fetch(server.url("/1"));
    let given_up = client.fetch(server.url("/2"));
    let last = client.fetch(server.url("/3"));
    yield_!(sleep(SECOND));
    assert!(given_up.cancel() && first.cancel());
    yield_!(last).unwrap();
    yield_!(sleep(SECOND));
    let mut log = server.log.take();
    log.sort();
    assert_eq!(log, ["1 GET /1", "1 closed", "2 GET /3"]);
    // S31: what comes of it later is nobody's.
    assert!(yield_!(first.or_cancelled()).is_err());
    assert!(yield_!(given_up.or_cancelled()).is_err());
    assert_eq!(
        live_names().iter().filter(|name| **name == "fetch").count(),
        0
    );
}

#[squall::test]
fn fetch_that_fails_gives_its_place_back() {
    let client = limited(1, 1);
    let unused = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for _ in 0..3 {
        yield_!(client.fetch(format!("http://{unused}/"))).unwrap_err();
        yield_!(client.fetch("http://no.such.name.invalid/")).unwrap_err();
        let short = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n");
        yield_!(client.fetch(short.url("/"))).unwrap_err();
    }
    let server = Server::answering(ok(""));
    yield_!(client.fetch(server.url("/"))).unwrap();
}

#[squall::test]
fn connection_that_was_used_last_is_used_first() {
    let server = Server::start(|peer| async move {
        loop {
            peer.read().await?;
            sleep(SECOND).await;
            peer.write(ok(&peer.number.to_string())).await?;
        }
    });
    let client = AsyncHttpClient::new();
    yield_!([client.fetch(server.url("/")), client.fetch(server.url("/"))]).unwrap();
    for _ in 0..3 {
        let response = yield_!(client.fetch(server.url("/"))).unwrap();
        assert_eq!(response.body(), b"2");
    }
}

#[squall::test]
fn closed_client_fetches_no_more_and_keeps_nothing() {
    let server = Server::start(|peer| async move {
        peer.read().await?;
        sleep(SECOND).await;
        peer.write(ok("")).await?;
        peer.closed().await
    });
    let client = AsyncHttpClient::new();
    yield_!(client.fetch(server.url("/1"))).unwrap();
    let (busy, under_way) = (AsyncHttpClient::new(), server.url("/2"));
    let under_way = busy.fetch(under_way);
    yield_!(sleep(SECOND / 2));
    client.close();
    busy.close();
    yield_!(under_way).unwrap();
    yield_!(sleep(SECOND));
    assert_eq!(
        server.log.take(),
        ["1 GET /1", "2 GET /2", "1 closed", "2 closed"]
    );
    let error = yield_!(client.fetch(server.url("/"))).unwrap_err();
    assert_eq!(text(&error), "the client is closed");
}

#[test]
fn connections_close_with_their_loop() {
    let (sender, closed) = std::sync::mpsc::channel();
    let port = super::thread_server(move |mut stream, number| {
        super::read_head(&mut stream)?;
        super::write_all(&mut stream, ok("").as_bytes())?;
        std::io::copy(&mut stream, &mut std::io::sink())?; // until the client closes
        let _ = sender.send(number);
        Ok(())
    });
    let client = AsyncHttpClient::new();
    let url = format!("http://127.0.0.1:{port}/");
    for number in 1..3 {
        let io_loop = IoLoop::new().unwrap();
        io_loop.run_sync(|| client.fetch(&url)).unwrap();
        assert!(format!("{client:?}").contains("idle: 1"), "{client:?}");
        io_loop.close();
        assert!(format!("{client:?}").contains("idle: 0"), "{client:?}");
        let patience = std::time::Duration::from_secs(30);
        assert_eq!(closed.recv_timeout(patience), Ok(number));
    }
}

/// A socket whose queue is full, so that the next to connect gets no answer.
fn deaf() -> (std::net::TcpListener, Vec<std::net::TcpStream>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let patience = std::time::Duration::from_millis(50);
    let mut queued = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, patience) {
        queued.push(stream);
    }
    (listener, queued)
}

#[squall::coroutine]
fn write_for_ever(body: squall_web::client::BodyWriter) -> squall::Result<()> {
    loop {
        yield_!(body.write([b'x'; 1000]))?;
    }
}

#[squall::test]
fn cancel_ends_a_fetch_wherever_it_is() {
    let (listener, _queued) = deaf();
    let deaf = format!("http://{}/", listener.local_addr().unwrap());
    let mute = Server::start(|peer| async move {
        sleep(3600 * SECOND).await;
        peer.closed().await
    });
    let half = Server::start(|peer| async move {
        peer.read().await?;
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
            .await?;
        peer.closed().await
    });
    let large = || vec![b'x'; 64 << 20];
    for (stage, request) in [
        ("connect", Request::get(deaf)),
        ("send", Request::put(mute.url("/"), large())),
        (
            "produce",
            Request::put(mute.url("/"), "").body_producer(write_for_ever),
        ),
        (
            "ask",
            Request::put(mute.url("/"), large()).expect_100_continue(true),
        ),
        ("head", Request::get(mute.url("/"))),
        ("body", Request::get(half.url("/"))),
        ("tunnel", {
            let proxy = squall_web::client::Proxy::new(&format!("127.0.0.1:{}", mute.port));
            Request::get("http://a.example/").proxy(proxy.unwrap().tunnel(true))
        }),
    ] {
        let fetch = AsyncHttpClient::new().fetch(request.timeout(None).connect_timeout(None));
        yield_!(sleep(SECOND / 2));
        let before = IoLoop::current().time();
        assert!(fetch.cancel(), "{stage}");
        let ended = yield_!(squall::with_timeout(SECOND, fetch.or_cancelled()));
        assert!(ended.expect(stage).is_err(), "{stage}");
        assert!(IoLoop::current().time() - before < SECOND, "{stage}");
    }
}
