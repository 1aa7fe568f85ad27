//! Squall's server, as anyone would write it.

use std::path::Path;

use squall::yield_;
use squall_web::{Application, BodyPlan, Exchange, HttpServer, StaticFiles};

use crate::{PIECE, Result};

#[squall::coroutine]
fn up(ex: &mut Exchange) -> squall_web::Result<()> {
    let mut bytes = 0;
    while let Some(chunk) = yield_!(ex.body_chunk())? {
        bytes += chunk.len();
    }
    ex.write(bytes.to_string());
    Ok(())
}

#[squall::coroutine]
fn down(ex: &mut Exchange) -> squall_web::Result<()> {
    let mut left: usize = ex.argument("bytes")?.parse()?;
    ex.set_header("content-length", left.to_string())?;
    let piece = vec![b'x'; PIECE];
    while left > 0 {
        let count = left.min(PIECE);
        ex.write(&piece[..count]);
        yield_!(ex.flush())?;
        left -= count;
    }
    Ok(())
}

pub(crate) fn serve(port: u16, folder: &Path) -> Result<()> {
    let app = Application::new()
        .get("/", |ex: &mut Exchange| ex.write("Hello, World!"))
        .post("/up", up)
        .body("/up", BodyPlan::stream().max_bytes(u64::MAX))
        .get("/down", down)
        .files("/files/", StaticFiles::new(folder));
    let served = squall::IoLoop::current().run_sync(move || async move {
        let server = HttpServer::new(app).bind(("127.0.0.1", port))?;
        server.await
    });
    served.map_err(|error| error.to_string().into())
}
