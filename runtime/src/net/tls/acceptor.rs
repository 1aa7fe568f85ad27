//! The settings of a server's side.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use super::PROVIDER;
use super::failure::bad_settings;
use super::identity::{Identity, Reloaded};
use super::trust::Roots;
use crate::error::Result;
use crate::executor::run_in_executor;
use crate::ioloop::IoLoop;

/// How long a handshake may take, unless it is said.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(20);

/// How often files are looked at, unless it is said.
const RELOAD: Duration = Duration::from_secs(60);

/// The server's side of TLS: what certificates it shows, and what it wants of clients.
///
/// Cheap to clone, and may be sent to other threads; every clone is the same.
///
/// # Examples
///
/// ```no_run
/// use squall::net::{Identity, TcpServer, TlsAcceptor};
/// use squall::yield_;
///
/// #[squall::main]
/// fn main() -> squall::Result<()> {
///     let identity = Identity::files("example.org.pem", "example.org.key")?;
///     let tls = TlsAcceptor::builder(identity).alpn(["http/1.1"]).build()?;
///     let server = TcpServer::bind(":443")?.tls(tls);
///     yield_!(server.serve(|stream, _| stream.close()))
/// }
/// ```
#[derive(Clone)]
pub struct TlsAcceptor {
    config: Arc<ServerConfig>,
    handshake_timeout: Duration,
    files: Arc<Files>,
}

/// The certificates that came from files; looked at in turn by all who were made of one acceptor.
struct Files {
    identities: Vec<Identity>,
    reload_every: Duration,
    looked: Mutex<Option<Instant>>,
}

impl Files {
    fn new(identities: Vec<Identity>, reload_every: Duration) -> Arc<Files> {
        Arc::new(Files {
            identities,
            reload_every,
            looked: Mutex::new(None),
        })
    }
}

impl TlsAcceptor {
    /// Begins the settings: with what is shown to clients who ask for no name, or for one that is not
    /// known.
    pub fn builder(identity: Identity) -> TlsAcceptorBuilder {
        TlsAcceptorBuilder {
            default: identity,
            names: Vec::new(),
            clients: None,
            alpn: Vec::new(),
            handshake_timeout: HANDSHAKE,
            reload_every: RELOAD,
        }
    }

    /// Takes settings of rustls' own, for what has no method here.
    pub fn from_config(config: Arc<ServerConfig>) -> TlsAcceptor {
        TlsAcceptor {
            config,
            handshake_timeout: HANDSHAKE,
            files: Files::new(Vec::new(), RELOAD),
        }
    }

    /// Returns the protocols that it speaks (ALPN).
    pub fn alpn(&self) -> &[Vec<u8>] {
        &self.config.alpn_protocols
    }

    /// Makes one that is as this, and speaks these protocols, those that are liked best in front (ALPN).
    pub fn with_alpn<P: Into<Vec<u8>>>(
        &self,
        protocols: impl IntoIterator<Item = P>,
    ) -> TlsAcceptor {
        let mut config = (*self.config).clone();
        config.alpn_protocols = protocols.into_iter().map(Into::into).collect();
        TlsAcceptor {
            config: Arc::new(config),
            ..self.clone()
        }
    }

