//! What a `WebSocketHandler` is told, in which order; and what becomes of its failures.

use std::borrow::Cow;
use std::time::Duration;

use squall::{sleep, yield_};
use squall_web::websocket::{
    Closed, ConnectOptions, Message, WebSocketHandler, WebSocketOptions, WebSocketSender,
    websocket_connect,
};
use squall_web::{Application, Error, Exchange, Result, StatusCode};

use super::{close_code, dial, frame, masked, open, serve, text};
use crate::support::{Trace, capture_logs, run};

struct Traced {
    trace: Trace,
    options: WebSocketOptions,
}

impl WebSocketHandler for Traced {
    fn options(&self) -> WebSocketOptions {
        self.options.clone()
    }

    #[squall::coroutine]
    fn prepare(&mut self, ex: &mut Exchange) -> Result<()> {
        self.trace.add("prepare");
        match ex.argument_opt("key")?.as_deref() {
            Some("wrong") => Err(Error::status_only(StatusCode::UNAUTHORIZED)),
            _ => Ok(()),
        }
    }

    fn check_origin(&mut self, origin: &str) -> bool {
        self.trace.add(format!("check_origin {origin}"));
        origin.ends_with("friend.example")
    }

    fn select_subprotocol(&mut self, offered: &[String]) -> Option<Cow<'static, str>> {
        self.trace.add(format!("select_subprotocol {offered:?}"));
        offered.last().cloned().map(Cow::Owned)
    }

    #[squall::coroutine]
    fn open(&mut self, ws: &WebSocketSender) -> Result<()> {
        yield_!(sleep(Duration::from_millis(50)));
        self.trace.add(format!("open {:?}", ws.subprotocol()));
        Ok(())
    }

    #[squall::coroutine]
    fn on_message(&mut self, ws: &WebSocketSender, message: Message) -> Result<()> {
        let text = message.as_text().unwrap_or("").to_owned();
        self.trace.add(format!("on_message {text}"));
        match &*text {
            "fail" => return Err(Error::status_only(StatusCode::BAD_GATEWAY)),
            "panic" => panic!("secret-detail"),
            "cancel" => return Err(squall::Cancelled.into()),
            "close" => ws.close(4001, "as asked")?,
            _ => {
                yield_!(sleep(Duration::from_millis(50)));
                yield_!(ws.send(text.clone()))?;
            }
        }
        self.trace.add(format!("done {text}"));
        Ok(())
    }

    fn on_ping(&mut self, data: &[u8]) {
        self.trace.add(format!("on_ping {}", data.escape_ascii()));
    }

    fn on_pong(&mut self, data: &[u8]) {
        self.trace.add(format!("on_pong {}", data.escape_ascii()));
    }

    fn on_close(&mut self, closed: &Closed) {
        self.trace.add(format!("on_close {closed}"));
    }
}

fn app(trace: &Trace) -> Application {
    let trace = trace.clone();
    Application::new().websocket("/ws", move || Traced {
        trace: trace.clone(),
        options: WebSocketOptions::default(),
    })
}

#[squall::test]
fn handler_is_told_of_everything_in_order() {
    // W8, W11: messages wait for `open` and for each other.
    let trace = Trace::new();
    let stream = yield_!(open(serve(app(&trace))));
    let wire = [
        masked(0x81, b"one"),
        masked(0x89, b"p"),
        masked(0x8a, b"q"),
        masked(0x81, b"two"),
        masked(0x88, b"\x03\xe9bye"),
    ];
    yield_!(stream.write(&wire.concat())).unwrap();
    assert_eq!(yield_!(frame(&stream)), Some((0x81, b"one".to_vec())));
    assert_eq!(yield_!(frame(&stream)), Some((0x8a, b"p".to_vec())));
    assert_eq!(yield_!(frame(&stream)), Some((0x81, b"two".to_vec())));
    assert_eq!(yield_!(close_code(&stream)), 1001);
    let want = [
        "prepare",
        "select_subprotocol []",
        "open None",
        "on_message one",
        "done one",
        "on_ping p",
        "on_pong q",
        "on_message two",
        "done two",
        "on_close by the peer, with 1001 (bye)",
    ];
    assert_eq!(trace.take(), want);
}

