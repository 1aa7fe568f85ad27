//! Bodies of forms: `multipart/form-data` (RFC 7578) and urlencoded.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};

use http::header::HeaderValue;

use super::body::Segment;

/// A form with files, as browsers send it; see [`Request::multipart`](super::Request::multipart).
///
/// Files are read while the request is sent, so that they need not fit into memory; their lengths are
/// looked at before.
///
/// # Examples
///
/// ```
/// use squall_web::client::{Multipart, Request};
///
/// let form = Multipart::new()
///     .text("title", "Winds of the sea")
///     .file("cover", "images/cover.png", "image/png")
///     .bytes("notes", "notes.txt", "text/plain", "dry");
/// let request = Request::post("http://a.example/books", "").multipart(form);
/// ```
#[derive(Clone, Default)]
pub struct Multipart {
    parts: Vec<Part>,
    mistake: Option<&'static str>,
}

#[derive(Clone)]
struct Part {
    name: String,
    file_name: Option<String>,
    content_type: Option<String>,
    content: Segment,
}

impl Multipart {
    /// A form without fields.
    pub fn new() -> Multipart {
        Multipart::default()
    }

    /// Adds a field of text.
    #[must_use]
    pub fn text(self, name: &str, value: impl Into<String>) -> Multipart {
        self.part(name, None, None, Segment::Bytes(value.into().into_bytes()))
    }

    /// Adds a file that is read from `path` when the request is sent. Its name is the last part of
    /// the path.
    #[must_use]
    pub fn file(self, name: &str, path: impl Into<PathBuf>, content_type: &str) -> Multipart {
        let path = path.into();
        let file_name = Path::file_name(&path).unwrap_or_default();
        let file_name = file_name.to_string_lossy().into_owned();
        let content = Segment::File { path, length: None };
        self.part(name, Some(file_name), Some(content_type), content)
    }

    /// Adds a file whose content is at hand.
    #[must_use]
    pub fn bytes(
        self,
        name: &str,
        file_name: &str,
        content_type: &str,
        content: impl Into<Vec<u8>>,
    ) -> Multipart {
        let content = Segment::Bytes(content.into());
        self.part(
            name,
            Some(file_name.to_owned()),
            Some(content_type),
            content,
        )
    }

    fn part(
        mut self,
        name: &str,
        file_name: Option<String>,
        content_type: Option<&str>,
        content: Segment,
    ) -> Multipart {
        if content_type.is_some_and(|value| HeaderValue::from_str(value).is_err()) {
            self.mistake
                .get_or_insert("malformed content type of a part");
        }
        let is_control = |c: char| c.is_control() && !matches!(c, '\r' | '\n');
        let names = [Some(name), file_name.as_deref()];
        if names
            .into_iter()
            .flatten()
            .any(|name| name.contains(is_control))
        {
            self.mistake
                .get_or_insert("a control character in the name of a part or file");
        }
        self.parts.push(Part {
            name: name.to_owned(),
            file_name,
            content_type: content_type.map(str::to_owned),
            content,
        });
        self
    }

    pub(super) fn mistake(&self) -> Option<&'static str> {
        self.mistake
    }

    /// The body, and the value of its `Content-Type`.
    pub(super) fn encode(self) -> (Vec<Segment>, String) {
        self.encode_with(&random_boundary())
    }

    fn encode_with(self, boundary: &str) -> (Vec<Segment>, String) {
        let mut segments = Vec::new();
        let mut text = String::new();
        for part in self.parts {
            text += &format!("--{boundary}\r\nContent-Disposition: form-data; name=\"");
            text += &escape(&part.name);
            text.push('"');
            if let Some(file_name) = &part.file_name {
                text += &format!("; filename=\"{}\"", escape(file_name));
            }
            text += "\r\n";
            if let Some(content_type) = &part.content_type {
                text += &format!("Content-Type: {content_type}\r\n");
            }
            text += "\r\n";
            let mut head = std::mem::take(&mut text).into_bytes();
            match part.content {
                Segment::Bytes(content) => {
                    head.extend(content);
                    segments.push(Segment::Bytes(head));
                }
                file => segments.extend([Segment::Bytes(head), file]),
            }
            text += "\r\n";
        }
        text += &format!("--{boundary}--\r\n");
        segments.push(Segment::Bytes(text.into_bytes()));
        (
            segments,
            format!("multipart/form-data; boundary={boundary}"),
        )
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.parts.iter().map(|part| part.name.as_str()).collect();
        f.debug_struct("Multipart").field("parts", &names).finish()
    }
}

