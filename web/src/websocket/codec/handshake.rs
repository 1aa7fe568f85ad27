//! What both sides compute for the handshake (RFC 6455 §4).

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, PAD};
use base64::prelude::BASE64_STANDARD;
use sha1::{Digest, Sha1};

/// Bits behind a key's last byte are nobody's, and may be set.
const OF_KEYS: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, PAD.with_decode_allow_trailing_bits(true));

/// Returns the answer to a client's key, by which a server shows that it has understood what it agrees
/// to: its `Sec-WebSocket-Accept`.
pub fn accept_key(key: &[u8]) -> String {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    BASE64_STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// True for a key as a client has to send it: 16 bytes in base 64.
pub(in super::super) fn is_key(key: &[u8]) -> bool {
    OF_KEYS.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_answered_as_in_the_rfc() {
        // §1.3
        let accept = accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn keys_are_sixteen_bytes() {
        let check = |key: &str, want| assert_eq!(is_key(key.as_bytes()), want, "{key}");
        check("dGhlIHNhbXBsZSBub25jZQ==", true);
        check("AAAAAAAAAAAAAAAAAAAAAA==", true);
        // Bits that mean nothing.
        check("AAAAAAAAAAAAAAAAAAAAAB==", true);
        check("", false);
        check("dGhlIHNhbXBsZSBub25jZQ", false);
        check("dGhlIHNhbXBsZSBub25jZQ=", false);
        check("dGhlIHNhbXBsZSBub25jZQ===", false);
        check("dGhlIHNhbXBsZSBub25jZTE=", false);
        check("dGhlIHNhbXBsZSBub25jZTEy", false);
        check("dGhlIHNhbXBsZSBub25j", false);
        check("dGhlIHNhbXBsZSBub25j?Q==", false);
        check("dGhlIHNhbXBsZSBub25j=Q==", false);
    }
}
