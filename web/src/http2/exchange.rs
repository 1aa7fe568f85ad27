//! One stream: its request goes to a connection of HTTP/1.1 in memory, the answer comes from there.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Method, Request, Response, StatusCode};
use squall::net::IoStream;
use squall::yield_;

use super::flow::{Cut, as_fields, first, no_limits, send};
use super::head;
use super::server::Living;
use crate::http::{
    BodyDecoder, BodyFraming, Limits, ResponseHead, encode_chunk, encode_last_chunk, parse_response,
};

/// How much of an answer is read at a time.
const READ: usize = 16 * 1024;

/// Has a stream answered; `living` counts it until then.
#[squall::coroutine(crate = squall)]
pub(super) fn exchange(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    near: IoStream,
    living: Living,
) {
    let (parts, body) = request.into_parts();
    let mut respond = respond;
    let method = parts.method.clone();
    match head::encode_request(parts, body.is_end_stream()) {
        Ok((head, framing)) => {
            let upload = upload(&near, head, framing, body);
            let answer = answer(&near, &mut respond, &method);
            // The answer counts, whatever was uploaded.
            if let Err(Cut::Message) | Ok(Err(Cut::Message)) = yield_!(first(upload, answer)) {
                respond.send_reset(Reason::INTERNAL_ERROR);
            }
        }
        Err(_) => {
            // If the client is gone, nobody is told.
            let _ = respond.send_response(of_status(StatusCode::BAD_REQUEST), true);
        }
    }
    near.close();
    drop(living);
}

pub(super) fn of_status(status: StatusCode) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response
}

/// Writes the request to where it is served.
async fn upload(
    near: &IoStream,
    head: Vec<u8>,
    framing: BodyFraming,
    mut body: RecvStream,
) -> Result<(), Cut> {
    let mut out = head;
    loop {
        // One that is answered before it is read to its end is not wanted any more.
        if near.write(&out).await.is_err() {
            return Ok(());
        }
        if framing == BodyFraming::None {
            return Ok(());
        }
        out.clear();
        let Some(data) = body.data().await else {
            break;
        };
        let data = data.map_err(|_| Cut::Peer)?;
        match framing {
            BodyFraming::Chunked => encode_chunk(&data, &mut out),
            _ => out.extend_from_slice(&data),
        }
        // It is in our hands; the pair in memory makes the next piece wait.
        let released = body.flow_control().release_capacity(data.len());
        released.map_err(|_| Cut::Peer)?;
    }
    if framing == BodyFraming::Chunked {
        let trailers = body.trailers().await.map_err(|_| Cut::Peer)?;
        let trailers = trailers.unwrap_or_default();
        encode_last_chunk(&as_fields(&trailers), &mut out);
        let _ = near.write(&out).await;
    }
    Ok(())
}

/// Sends what is answered, as fast as the client takes it.
async fn answer(
    near: &IoStream,
    respond: &mut SendResponse<Bytes>,
    method: &Method,
) -> Result<(), Cut> {
    let limits = no_limits();
    let mut input = Vec::new();
    let head = read_head(near, respond, method, &limits, &mut input).await?;
    let framing = head.framing;
    let has_body = framing.has_body();
    let sent = respond.send_response(head::response(head), !has_body);
    let mut out = sent.map_err(|_| Cut::Peer)?;
    if !has_body {
        return Ok(());
    }
    let mut body = BodyDecoder::new(framing, &limits).map_err(|_| Cut::Message)?;
    loop {
        let mut piece = Vec::new();
        let decoded = body.decode(&input, &mut piece);
        let (used, is_complete) = decoded.map_err(|_| Cut::Message)?;
        input.drain(..used);
        let trailers = body.trailers();
        let is_last = is_complete && trailers.is_empty();
        if is_last || !piece.is_empty() {
            send(&mut out, piece.into(), is_last).await?;
        }
        if is_last {
            return Ok(());
        }
        if is_complete {
            return out.send_trailers(trailers).map_err(|_| Cut::Peer);
        }
        let filled = fill(near, &mut input, |cx| out.poll_reset(cx).map(drop)).await?;
        if filled == 0 {
            return Err(Cut::Message);
        }
    }
}

/// Reads the head of the answer, and passes on those of interim ones.
async fn read_head(
    near: &IoStream,
    respond: &mut SendResponse<Bytes>,
    method: &Method,
    limits: &Limits,
    input: &mut Vec<u8>,
) -> Result<ResponseHead, Cut> {
    let mut scanned = 0;
    loop {
        let parsed = parse_response(input, scanned, limits, method);
        if let Some(head) = parsed.map_err(|_| Cut::Message)? {
            input.drain(..head.len);
            scanned = 0;
            match head.status {
                StatusCode::SWITCHING_PROTOCOLS => return Err(Cut::Message),
                status if status.is_informational() => {
                    let interim = respond.send_informational(head::response(head));
                    interim.map_err(|_| Cut::Peer)?;
                }
                _ => return Ok(head),
            }
            continue;
        }
        scanned = input.len();
        if fill(near, input, |cx| respond.poll_reset(cx).map(drop)).await? == 0 {
            return Err(Cut::Message);
        }
    }
}

/// Reads once, unless the client resets the stream before; 0 at the end.
async fn fill(
    near: &IoStream,
    input: &mut Vec<u8>,
    mut poll_reset: impl FnMut(&mut Context<'_>) -> Poll<()>,
) -> Result<usize, Cut> {
    poll_fn(|cx| {
        if poll_reset(cx).is_ready() {
            return Poll::Ready(Err(Cut::Peer));
        }
        // What has failed gives no more either.
        near.poll_read_behind(cx, input, READ)
            .map(|read| Ok(read.unwrap_or(0)))
    })
    .await
}
