//! A server's side of the handshake (RFC 6455 §4.2).

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::{Rc, Weak};

use http::header::{ALLOW, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderValue, Method, StatusCode};

use super::channel::{Channel, Deflating};
use super::codec::{Agreement, Decoder, Role, accept_key, accept_offers, is_key};
use super::keepalive::Keepalive;
use super::options::WebSocketOptions;
use super::reader::Reader;
use super::sender::WebSocketSender;
use super::socket::WebSocket;
use crate::conn::{Detached, Exchange, Leaves, Stay};
use crate::error::{Error, Result};
use crate::http::grammar::{list, list_has};

impl Exchange {
    /// Accepts a WebSocket connection, with the default options: answers the handshake, and takes the
    /// connection over.
    ///
    /// Headers that were set go along. Only pages of the server's own are let in; see
    /// [`Origins`](super::Origins).
    ///
    /// # Errors
    ///
    /// If it is no handshake (400, 405, 426), or the page's `Origin` is another (403): return it, so
    /// that the client is told. If the client has gone.
    pub async fn websocket(&mut self) -> Result<WebSocket> {
        self.websocket_with(&WebSocketOptions::default()).await
    }

    /// As [`websocket`](Exchange::websocket), with options.
    ///
    /// # Errors
    ///
    /// As [`websocket`](Exchange::websocket).
    pub async fn websocket_with(&mut self, options: &WebSocketOptions) -> Result<WebSocket> {
        // In a box: the handler that waits here is kept for as long as the connection.
        Box::pin(accept(self, options)).await
    }
}

async fn accept(ex: &mut Exchange, options: &WebSocketOptions) -> Result<WebSocket> {
    let handshake = Handshake::check(ex)?;
    if let Some(origin) = handshake.origin(ex)? {
        let host = ex.request().host().unwrap_or_default();
        if !options.origins.allow(&origin, host) {
            return Err(cross_origin(&origin));
        }
    }
    let offered = handshake.subprotocols(ex)?;
    let spoken = options.subprotocols.iter();
    let chosen = spoken
        .map(Cow::as_ref)
        .find(|name| offered.iter().any(|offer| offer == name));
    handshake.accept(ex, options, chosen).await
}

/// A handshake that is sound so far.
pub(super) struct Handshake {
    accept: String,
}

impl Handshake {
    /// Judges everything of a request but who sends it.
    pub(super) fn check(ex: &Exchange) -> Result<Handshake> {
        if *ex.request().method() != Method::GET {
            let error = refuse(
                StatusCode::METHOD_NOT_ALLOWED,
                "a WebSocket handshake is a GET",
            );
            return Err(error.with_header(ALLOW, HeaderValue::from_static("GET")));
        }
        let has = |name, token: &[u8]| {
            let mut values = values(ex, name);
            values.any(|value| list_has(value, token))
        };
        if !has("upgrade", b"websocket") {
            return Err(bad("Can \"Upgrade\" only to \"WebSocket\"."));
        }
        if !has("connection", b"upgrade") {
            return Err(bad("\"Connection\" must be \"Upgrade\"."));
        }
        // HTTP/1.0 has no upgrades.
        if ex.request().version() != crate::http::Version::Http11 {
            return Err(bad("a WebSocket handshake is of HTTP/1.1"));
        }
        if only(ex, "sec-websocket-version") != Some(b"13") {
            let error = refuse(
                StatusCode::UPGRADE_REQUIRED,
                "version 13 of the protocol is needed",
            );
            let version = HeaderValue::from_static("13");
            return Err(error
                .with_header(UPGRADE, HeaderValue::from_static("websocket"))
                .with_header(SEC_WEBSOCKET_VERSION, version));
        }
        match only(ex, "sec-websocket-key") {
            Some(key) if is_key(key) => Ok(Handshake {
                accept: accept_key(key),
            }),
            _ => Err(bad("Missing/Invalid WebSocket headers")),
        }
    }

