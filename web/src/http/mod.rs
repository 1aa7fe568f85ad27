//! HTTP/1.1 without sockets: bytes in, heads and bodies out, and back.
//!
//! Everything here is a plain function or a small state machine over byte
//! slices. Nothing reads a socket, runs a loop or asks for the time; whoever
//! calls hands in the bytes that arrived, and takes out the bytes to send.
//!
//! One message passes through these stages:
//!
//! ```text
//! bytes ─▶ parse_request ─▶ RequestHead ── framing() ─▶ BodyDecoder ─▶ bytes of the body
//!          parse_response ▶ ResponseHead ─ framing  ─▶ BodyDecoder ─▶ bytes of the body
//!
//! encode_response_head ─▶ bytes, then the body as it is, or each piece through encode_chunk
//! encode_request_head  ─▶ bytes, likewise
//! ```
//!
//! The codec is strict. Whatever two HTTP programs could read in two ways (a
//! bare line feed, two lengths, a length beside chunks, a folded header) is an
//! error here, for such a difference is how requests are smuggled. "More bytes
//! are needed" is a value and never an error.
//!
//! Start reading at `parse` for requests, `framing` for where a body ends, and
//! `encode` for answers.

mod limits;
mod rate;

mod head;
mod parse;
mod reader;
mod scan;

mod fields;
mod framing;
pub(crate) mod grammar;
mod host;

mod body;
mod chunked;
mod compress;
mod decode;

mod encode;
mod response;

pub(crate) mod cookie;
mod date;
mod etag;
mod form;
mod multipart;
mod origin;
mod signed;
mod xsrf;

pub use self::body::BodyDecoder;
pub use self::chunked::{ChunkError, ChunkedDecoder, LAST_CHUNK, encode_chunk, encode_last_chunk};
pub use self::compress::Compression;
pub(crate) use self::compress::{GzipEncoder, accepts_gzip, is_compressible};
pub use self::cookie::{Cookie, CookieError, SameSite, parse_cookies};
pub use self::date::DateCache;
pub(crate) use self::decode::{ContentDecoder, Decoded};
pub use self::encode::{
    CONTINUE, EncodeError, ResponseBody, encode_request_head, encode_response_head,
};
pub(crate) use self::etag::lists_tag;
pub(crate) use self::form::is_urlencoded;
pub use self::form::{FormError, MAX_FORM_FIELDS, decode_path_segment, parse_form, parse_query};
pub use self::framing::BodyFraming;
pub use self::head::{RequestHead, Version};
pub use self::limits::Limits;
pub use self::multipart::{
    MultipartDecoder, MultipartError, MultipartEvent, MultipartLimits, PartHead,
};
pub(crate) use self::origin::{is_origin, same_origin};
pub use self::parse::{Parse, ParseError, parse_request};
pub(crate) use self::rate::Allowance;
#[cfg(all(feature = "http2", feature = "tls"))]
pub(crate) use self::response::may_have_body;
pub use self::response::{ResponseHead, parse_response};
pub use self::signed::CookieSecret;
pub(crate) use self::xsrf::{TOKEN_BYTES, is_same_token, mask_token, unmask_token};
