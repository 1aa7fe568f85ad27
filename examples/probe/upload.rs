//! Bodies that are larger than memory.

use serde::Serialize;
use sha2::{Digest, Sha256};
use squall::yield_;
use squall_web::{Exchange, Result};

use super::echo::hex;

#[derive(Serialize)]
struct Uploaded {
    bytes: u64,
    sha256: String,
}

/// Answers with a body's length and sum; no more than a piece of it is ever held.
#[squall::coroutine]
pub(crate) fn upload(ex: &mut Exchange) -> Result<()> {
    let mut bytes = 0;
    let mut sum = Sha256::new();
    while let Some(piece) = yield_!(ex.body_chunk())? {
        bytes += piece.len() as u64;
        sum.update(&piece);
    }
    let sha256 = hex(&sum.finalize());
    ex.write_json(&Uploaded { bytes, sha256 })
}
