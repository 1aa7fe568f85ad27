//! The settings of a client's side.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{SignatureScheme, client::danger::ServerCertVerifier};

use super::PROVIDER;
use super::acceptor::HANDSHAKE;
use super::failure::bad_settings;
use super::identity::Identity;
use super::trust::{Check, Lenient, Roots, SignaturesOnly};
use crate::error::Result;

/// The client's side of TLS: whom it believes, and what it shows.
///
/// Cheap to clone, and may be sent to other threads; every clone is the same. Make one and keep it: the
/// system's roots are read each time that one is made, and connections to a server that was met before
/// are resumed only by the same one.
///
/// # Examples
///
/// ```no_run
/// use squall::net::{TcpClient, TlsConnector};
/// use squall::yield_;
///
/// #[squall::main]
/// fn main() -> squall::Result<()> {
///     let client = TcpClient::new().tls(TlsConnector::new()?);
///     let stream = yield_!(client.connect("example.org", 443))?;
///     yield_!(stream.write(b"GET / HTTP/1.0\r\nHost: example.org\r\n\r\n"))?;
///     let answer = yield_!(stream.read_until_close(1024 * 1024))?;
///     println!("{}", String::from_utf8_lossy(&answer));
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct TlsConnector {
    config: Arc<ClientConfig>,
    handshake_timeout: Duration,
}

impl TlsConnector {
    /// Makes one that trusts whom the system trusts, and shows no certificate. Blocks while it reads
    /// the system's roots.
    ///
    /// # Errors
    ///
    /// If the system has none.
    pub fn new() -> Result<TlsConnector> {
        Self::builder().build()
    }

    /// Begins the settings.
    pub fn builder() -> TlsConnectorBuilder {
        TlsConnectorBuilder {
            roots: Roots::system(),
            identity: None,
            alpn: Vec::new(),
            check: Check::All,
            handshake_timeout: HANDSHAKE,
        }
    }

    /// Takes settings of rustls' own, for what has no method here.
    pub fn from_config(config: Arc<ClientConfig>) -> TlsConnector {
        TlsConnector {
            config,
            handshake_timeout: HANDSHAKE,
        }
    }

    /// Returns the protocols that it offers (ALPN).
    pub fn alpn(&self) -> &[Vec<u8>] {
        &self.config.alpn_protocols
    }

    /// Makes one that is as this, and offers these protocols (ALPN). Connections that either has made
    /// are resumed by both.
    pub fn with_alpn<P: Into<Vec<u8>>>(
        &self,
        protocols: impl IntoIterator<Item = P>,
    ) -> TlsConnector {
        let mut config = (*self.config).clone();
        config.alpn_protocols = protocols.into_iter().map(Into::into).collect();
        TlsConnector {
            config: Arc::new(config),
            handshake_timeout: self.handshake_timeout,
        }
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }

    pub(super) fn handshake_timeout(&self) -> Duration {
        self.handshake_timeout
    }
}

/// Two are equal if one is a clone of the other: for those who keep connections apart by how they were
/// made.
impl PartialEq for TlsConnector {
    fn eq(&self, other: &TlsConnector) -> bool {
        Arc::ptr_eq(&self.config, &other.config)
    }
}

impl Eq for TlsConnector {}

impl Hash for TlsConnector {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.config).hash(state);
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnector")
            .field("handshake_timeout", &self.handshake_timeout)
            .finish_non_exhaustive()
    }
}

/// The settings of a [`TlsConnector`].
#[must_use = "`build` makes the connector"]
#[derive(Debug)]
pub struct TlsConnectorBuilder {
    roots: Roots,
    identity: Option<Identity>,
    alpn: Vec<Vec<u8>>,
    check: Check,
    handshake_timeout: Duration,
}

impl TlsConnectorBuilder {
    /// Trusts these authorities, and not the system's.
    pub fn roots(mut self, roots: Roots) -> Self {
        self.roots = roots;
        self
    }

    /// Shows this to servers that ask for a certificate.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Offers these protocols, those that are liked best in front (ALPN).
    pub fn alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Believes a certificate of a trusted authority whatever name it is for. Anybody who has one then
    /// can pass for the server: for servers that are known by other means than their names.
    pub fn danger_any_name(mut self) -> Self {
        self.check = Check::NotTheName;
        self
    }

    /// Believes any certificate at all. Anybody in between can read and change everything then: for
    /// tests. Tornado's `validate_cert=False`.
    pub fn danger_any_certificate(mut self) -> Self {
        self.check = Check::Nothing;
        self
    }

    /// Sets how long a handshake may take; 20 seconds at first.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Makes the connector. Blocks while it reads the system's roots, if they are wanted.
    ///
    /// # Errors
    ///
    /// If a root cannot be used, or there is none.
    pub fn build(self) -> Result<TlsConnector> {
        let verifier: Arc<dyn ServerCertVerifier> = match self.check {
            Check::All => self.roots.server_verifier()?,
            Check::NotTheName => Arc::new(Lenient(self.roots.server_verifier()?)),
            Check::Nothing => Arc::new(SignaturesOnly),
        };
        let builder = ClientConfig::builder_with_provider(PROVIDER.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| bad_settings("no version of TLS", error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match self.identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(Shows(identity))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.alpn;
        Ok(TlsConnector {
            config: Arc::new(config),
            handshake_timeout: self.handshake_timeout,
        })
    }
}

/// Shows one identity to all servers.
#[derive(Debug)]
struct Shows(Identity);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
