//! The small pieces that header fields are made of (RFC 9110 §5.6): tokens, and lists.

/// The bytes of a token.
pub(super) static TOKEN: [bool; 256] = alphanumerics_and(b"!#$%&'*+-.^_`|~");

/// The set of ASCII's letters and digits, and some other bytes.
pub(super) const fn alphanumerics_and(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut n = 0;
    while n < others.len() {
        table[others[n] as usize] = true;
        n += 1;
    }
    table
}

/// True for a byte of a token.
#[inline]
pub(super) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// True for a token, which is not empty.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token_byte(*byte))
}

/// The members of a list, without the blanks around them; empty ones are none.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let members = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    members.filter(|member| !member.is_empty())
}

/// True if a list has this member, in any case.
pub(crate) fn list_has(value: &[u8], member: &[u8]) -> bool {
    list(value).any(|one| one.eq_ignore_ascii_case(member))
}

/// The type in a `Content-Type`, without its parameters.
pub(crate) fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or("").trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_no_separators() {
        for good in ["a", "M-SEARCH", "!#$%&'*+-.^_`|~09azAZ"] {
            assert!(is_token(good.as_bytes()), "{good}");
        }
        for bad in ["", "a b", "a:", "a/b", "(a)", "caf\u{e9}", "a\0", "\"a\""] {
            assert!(!is_token(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn members_of_a_list_stand_between_commas() {
        let members: Vec<&[u8]> = list(b" a,b ,\t, c d,").collect();
        assert_eq!(members, [&b"a"[..], b"b", b"c d"]);
        assert!(list_has(b"keep-alive, Close", b"close"));
        assert!(!list_has(b"closed, clos e", b"close"));
        assert!(!list_has(b"", b"close"));
    }
}
