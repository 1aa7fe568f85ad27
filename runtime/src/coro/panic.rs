//! What a panic carried, and what can be said of it.

use std::any::Any;

/// What a panic carried.
pub(crate) type Panic = Box<dyn Any + Send>;

/// Returns the text that a panic was given.
pub(crate) fn panic_message(panic: &Panic) -> &str {
    if let Some(text) = panic.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "a panic without a message"
    }
}

/// Says what to do about a panic, if it is one that a missing feature explains.
pub(crate) fn explain(panic: &str) -> Option<&'static str> {
    let is_tokio = panic.contains("there is no reactor running")
        || panic.contains("must be called from the context of a Tokio");
    let mend = "a future of tokio's was yielded without tokio's reactor: build squall with its feature `tokio` (squall = { features = [\"tokio\"] })";
    (is_tokio && cfg!(not(feature = "tokio"))).then_some(mend)
}

#[cfg(test)]
mod tests {
    use super::explain;

    #[test]
    fn a_missing_reactor_is_explained_unless_it_is_there() {
        let words =
            "there is no reactor running, must be called from the context of a Tokio 1.x runtime";
        let mend = explain(words);
        assert_eq!(mend.is_some(), cfg!(not(feature = "tokio")));
        assert!(mend.is_none_or(|mend| mend.contains("features = [\"tokio\"]")));
        assert_eq!(explain("index out of bounds"), None);
    }
}
