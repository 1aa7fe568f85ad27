//! The tour of Squall as one page with everything running live: `cargo run --release`
//!
//! Open http://127.0.0.1:8888/ and press the buttons: lists and maps of fetches, interleaving, a
//! stream, an error, a panic, and the tree of the coroutines that are alive. The log shows each
//! request, and the coroutine traceback of those that failed. `--port N` serves on another port.
//!
//! | file | for |
//! |---|---|
//! | `pages.rs` | the handlers, which the page shows as its source |
//! | `live.rs` | the tree of living coroutines |
//! | `index.html`, `style.css`, `app.js` | the page, part of the binary |

mod live;
mod pages;

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;

use squall::net::TcpServer;
use squall::yield_;
use squall_web::{HttpServer, Result};

const HELP: &str = "\
Squall's showcase: one page that runs everything live.

Usage: showcase [--port N]

  --port N   the port of 127.0.0.1 to serve on; 8888 unless given, 0 takes a free one
  --help     prints this";

enum Command {
    Serve { port: u16 },
    Help,
}

#[squall::main]
fn main() -> ExitCode {
    let port = match parse(std::env::args().skip(1)) {
        Ok(Command::Serve { port }) => port,
        Ok(Command::Help) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("error: {message}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    // The access log and failures go to `tracing`; whoever runs the program decides where it ends.
    tracing_subscriber::fmt()
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
    // The pages fetch from their own server, so its port is bound before they are made.
    let socket = match TcpServer::bind(("127.0.0.1", port)) {
        Ok(socket) => socket,
        Err(error) => {
            eprintln!("error: cannot listen on 127.0.0.1:{port}: {error}; try --port N");
            return ExitCode::FAILURE;
        }
    };
    match yield_!(serve(socket)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[squall::coroutine]
fn serve(socket: TcpServer) -> Result<()> {
    let address = socket.local_addr()?;
    let server = HttpServer::new(pages::application(address));
    println!("Squall's showcase is on http://{address}/ (Ctrl-C ends it)");
    yield_!(server.serve(socket)?)
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut port = 8888;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-h" | "--help" => return Ok(Command::Help),
            "-p" | "--port" => {
                let value = args.next().ok_or("--port needs a number")?;
                let bad = |_| format!("--port needs a number up to 65535, not {value:?}");
                port = value.parse().map_err(bad)?;
            }
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    Ok(Command::Serve { port })
}