/// As the HTML standard has it, which is what servers expect.
fn escape(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// What does not stand in any of the parts, since nobody can guess it.
fn random_boundary() -> String {
    let random = || RandomState::new().hash_one(0);
    format!("----squall{:016x}{:016x}", random(), random())
}

/// The body of an urlencoded form.
pub(super) fn urlencoded<K, V>(fields: impl IntoIterator<Item = (K, V)>) -> String
where
    K: AsRef<str>,
    V: AsRef<str>,
{
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(form: Multipart, want: &str) {
        assert_eq!(form.mistake(), None);
        let (segments, content_type) = form.encode_with("B");
        assert_eq!(content_type, "multipart/form-data; boundary=B");
        let show = |segment: Segment| match segment {
            Segment::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
            Segment::File { path, .. } => format!("<{}>", path.display()),
        };
        let text: String = segments.into_iter().map(show).collect();
        assert_eq!(text, want.replace('\n', "\r\n"));
    }

    #[test]
    fn parts_stand_between_boundaries() {
        check(Multipart::new(), "--B--\n");
        check(
            Multipart::new()
                .text("a", "b")
                .file("f", "x/y.txt", "text/plain"),
            "--B\nContent-Disposition: form-data; name=\"a\"\n\nb\n\
             --B\nContent-Disposition: form-data; name=\"f\"; filename=\"y.txt\"\n\
             Content-Type: text/plain\n\n<x/y.txt>\n--B--\n",
        );
        check(
            Multipart::new().bytes("f", "n", "a/b", "content"),
            "--B\nContent-Disposition: form-data; name=\"f\"; filename=\"n\"\n\
             Content-Type: a/b\n\ncontent\n--B--\n",
        );
    }

    #[test]
    fn names_cannot_end_their_line() {
        // U3
        let text = "--B\nContent-Disposition: form-data; name=\"a%22;b%0D%0Ac\"\n\n1\n--B--\n";
        check(Multipart::new().text("a\";b\r\nc", "1"), text);
        check(
            Multipart::new().bytes("é", "ü \\.txt", "a/b", "1"),
            "--B\nContent-Disposition: form-data; name=\"é\"; filename=\"ü \\.txt\"\n\
             Content-Type: a/b\n\n1\n--B--\n",
        );
        // U4
        for bad in ["a\0", "a\u{8}", "\u{7f}"] {
            let name = "a control character in the name of a part or file";
            assert_eq!(Multipart::new().text(bad, "").mistake(), Some(name));
            assert_eq!(
                Multipart::new().bytes("n", bad, "a/b", "").mistake(),
                Some(name)
            );
        }
        let form = Multipart::new().bytes("n", "f", "a/b\r\nX: y", "");
        assert_eq!(form.mistake(), Some("malformed content type of a part"));
    }

    #[test]
    fn boundaries_differ() {
        let (first, second) = (random_boundary(), random_boundary());
        assert_ne!(first, second);
        // RFC 2046 §5.1.1.
        assert!(first.len() <= 70);
    }

    #[test]
    fn fields_are_urlencoded() {
        let fields = [("a", "b c"), ("é", "&="), ("a", "")];
        assert_eq!(urlencoded(fields), "a=b+c&%C3%A9=%26%3D&a=");
    }
}
