//! How connections end: pings that nobody answers, closes that nobody answers, broken connections, and
//! the end of the server.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use squall::net::{IoStream, TcpServer};
use squall::{IoLoop, sleep, yield_};
use squall_web::websocket::{Closed, Message, WebSocketHandler, WebSocketOptions, WebSocketSender};
use squall_web::{Application, Exchange, HttpServer, Result};

use super::{close_code, dial, echo_app, frame, handshake, masked, open, serve, serve_echo, text};
use crate::support::Trace;

const SECOND: Duration = Duration::from_secs(1);

fn seconds_since(began: std::time::Instant) -> f64 {
    (IoLoop::current().time() - began).as_secs_f64()
}

/// A server that notes how each of its connections has ended.
fn notes(options: WebSocketOptions) -> (SocketAddr, Rc<RefCell<Vec<Closed>>>) {
    let ends: Rc<RefCell<Vec<Closed>>> = Rc::default();
    let noted = ends.clone();
    let app = Application::new().get("/ws", async move |ex: &mut Exchange| -> Result<()> {
        let mut ws = yield_!(ex.websocket_with(&options))?;
        while let Some(message) = yield_!(ws.recv()) {
            if message.as_text() == Some("close") {
                yield_!(ws.close(1001, "goodbye"))?;
            }
        }
        noted.borrow_mut().push(ws.closed().expect("it is over"));
        Ok(())
    });
    (serve(app), ends)
}

fn pings(interval: u64, timeout: Option<u64>) -> WebSocketOptions {
    WebSocketOptions {
        ping_interval: Some(Duration::from_secs(interval)),
        ping_timeout: timeout.map(Duration::from_secs),
        ..WebSocketOptions::default()
    }
}

#[squall::test]
fn quiet_connection_is_pinged_and_stays() {
    // W15, from both sides: hours of nothing but pings.
    let (address, ends) = notes(pings(20, None));
    let mut server_pings = yield_!(dial(address, WebSocketOptions::default()));
    let mut both_ping = yield_!(dial(address, pings(7, Some(3))));
    #[squall::coroutine]
    fn quiet(ws: &mut squall_web::websocket::WebSocket) -> bool {
        yield_!(squall::with_timeout(100 * SECOND, ws.recv())).is_err()
    }
    let (one, two) = yield_!((quiet(&mut server_pings), quiet(&mut both_ping)));
    assert!(one && two);
    assert!(ends.borrow().iter().all(|end| end.code.as_u16() == 1000));
    yield_!(both_ping.close(1000, "")).unwrap();
}

#[squall::test]
fn pings_come_on_their_interval() {
    let (address, _) = notes(pings(20, Some(5)));
    let stream = yield_!(open(address));
    let began = IoLoop::current().time();
    for n in 1..=3 {
        assert_eq!(yield_!(frame(&stream)), Some((0x89, vec![])));
        let at = seconds_since(began);
        assert!((at - 20.0 * f64::from(n)).abs() < 1.0, "{at}");
        yield_!(sleep(2 * SECOND));
        yield_!(stream.write(&masked(0x8a, b""))).unwrap();
    }
}

#[squall::test]
fn unanswered_ping_ends_the_connection() {
    // W15
    let (address, ends) = notes(pings(20, Some(5)));
    let stream = yield_!(open(address));
    let began = IoLoop::current().time();
    assert_eq!(yield_!(frame(&stream)), Some((0x89, vec![])));
    let (first, payload) = yield_!(frame(&stream)).unwrap();
    assert_eq!((first, &*payload), (0x88, &b"\x03\xe8ping timed out"[..]));
    let at = seconds_since(began);
    assert!((24.0..26.0).contains(&at), "{at}");
    // It does not answer the close either, and is cut.
    assert_eq!(yield_!(frame(&stream)), None);
    let at = seconds_since(began);
    assert!((29.0..31.0).contains(&at), "{at}");
    yield_!(sleep(SECOND));
    assert_eq!(ends.borrow()[0].reason, "ping timed out");
}

#[squall::test]
fn whatever_comes_shows_that_the_peer_is_alive() {
    let (address, ends) = notes(pings(20, Some(5)));
    let stream = yield_!(open(address));
    // A long message, which its pong cannot overtake.
    yield_!(stream.write(&masked(0x82, &[b'x'; 60])[..6])).unwrap();
    for _ in 0..60 {
        yield_!(sleep(2 * SECOND));
        yield_!(stream.write(b"x")).unwrap();
    }
    assert_eq!(ends.borrow().len(), 0);
}

