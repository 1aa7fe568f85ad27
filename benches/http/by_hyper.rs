//! hyper's server on tokio's current-thread runtime, each route by what hyper's own examples do.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use http_body_util::channel::Sender;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Channel, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};

use crate::{PIECE, Result};

type Body = BoxBody<Bytes, Infallible>;

async fn answer(request: Request<Incoming>, folder: PathBuf) -> Result<Response<Body>> {
    match request.uri().path() {
        "/up" => {
            let mut bytes = 0;
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                bytes += frame?.data_ref().map_or(0, Bytes::len);
            }
            Ok(Response::new(Full::from(bytes.to_string()).boxed()))
        }
        "/down" => {
            let query = request.uri().query().unwrap_or_default();
            let bytes = query.trim_start_matches("bytes=").parse()?;
            let (sender, body) = Channel::<Bytes, Infallible>::new(1);
            spawn_local(send_bytes(bytes, sender));
            streamed(bytes, body)
        }
        "/files/large" => {
            let file = File::open(folder.join("large")).await?;
            let bytes = file.metadata().await?.len();
            let (sender, body) = Channel::<Bytes, Infallible>::new(1);
            spawn_local(send_file(file, sender));
            streamed(bytes, body)
        }
        _ => Ok(Response::new(Full::from("Hello, World!").boxed())),
    }
}

fn streamed(bytes: u64, body: Channel<Bytes, Infallible>) -> Result<Response<Body>> {
    let response = Response::builder().header(CONTENT_LENGTH, bytes);
    Ok(response.body(body.boxed())?)
}

async fn send_bytes(mut left: u64, mut sender: Sender<Bytes, Infallible>) {
    let piece = Bytes::from(vec![b'x'; PIECE]);
    while left > 0 {
        let count = left.min(PIECE as u64);
        if sender
            .send_data(piece.slice(..count as usize))
            .await
            .is_err()
        {
            return;
        }
        left -= count;
    }
}

async fn send_file(mut file: File, mut sender: Sender<Bytes, Infallible>) {
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        match file.read_buf(&mut piece).await {
            Ok(count) if count > 0 => {}
            _ => return,
        }
        if sender.send_data(piece.into()).await.is_err() {
            return;
        }
    }
}

pub(crate) fn serve(port: u16, folder: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let folder = folder.to_owned();
            let service = service_fn(move |request| answer(request, folder.clone()));
            spawn_local(
                http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    })
}