    /// Whose page connects, if it is one.
    pub(super) fn origin(&self, ex: &Exchange) -> Result<Option<String>> {
        let origin = ex
            .origin()
            .map_err(|_| cross_origin("several, or no text"))?;
        Ok(origin.map(str::to_owned))
    }

    /// The subprotocols that the client speaks, the best first.
    pub(super) fn subprotocols(&self, ex: &Exchange) -> Result<Vec<String>> {
        let mut offered = Vec::new();
        for value in values(ex, "sec-websocket-protocol") {
            for name in list(value) {
                match std::str::from_utf8(name) {
                    Ok(name) => offered.push(name.to_owned()),
                    Err(_) => return Err(bad("malformed Sec-WebSocket-Protocol")),
                }
            }
        }
        Ok(offered)
    }

    /// Answers, and takes the connection over.
    pub(super) async fn accept(
        self,
        ex: &mut Exchange,
        options: &WebSocketOptions,
        subprotocol: Option<&str>,
    ) -> Result<WebSocket> {
        if ex.is_draining() {
            let message = "the server is about to end";
            return Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, message));
        }
        ex.set_header("sec-websocket-accept", self.accept)?;
        if let Some(subprotocol) = subprotocol {
            ex.set_header("sec-websocket-protocol", subprotocol)?;
        }
        let agreed = options.compression.as_ref().and_then(|wanted| {
            let offers = values(ex, "sec-websocket-extensions");
            let (agreement, answer) = accept_offers(offers, wanted)?;
            Some((agreement, answer, wanted))
        });
        let mut agreement = None;
        if let Some((agreed, answer, wanted)) = agreed {
            ex.set_header("sec-websocket-extensions", answer)?;
            agreement = Some((agreed, wanted));
        }
        let deflating = agreement.map(|(agreed, wanted)| Deflating {
            deflater: agreed.deflater(Role::Server, wanted.level),
            threshold: wanted.threshold,
        });
        let decoder = decoder(Role::Server, options, agreement.map(|(agreed, _)| agreed));
        let subprotocol = subprotocol.map(Box::from);
        let Detached { stream, read } = ex.upgrade("websocket").await?;
        let channel = Channel::new(stream, Role::Server, options, deflating, subprotocol);
        let channel = Rc::new(channel);
        let leaves: Weak<dyn Leaves> = Rc::<Channel>::downgrade(&channel);
        channel.stay(ex.guests().enter(leaves));
        let has_failed = Rc::new(Cell::new(false));
        // The connection is the server's as long as it lasts, whoever has it.
        let over = WebSocketSender::new(channel.clone());
        ex.stay(Stay {
            rest: Box::pin(async move { over.over().await }),
            has_failed: has_failed.clone(),
        });
        let reader = Reader::new(channel, decoder, read, Keepalive::new(options));
        Ok(WebSocket::new(reader, has_failed))
    }
}

/// What takes the peer's messages apart.
pub(super) fn decoder(
    role: Role,
    options: &WebSocketOptions,
    agreed: Option<Agreement>,
) -> Decoder {
    let decoder = Decoder::new(role, options.max_message_bytes);
    match agreed {
        Some(agreed) => decoder.inflate(agreed.inflater(role)),
        None => decoder,
    }
}

fn values<'e>(ex: &'e Exchange, name: &'static str) -> impl Iterator<Item = &'e [u8]> {
    let headers = ex.request().headers();
    let named = headers.filter(move |(other, _)| other.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value)
}

/// The value of a header that may be there only once.
fn only<'e>(ex: &'e Exchange, name: &'static str) -> Option<&'e [u8]> {
    let mut values = values(ex, name);
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

fn bad(reason: &'static str) -> Error {
    refuse(StatusCode::BAD_REQUEST, reason)
}

fn refuse(status: StatusCode, reason: &'static str) -> Error {
    Error::new(status, "no WebSocket handshake").with_reason(reason)
}

pub(super) fn cross_origin(origin: &str) -> Error {
    let message = format!("a page of {origin:?} may not connect: see WebSocketOptions::origins");
    Error::new(StatusCode::FORBIDDEN, message).with_reason("Cross origin websockets not allowed")
}
