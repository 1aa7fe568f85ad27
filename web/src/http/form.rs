//! Query strings, urlencoded forms and path segments.
//!
//! The rules are those of the URL standard, as browsers have them, with one
//! difference: bytes that are not UTF-8 are an error, and not replaced. Tornado
//! answers 400 to those as well.

use std::borrow::Cow;
use std::{error, fmt};

use percent_encoding::percent_decode;

use super::grammar::essence;

/// How many fields a query or form may have.
///
/// Each costs two allocations, so that a body of `&&&…` would take far more
/// memory than it has bytes.
pub const MAX_FORM_FIELDS: usize = 1000;

/// Parses a query string into its names and values, in their order.
///
/// `+` is a space and `%41` is `A`; a `%` that two hex digits do not follow
/// stays. A field without `=` has an empty value. Nothing is trimmed.
///
/// ```
/// use squall_web::http::parse_query;
///
/// let fields = parse_query("q=a+b&empty=&q=%C3%A9")?;
/// assert_eq!(fields[0], ("q".into(), "a b".into()));
/// assert_eq!(fields[2], ("q".into(), "é".into()));
/// # Ok::<(), squall_web::http::FormError>(())
/// ```
///
/// # Errors
///
/// [`FormError`]; answer 400.
pub fn parse_query(query: &str) -> Result<Vec<(String, String)>, FormError> {
    parse_form(query.as_bytes())
}

/// Parses the body of a form with type `application/x-www-form-urlencoded`.
///
/// The rules are those of [`parse_query`].
///
/// # Errors
///
/// [`FormError`]; answer 400.
pub fn parse_form(body: &[u8]) -> Result<Vec<(String, String)>, FormError> {
    let mut fields = Vec::new();
    if body.is_empty() {
        return Ok(fields);
    }
    // Empty pieces are no fields, but they count, for they take time as well.
    for (n, piece) in body.split(|byte| *byte == b'&').enumerate() {
        if n >= MAX_FORM_FIELDS {
            return Err(FormError::TooManyFields);
        }
        if piece.is_empty() {
            continue;
        }
        let mut halves = piece.splitn(2, |byte| *byte == b'=');
        let name = halves.next().unwrap_or_default();
        let value = halves.next().unwrap_or_default();
        fields.push((decode_component(name)?, decode_component(value)?));
    }
    Ok(fields)
}

/// Decodes the percent-encoding of a path segment, where `+` is a plus.
///
/// Borrows if there was nothing to decode. The result may hold a slash or a
/// NUL, so check it before it becomes part of a file name.
///
/// # Errors
///
/// [`FormError::NotUtf8`]; answer 400.
pub fn decode_path_segment(segment: &str) -> Result<Cow<'_, str>, FormError> {
    percent_decode(segment.as_bytes())
        .decode_utf8()
        .map_err(|_| FormError::NotUtf8)
}

/// Why a query, form or path was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormError {
    /// The decoded bytes are not UTF-8.
    NotUtf8,
    /// There are more than [`MAX_FORM_FIELDS`] fields.
    TooManyFields,
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FormError::NotUtf8 => "text is not UTF-8",
            FormError::TooManyFields => "too many form fields",
        })
    }
}

impl error::Error for FormError {}

fn decode_component(text: &[u8]) -> Result<String, FormError> {
    let spaced = plus_to_space(text);
    let decoded = percent_decode(&spaced).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| FormError::NotUtf8)
}

fn plus_to_space(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'+') {
        return Cow::Borrowed(text);
    }
    let space = |byte: &u8| if *byte == b'+' { b' ' } else { *byte };
    Cow::Owned(text.iter().map(space).collect())
}

/// True for the type of forms without files, whatever its parameters.
pub(crate) fn is_urlencoded(content_type: &str) -> bool {
    essence(content_type).eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(form: &str, want: &[(&str, &str)]) {
        let fields = parse_query(form).unwrap();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(fields, want, "{form}");
    }

    #[test]
    fn fields_are_split_and_decoded() {
        check("", &[]);
        check("a=b", &[("a", "b")]);
        check("foo=bar&foo=baz", &[("foo", "bar"), ("foo", "baz")]);
        check("q=a+b%2Bc", &[("q", "a b+c")]); // H139
        check("a=b=c", &[("a", "b=c")]);
        check("%C3%A9=%c3%a9", &[("é", "é")]);
        check("é=1", &[("é", "1")]);
        check("a%26b=c%3Dd", &[("a&b", "c=d")]);
    }

    #[test]
    fn blank_values_are_kept() {
        check("a=&b&=c&=", &[("a", ""), ("b", ""), ("", "c"), ("", "")]);
        check("&&a=1&", &[("a", "1")]);
    }

    #[test]
    fn values_are_not_trimmed() {
        check("a=%20x%0A+", &[("a", " x\n ")]);
    }

    #[test]
    fn malformed_percent_stays() {
        check("a=%zz&b=%41", &[("a", "%zz"), ("b", "A")]); // H134
        check("a=%&b=%4", &[("a", "%"), ("b", "%4")]);
        check("a=%+4", &[("a", "% 4")]);
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_refused() {
        for bad in ["q=%FF", "%ff=1", "q=%C3", "q=%ED%A0%80"] {
            assert_eq!(parse_query(bad), Err(FormError::NotUtf8), "{bad}"); // H137
        }
        assert_eq!(parse_form(b"a=\xe9"), Err(FormError::NotUtf8)); // H135
    }

    #[test]
    fn number_of_fields_is_limited() {
        assert_eq!(parse_query(&"&".repeat(999)), Ok(vec![]));
        let error = Err(FormError::TooManyFields);
        assert_eq!(parse_query(&"&".repeat(1001)), error); // H136
        assert_eq!(parse_query(&"a=1&".repeat(1000)), error);
        let most = parse_query(&"&a=1".repeat(1000)[1..]).unwrap();
        assert_eq!(most.len(), 1000);
    }

    #[test]
    fn path_segment_keeps_its_plus() {
        assert_eq!(decode_path_segment("a%2Fb+c").unwrap(), "a/b+c"); // H139
        assert!(matches!(
            decode_path_segment("abc"),
            Ok(Cow::Borrowed("abc"))
        ));
        assert_eq!(decode_path_segment("%zz").unwrap(), "%zz");
        assert_eq!(decode_path_segment("%FF"), Err(FormError::NotUtf8)); // H138
    }
}
