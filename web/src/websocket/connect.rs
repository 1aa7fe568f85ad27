//! A client's side of the handshake (RFC 6455 §4.1).

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use http::header::{
    AUTHORIZATION, CONNECTION, HeaderMap, HeaderName, HeaderValue, LOCATION, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
#[cfg(feature = "tls")]
use squall::net::TlsConnector;
use squall::net::{IoStream, TcpClient};
use squall::{Deferred, with_timeout, yield_};
use url::Url;

use super::accept::decoder;
use super::channel::{Channel, Deflating};
use super::codec::{Role, accept_key, check_answer, offer};
use super::error::WebSocketError;
use super::keepalive::Keepalive;
use super::masks::Masks;
use super::options::WebSocketOptions;
use super::reader::Reader;
use super::socket::WebSocket;
use crate::http::grammar::list;
use crate::http::{BodyFraming, Limits, ResponseHead, encode_request_head, parse_response};

/// How a client connects.
///
/// # Examples
///
/// ```
/// use squall_web::websocket::{ConnectOptions, WebSocketOptions};
/// use std::time::Duration;
///
/// let options = ConnectOptions {
///     websocket: WebSocketOptions {
///         subprotocols: vec!["chat.v1".into()],
///         ping_interval: Some(Duration::from_secs(20)),
///         ..WebSocketOptions::default()
///     },
///     ..ConnectOptions::default()
/// }
/// .header("Authorization", "Bearer 1234");
/// ```
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// How the connection is to behave. Its `origins` are of no use here.
    pub websocket: WebSocketOptions,
    /// Headers of the handshake, beside those that it needs.
    pub headers: Vec<(String, String)>,
    /// How long the connection and the handshake may take together; 20 s.
    pub connect_timeout: Duration,
    /// Makes the TCP connection.
    pub tcp: TcpClient,
    /// Secures connections of `wss:`; of itself one that believes as the system does.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsConnector>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions {
            websocket: WebSocketOptions::default(),
            headers: Vec::new(),
            connect_timeout: Duration::from_secs(20),
            tcp: TcpClient::new(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl ConnectOptions {
    /// Adds a header. A malformed one is an error when it is connected.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> ConnectOptions {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// Connects to a server; starts at once. Tornado's `websocket_connect`.
///
/// The URL is a `ws:` one, or a `wss:` one with the feature `tls`. A user name and password in it are sent as `Authorization: Basic`.
///
/// # Errors
///
/// All of them come out of the `Deferred`: a malformed URL, header or subprotocol; no connection; a
/// server that answers something else ([`WebSocketError::http_status`]), or not as it should
/// ([`WebSocketError::is_handshake`]); too long a time ([`WebSocketError::is_timeout`]). Redirects are
/// not followed: one is an error that says where it leads.
///
/// # Examples
///
/// ```no_run
/// use squall::yield_;
/// use squall_web::websocket::{ConnectOptions, WebSocketError, websocket_connect};
///
/// #[squall::main]
/// fn main() -> Result<(), WebSocketError> {
///     let url = "ws://localhost:8888/ws";
///     let mut ws = yield_!(websocket_connect(url, ConnectOptions::default()))?;
///     yield_!(ws.send("hello"))?;
///     println!("{:?}", yield_!(ws.recv()));
///     yield_!(ws.close(1000, ""))
/// }
/// ```
pub fn websocket_connect(
    url: impl AsRef<str>,
    options: ConnectOptions,
) -> Deferred<Result<WebSocket, WebSocketError>> {
    connect(url.as_ref().to_owned(), options)
}

#[squall::coroutine(crate = squall)]
fn connect(url: String, options: ConnectOptions) -> Result<WebSocket, WebSocketError> {
    let request = Request::new(&url, &options)?;
    let limit = options.connect_timeout;
    match yield_!(with_timeout(limit, shake_hands(request, &options))) {
        Ok(connected) => connected,
        Err(_) => Err(WebSocketError::timeout()),
    }
}

async fn shake_hands(
    request: Request,
    options: &ConnectOptions,
) -> Result<WebSocket, WebSocketError> {
    let Request { host, port, .. } = &request;
    let tcp = tcp(&request, options).await?;
    let connected = tcp.connect(host.clone(), *port).await;
    let stream = connected.map_err(|error| {
        WebSocketError::connect(format!("cannot connect to {host}:{port}"), error)
    })?;
    let of_the_stream =
        |error| WebSocketError::connect("the connection broke in the handshake", error);
    stream.write(&request.head).await.map_err(of_the_stream)?;
    let mut input = Vec::new();
    let head = read_head(&stream, &mut input).await?;
    let agreed = request.check(&head, options)?;
    let websocket = &options.websocket;
    let deflating = agreed.extension.zip(websocket.compression.as_ref());
    let deflating = deflating.map(|(agreement, wanted)| Deflating {
        deflater: agreement.deflater(Role::Client, wanted.level),
        threshold: wanted.threshold,
    });
    let decoder = decoder(Role::Client, websocket, agreed.extension);
    let read = input.split_off(head.len);
    let stream = Rc::new(stream);
    let channel = Channel::new(
        stream,
        Role::Client,
        websocket,
        deflating,
        agreed.subprotocol,
    );
    let keepalive = Keepalive::new(websocket);
    let reader = Reader::new(Rc::new(channel), decoder, read, keepalive);
    Ok(WebSocket::new(reader, Rc::new(Cell::new(false))))
}

/// What makes the connection, secured if it is to be.
#[cfg(feature = "tls")]
async fn tcp(request: &Request, options: &ConnectOptions) -> Result<TcpClient, WebSocketError> {
    if !request.is_secure {
        return Ok(options.tcp.clone());
    }
    let connector = match &options.tls {
        Some(connector) => connector.clone(),
        None => {
            // It reads the system's roots.
            let made = squall::run_in_executor(|| TlsConnector::builder().build()).await;
            let made = made.and_then(|made| made);
            made.map_err(|error| WebSocketError::connect("TLS cannot be set up", error))?
        }
    };
    Ok(options.tcp.clone().tls(connector))
}

/// What makes the connection.
#[cfg(not(feature = "tls"))]
async fn tcp(_: &Request, options: &ConnectOptions) -> Result<TcpClient, WebSocketError> {
    Ok(options.tcp.clone())
}

/// How much of the answer's head is read at a time.
const READ: usize = 4096;

/// Reads the answer's head into `input`.
async fn read_head(stream: &IoStream, input: &mut Vec<u8>) -> Result<ResponseHead, WebSocketError> {
    let limits = Limits::default();
    let mut scanned = 0;
    loop {
        let parsed = parse_response(input, scanned, &limits, &Method::GET);
        match parsed {
            Ok(Some(head))
                if head.status.is_informational()
                    && head.status != StatusCode::SWITCHING_PROTOCOLS =>
            {
                // Another follows.
                input.drain(..head.len);
                scanned = 0;
                continue;
            }
            Ok(Some(head)) => return Ok(head),
            Ok(None) => scanned = input.len(),
            Err(error) => {
                let message = format!("the server's answer is malformed: {error}");
                return Err(WebSocketError::handshake(message));
            }
        }
        match poll_fn(|cx| stream.poll_read_behind(cx, input, READ)).await {
            Ok(0) => {
                let message = "the server closed the connection in the handshake";
                return Err(WebSocketError::handshake(message));
            }
            Ok(_) => {}
            Err(error) => {
                let message = "the connection broke in the handshake";
                return Err(WebSocketError::connect(message, error));
            }
        }
    }
}

/// What is sent, and what the answer has to fit.
struct Request {
    host: String,
    port: u16,
    #[cfg(feature = "tls")]
    is_secure: bool,
    head: Vec<u8>,
    accept: String,
}

/// What the server has agreed to.
struct Agreed {
    subprotocol: Option<Box<str>>,
    extension: Option<super::codec::Agreement>,
}

impl Request {
    fn new(url: &str, options: &ConnectOptions) -> Result<Request, WebSocketError> {
        let mistake = |message: String| Err(WebSocketError::mistake(message));
        let url = match Url::parse(url) {
            Ok(url) => url,
            Err(error) => return mistake(format!("{url:?} is no URL: {error}")),
        };
        let port = match url.scheme() {
            "ws" => url.port().unwrap_or(80),
            "wss" if cfg!(feature = "tls") => url.port().unwrap_or(443),
            "wss" => {
                return mistake("wss: needs the feature `tls` of squall-web".to_owned());
            }
            other => return mistake(format!("{other}: is no scheme of a WebSocket: take ws:")),
        };
        let Some(host) = url.host_str() else {
            return mistake(format!("{url} has no host"));
        };
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let key = BASE64_STANDARD.encode(Masks::new().handshake_key());
        let headers = headers(&url, &key, options)?;
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let mut head = Vec::new();
        let (method, none) = (Method::GET, BodyFraming::None);
        encode_request_head(&mut head, &method, target, &authority, &headers, none)
            .map_err(|error| WebSocketError::mistake(format!("{url} cannot be asked: {error}")))?;
        Ok(Request {
            // Without the brackets of an IPv6 address.
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            #[cfg(feature = "tls")]
            is_secure: url.scheme() == "wss",
            head,
            accept: accept_key(key.as_bytes()),
        })
    }

    /// Judges the server's answer.
    fn check(
        &self,
        head: &ResponseHead,
        options: &ConnectOptions,
    ) -> Result<Agreed, WebSocketError> {
        if head.status != StatusCode::SWITCHING_PROTOCOLS {
            let location = head
                .headers
                .get(LOCATION)
                .filter(|_| head.status.is_redirection());
            let location = location.map(|at| String::from_utf8_lossy(at.as_bytes()).into_owned());
            return Err(WebSocketError::status(head.status, location));
        }
        let all = |name| head.headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let has = |name, token: &[u8]| {
            let mut members = all(name).flat_map(list);
            members.any(|member| member.eq_ignore_ascii_case(token))
        };
        let wrong = |what: &str| Err(WebSocketError::handshake(format!("the server's {what}")));
        if !has(UPGRADE, b"websocket") || !has(CONNECTION, b"upgrade") {
            return wrong("answer is no upgrade to a WebSocket");
        }
        let mut accepts = all(SEC_WEBSOCKET_ACCEPT);
        if accepts.next() != Some(self.accept.as_bytes()) || accepts.next().is_some() {
            return wrong("Sec-WebSocket-Accept does not answer the key: it has not understood");
        }
        let mut subprotocols = all(SEC_WEBSOCKET_PROTOCOL);
        let subprotocol = match (subprotocols.next(), subprotocols.next()) {
            (None, _) => None,
            (Some(chosen), None) => {
                let offered = options.websocket.subprotocols.iter();
                match offered
                    .map(|name| &**name)
                    .find(|name| name.as_bytes() == chosen)
                {
                    Some(name) => Some(name.into()),
                    None => return wrong("subprotocol was not offered"),
                }
            }
            _ => return wrong("subprotocols are more than one"),
        };
        let compression = options.websocket.compression.as_ref();
        let extension = check_answer(all(SEC_WEBSOCKET_EXTENSIONS), compression)
            .map_err(WebSocketError::handshake)?;
        Ok(Agreed {
            subprotocol,
            extension,
        })
    }
}

/// The headers of the handshake.
fn headers(url: &Url, key: &str, options: &ConnectOptions) -> Result<HeaderMap, WebSocketError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &options.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        match (name, HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => {
                headers.append(name, value);
            }
            (Err(_), _) => return Err(WebSocketError::mistake("malformed header name")),
            (_, Err(_)) => return Err(WebSocketError::mistake("malformed header value")),
        }
    }
    let text = |value: &str, what: &str| {
        HeaderValue::from_str(value)
            .map_err(|_| WebSocketError::mistake(format!("{what} {value:?} cannot be sent")))
    };
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_KEY, text(key, "key")?);
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    for subprotocol in &options.websocket.subprotocols {
        let is_token = HeaderName::from_bytes(subprotocol.as_bytes()).is_ok();
        if !is_token {
            let message = format!("the subprotocol {subprotocol:?} is no token");
            return Err(WebSocketError::mistake(message));
        }
    }
    if !options.websocket.subprotocols.is_empty() {
        let offered = options.websocket.subprotocols.join(", ");
        headers.insert(SEC_WEBSOCKET_PROTOCOL, text(&offered, "subprotocols")?);
    }
    if let Some(compression) = &options.websocket.compression {
        let offer = text(&offer(compression), "extension")?;
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, offer);
    }
    let has_user = !url.username().is_empty() || url.password().is_some();
    if has_user && !headers.contains_key(AUTHORIZATION) {
        let mut plain: Vec<u8> = percent_decode_str(url.username()).collect();
        plain.push(b':');
        plain.extend(percent_decode_str(url.password().unwrap_or_default()));
        let mut value = text(&format!("Basic {}", BASE64_STANDARD.encode(&plain)), "user")?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}