#[squall::test]
fn handler_may_refuse_and_choose() {
    let trace = Trace::new();
    let address = serve(app(&trace));
    let url = format!("ws://{address}/ws?key=wrong");
    let error = yield_!(websocket_connect(url, ConnectOptions::default())).unwrap_err();
    assert_eq!(error.http_status(), Some(StatusCode::UNAUTHORIZED));
    assert_eq!(trace.take(), ["prepare"]);

    let url = format!("ws://{address}/ws");
    let from = |origin: &str| ConnectOptions::default().header("Origin", origin);
    let refused = websocket_connect(&url, from("https://evil.example"));
    let error = yield_!(refused).unwrap_err();
    assert_eq!(error.http_status(), Some(StatusCode::FORBIDDEN));
    assert_eq!(
        trace.take(),
        ["prepare", "check_origin https://evil.example"]
    );

    let mut options = from("https://a.friend.example");
    options.websocket.subprotocols = vec!["a".into(), "b".into()];
    let mut ws = yield_!(websocket_connect(&url, options)).unwrap();
    assert_eq!(ws.subprotocol(), Some("b"));
    yield_!(ws.close(1000, "")).unwrap();
    let want = [
        "prepare",
        "check_origin https://a.friend.example",
        "select_subprotocol [\"a\", \"b\"]",
        "open Some(\"b\")",
        "on_close by the peer, with 1000",
    ];
    assert_eq!(trace.take(), want);
}

#[test]
fn failures_are_logged_and_close_with_1011() {
    // W4
    for (message, what) in [
        ("fail", "uncaught error WebSocket /ws: 502 Bad Gateway"),
        ("panic", "panic WebSocket /ws: secret-detail"),
        ("cancel", "uncaught error WebSocket /ws: 500"),
    ] {
        let trace = Trace::new();
        let ((), log) = capture_logs(|| {
            run(async || {
                let ws = dial(serve(app(&trace)), WebSocketOptions::default());
                let mut ws = ws.await;
                ws.send(message).await.unwrap();
                assert_eq!(ws.recv().await, None);
                let closed = ws.closed().unwrap();
                assert_eq!(
                    (closed.code.as_u16(), &*closed.reason),
                    (1011, ""),
                    "{message}"
                );
                sleep(Duration::from_millis(10)).await;
            });
        });
        let errors = log.iter().filter(|line| line.starts_with("ERROR"));
        let errors: Vec<&String> = errors.collect();
        assert_eq!(errors.len(), 1, "{log:?}");
        assert!(errors[0].contains(what), "{log:?}");
        assert!(
            errors[0].contains("on_message"),
            "with its traceback: {log:?}"
        );
        let steps = trace.take();
        assert_eq!(steps.last().unwrap(), "on_close by this side, with 1011");
    }
}

#[squall::test]
fn close_of_a_handler_has_its_code_and_reason() {
    // W7
    let trace = Trace::new();
    let mut ws = yield_!(dial(serve(app(&trace)), WebSocketOptions::default()));
    yield_!(ws.send("close")).unwrap();
    assert_eq!(yield_!(ws.recv()), None);
    let closed = ws.closed().unwrap();
    assert_eq!(
        (closed.code.as_u16(), &*closed.reason, closed.by_peer),
        (4001, "as asked", true)
    );
    yield_!(sleep(Duration::from_millis(10)));
    assert_eq!(
        trace.take().last().unwrap(),
        "on_close by this side, with 4001 (as asked)"
    );
}

