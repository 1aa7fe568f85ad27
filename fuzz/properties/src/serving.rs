//! A server in memory, with handlers of every kind, that writes down what it sees.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use squall::net::IoStream;
use squall::{moment, sleep, with_timeout, yield_};
use squall_web::http::Limits;
use squall_web::{BodyPlan, Call, Error, Exchange, Handle, HttpServer, Method, Result, StatusCode};

use crate::script::{Piece, Script};

/// What a handler does, by the first letter of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Answers with what it was asked, and the body.
    Echo,
    /// Reads the body in pieces, and sends each back.
    Stream,
    /// Leaves the body unread.
    Unread,
    /// Returns an error.
    Fail,
    /// Answers 204.
    Nothing,
    /// Closes the connection.
    Close,
    /// Waits for a second first.
    Wait,
    /// Waits for the client to go, but not for long.
    Gone,
    /// Sends a trailer.
    Trailer,
    /// Goes on with a protocol `x` that says everything back, if the client has asked for it.
    Upgrade,
}

impl Kind {
    /// The kind of a request.
    pub fn of(method: &str, path: &str) -> Kind {
        match path.as_bytes().get(1) {
            _ if method == "CONNECT" => Kind::Fail,
            Some(b's') => Kind::Stream,
            Some(b'u') => Kind::Unread,
            Some(b'f') => Kind::Fail,
            Some(b'n') => Kind::Nothing,
            Some(b'c') => Kind::Close,
            Some(b'w') => Kind::Wait,
            Some(b'g') => Kind::Gone,
            Some(b't') => Kind::Trailer,
            Some(b'x') => Kind::Upgrade,
            _ => Kind::Echo,
        }
    }

    /// True if the body is there when the handler is called.
    pub fn takes_whole(self) -> bool {
        !matches!(self, Kind::Stream | Kind::Unread)
    }

    /// The statuses of its answers to requests that are well.
    pub fn statuses(self) -> &'static [u16] {
        match self {
            Kind::Fail => &[418],
            Kind::Nothing => &[204],
            Kind::Upgrade => &[101, 426],
            _ => &[200],
        }
    }
}

/// A request that a handler was called for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handled {
    pub method: String,
    pub target: String,
    /// None if it was not there when the handler was called.
    pub body: Option<Vec<u8>>,
}

/// An answer that the server takes for complete, or cut.
#[derive(Clone, Debug)]
pub struct Finished {
    pub method: String,
    pub target: String,
    pub status: u16,
    /// False if it was refused before a handler saw it.
    pub was_handled: bool,
    /// True if the handler failed when the head was sent.
    pub is_cut: bool,
}

/// What a server has seen, and what came from it.
#[derive(Debug, Default)]
pub struct Seen {
    pub handled: Vec<Handled>,
    pub finished: Vec<Finished>,
    pub answers: Vec<u8>,
}

type Log = Rc<RefCell<Seen>>;

/// Plays a script to a server, and gives what it saw when the connection was over.
///
/// # Panics
///
/// If something panics, hangs or is left behind.
pub fn play(script: &Script, limits: Limits) -> Seen {
    let log = Log::default();
    let answers = play_with(script, || {
        HttpServer::new(Handlers { log: log.clone() })
            .limits(limits)
            .decompress_request(script.option)
    });
    Seen {
        answers,
        ..log.take()
    }
}

/// Plays a script to a server of one's own, and gives all that it sent.
///
/// # Panics
///
/// If something panics, hangs or is left behind.
pub fn play_with(script: &Script, server: impl FnOnce() -> HttpServer) -> Vec<u8> {
    let run = script.simulation().run(|| {
        let (client, far) = script.network().pair();
        converse(server(), far, client, script.pieces.clone())
    });
    run.into_value()
}

