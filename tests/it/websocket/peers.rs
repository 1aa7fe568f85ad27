//! Python's `websockets` and node's `ws`, each as client and as server, with compression and without.
//!
//! `tests/install.sh` installs them under `target/peers`; what is not there is skipped, and says so. In
//! CI (`CI` set) nothing is skipped.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use squall::{run_in_executor, yield_};
use squall_web::websocket::{
    Compression, ConnectOptions, Message, WebSocketOptions, websocket_connect,
};
use squall_web::{Application, Exchange, Result};

use super::serve;
use crate::client::run_real;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// A program that needs a file to be there; none, and a note, if it is not.
fn peer(name: &str, needs: &str, program: &Path, arguments: &[&str]) -> Option<Command> {
    let needs = root().join(needs);
    if !needs.exists() {
        let note = format!("skipped: {name} is not installed (tests/install.sh installs it)");
        assert!(std::env::var_os("CI").is_none(), "{note}");
        eprintln!("{note}");
        return None;
    }
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::piped());
    Some(command)
}

fn python(arguments: &[&str]) -> Option<Command> {
    let program = root().join("target/peers/venv/bin/python");
    let script = root().join("tests/data/websocket_peer.py");
    let arguments = [&[script.to_str().unwrap()], arguments].concat();
    let needs = "target/peers/venv/bin/python";
    peer("websockets for Python", needs, &program, &arguments)
}

fn node(arguments: &[&str]) -> Option<Command> {
    let script = root().join("tests/data/websocket_peer.mjs");
    let modules = root().join("target/peers/node");
    let own = [script.to_str().unwrap(), modules.to_str().unwrap()];
    let arguments = [&own[..], arguments].concat();
    let needs = "target/peers/node/node_modules/ws";
    peer("ws for node", needs, Path::new("node"), &arguments)
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
fn connects(program: fn(&[&str]) -> Option<Command>) -> Option<String> {
    run_real(async || {
        let address = serve(Application::new().get("/ws", echo));
        let mut command = program(&["connect", &format!("ws://{address}/ws")])?;
        let output = run_in_executor(move || command.output());
        let output = output.await.unwrap().expect("it runs");
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{printed}");
        Some(printed)
    })
}

#[test]
fn python_connects_to_us() {
    let Some(printed) = connects(python) else {
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
    let Some(printed) = connects(node) else {
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

/// A server that is ended with this.
struct Server(Child, u16);

impl Server {
    fn start(program: fn(&[&str]) -> Option<Command>) -> Option<Server> {
        let mut child = program(&["serve"])?.spawn().expect("it starts");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("its output is piped");
        BufReader::new(out).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("it prints its port");
        Some(Server(child, port))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Talks to a peer's echo in all ways.
fn talks_to(program: fn(&[&str]) -> Option<Command>) {
    let Some(server) = Server::start(program) else {
        return;
    };
    let port = server.1;
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
    talks_to(python);
}

#[test]
fn we_connect_to_node() {
    talks_to(node);
}
