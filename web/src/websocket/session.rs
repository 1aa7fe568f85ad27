//! The life of a connection with a handler.

use std::rc::Rc;

use squall::{Panicked, yield_};

use super::accept::{Handshake, cross_origin};
use super::channel::Closed;
use super::codec::CloseCode;
use super::handler::WebSocketHandler;
use super::reader::Incoming;
use super::socket::WebSocket;
use crate::conn::Exchange;
use crate::error::{Error, Result};

/// Answers the handshake, and has the connection's coroutine go on with the handler.
pub(crate) async fn serve<H: WebSocketHandler>(mut handler: H, ex: &mut Exchange) -> Result<()> {
    // Who only looks is not worth the handler's work.
    let handshake = Handshake::check(ex)?;
    handler.prepare(ex).await?;
    if ex.is_finished() || ex.headers_sent() {
        return Ok(());
    }
    let options = handler.options();
    if let Some(origin) = handshake.origin(ex)? {
        let host = ex.request().host().unwrap_or_default();
        if !options.origins.allow(&origin, host) && !handler.check_origin(&origin) {
            return Err(cross_origin(&origin));
        }
    }
    let offered = handshake.subprotocols(ex)?;
    let subprotocol = handler.select_subprotocol(&offered);
    let target: Rc<str> = ex.request().target().into();
    let ws = handshake
        .accept(ex, &options, subprotocol.as_deref())
        .await?;
    ex.stay_for(Box::pin(async move { run(handler, ws, target).await }));
    Ok(())
}

/// Tells the handler of everything, to the end.
async fn run<H: WebSocketHandler>(mut handler: H, mut ws: WebSocket, target: Rc<str>) {
    ws.closes_itself();
    let served = squall::catch_panic(serve_open(&mut handler, &mut ws)).await;
    let has_failed = match served {
        Ok(Ok(())) => false,
        Ok(Err(error)) => {
            log_error(&target, &error);
            true
        }
        Err(panic) => {
            log_panic(&target, &panic);
            true
        }
    };
    if has_failed {
        // It may be closed already, which is why it has failed.
        let _ = ws.close(CloseCode::INTERNAL_ERROR, "").await;
    }
    let closed = ws.closed().unwrap_or(Closed {
        code: CloseCode::ABNORMAL,
        reason: String::new(),
        by_peer: false,
    });
    let told = squall::catch_panic(async { handler.on_close(&closed) }).await;
    if let Err(panic) = told {
        log_panic(&target, &panic);
    }
}

async fn serve_open<H: WebSocketHandler>(handler: &mut H, ws: &mut WebSocket) -> Result<()> {
    let sender = ws.sender();
    yield_!(handler.open(&sender))?;
    while let Some(incoming) = yield_!(ws.next()) {
        match incoming {
            Incoming::Message(message) => yield_!(handler.on_message(&sender, message))?,
            Incoming::Ping(data) => handler.on_ping(&data),
            Incoming::Pong(data) => handler.on_pong(&data),
            Incoming::Leave => {
                yield_!(handler.on_shutdown(&sender))?;
                sender.close(CloseCode::GOING_AWAY, "")?;
            }
        }
    }
    Ok(())
}

/// A handler's error is one of the program's; unless it is the news that the peer has gone.
fn log_error(target: &str, error: &Error) {
    let way = squall::take_traceback();
    if error.is_client_gone() {
        tracing::debug!(target: "squall::web", "the peer of {target} has gone: {error}");
        return;
    }
    match way {
        Some(way) => {
            tracing::error!(target: "squall::web", "uncaught error WebSocket {target}: {error}\n{way}");
        }
        None => {
            tracing::error!(target: "squall::web", "uncaught error WebSocket {target}: {error}")
        }
    }
}

fn log_panic(target: &str, panic: &Panicked) {
    let message = panic.message();
    match panic.traceback() {
        Some(way) => {
            tracing::error!(target: "squall::web", "panic WebSocket {target}: {message}\n{way}");
        }
        None => tracing::error!(target: "squall::web", "panic WebSocket {target}: {message}"),
    }
}