#[test]
fn handler_whose_peer_has_gone_is_told_and_nothing_is_logged() {
    let trace = Trace::new();
    let ((), log) = capture_logs(|| {
        run(async || {
            let stream = open(serve(app(&trace))).await;
            stream.write(&masked(0x81, b"one")).await.unwrap();
            sleep(Duration::from_millis(70)).await;
            drop(stream);
            sleep(Duration::from_secs(1)).await;
        });
    });
    assert_eq!(
        log.iter().filter(|line| line.starts_with("ERROR")).count(),
        0,
        "{log:?}"
    );
    let steps = trace.take();
    assert!(
        steps
            .last()
            .unwrap()
            .starts_with("on_close by the peer, with 1006"),
        "{steps:?}"
    );
}

#[test]
fn failed_function_closes_with_1011_and_a_finished_one_with_1000() {
    let app = || {
        Application::new()
            .get("/fails", async |ex: &mut Exchange| -> Result<()> {
                let mut ws = yield_!(ex.websocket())?;
                let number: u32 = text(yield_!(ws.recv())).unwrap().parse()?;
                yield_!(ws.send(number.to_string()))?;
                Ok(())
            })
            .get("/panics", async |ex: &mut Exchange| -> Result<()> {
                let _ws = yield_!(ex.websocket())?;
                panic!("secret-detail");
            })
    };
    let (codes, log) = capture_logs(|| {
        run(async || {
            let address = serve(app());
            let mut codes = Vec::new();
            for (path, message) in [("fails", "7"), ("fails", "x"), ("panics", "")] {
                let url = format!("ws://{address}/{path}");
                let mut ws = websocket_connect(url, ConnectOptions::default())
                    .await
                    .unwrap();
                ws.send(message).await.unwrap();
                while ws.recv().await.is_some() {}
                codes.push(ws.closed().unwrap().code.as_u16());
            }
            codes
        })
    });
    assert_eq!(codes, [1000, 1011, 1011]);
    let errors = log
        .iter()
        .filter(|line| line.starts_with("ERROR squall::web"));
    assert_eq!(errors.count(), 2, "{log:?}");
}

#[squall::test]
fn methods_of_http_are_of_no_effect_after_the_upgrade() {
    // W18
    let app = Application::new().get("/ws", async |ex: &mut Exchange| -> Result<()> {
        let ws = yield_!(ex.websocket())?;
        ex.set_header("x-late", "late")?;
        ex.write("late");
        let again = yield_!(ex.websocket());
        assert_eq!(
            again.unwrap_err().status(),
            StatusCode::INTERNAL_SERVER_ERROR
        );
        assert!(yield_!(ex.flush()).is_err() || ex.is_finished());
        yield_!(ws.send("still here"))?;
        Ok(())
    });
    let stream = yield_!(open(serve(app)));
    assert_eq!(
        yield_!(frame(&stream)),
        Some((0x81, b"still here".to_vec()))
    );
    yield_!(stream.write(&masked(0x88, b"\x03\xe8"))).unwrap();
    assert_eq!(yield_!(close_code(&stream)), 1000);
}

#[squall::test]
fn connection_outlives_its_handler() {
    #[squall::coroutine]
    fn talk(mut ws: squall_web::websocket::WebSocket) {
        while let Some(message) = yield_!(ws.recv()) {
            let _ = yield_!(ws.send(message));
        }
    }
    let app = Application::new().get("/ws", async |ex: &mut Exchange| -> Result<()> {
        let ws = yield_!(ex.websocket())?;
        drop(talk(ws));
        Ok(())
    });
    let server = squall_web::HttpServer::new(app);
    let address = server.listen("127.0.0.1:0").unwrap().local_addr();
    let mut ws = yield_!(dial(address, WebSocketOptions::default()));
    for n in 0..3 {
        yield_!(ws.send(format!("{n}"))).unwrap();
        assert_eq!(text(yield_!(ws.recv())), Some(format!("{n}")));
    }
    assert_eq!(server.connections(), 1);
    yield_!(ws.close(1000, "")).unwrap();
    yield_!(sleep(Duration::from_millis(10)));
    assert_eq!(server.connections(), 0);
}