#[squall::test]
fn close_that_is_not_answered_is_cut_in_time() {
    let (address, ends) = notes(WebSocketOptions::default());
    let stream = yield_!(open(address));
    yield_!(stream.write(&masked(0x81, b"close"))).unwrap();
    let began = IoLoop::current().time();
    let (first, payload) = yield_!(frame(&stream)).unwrap();
    assert_eq!((first, &*payload), (0x88, &b"\x03\xe9goodbye"[..]));
    // What comes instead of an answer is dropped.
    yield_!(stream.write(&masked(0x81, b"late"))).unwrap();
    yield_!(stream.write(&masked(0x89, b"late"))).unwrap();
    assert_eq!(yield_!(frame(&stream)), None);
    let at = seconds_since(began);
    assert!((4.5..6.0).contains(&at), "{at}");
    yield_!(sleep(SECOND));
    let ends = ends.borrow();
    assert_eq!(
        (ends[0].code.as_u16(), &*ends[0].reason, ends[0].by_peer),
        (1001, "goodbye", false)
    );
}

#[squall::test]
fn close_is_answered_by_its_code_alone() {
    // W7, from both sides.
    let (address, ends) = notes(WebSocketOptions::default());
    let mut ws = yield_!(dial(address, WebSocketOptions::default()));
    yield_!(ws.send("close")).unwrap();
    assert_eq!(yield_!(ws.recv()), None);
    let closed = ws.closed().unwrap();
    assert_eq!(
        (closed.code.as_u16(), &*closed.reason, closed.by_peer),
        (1001, "goodbye", true)
    );

    let mut ws = yield_!(dial(address, WebSocketOptions::default()));
    yield_!(ws.close(4321, "enough")).unwrap();
    let closed = ws.closed().unwrap();
    assert_eq!(
        (closed.code.as_u16(), &*closed.reason, closed.by_peer),
        (4321, "enough", false)
    );
    yield_!(sleep(SECOND));
    let ends = ends.borrow();
    assert_eq!(
        (ends[1].code.as_u16(), &*ends[1].reason, ends[1].by_peer),
        (4321, "enough", true)
    );
}

#[squall::test]
fn both_may_close_at_the_same_time() {
    let (address, ends) = notes(WebSocketOptions::default());
    let stream = yield_!(open(address));
    let both = [masked(0x81, b"close"), masked(0x88, b"\x0f\xa0")].concat();
    yield_!(stream.write(&both)).unwrap();
    assert_eq!(yield_!(close_code(&stream)), 1001);
    yield_!(sleep(SECOND));
    assert_eq!(ends.borrow().len(), 1);
}

#[squall::test]
fn broken_connection_is_1006() {
    let (address, ends) = notes(WebSocketOptions::default());
    let stream = yield_!(open(address));
    yield_!(stream.write(&masked(0x81, b"half a message")[..9])).unwrap();
    drop(stream);
    yield_!(sleep(SECOND));
    let ends = ends.borrow();
    assert_eq!((ends[0].code.as_u16(), ends[0].by_peer), (1006, true));
}

#[squall::test]
fn peer_that_breaks_the_protocol_is_told_though_it_still_sends() {
    // W13: the limit is noticed by the header, and the close gets through megabytes that follow.
    let (address, ends) = notes(WebSocketOptions {
        max_message_bytes: 1000,
        ..WebSocketOptions::default()
    });
    let mut ws = yield_!(dial(address, WebSocketOptions::default()));
    yield_!(ws.send(vec![0; 8 << 20])).unwrap();
    assert_eq!(yield_!(ws.recv()), None);
    let closed = ws.closed().unwrap();
    assert_eq!(
        (closed.code.as_u16(), &*closed.reason),
        (1009, "message over 1000 bytes")
    );
    assert_eq!(ends.borrow()[0].code.as_u16(), 1009);
}

#[squall::test]
fn client_judges_its_server_as_well() {
    for (wire, code) in [
        (&b"\x81\x80\0\0\0\0"[..], 1002),
        (b"\x81\x01\xff", 1007),
        (b"\xc1\x00", 1002),
        (b"\x82\x7f\0\0\0\0\x10\0\0\0", 1009),
    ] {
        let address = yield_!(fake_server(wire.to_vec()));
        let mut ws = yield_!(dial(address, WebSocketOptions::default()));
        assert_eq!(yield_!(ws.recv()), None);
        assert_eq!(ws.closed().unwrap().code.as_u16(), code);
    }
}

/// A server that answers any handshake, and sends these bytes.
#[squall::coroutine]
fn fake_server(wire: Vec<u8>) -> SocketAddr {
    let server = TcpServer::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    #[squall::coroutine]
    fn serve(server: TcpServer, wire: Vec<u8>) {
        let (stream, _) = yield_!(server.accept()).unwrap();
        yield_!(super::connect::answer(&stream, "")).unwrap();
        yield_!(stream.write(&wire)).unwrap();
        let _ = yield_!(stream.read_until_close(1 << 20));
    }
    drop(serve(server, wire));
    address
}

