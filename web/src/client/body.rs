//! What a request sends behind its head: bytes, files, or what a producer makes.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::future::{Future, IntoFuture};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::{Rc, Weak};

use squall::net::IoStream;
use squall::run_in_executor;
use squall::sync::Lock;

use super::error::Source;
use super::progress::Progress;
use crate::http::{BodyFraming, LAST_CHUNK, encode_chunk};

/// A request's body. Cheap to clone, as each hop has one.
#[derive(Clone, Default)]
pub(super) enum Body {
    /// There is none, which is not the same as an empty one.
    #[default]
    None,
    Bytes(Rc<Vec<u8>>),
    /// Bytes and files, one behind the other.
    Segments(Rc<Vec<Segment>>),
    Produced(Produced),
}

/// A part of a body in segments.
#[derive(Clone, Debug)]
pub(super) enum Segment {
    Bytes(Vec<u8>),
    /// Its length is none until it was measured.
    File {
        path: PathBuf,
        length: Option<u64>,
    },
}

/// A body that a function of the caller's makes, as often as it has to be sent.
#[derive(Clone)]
pub(super) struct Produced {
    /// The length that its request announces; in chunks without.
    pub(super) length: Option<u64>,
    maker: Maker,
}

type Making = Pin<Box<dyn Future<Output = Result<(), Source>>>>;

#[derive(Clone)]
enum Maker {
    Often(Rc<dyn Fn(BodyWriter) -> Making>),
    /// None once it was used.
    Once(Rc<RefCell<Option<MakeOnce>>>),
}

type MakeOnce = Box<dyn FnOnce(BodyWriter) -> Making>;

/// Why a body was not sent to its end.
#[derive(Debug)]
pub(super) enum SendError {
    /// The connection failed; the server may have answered all the same.
    Stream(squall::Error),
    /// The body could not be made, so that the request cannot be finished.
    Producer(Source),
}

pub(super) type Sending = Pin<Box<dyn Future<Output = Result<(), SendError>>>>;

impl Body {
    pub(super) fn often<F, R, E>(make: F) -> Body
    where
        F: Fn(BodyWriter) -> R + 'static,
        R: IntoFuture<Output = Result<(), E>> + 'static,
        E: Into<Source>,
    {
        Body::Produced(Produced {
            length: None,
            maker: Maker::Often(Rc::new(move |writer| making(make(writer)))),
        })
    }

    pub(super) fn once<F, R, E>(make: F) -> Body
    where
        F: FnOnce(BodyWriter) -> R + 'static,
        R: IntoFuture<Output = Result<(), E>> + 'static,
        E: Into<Source>,
    {
        let make: MakeOnce = Box::new(move |writer| making(make(writer)));
        Body::Produced(Produced {
            length: None,
            maker: Maker::Once(Rc::new(RefCell::new(Some(make)))),
        })
    }

    pub(super) fn is_none(&self) -> bool {
        matches!(self, Body::None)
    }

    /// True if it can be sent: always, but for one that can be made only once, and was.
    pub(super) fn can_be_sent(&self) -> bool {
        match self {
            Body::Produced(Produced {
                maker: Maker::Once(once),
                ..
            }) => once.borrow().is_some(),
            _ => true,
        }
    }

    /// How its end is told; of none, what says that there is no body.
    pub(super) fn framing(&self) -> BodyFraming {
        match self {
            Body::None => BodyFraming::None,
            Body::Bytes(bytes) => BodyFraming::Length(bytes.len() as u64),
            Body::Segments(segments) => {
                BodyFraming::Length(segments.iter().map(Segment::length).sum())
            }
            Body::Produced(Produced {
                length: Some(length),
                ..
            }) => BodyFraming::Length(*length),
            Body::Produced(_) => BodyFraming::Chunked,
        }
    }

