//! A reverse proxy that streams both ways: `cargo run --example reverse_proxy 8000 http://127.0.0.1:8888`
//!
//! What it is asked it asks another server, and hands the answer on as it comes: no body is held, and
//! who reads slowly makes the other side wait. Its third argument says for how many seconds the other
//! server may do nothing; 60.
//!
//! ```text
//! cargo run --example hello &
//! cargo run --example reverse_proxy 8000 http://127.0.0.1:8888 &
//! curl -i http://127.0.0.1:8000/
//! ```
//!
//! Headers that concern one connection alone stay on it (RFC 9110 §7.6.1); `Via` and
//! `X-Forwarded-For` are added. A server that cannot be reached, or makes no sense, is a 502; one that
//! does nothing a 504. A client that goes takes its request along. Protocols are not switched.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use futures_lite::future::or;
use squall::sync::{Put, Queue};
use squall::{Deferred, yield_};
use squall_web::client::{ClientConfig, FetchError, Request, ResponseStream};
use squall_web::{
    AsyncHttpClient, BodyPlan, Call, Error, Exchange, Handle, HttpServer, Method, Result,
    StatusCode,
};

/// Headers that are for one connection, beside those that `Connection` names.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

struct ReverseProxy {
    client: AsyncHttpClient,
    /// The other server, without a slash at its end.
    upstream: String,
}

impl Handle for ReverseProxy {
    fn body_plan(&self, _: &mut Exchange) -> BodyPlan {
        BodyPlan::stream().max_bytes(u64::MAX).no_timeout()
    }

    fn handle<'a>(&'a self, ex: &'a mut Exchange) -> Call<'a> {
        Call::coroutine(self.forward(ex))
    }
}

impl ReverseProxy {
    /// Asks the other server what was asked, and answers what it says.
    async fn forward(&self, ex: &mut Exchange) -> Result<()> {
        let gone = ex.client_gone();
        let mut body = Body::of(ex);
        let mut asked = Asked(self.client.stream(self.request(ex, &body)?));
        // The request's body goes out while the answer is waited for.
        let answer = or(async { Ok(Some((&mut asked.0).await)) }, async {
            body.send(ex).await?;
            gone.clone().await;
            Ok::<_, Error>(None)
        });
        let mut answer = match answer.await? {
            Some(answer) => answer.map_err(bad_gateway)?,
            None => return Err(client_gone()),
        };
        answer_head(ex, &answer)?;
        let is_bare =
            *ex.request().method() == Method::HEAD || matches!(answer.status().as_u16(), 204 | 304);
        if is_bare {
            return Ok(());
        }
        yield_!(ex.flush())?;
        loop {
            // A server may answer before it has read everything.
            let piece = or(async { Ok(Some(answer.chunk().await)) }, async {
                body.send(ex).await?;
                gone.clone().await;
                Ok::<_, Error>(None)
            });
            match piece.await? {
                Some(Ok(Some(piece))) => ex.write(piece),
                Some(Ok(None)) => return Ok(()),
                // The answer is cut here as it was there.
                Some(Err(error)) => return Err(bad_gateway(error)),
                None => return Err(client_gone()),
            }
            yield_!(ex.flush())?;
        }
    }

    /// The request for the other server.
    fn request(&self, ex: &Exchange, body: &Body) -> Result<Request> {
        let request = ex.request();
        let path = request.path();
        if !path.starts_with('/') {
            return Err(Error::status_only(StatusCode::BAD_REQUEST));
        }
        let query = request.query().map_or(String::new(), |q| format!("?{q}"));
        let url = format!("{}{path}{query}", self.upstream);
        let mut asked = Request::new(request.method().clone(), url)
            .timeout(None)
            .max_body_bytes(u64::MAX)
            .follow_redirects(false)
            .raise_error(false)
            .decompress_response(false)
            .allow_nonstandard_methods(true);
        let connection = request.headers().filter(|(name, _)| is(name, "connection"));
        let named: Vec<String> = connection.flat_map(|(_, value)| tokens(value)).collect();
        for (name, value) in request.headers() {
            // Whether a body is to be sent is decided here.
            let is_ours = is(name, "expect") || is(name, "x-forwarded-for") || is(name, "via");
            if !is_ours && !is_hop_by_hop(name, &named) {
                asked = asked.header(name, value);
            }
        }
        let client = request
            .remote_addr()
            .map(|address| address.ip().to_string());
        let before = all(ex, "x-forwarded-for");
        let way = before.into_iter().chain(client).collect::<Vec<_>>();
        asked = asked.header("x-forwarded-for", way.join(", "));
        let via = all(ex, "via").into_iter().chain([VIA.to_owned()]);
        asked = asked.header("via", via.collect::<Vec<_>>().join(", "));
        Ok(match body.queue.clone() {
            Some(queue) => asked.body_producer_once(move |writer| async move {
                while let Some(piece) = queue.get().await {
                    writer.write(&piece).await?;
                }
                Ok::<(), squall::Error>(())
            }),
            None => asked,
        })
    }
}

