//! Lists of entity tags (RFC 9110 §8.8.3, §13.1).

/// True if the lists have the tag, or `*`. A weak tag is no strong one.
pub(crate) fn lists_tag(lines: &[&[u8]], etag: &str, strong: bool) -> bool {
    lines.iter().any(|line| {
        let line = line.trim_ascii();
        line == b"*"
            || Tags(line).any(|(is_weak, tag)| tag == etag.as_bytes() && !(strong && is_weak))
    })
}

/// The tags of a list; it ends at what is none.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = (bool, &'a [u8]);

    fn next(&mut self) -> Option<(bool, &'a [u8])> {
        while let [b',' | b' ' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
        let (is_weak, tag) = match self.0 {
            [b'W', b'/', tag @ ..] => (true, tag),
            tag => (false, tag),
        };
        let [b'"', inside @ ..] = tag else {
            self.0 = &[];
            return None;
        };
        let Some(end) = inside.iter().position(|byte| *byte == b'"') else {
            self.0 = &[];
            return None;
        };
        self.0 = &inside[end + 1..];
        Some((is_weak, &tag[..end + 2]))
    }
}