#[squall::test]
fn pongs_that_are_not_taken_are_not_collected() {
    // W17: of a thousand pings whose pongs are blocked the first and the latest are answered.
    let kept: Rc<RefCell<Option<WebSocketSender>>> = Rc::default();
    let sender = kept.clone();
    let app = Application::new().get("/ws", async move |ex: &mut Exchange| -> Result<()> {
        let mut ws = yield_!(ex.websocket())?;
        *sender.borrow_mut() = Some(ws.sender());
        while yield_!(ws.recv()).is_some() {}
        Ok(())
    });
    let stream = yield_!(open(serve(app)));
    yield_!(sleep(SECOND));
    let sender = kept.take().unwrap();
    while sender.queued_bytes() == 0 {
        sender.push(vec![0; 4 << 20]).unwrap();
        yield_!(sleep(Duration::from_millis(10)));
    }
    for n in 0..1000 {
        yield_!(stream.write(&masked(0x89, format!("{n}").as_bytes()))).unwrap();
    }
    yield_!(sleep(SECOND));
    yield_!(stream.write(&masked(0x88, b"\x03\xe8"))).unwrap();
    let mut pongs = Vec::new();
    while let Some((first, payload)) = yield_!(frame(&stream)) {
        if first == 0x8a {
            pongs.push(String::from_utf8(payload).unwrap());
        }
    }
    assert_eq!(pongs, ["0", "999"]);
}

// The server's end.

#[squall::test]
fn drain_tells_everybody_and_waits_for_them() {
    let server = HttpServer::new(echo_app(WebSocketOptions::default()));
    let address = server.listen("127.0.0.1:0").unwrap().local_addr();
    let mut one = yield_!(dial(address, WebSocketOptions::default()));
    let silent = yield_!(open(address));
    #[squall::coroutine]
    fn drain(server: HttpServer) -> squall_web::Drained {
        yield_!(server.drain(30 * SECOND))
    }
    yield_!(sleep(SECOND));
    let began = IoLoop::current().time();
    let draining = drain(server);
    assert_eq!(yield_!(one.recv()), None);
    assert_eq!(one.closed().unwrap().code.as_u16(), 1001);
    let (first, payload) = yield_!(frame(&silent)).unwrap();
    assert_eq!((first, &*payload), (0x88, &b"\x03\xe9"[..]));
    let drained = yield_!(draining);
    assert!(drained.is_clean(), "{drained:?}");
    // As long as a close may take, for the one that does not answer.
    let at = seconds_since(began);
    assert!((4.0..7.0).contains(&at), "{at}");
}

struct Farewell(Trace);

impl WebSocketHandler for Farewell {
    #[squall::coroutine]
    fn on_message(&mut self, ws: &WebSocketSender, message: Message) -> Result<()> {
        yield_!(ws.send(message))?;
        Ok(())
    }

    #[squall::coroutine]
    fn on_shutdown(&mut self, ws: &WebSocketSender) -> Result<()> {
        self.0.add("on_shutdown");
        yield_!(ws.send("until tomorrow"))?;
        ws.close(1012, "restart")?;
        Ok(())
    }

    fn on_close(&mut self, closed: &Closed) {
        self.0.add(format!("on_close {closed}"));
    }
}

#[squall::test]
fn handler_says_farewell() {
    let trace = Trace::new();
    let noted = trace.clone();
    let app = Application::new().websocket("/ws", move || Farewell(noted.clone()));
    let server = HttpServer::new(app);
    let address = server.listen("127.0.0.1:0").unwrap().local_addr();
    let mut ws = yield_!(dial(address, WebSocketOptions::default()));
    yield_!(ws.send("hello")).unwrap();
    assert_eq!(text(yield_!(ws.recv())).as_deref(), Some("hello"));
    #[squall::coroutine]
    fn drain(server: HttpServer) -> squall_web::Drained {
        yield_!(server.drain(30 * SECOND))
    }
    let draining = drain(server);
    assert_eq!(text(yield_!(ws.recv())).as_deref(), Some("until tomorrow"));
    assert_eq!(yield_!(ws.recv()), None);
    assert_eq!(ws.closed().unwrap().code.as_u16(), 1012);
    assert!(yield_!(draining).is_clean());
    assert_eq!(
        trace.take(),
        ["on_shutdown", "on_close by this side, with 1012 (restart)"]
    );
}

#[squall::test]
fn idle_connection_is_not_cut_by_the_servers_idle_time() {
    let address = serve_echo(WebSocketOptions::default());
    let mut ws = yield_!(dial(address, WebSocketOptions::default()));
    // Ten times as long as one of HTTP's may idle.
    yield_!(sleep(750 * SECOND));
    yield_!(ws.send("still there")).unwrap();
    assert_eq!(text(yield_!(ws.recv())).as_deref(), Some("still there"));
}

#[squall::test]
fn connections_run_in_memory_as_well() {
    let (near, far) = IoStream::pair();
    let server = HttpServer::new(echo_app(WebSocketOptions::default()));
    drop(server.serve_stream(far));
    yield_!(near.write(handshake("").as_bytes())).unwrap();
    yield_!(near.read_until(b"\r\n\r\n", 65536)).unwrap();
    yield_!(near.write(&masked(0x81, b"hello"))).unwrap();
    assert_eq!(yield_!(frame(&near)), Some((0x81, b"hello".to_vec())));
    yield_!(near.write(&masked(0x88, b"\x03\xe8"))).unwrap();
    assert_eq!(yield_!(close_code(&near)), 1000);
}