    /// Returns how long a handshake may take.
    pub(super) fn handshake_timeout(&self) -> Duration {
        self.handshake_timeout
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// Looks whether the certificates' files have changed, if that was not done for some time.
    pub(super) async fn keep_fresh(&self) {
        if self.files.identities.is_empty() || !self.is_due(IoLoop::current().time()) {
            return;
        }
        let files = self.files.clone();
        let reload = move || {
            let reloaded = files.identities.iter().filter_map(Identity::reload);
            reloaded.collect::<Vec<_>>()
        };
        match run_in_executor(reload).await {
            Ok(reloaded) => reloaded.iter().for_each(Reloaded::log),
            Err(error) => {
                tracing::error!(target: "squall", "certificates could not be looked at: {error}");
            }
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let looked = &self.files.looked;
        let mut looked = looked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = match *looked {
            // They have just been read.
            None => false,
            Some(before) if now.saturating_duration_since(before) < self.files.reload_every => {
                return false;
            }
            Some(_) => true,
        };
        *looked = Some(now);
        is_due
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptor")
            .field("handshake_timeout", &self.handshake_timeout)
            .field("identities", &self.files.identities)
            .finish_non_exhaustive()
    }
}

/// The settings of a [`TlsAcceptor`].
#[must_use = "`build` makes the acceptor"]
#[derive(Debug)]
pub struct TlsAcceptorBuilder {
    default: Identity,
    names: Vec<(String, Identity)>,
    clients: Option<(Roots, bool)>,
    alpn: Vec<Vec<u8>>,
    handshake_timeout: Duration,
    reload_every: Duration,
}

impl TlsAcceptorBuilder {
    /// Shows `identity` to clients who ask for this name (SNI). `*.example.org` is any one label before
    /// `example.org`; the name itself comes first.
    pub fn name(mut self, name: impl Into<String>, identity: Identity) -> Self {
        self.names.push((name.into(), identity));
        self
    }

    /// Asks clients for a certificate, and takes none for an answer; one that is shown must be signed
    /// by one of `roots`. Tornado's `CERT_OPTIONAL`.
    pub fn request_client_certificate(mut self, roots: Roots) -> Self {
        self.clients = Some((roots, false));
        self
    }

    /// Wants clients to show a certificate that is signed by one of `roots`. Tornado's
    /// `CERT_REQUIRED`.
    pub fn require_client_certificate(mut self, roots: Roots) -> Self {
        self.clients = Some((roots, true));
        self
    }

    /// Speaks these protocols, those that are liked best in front (ALPN).
    pub fn alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how long a handshake may take; 20 seconds at first.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Sets how often it is looked whether the files of an [`Identity`] have changed: at a handshake,
    /// if so much time has passed; a minute at first. Connections that there are keep what they have.
    /// If the new files are not good, the last good pair is kept, and an error is logged.
    pub fn reload_every(mut self, time: Duration) -> Self {
        self.reload_every = time;
        self
    }

    /// Makes the acceptor.
    ///
    /// # Errors
    ///
    /// If a root cannot be used, or there is none for clients' certificates.
    pub fn build(self) -> Result<TlsAcceptor> {
        let all = self.names.iter().map(|(_, identity)| identity);
        let all = std::iter::once(&self.default).chain(all);
        let identities = all.filter(|identity| identity.has_files()).cloned();
        let identities = identities.collect();
        let builder = ServerConfig::builder_with_provider(PROVIDER.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| bad_settings("no version of TLS", error))?;
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some((roots, is_required)) => {
                let roots = Arc::new(roots.store()?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, PROVIDER.clone());
                let verifier = match is_required {
                    true => verifier,
                    false => verifier.allow_unauthenticated(),
                };
                let verifier = verifier
                    .build()
                    .map_err(|error| bad_settings("no roots to verify clients by", error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let names = self.names.into_iter();
        let mut config = builder.with_cert_resolver(Arc::new(Names {
            default: self.default,
            names: names
                .map(|(name, identity)| (name.to_ascii_lowercase(), identity))
                .collect(),
        }));
        config.alpn_protocols = self.alpn;
        Ok(TlsAcceptor {
            config: Arc::new(config),
            handshake_timeout: self.handshake_timeout,
            files: Files::new(identities, self.reload_every),
        })
    }
}

/// Which identity is shown to whom.
#[derive(Debug)]
struct Names {
    default: Identity,
    names: HashMap<String, Identity>,
}

impl Names {
    fn find(&self, name: &str) -> &Identity {
        let name = name.to_ascii_lowercase();
        let wildcard = || {
            let (_, parent) = name.split_once('.')?;
            self.names.get(&format!("*.{parent}"))
        };
        let found = self.names.get(&name).or_else(wildcard);
        found.unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let identity = match hello.server_name() {
            Some(name) => self.find(name),
            None => &self.default,
        };
        Some(identity.current())
    }
}