    /// Looks how long its files are.
    ///
    /// # Errors
    ///
    /// If one cannot be read; with its path.
    pub(super) async fn measure(&mut self) -> Result<(), (PathBuf, io::Error)> {
        let Body::Segments(segments) = self else {
            return Ok(());
        };
        for segment in Rc::make_mut(segments) {
            if let Segment::File { path, length } = segment {
                let looked_at = path.clone();
                let measured = run_in_executor(move || file_length(&looked_at));
                let measured = measured.await.map_err(io::Error::from);
                let measured = measured.flatten().map_err(|error| (path.clone(), error))?;
                *length = Some(measured);
            }
        }
        Ok(())
    }

    /// Begins to send it.
    pub(super) fn send(&self, stream: &Rc<IoStream>, progress: &Rc<Progress>) -> Sending {
        let (stream, progress) = (stream.clone(), progress.clone());
        match self.clone() {
            Body::None => Box::pin(async { Ok(()) }),
            Body::Bytes(bytes) => {
                Box::pin(async move { send_bytes(&stream, &bytes, &progress).await })
            }
            Body::Segments(segments) => Box::pin(async move {
                for segment in segments.iter() {
                    match segment {
                        Segment::Bytes(bytes) => send_bytes(&stream, bytes, &progress).await?,
                        Segment::File { path, length } => {
                            let length = length.unwrap_or_default();
                            send_file(&stream, path.clone(), length, &progress).await?;
                        }
                    }
                }
                Ok(())
            }),
            Body::Produced(produced) => Box::pin(produced.send(stream, progress)),
        }
    }
}

impl Segment {
    pub(super) fn length(&self) -> u64 {
        match self {
            Segment::Bytes(bytes) => bytes.len() as u64,
            Segment::File { length, .. } => length.unwrap_or_default(),
        }
    }
}

impl Produced {
    async fn send(self, stream: Rc<IoStream>, progress: Rc<Progress>) -> Result<(), SendError> {
        let shared = Rc::new(Writing {
            turn: Lock::new(),
            left: Cell::new(self.length),
            state: Cell::new(State::Good),
            progress,
        });
        let writer = BodyWriter {
            stream: Rc::downgrade(&stream),
            shared: shared.clone(),
        };
        let making = match &self.maker {
            Maker::Often(make) => make(writer),
            Maker::Once(once) => {
                let make = once.borrow_mut().take();
                make.expect("it was asked whether it can be sent")(writer)
            }
        };
        let made = making.await;
        match (shared.state.get(), made) {
            // What its write was told is no news, whether or not it passes it on.
            (State::Failed, _) => return Err(SendError::Stream(closed().into())),
            (_, Err(error)) => return Err(SendError::Producer(error)),
            (State::Amid, _) => {
                let text = "the body producer gave up a write, which may have sent a part";
                return Err(SendError::Producer(text.into()));
            }
            (State::Good, Ok(())) => {}
        }
        match shared.left.get() {
            None => stream.write(LAST_CHUNK).await.map_err(SendError::Stream),
            Some(0) => Ok(()),
            Some(left) => {
                let length = self.length.unwrap_or_default();
                let written = length - left;
                let text = format!("the body producer wrote {written} of {length} bytes");
                Err(SendError::Producer(text.into()))
            }
        }
    }
}

/// Writes the body of a request: what a body producer is called with.
///
/// See [`Request::body_producer`](super::Request::body_producer).
#[derive(Clone)]
pub struct BodyWriter {
    /// Weak, so that a writer that is kept does not keep the connection.
    stream: Weak<IoStream>,
    shared: Rc<Writing>,
}

struct Writing {
    /// Pieces of one write are not to stand between those of another.
    turn: Lock,
    /// What is left of the length that was announced; none if there is none.
    left: Cell<Option<u64>>,
    state: Cell<State>,
    progress: Rc<Progress>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Good,
    /// In a write; if that is given up, a part of its piece may have been sent.
    Amid,
    /// The connection failed.
    Failed,
}

