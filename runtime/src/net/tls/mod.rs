//! TLS over streams, by rustls.
//!
//! rustls does no input or output: `session` hands it the bytes of the socket below, and is itself one
//! more kind of socket to the stream above, so that all reads and writes are the same with TLS and
//! without. `acceptor` and `connector` are the settings of the two sides, `identity` a certificate with
//! its key and how both are loaded anew, `trust` whom one believes, `failure` says what went wrong in
//! words.

mod acceptor;
mod connector;
pub(super) mod failure;
mod handshake;
mod identity;
mod info;
pub(super) mod session;
mod trust;

use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;

pub use acceptor::{TlsAcceptor, TlsAcceptorBuilder};
pub use connector::{TlsConnector, TlsConnectorBuilder};
pub use identity::Identity;
pub use info::TlsInfo;
pub use trust::Roots;

/// Named at each place that wants one, so that no other user of rustls in the process has to agree.
static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
