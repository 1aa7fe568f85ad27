//! Base 64 (RFC 4648 §4), as the handshake has it.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(in super::super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            text.push(match digit <= group.len() {
                true => char::from(DIGITS[value as usize]),
                false => '=',
            });
        }
    }
    text
}

/// How many bytes a text stands for; none if it is no base 64. Bits behind the last byte are nobody's,
/// and may be set.
pub(super) fn decoded_len(text: &[u8]) -> Option<usize> {
    let digits = text.strip_suffix(b"==");
    let digits = digits.or_else(|| text.strip_suffix(b"="));
    let digits = digits.unwrap_or(text);
    let is_whole = text.len().is_multiple_of(4) && digits.len() % 4 != 1;
    let is_text = digits.iter().all(|digit| DIGITS.contains(digit));
    (is_whole && is_text).then(|| digits.len() * 3 / 4)
}
