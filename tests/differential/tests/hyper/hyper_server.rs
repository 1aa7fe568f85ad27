//! hyper's server, in memory.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::runtime::{Builder, Runtime};

use crate::outcome::{Got, Outcome};

pub(crate) struct Server {
    runtime: Runtime,
}

impl Server {
    pub(crate) fn new() -> Server {
        let runtime = Builder::new_current_thread().enable_time().build();
        Server {
            runtime: runtime.expect("a runtime"),
        }
    }

    /// Sends bytes, and says what became of them.
    pub(crate) fn ask(&self, wire: &[u8]) -> Outcome {
        let ended = self.runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(10), converse(wire)).await
        });
        ended.expect("hyper hangs")
    }
}

async fn converse(wire: &[u8]) -> Outcome {
    let got = Rc::new(RefCell::new(Vec::new()));
    let was_malformed = Rc::new(Cell::new(false));
    let (mut client, server) = duplex(1 << 20);
    client.write_all(wire).await.expect("there is room");
    client.shutdown().await.expect("it is open");
    let service = service_fn(|request| {
        let (got, was_malformed) = (got.clone(), was_malformed.clone());
        async move { answer(request, &got, &was_malformed).await }
    });
    // Its own words for what is not whole are no matter here.
    let _ = http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(server), service)
        .await;
    let mut answers = Vec::new();
    client
        .read_to_end(&mut answers)
        .await
        .expect("it was closed");
    Outcome::new(got.take(), &answers, was_malformed.get())
}

/// A body that is cut or malformed has no answer: hyper closes.
#[derive(Debug)]
struct NoBody;

impl std::fmt::Display for NoBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the body has not come whole")
    }
}

impl std::error::Error for NoBody {}

async fn answer(
    request: Request<Incoming>,
    got: &RefCell<Vec<Got>>,
    was_malformed: &Cell<bool>,
) -> Result<Response<Full<Bytes>>, NoBody> {
    let (head, body) = request.into_parts();
    match body.collect().await {
        Ok(body) => got.borrow_mut().push(Got {
            method: head.method.as_str().into(),
            target: head.uri.to_string(),
            body: body.to_bytes().to_vec(),
            is_1_0: head.version == Version::HTTP_10,
        }),
        Err(error) => {
            was_malformed.set(!is_cut(&error));
            return Err(NoBody);
        }
    }
    Ok(Response::new(Full::new(Bytes::from_static(b"ok"))))
}

/// True if the body is not malformed, but not there whole.
fn is_cut(error: &hyper::Error) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(one) = source {
        let io = one.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::UnexpectedEof) {
            return true;
        }
        source = one.source();
    }
    error.is_incomplete_message()
}
