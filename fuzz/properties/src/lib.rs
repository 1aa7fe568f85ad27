//! What holds of Squall's web layer for any bytes.
//!
//! Each property is a function from bytes to a panic if it does not hold. The fuzz targets beside this
//! crate call them with what libFuzzer makes up; `tests/corpus.rs` calls them with the corpus, so that
//! what was found once is tested by a stable compiler too.
//!
//! | property | of |
//! |---|---|
//! | [`request_head`] | the parser of requests: against a checker of its own, at every split, there and back |
//! | [`chunked`] | chunked bodies: the same |
//! | [`connection`] | a connection with a server, whatever is sent, in whatever pieces, how slowly |
//! | [`conversation`] | the same, with requests that are made by a grammar, and then broken |
//! | [`url_and_form`] | targets, queries, forms, hosts and routes: against decoders of their own |
//! | [`client_request`] | what a fetch sends, whatever it is told to |
//! | [`client_response`] | a fetch, whatever the server sends |
//!
//! The rest is what these share: [`strict`] reads requests as the specification has them, [`answers`]
//! takes apart what a server sends, [`serving`] runs one in memory, [`origin`] is one for
//! clients, [`model`] says what it has to do,
//! [`script`] how bytes arrive, [`grammar`] makes requests.

pub mod chunked;
pub mod client_request;
pub mod client_response;
pub mod connection;
pub mod conversation;
pub mod request_head;
pub mod url_and_form;

pub mod answers;
pub mod grammar;
pub mod model;
pub mod origin;
pub mod script;
pub mod serving;
pub mod strict;

/// A property: panics if it does not hold of the bytes.
pub type Property = fn(&[u8]);

/// All properties, by the names of their targets.
pub const ALL: [(&str, Property); 7] = [
    ("chunked", chunked::check),
    ("client_request", client_request::check),
    ("client_response", client_response::check),
    ("connection", connection::check),
    ("conversation", conversation::check),
    ("request_head", request_head::check),
    ("url_and_form", url_and_form::check),
];
