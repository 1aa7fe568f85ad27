//! What may be given for a header's name and value.

use http::{HeaderName, HeaderValue};

/// A header's name: a [`HeaderName`] or its text.
pub trait IntoName {
    /// Makes it a name.
    ///
    /// # Errors
    ///
    /// If the text is no token.
    fn into_name(self) -> Result<HeaderName, http::Error>;
}

/// A header's value: a [`HeaderValue`], text, or a number.
pub trait IntoValue {
    /// Makes it a value.
    ///
    /// # Errors
    ///
    /// If the text has control characters: a line break could begin another header.
    fn into_value(self) -> Result<HeaderValue, http::Error>;
}

impl IntoName for HeaderName {
    fn into_name(self) -> Result<HeaderName, http::Error> {
        Ok(self)
    }
}

impl IntoName for &str {
    fn into_name(self) -> Result<HeaderName, http::Error> {
        Ok(HeaderName::try_from(self)?)
    }
}

impl IntoValue for HeaderValue {
    fn into_value(self) -> Result<HeaderValue, http::Error> {
        Ok(self)
    }
}

impl IntoValue for &str {
    #[inline]
    fn into_value(self) -> Result<HeaderValue, http::Error> {
        match common_value(self) {
            Some(value) => Ok(value),
            None => Ok(HeaderValue::try_from(self)?),
        }
    }
}

/// The values that most answers have are not copied to the heap each time.
#[inline]
fn common_value(text: &str) -> Option<HeaderValue> {
    macro_rules! one_of {
        ($($common:literal)*) => {
            match text {
                $($common => Some(const { HeaderValue::from_static($common) }),)*
                _ => None,
            }
        };
    }
    one_of! {
        "text/html; charset=utf-8"
        "text/plain"
        "text/plain; charset=utf-8"
        "application/json"
        "application/octet-stream"
        "no-cache"
        "no-store"
    }
}

impl IntoValue for String {
    fn into_value(self) -> Result<HeaderValue, http::Error> {
        Ok(HeaderValue::try_from(self)?)
    }
}

impl IntoValue for &String {
    fn into_value(self) -> Result<HeaderValue, http::Error> {
        self.as_str().into_value()
    }
}

impl IntoValue for u64 {
    fn into_value(self) -> Result<HeaderValue, http::Error> {
        Ok(HeaderValue::from(self))
    }
}