impl BodyWriter {
    /// Writes a piece of the body; done when the system has taken it, so that a slow server makes the
    /// producer wait. An empty piece is nothing.
    ///
    /// # Errors
    ///
    /// If the connection failed or the fetch is over; the producer should end, and what it returns
    /// does not matter then. If the body gets longer than its `Content-Length`.
    ///
    /// # Cancellation
    ///
    /// A part of the piece may have been sent, so that the request cannot go on.
    pub async fn write(&self, data: impl AsRef<[u8]>) -> squall::Result<()> {
        let data = data.as_ref();
        let _turn = self.shared.turn.acquire().await;
        let stream = self.stream.upgrade().ok_or_else(closed)?;
        let mut chunk = Vec::new();
        let bytes = match self.shared.left.get() {
            _ if data.is_empty() => return Ok(()),
            None => {
                encode_chunk(data, &mut chunk);
                &chunk
            }
            Some(left) => {
                let left = left.checked_sub(data.len() as u64).ok_or_else(|| {
                    let text = "the body producer wrote more than its Content-Length";
                    io::Error::new(io::ErrorKind::InvalidInput, text)
                })?;
                self.shared.left.set(Some(left));
                data
            }
        };
        if self.shared.state.get() != State::Good {
            return Err(closed().into());
        }
        self.shared.state.set(State::Amid);
        let sent = send_bytes(&stream, bytes, &self.shared.progress).await;
        self.shared.state.set(match &sent {
            Ok(()) => State::Good,
            Err(_) => State::Failed,
        });
        sent.map_err(|error| match error {
            SendError::Stream(error) => error,
            SendError::Producer(_) => closed().into(),
        })
    }
}

impl std::fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyWriter")
            .field("left", &self.shared.left.get())
            .finish_non_exhaustive()
    }
}

fn making<R, E>(made: R) -> Making
where
    R: IntoFuture<Output = Result<(), E>> + 'static,
    E: Into<Source>,
{
    let made = made.into_future();
    Box::pin(async move { made.await.map_err(Into::into) })
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the connection is closed")
}

async fn send_bytes(stream: &IoStream, bytes: &[u8], progress: &Progress) -> Result<(), SendError> {
    // In pieces, so that it shows that something moves.
    for piece in bytes.chunks(PIECE) {
        stream.write(piece).await.map_err(SendError::Stream)?;
        progress.moved();
    }
    Ok(())
}

async fn send_file(
    stream: &IoStream,
    path: PathBuf,
    length: u64,
    progress: &Progress,
) -> Result<(), SendError> {
    let failed = |error: io::Error| {
        let text = format!("reading {}: {error}", path.display());
        SendError::Producer(Box::new(io::Error::new(error.kind(), text)))
    };
    let opened = path.clone();
    let mut file = run_in_executor(move || File::open(opened))
        .await
        .map_err(io::Error::from)
        .flatten()
        .map_err(failed)?;
    let mut left = length;
    while left > 0 {
        let count = left.min(PIECE as u64) as usize;
        let read = run_in_executor(move || {
            let mut piece = vec![0; count];
            file.read_exact(&mut piece).map(|()| (file, piece))
        });
        let read = read.await.map_err(io::Error::from).flatten();
        let (again, piece) = read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => failed(io::Error::new(
                error.kind(),
                format!("it has fewer than the {length} bytes that it had"),
            )),
            _ => failed(error),
        })?;
        file = again;
        send_bytes(stream, &piece, progress).await?;
        left -= count as u64;
    }
    Ok(())
}

fn file_length(path: &Path) -> io::Result<u64> {
    // Looked at before it is opened, which would wait for the other end of a pipe.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        let text = "it is not a plain file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    // Opened, so that one that may not be read is told of before anything is sent.
    File::open(path)?;
    Ok(metadata.len())
}

/// How much is sent, or read from a file, at a time.
const PIECE: usize = 64 * 1024;
