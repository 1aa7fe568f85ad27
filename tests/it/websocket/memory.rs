//! What connections hold, while they idle and when they are gone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use squall::{run_in_executor, sleep, yield_};
use squall_web::websocket::{
    Compression, Message, WebSocketHandler, WebSocketOptions, WebSocketSender,
};
use squall_web::{Application, Result};

use super::{echo_app, frame, handshake, masked, open, serve};
use crate::support::held_bytes;

/// A handler with nothing of its own.
struct Echo;

impl WebSocketHandler for Echo {
    #[squall::coroutine]
    fn on_message(&mut self, ws: &WebSocketSender, message: Message) -> Result<()> {
        yield_!(ws.send(message))?;
        Ok(())
    }
}

/// Bytes that the heap holds for each of many connections of a server that idle after a message. Their
/// clients are on another thread.
async fn idle(app: Application) -> i64 {
    const MANY: usize = 200;
    let address = serve(app);
    // The first ones fill pools, and have tables grow.
    let warm = run_in_executor(move || talk(address, 56)).await;
    sleep(Duration::from_millis(10)).await;
    let before = held_bytes();
    let all = run_in_executor(move || talk(address, MANY)).await;
    sleep(Duration::from_millis(10)).await;
    let held = held_bytes() - before;
    drop((warm, all));
    held / MANY as i64
}

/// Connects, and has a message come back, so many times.
fn talk(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let talk = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(handshake("").as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        stream.write_all(&masked(0x81, &[b'x'; 2000])).unwrap();
        stream.read_exact(&mut [0; 2004]).unwrap();
        stream
    };
    (0..count).map(talk).collect()
}

#[squall::test]
fn connection_that_idles_is_small() {
    let function = yield_!(idle(echo_app(WebSocketOptions::default())));
    let handler = yield_!(idle(Application::new().websocket("/ws", || Echo)));
    // A compressed one that was never sent anything compressed is no larger.
    let lazily = WebSocketOptions {
        compression: Some(Compression::default()),
        ..WebSocketOptions::default()
    };
    let compressed = yield_!(idle(echo_app(lazily)));
    eprintln!(
        "bytes an idle connection: {function} in a function, {handler} in a handler, {compressed} with compression that is not used"
    );
    assert!(function < 4096, "{function}");
    assert!(handler < 3072, "{handler}");
    assert!(compressed < 4096, "{compressed}");
}

#[squall::test]
fn connection_that_is_gone_holds_nothing() {
    let address = serve(echo_app(WebSocketOptions::default()));
    let mut held = Vec::new();
    for _ in 0..6 {
        for _ in 0..50 {
            let stream = yield_!(open(address));
            yield_!(stream.write(&masked(0x81, &[b'x'; 100]))).unwrap();
            yield_!(frame(&stream)).unwrap();
            yield_!(stream.write(&masked(0x88, b"\x03\xe8"))).unwrap();
            while yield_!(frame(&stream)).is_some() {}
        }
        yield_!(sleep(Duration::from_secs(3)));
        held.push(held_bytes());
    }
    assert!(held[5] - held[2] < 2000, "{held:?}");
}
