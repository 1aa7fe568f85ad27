//! The client's side: a connection that carries requests, each told to it on a pair in memory.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{Method, Response, header};
use squall::net::IoStream;
use squall::yield_;

use super::flow::{Cut, as_fields, first, no_limits, send};
use super::head::{self, encode_response};
use super::io::Io;
use crate::http::{
    BodyDecoder, BodyFraming, Limits, Parse, RequestHead, encode_chunk, encode_last_chunk,
    may_have_body, parse_request,
};

/// How much of a body is read at a time.
const READ: usize = 16 * 1024;

/// How much may come on a stream, and in all, that was not read.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;

/// How much of a body waits in `h2` for the socket.
const SEND_BUFFER: usize = 64 * 1024;

/// Sends requests on a connection; cheap to clone. The connection ends when all are dropped.
#[derive(Clone)]
pub(crate) struct Sender {
    inner: SendRequest<Bytes>,
    /// True once the connection takes no more.
    refuses: Rc<Cell<bool>>,
}

impl Sender {
    pub(crate) fn refuses(&self) -> bool {
        self.refuses.get()
    }
}

/// What has to be polled for anything to move; done when the connection is closed.
pub(crate) type Driver = Connection<Io, Bytes>;

/// Begins with HTTP/2 on a stream on which it was agreed.
pub(crate) async fn begin(
    stream: IoStream,
    max_head_bytes: usize,
) -> Result<(Sender, Driver), h2::Error> {
    let (inner, driver) = Builder::new()
        .enable_push(false)
        .max_header_list_size(u32::try_from(max_head_bytes).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .handshake(Io::new(stream.into(), Vec::new()))
        .await?;
    let refuses = Rc::default();
    Ok((Sender { inner, refuses }, driver))
}

/// Carries one request of HTTP/1.1 that is written to the other end of `far`, and writes its answer there.
#[squall::coroutine(crate = squall)]
pub(crate) fn carry(sender: Sender, far: IoStream) {
    if let Err(Cut::Message) = yield_!(carry_one(sender, &far)) {
        tracing::debug!(target: "squall::web", "a request was given up");
    }
    // The answer is whole if it says so itself; and nobody is cut off from reading it.
    let _ = far.shutdown_write();
    let _ = yield_!(given_up(&far, true));
}

async fn carry_one(sender: Sender, far: &IoStream) -> Result<(), Cut> {
    let limits = no_limits();
    let mut input = Vec::new();
    let mut head = RequestHead::new();
    let mut scanned = 0;
    loop {
        match parse_request(&input, scanned, &limits, &mut head) {
            Ok(Parse::Complete) => break,
            Ok(Parse::NeedMore) => scanned = input.len(),
            Err(_) => return Err(Cut::Message),
        }
        fill(far, &mut input).await?;
    }
    let request = head::request(&head, &input).ok_or(Cut::Message)?;
    let method = request.method().clone();
    let body = input.split_off(head.len());
    let framing = head.framing();
    let has_body = framing.has_body();
    let Sender { mut inner, refuses } = sender;
    // A server takes only so many at a time.
    let ready = poll_fn(|cx| inner.poll_ready(cx));
    let ready = first(given_up(far, !has_body), ready).await?;
    let sent = ready.and_then(|()| inner.send_request(request, !has_body));
    let (response, out) = sent.map_err(|error| {
        refuses.set(true);
        reset(error)
    })?;
    drop(inner);
    let upload = upload(far, body, framing, has_body, out, &limits);
    let answer = answer(far, response, &method);
    first(upload, answer).await?
}

/// An error once whoever asked has left; while a body is to come, it cannot be told.
async fn given_up(far: &IoStream, may_watch: bool) -> Result<(), Cut> {
    if !may_watch {
        return Ok(());
    }
    let mut none = Vec::new();
    loop {
        fill(far, &mut none).await?;
        none.clear();
    }
}

/// Sends the body, and then looks whether the answer is still wanted.
async fn upload(
    far: &IoStream,
    mut input: Vec<u8>,
    framing: BodyFraming,
    has_body: bool,
    mut out: SendStream<Bytes>,
    limits: &Limits,
) -> Result<(), Cut> {
    if has_body {
        let sent = send_body(far, &mut input, framing, &mut out, limits).await;
        match sent {
            Ok(()) => {}
            // It may have answered all the same.
            Err(Cut::Peer) => {}
            Err(Cut::Message) => {
                out.send_reset(Reason::CANCEL);
                return Err(Cut::Message);
            }
        }
    }
    let left = given_up(far, true).await;
    out.send_reset(Reason::CANCEL);
    left
}

async fn send_body(
    far: &IoStream,
    input: &mut Vec<u8>,
    framing: BodyFraming,
    out: &mut SendStream<Bytes>,
    limits: &Limits,
) -> Result<(), Cut> {
    let mut body = BodyDecoder::new(framing, limits).map_err(|_| Cut::Message)?;
    loop {
        let mut piece = Vec::new();
        let decoded = body.decode(input, &mut piece);
        let (used, is_complete) = decoded.map_err(|_| Cut::Message)?;
        input.drain(..used);
        if is_complete || !piece.is_empty() {
            send(out, piece.into(), is_complete).await?;
        }
        if is_complete {
            return Ok(());
        }
        fill(far, input).await?;
    }
}

/// Writes the answer as it comes.
async fn answer(far: &IoStream, mut response: ResponseFuture, method: &Method) -> Result<(), Cut> {
    let response = loop {
        let next = poll_fn(|cx| {
            if let Poll::Ready(Some(interim)) = response.poll_informational(cx) {
                return Poll::Ready(interim.map(Err));
            }
            Pin::new(&mut response).poll(cx).map(|done| done.map(Ok))
        });
        match next.await.map_err(reset)? {
            Ok(response) => break response,
            Err(interim) => {
                let mut out = Vec::new();
                encode_response(&mut out, &interim, BodyFraming::None);
                write(far, &out).await?;
            }
        }
    };
    let framing = framing(&response, method);
    let (parts, mut body) = response.into_parts();
    let mut out = Vec::with_capacity(512);
    encode_response(&mut out, &Response::from_parts(parts, ()), framing);
    loop {
        if framing == BodyFraming::None {
            return write(far, &out).await;
        }
        let Some(data) = next(&mut body, far, &mut out).await? else {
            break;
        };
        match framing {
            BodyFraming::Chunked => encode_chunk(&data, &mut out),
            _ => out.extend_from_slice(&data),
        }
        write(far, &out).await?;
        out.clear();
        // Only now may more come.
        let released = body.flow_control().release_capacity(data.len());
        released.map_err(reset)?;
    }
    if framing == BodyFraming::Chunked {
        let trailers = body.trailers().await.map_err(reset)?;
        encode_last_chunk(&as_fields(&trailers.unwrap_or_default()), &mut out);
    }
    write(far, &out).await
}

/// Waits for more of the body; what is to be written before does not wait for it.
async fn next(
    body: &mut RecvStream,
    far: &IoStream,
    out: &mut Vec<u8>,
) -> Result<Option<Bytes>, Cut> {
    let at_once = poll_fn(|cx| Poll::Ready(body.poll_data(cx))).await;
    let data = match at_once {
        Poll::Ready(data) => data,
        Poll::Pending => {
            write(far, out).await?;
            out.clear();
            body.data().await
        }
    };
    data.transpose().map_err(reset)
}

/// How the body is delimited where it is written.
fn framing(response: &Response<RecvStream>, method: &Method) -> BodyFraming {
    let length = response.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
    if !may_have_body(response.status(), method) {
        return BodyFraming::None;
    }
    match length {
        Some(length) => BodyFraming::Length(length),
        None if response.body().is_end_stream() => BodyFraming::Length(0),
        None => BodyFraming::Chunked,
    }
}

async fn write(far: &IoStream, bytes: &[u8]) -> Result<(), Cut> {
    far.write(bytes).await.map_err(|_| Cut::Message)
}

fn reset(error: h2::Error) -> Cut {
    tracing::debug!(target: "squall::web", "a request over HTTP/2 has failed: {error}");
    Cut::Peer
}

/// Reads once; an error at the end, for whoever asked has left then.
async fn fill(far: &IoStream, input: &mut Vec<u8>) -> Result<(), Cut> {
    match poll_fn(|cx| far.poll_read_behind(cx, input, READ)).await {
        Ok(1..) => Ok(()),
        Ok(0) | Err(_) => Err(Cut::Message),
    }
}
