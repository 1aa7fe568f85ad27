//! A server for those who test servers: a route for each thing that can be got wrong.
//!
//! ```text
//! cargo run --release --example probe -- --port 8080
//! curl -i http://127.0.0.1:8080/stream/3/10?delay=500
//! curl -T large.file http://127.0.0.1:8080/upload -X POST
//! ```
//!
//! It listens on 127.0.0.1, and says nothing unless it is asked to by `--log`. On `SIGTERM` it lets
//! the requests in flight finish, and ends with status 0. The limits are flags: see `--help`.
//!
//! | file | for |
//! |---|---|
//! | `flags.rs` | the command line |
//! | `echo.rs` | what came, told back: bodies, headers, arguments, forms |
//! | `answers.rs` | answers of all kinds: statuses, errors, streams, bytes |
//! | `cookies.rs` | cookies, signed ones, tokens against forged requests |
//! | `waits.rs` | handlers that wait: sleeps, lists and maps of them |
//! | `poll.rs` | messages for those who wait for them |
//! | `upload.rs` | bodies that are larger than memory |
//! | `websocket.rs` | WebSockets: an echo, a chat, closes |

mod answers;
mod cookies;
mod echo;
mod flags;
mod poll;
mod upload;
mod waits;
mod websocket;

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;

use squall::net::TcpServer;
use squall::{IoLoop, on_signal, signal, yield_};
use squall_web::{
    Application, BodyPlan, CookieSecret, Error, Exchange, HttpServer, Result, StaticFiles,
    StatusCode, Verb,
};

use flags::{Command, Flags};
use poll::Topics;

#[squall::main]
fn main() -> ExitCode {
    let flags = match flags::parse(std::env::args().skip(1)) {
        Ok(Command::Serve(flags)) => flags,
        Ok(Command::Help) => {
            println!("{}", flags::HELP);
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("error: {message}\n\n{}", flags::HELP);
            return ExitCode::from(2);
        }
    };
    if flags.log {
        tracing_subscriber::fmt()
            .with_writer(stderr)
            .with_ansi(stderr().is_terminal())
            .init();
    } else {
        // A panic would be told of on stderr, which may be a pipe that nobody reads.
        std::panic::set_hook(Box::new(|_| {}));
        // Nor does anybody read who blocks the loop, which builds for debugging look for.
        let _ = IoLoop::current().set_blocking_log_threshold(None);
    }
    match yield_!(serve(flags)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:?}");
            ExitCode::FAILURE
        }
    }
}

#[squall::coroutine]
fn serve(flags: Box<Flags>) -> Result<()> {
    // Before anybody can connect: who starts it may end it at once.
    let terminate = on_signal(signal::SIGTERM)?;
    let socket = TcpServer::bind(("127.0.0.1", flags.port))?;
    let server = HttpServer::new(application(&flags))
        .limits(flags.limits.clone())
        .http1_only();
    let listening = server.serve(socket)?;
    // What still runs at the end of the grace is cut, and that is an end as well.
    yield_!(terminate.next())?;
    yield_!(listening.drain(flags.shutdown_grace));
    Ok(())
}

/// A secret in a program's source is none. What this server signs is worth nothing.
const SECRET: &str = "a probe has nothing to hide";

fn application(flags: &Flags) -> Application {
    let topics = Topics::default();
    let publish = topics.clone();
    let mut app = Application::new()
        .cookie_secret(CookieSecret::new(SECRET))
        .get("/hello", answers::hello)
        .get("/headers", echo::headers)
        .get("/args", echo::args)
        .post("/form", echo::form)
        .get("/status/{code}", answers::status)
        .get("/raise", answers::raise)
        .get("/panic", answers::panic)
        .get("/redirect", |ex: &mut Exchange| ex.redirect("/hello"))
        .get("/stream/{n}/{size}", answers::stream)
        .get("/bytes/{n}", answers::bytes)
        .get("/gzip", answers::gzip)
        .get("/sleep/{ms}", waits::sleep)
        .get("/fanout/{n}/{ms}", waits::fanout)
        .get("/fanmap", waits::fanmap)
        .get("/poll/wait", async move |ex: &mut Exchange| {
            poll::wait(&topics, ex).await
        })
        .post("/poll/publish", move |ex: &mut Exchange| {
            poll::publish(&publish, ex)
        })
        .get("/cookie/set", cookies::set)
        .get("/cookie/get", cookies::get)
        .get("/secure/set", cookies::set_signed)
        .get("/secure/get", cookies::get_signed)
        .get("/xsrf", cookies::token)
        .post("/xsrf", cookies::checked)
        .post("/upload", upload::upload)
        .body(
            "/upload",
            BodyPlan::stream().max_bytes(1 << 30).no_timeout(),
        );
    for verb in Verb::ALL {
        app = app.on(verb, "/echo", echo::echo);
    }
    let app = websocket::routes(app, flags.ws_max_message_bytes);
    match &flags.static_dir {
        Some(root) => app.files("/static/", StaticFiles::new(root)),
        None => app,
    }
}

/// A number of the path, up to `most`.
fn number(ex: &Exchange, name: &str, most: u64) -> Result<u64> {
    let text: String = ex.path_argument(name)?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number);
    let number = number.filter(|number| *number <= most);
    number.ok_or_else(|| bad_request(format!("{name} is a number up to {most}, not {text:?}")))
}

fn bad_request(message: impl Into<String>) -> Error {
    Error::new(StatusCode::BAD_REQUEST, message.into())
}

/// The type of answers in plain text.
fn text(ex: &mut Exchange) -> Result<()> {
    ex.set_header("content-type", "text/plain; charset=utf-8")
}
