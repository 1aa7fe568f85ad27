//! Python's `websockets` and node's `ws`, each as client and as server, with compression and without.
//!
//! `tests/install.sh` installs them; what is not there is skipped, and says so. In
//! CI (`CI` set) nothing is skipped.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use squall::{run_in_executor, yield_};
use squall_web::websocket::{
    Compression, ConnectOptions, Message, WebSocketOptions, websocket_connect,
};
use squall_web::{Application, Exchange, Result};

use super::serve;
use crate::programs::{self, Running, is_installed};
use crate::support::run_real;

/// A script in `tests/data`, to be run by a program.
fn script(program: impl AsRef<OsStr>, name: &str) -> Command {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut command = Command::new(program);
    command.arg(data.join(name)).stdout(Stdio::piped());
    command
}

fn with_python() -> Option<Command> {
    let python = programs::python();
    is_installed(python.exists(), "websockets for Python")
        .then(|| script(python, "websocket_peer.py"))
}

fn with_node() -> Option<Command> {
    let modules = programs::peers().join("node");
    let ws = modules.join("node_modules/ws");
    is_installed(ws.exists(), "ws for node").then(|| {
        let mut command = script("node", "websocket_peer.mjs");
        command.arg(modules);
        command
    })
}

/// An echo that closes when it is asked to.
#[squall::coroutine]
fn echo(ex: &mut Exchange) -> Result<()> {
    let options = WebSocketOptions {
        max_message_bytes: 1 << 24,
        compression: Some(Compression {
            threshold: 0,
            ..Compression::default()
        }),
        subprotocols: vec!["a".into()],
        ..WebSocketOptions::default()
    };
    let mut ws = yield_!(ex.websocket_with(&options))?;
    while let Some(message) = yield_!(ws.recv()) {
        match message.as_text() {
            Some("close") => yield_!(ws.close(4002, "as asked"))?,
            _ => yield_!(ws.send(message))?,
        }
    }
    Ok(())
}

/// Has the program talk to our echo, and gives what it prints.
fn connects(program: Option<Command>) -> Option<String> {
    let mut command = program?;
    run_real(async || {
        let address = serve(Application::new().get("/ws", echo));
        command.args(["connect", &format!("ws://{address}/ws")]);
        let output = run_in_executor(move || command.output());
        let output = output.await.unwrap().expect("it runs");
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{printed}");
        Some(printed)
    })
}

#[test]
fn python_connects_to_us() {
    let Some(printed) = connects(with_python()) else {
        return;
    };
    let want = "extensions ['permessage-deflate'] subprotocol a\nclosed 4001 enough\n\
                extensions [] subprotocol a\nclosed 4001 enough\nserver closed 4002 as asked\n";
    // Of a close that it has sent it shows what came back: the code.
    assert_eq!(
        printed.replace("closed 4001 \n", "closed 4001 enough\n"),
        want
    );
}

#[test]
fn node_connects_to_us() {
    let Some(printed) = connects(with_node()) else {
        return;
    };
    let agreed: Vec<&str> = printed
        .lines()
        .filter_map(|line| {
            line.strip_prefix("extensions [")?
                .strip_suffix("] subprotocol a")
        })
        .collect();
    let deflate = "permessage-deflate";
    assert_eq!(
        agreed,
        ["", deflate, deflate, deflate, deflate],
        "{printed}"
    );
    assert_eq!(printed.matches("closed 4001").count(), 5, "{printed}");
    assert!(
        printed.ends_with("server closed 4002 as asked\n"),
        "{printed}"
    );
}

/// Talks to a peer's echo in all ways.
fn talks_to(program: Option<Command>) {
    let Some(mut command) = program else {
        return;
    };
    let mut server = Running::start(command.arg("serve"));
    let port = server.port();
    run_real(async || {
        for (bits, no_context) in [(15, false), (15, true), (10, false), (9, true)] {
            let options = ConnectOptions {
                websocket: WebSocketOptions {
                    max_message_bytes: 1 << 24,
                    subprotocols: vec!["a".into()],
                    compression: Some(Compression {
                        threshold: 0,
                        client_max_window_bits: bits,
                        client_no_context_takeover: no_context,
                        ..Compression::default()
                    }),
                    ..WebSocketOptions::default()
                },
                ..ConnectOptions::default()
            };
            let url = format!("ws://127.0.0.1:{port}/");
            let mut ws = websocket_connect(url, options).await.unwrap();
            assert!(ws.is_compressed());
            assert_eq!(ws.subprotocol(), Some("a"));
            for size in [0, 1, 125, 126, 1000, 65535, 65536, 1 << 20] {
                let text = "beisse und reime ".repeat(size / 10 + 1)[..size].to_owned();
                ws.send(text.clone()).await.unwrap();
                assert!(ws.recv().await == Some(Message::from(text)), "{size} bytes");
                let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
                ws.send(bytes.clone()).await.unwrap();
                assert!(
                    ws.recv().await == Some(Message::from(bytes)),
                    "{size} bytes"
                );
            }
            match no_context {
                true => ws.close(4001, "enough").await.unwrap(),
                false => {
                    ws.send("close").await.unwrap();
                    assert_eq!(ws.recv().await, None);
                    let closed = ws.closed().unwrap();
                    assert_eq!((closed.code.as_u16(), &*closed.reason), (4002, "as asked"));
                }
            }
        }
    });
}

#[test]
fn we_connect_to_python() {
    talks_to(with_python());
}

#[test]
fn we_connect_to_node() {
    talks_to(with_node());
}
