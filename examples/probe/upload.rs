//! Bodies that are larger than memory.

use serde::Serialize;
use sha2::{Digest, Sha256};
use squall::yield_;
use squall_web::{Exchange, Result};

use super::echo::hex;

/// How much is summed up at a stretch.
const BETWEEN: usize = 256 * 1024;

#[derive(Serialize)]
struct Uploaded {
    bytes: u64,
    sha256: String,
}

/// Answers with a body's length and sum; no more than a piece of it is ever held.
#[squall::coroutine]
pub(crate) fn upload(ex: &mut Exchange) -> Result<()> {
    let mut bytes = 0;
    let mut since = 0;
    let mut sum = Sha256::new();
    while let Some(piece) = yield_!(ex.body_chunk())? {
        bytes += piece.len() as u64;
        sum.update(&piece);
        // Summing up is work: others are let in now and then.
        since += piece.len();
        if since >= BETWEEN {
            since = 0;
            yield_!(());
        }
    }
    let sha256 = hex(&sum.finalize());
    ex.write_json(&Uploaded { bytes, sha256 })
}
