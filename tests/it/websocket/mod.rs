//! WebSocket over real sockets: the server with bytes written by hand, and with its own client.

/// Frames against an echo, from a file.
mod cases;

/// The handshake of the server.
mod handshake;

/// What a handler sees and does.
mod handlers;

/// Senders, queues, broadcasts.
mod sending;

/// Pings, closes, slow and silent peers, the server's end.
mod ending;

/// Compression.
mod deflate;

/// The client's handshake.
mod connect;

/// What connections hold.
mod memory;

/// Other implementations: Python's `websockets`, node's `ws`.
mod peers;

use std::net::SocketAddr;

use squall::net::IoStream;
use squall::yield_;
use squall_web::websocket::codec::{FrameHeader, MAX_HEADER, OpCode, apply_mask};
use squall_web::websocket::{
    ConnectOptions, Message, WebSocket, WebSocketOptions, websocket_connect,
};
use squall_web::{Application, Exchange, HttpServer, Result};

use crate::web::connect;

/// An application with an echo at `/ws`.
pub(super) fn echo_app(options: WebSocketOptions) -> Application {
    Application::new().get("/ws", async move |ex: &mut Exchange| -> Result<()> {
        let mut ws = yield_!(ex.websocket_with(&options))?;
        while let Some(message) = yield_!(ws.recv()) {
            yield_!(ws.send(message))?;
        }
        Ok(())
    })
}

pub(super) fn serve(app: Application) -> SocketAddr {
    let server = HttpServer::new(app);
    let listening = server.listen("127.0.0.1:0").expect("a free port");
    listening.local_addr()
}

pub(super) fn serve_echo(options: WebSocketOptions) -> SocketAddr {
    serve(echo_app(options))
}

/// A handshake that is as it should be, with more headers.
pub(super) fn handshake(more: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: h.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// Connects, and shakes hands by hand.
pub(super) async fn open(address: SocketAddr) -> IoStream {
    let stream = connect(address).await;
    stream.write(handshake("").as_bytes()).await.unwrap();
    let head = stream.read_until(b"\r\n\r\n", 65536).await.unwrap();
    assert!(
        head.starts_with(b"HTTP/1.1 101 "),
        "{}",
        head.escape_ascii()
    );
    stream
}

/// Connects by the client.
pub(super) async fn dial(address: SocketAddr, websocket: WebSocketOptions) -> WebSocket {
    let options = ConnectOptions {
        websocket,
        ..ConnectOptions::default()
    };
    let connected = websocket_connect(format!("ws://{address}/ws"), options).await;
    connected.expect("a connection")
}

/// A frame as a client sends it.
pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let header = FrameHeader {
        opcode: OpCode::Text,
        fin: true,
        compressed: false,
        mask: Some(MASK),
        len: payload.len() as u64,
    };
    let mut head = [0; MAX_HEADER];
    let len = header.encode(&mut head);
    head[0] = first;
    let mut payload = payload.to_vec();
    apply_mask(&mut payload, MASK, 0);
    [&head[..len], &payload].concat()
}

/// The next frame that a server sends: its first byte, and what it carries. None at the end.
pub(super) async fn frame(stream: &IoStream) -> Option<(u8, Vec<u8>)> {
    let two = stream.read_bytes(2).await.ok()?;
    assert!(two[1] < 0x80, "a server masks nothing");
    let len = match two[1] {
        126 => {
            let len = stream.read_bytes(2).await.unwrap();
            u64::from(u16::from_be_bytes([len[0], len[1]]))
        }
        127 => {
            let len = stream.read_bytes(8).await.unwrap();
            u64::from_be_bytes(len.try_into().unwrap())
        }
        len => u64::from(len),
    };
    let payload = stream.read_bytes(len as usize).await.unwrap();
    Some((two[0], payload))
}

/// Reads a close, and the end behind it. Gives its code; 0 if it has none.
pub(super) async fn close_code(stream: &IoStream) -> u16 {
    let (first, payload) = frame(stream).await.expect("a close");
    assert_eq!(first, 0x88, "{}", payload.escape_ascii());
    assert_eq!(frame(stream).await, None, "nothing comes behind a close");
    payload.first_chunk().copied().map_or(0, u16::from_be_bytes)
}

pub(super) fn text(message: Option<Message>) -> Option<String> {
    let message = message?;
    Some(message.as_text().expect("it is text").to_owned())
}