const VIA: &str = "1.1 squall";

/// Has the answer begin as the other server's does.
fn answer_head(ex: &mut Exchange, answer: &ResponseStream) -> Result<()> {
    ex.set_status(answer.status());
    let connection = answer.headers().get_all("connection");
    let named = connection
        .into_iter()
        .flat_map(|value| tokens(value.as_bytes()));
    let named: Vec<String> = named.collect();
    for (name, value) in answer.headers() {
        if !is_hop_by_hop(name.as_str(), &named) {
            ex.add_header(name.clone(), value.clone())?;
        }
    }
    ex.add_header("via", VIA)
}

fn is(name: &str, other: &str) -> bool {
    name.eq_ignore_ascii_case(other)
}

fn is_hop_by_hop(name: &str, named: &[String]) -> bool {
    HOP_BY_HOP.iter().any(|hop| is(name, hop)) || named.iter().any(|hop| is(name, hop))
}

/// The tokens of a list.
fn tokens(value: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(value);
    text.split(',')
        .map(|token| token.trim().to_owned())
        .collect()
}

/// The values of a request's header, as text.
fn all(ex: &Exchange, name: &str) -> Vec<String> {
    let headers = ex.request().headers();
    let named = headers.filter(|(n, _)| is(n, name));
    named
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect()
}

/// A request that is cancelled if nobody waits for its answer any more.
struct Asked(Deferred<Result<ResponseStream, FetchError>>);

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The request's body on its way.
struct Body {
    /// Has room for one piece, or for the news that there are no more; none if there is no body, or
    /// it has been sent.
    queue: Option<Queue<Option<Vec<u8>>>>,
    /// A piece that found no room yet.
    next: Option<Put>,
    is_read: bool,
}

impl Body {
    fn of(ex: &Exchange) -> Body {
        let request = ex.request();
        let length = request.header("content-length");
        let has_body = length.is_some() || request.header("transfer-encoding").is_some();
        Body {
            queue: has_body.then(|| Queue::bounded(1)),
            next: None,
            is_read: false,
        }
    }

    /// Hands all of it over. May be given up and called again: nothing is lost.
    async fn send(&mut self, ex: &mut Exchange) -> Result<()> {
        while let Some(queue) = &self.queue {
            if let Some(next) = &mut self.next {
                next.await;
                self.next = None;
            } else if self.is_read {
                self.queue = None;
            } else {
                let piece = ex.body_chunk().await?;
                self.is_read = piece.is_none();
                self.next = Some(queue.put(piece));
            }
        }
        Ok(())
    }
}

fn bad_gateway(error: FetchError) -> Error {
    let status = match error.is_timeout() {
        true => StatusCode::GATEWAY_TIMEOUT,
        false => StatusCode::BAD_GATEWAY,
    };
    Error::new(status, "the other server failed").with_source(error)
}

fn client_gone() -> Error {
    let gone = squall::Error::from(io::Error::from(io::ErrorKind::ConnectionReset));
    Error::new(StatusCode::BAD_GATEWAY, "the client has gone").with_source(gone)
}

#[squall::main]
fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let port = args.next().and_then(|port| port.parse::<u16>().ok());
    let upstream = args.next().filter(|url| url.starts_with("http://"));
    let seconds = args.next().map_or(Ok(60), |text| text.parse());
    let (Some(port), Some(upstream), Ok(seconds)) = (port, upstream, seconds) else {
        eprintln!("usage: reverse_proxy PORT http://HOST[:PORT] [SECONDS]");
        return ExitCode::from(2);
    };
    let limit = Duration::from_secs(seconds);
    let config = ClientConfig {
        stall_timeout: Some(limit),
        connect_timeout: Some(limit),
        ..ClientConfig::default()
    };
    let proxy = ReverseProxy {
        client: AsyncHttpClient::with_config(config),
        upstream: upstream.trim_end_matches('/').to_owned(),
    };
    match yield_!(serve(port, proxy)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:?}");
            ExitCode::FAILURE
        }
    }
}

#[squall::coroutine]
fn serve(port: u16, proxy: ReverseProxy) -> Result<()> {
    let server = HttpServer::new(proxy);
    let listening = server.listen(&format!("127.0.0.1:{port}"))?;
    yield_!(listening.shutdown_on_signal(Duration::from_secs(10)))?;
    Ok(())
}