#[squall::coroutine]
fn converse(server: HttpServer, far: IoStream, client: IoStream, pieces: Vec<Piece>) -> Vec<u8> {
    let client = Rc::new(client);
    let serving = server.serve_stream(far);
    let sending = send(client.clone(), pieces);
    let mut answers = Vec::new();
    loop {
        match yield_!(client.read_partial(4096)) {
            Ok(bytes) if !bytes.is_empty() => answers.extend(bytes),
            _ => break,
        }
    }
    yield_!(sending);
    client.close();
    yield_!(serving);
    assert_eq!(server.connections(), 0);
    answers
}

/// Sends the pieces, and says that there are no more.
#[squall::coroutine]
pub fn send(stream: Rc<IoStream>, pieces: Vec<Piece>) {
    for piece in pieces {
        // A server that closes early is right to.
        if yield_!(stream.write(&piece.bytes)).is_err() {
            return;
        }
        match piece.pause {
            Duration::ZERO => yield_!(moment()),
            pause => yield_!(sleep(pause)),
        }
    }
    let _ = stream.shutdown_write();
}

struct Handlers {
    log: Log,
}

impl Handlers {
    fn kind(ex: &Exchange) -> Kind {
        Kind::of(ex.request().method().as_str(), ex.request().path())
    }
}

impl Handle for Handlers {
    fn body_plan(&self, ex: &mut Exchange) -> BodyPlan {
        match Handlers::kind(ex).takes_whole() {
            true => BodyPlan::whole(),
            false => BodyPlan::stream(),
        }
    }

    fn handle<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a> {
        let kind = Handlers::kind(ex);
        let request = ex.request();
        self.log.borrow_mut().handled.push(Handled {
            method: request.method().as_str().into(),
            target: request.target().into(),
            body: kind.takes_whole().then(|| request.body().to_vec()),
        });
        match kind {
            Kind::Fail => Call::done(Err::<(), _>(Error::status_only(StatusCode::IM_A_TEAPOT))),
            _ => Call::coroutine(answer(kind, ex)),
        }
    }

    fn finished(&self, ex: &Exchange) {
        let mut log = self.log.borrow_mut();
        let (handled, finished) = (log.handled.len(), log.finished.len());
        log.finished.push(Finished {
            method: ex.request().method().as_str().into(),
            target: ex.request().target().into(),
            status: ex.status().as_u16(),
            was_handled: handled > finished,
            is_cut: !ex.is_finished(),
        });
    }
}

/// What an echo writes of its request.
pub fn echo(handled: &Handled) -> Vec<u8> {
    let body = handled.body.as_deref().unwrap_or_default();
    let mut text = format!("{} {} {}\n", handled.method, handled.target, body.len()).into_bytes();
    text.extend_from_slice(body);
    text
}

async fn answer(kind: Kind, ex: &mut Exchange) -> Result<()> {
    match kind {
        Kind::Stream => {
            while let Some(chunk) = ex.body_chunk().await? {
                ex.write(chunk);
                ex.flush().await?;
            }
            return Ok(());
        }
        Kind::Unread => {
            ex.write("unread");
            return Ok(());
        }
        Kind::Nothing => {
            ex.set_status(StatusCode::NO_CONTENT);
            ex.write("never sent");
            return Ok(());
        }
        Kind::Upgrade => {
            let mut other = ex.upgrade("x").await?;
            while !other.read.is_empty() {
                other.stream.write(&other.read).await?;
                other.read = other.stream.read_partial(4096).await?;
            }
            return Ok(());
        }
        Kind::Wait => sleep(Duration::from_secs(1)).await,
        Kind::Gone => {
            let gone = ex.client_gone();
            let _ = with_timeout(Duration::from_secs(5), gone).await;
        }
        Kind::Close => ex.close_connection(),
        Kind::Trailer => ex.add_trailer("x-sum", "7")?,
        Kind::Echo | Kind::Fail => {}
    }
    let handled = Handled {
        method: ex.request().method().as_str().into(),
        target: ex.request().target().into(),
        body: Some(ex.request().body().to_vec()),
    };
    if handled.method == Method::CONNECT.as_str() {
        return Err(Error::status_only(StatusCode::IM_A_TEAPOT));
    }
    ex.write(echo(&handled));
    Ok(())
}
