//! TLS of the client: what requests say of it, and the connectors that are made of that.
//!
//! A connector reads files and the system's roots, and resumes its connections; so a client makes one
//! for each of the settings that its requests come with, on another thread, and keeps it.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use squall::net::{Identity, IoStream, Roots, TlsConnector};
use squall::run_in_executor;
use squall::sync::Lock;

use super::config::ClientConfig;
use super::error::{Source, Stage};
use super::progress::Progress;
use super::proxy::Proxy;
use super::request::Request;

/// What a request says of TLS.
#[derive(Clone, Debug, Default)]
pub(super) struct TlsOptions {
    connector: Option<TlsConnector>,
    settings: Option<Rc<Settings>>,
}

/// What a connector is made of. By default the system is trusted, and nothing shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Settings {
    believes_anybody: bool,
    roots: Option<PathBuf>,
    /// A certificate, and its key.
    identity: Option<(PathBuf, PathBuf)>,
}

/// By what a connection is secured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Trust {
    Connector(TlsConnector),
    Settings(Rc<Settings>),
}

impl TlsOptions {
    /// What counts: the request's connector, its settings, the client's connector.
    pub(super) fn trust(&self, config: &ClientConfig) -> Result<Trust, &'static str> {
        Ok(match (&self.connector, &self.settings) {
            (Some(connector), _) => Trust::Connector(connector.clone()),
            (None, Some(settings)) => Trust::Settings(settings.clone()),
            (None, None) => Trust::of_client(config),
        })
    }
}

impl Trust {
    fn of_client(config: &ClientConfig) -> Trust {
        match &config.tls {
            Some(connector) => Trust::Connector(connector.clone()),
            None => Trust::Settings(Rc::default()),
        }
    }

    /// By what the connection to a proxy is secured: none if it is not.
    pub(super) fn of_proxy(proxy: &Proxy, config: &ClientConfig) -> Option<Trust> {
        proxy.is_secure().then(|| match &proxy.tls {
            Some(connector) => Trust::Connector(connector.clone()),
            None => Trust::of_client(config),
        })
    }
}

impl Settings {
    /// Blocks, as it reads files.
    fn connector(&self) -> squall::Result<TlsConnector> {
        let mut builder = TlsConnector::builder();
        if let Some(path) = &self.roots {
            builder = builder.roots(Roots::file(path)?);
        }
        if let Some((certificate, key)) = &self.identity {
            builder = builder.identity(Identity::files(certificate, key)?);
        }
        if self.believes_anybody {
            builder = builder.danger_any_certificate();
        }
        builder.build()
    }
}

/// The connectors that a client has made.
#[derive(Default)]
pub(super) struct Connectors {
    /// Those who need the same wait for one to make it.
    making: Lock,
    /// From the one that was wanted longest ago to the newest.
    made: RefCell<Vec<(Rc<Settings>, TlsConnector)>>,
}

impl Connectors {
    /// Has what is needed to secure a connection on which one of these protocols is to be spoken.
    pub(super) async fn prepare(
        &self,
        trust: &Trust,
        protocols: &'static [&'static str],
    ) -> Result<Prepared, Source> {
        let connector = match trust {
            Trust::Connector(connector) => connector.clone(),
            Trust::Settings(settings) => self.get(settings).await?,
        };
        let connector = match connector.alpn() {
            [] => connector.with_alpn(protocols.iter().copied()),
            _ => connector,
        };
        Ok(Prepared {
            connector,
            protocols,
        })
    }

    async fn get(&self, settings: &Rc<Settings>) -> Result<TlsConnector, Source> {
        if let Some(made) = self.find(settings) {
            return Ok(made);
        }
        let _turn = self.making.acquire().await;
        if let Some(made) = self.find(settings) {
            return Ok(made);
        }
        let plan = Settings::clone(settings);
        let made = run_in_executor(move || plan.connector()).await??;
        let mut all = self.made.borrow_mut();
        if all.len() == MOST {
            all.remove(0);
        }
        all.push((settings.clone(), made.clone()));
        Ok(made)
    }

    fn find(&self, settings: &Settings) -> Option<TlsConnector> {
        let mut all = self.made.borrow_mut();
        let at = all.iter().position(|(of, _)| **of == *settings)?;
        all[at..].rotate_left(1);
        all.last().map(|(_, connector)| connector.clone())
    }
}

/// How many connectors a client keeps.
const MOST: usize = 32;

/// All that a handshake needs but the stream.
pub(super) struct Prepared {
    connector: TlsConnector,
    protocols: &'static [&'static str],
}

impl Prepared {
    /// Shakes hands with `host`, an IPv6 address being in brackets.
    pub(super) async fn secure(
        self,
        stream: IoStream,
        host: &str,
        progress: &Progress,
    ) -> Result<IoStream, Source> {
        progress.enter_with(Stage::Handshake, host);
        let stream = stream.start_tls(&self.connector, host).await?;
        progress.moved();
        // A connector of the caller's may have offered what nobody here speaks.
        let agreed = stream.tls().and_then(|tls| tls.alpn().map(<[u8]>::to_vec));
        match agreed {
            Some(other) if !self.protocols.iter().any(|one| one.as_bytes() == other) => {
                let other = String::from_utf8_lossy(&other);
                Err(format!("it was agreed to speak {other}, which is not spoken here").into())
            }
            _ => Ok(stream),
        }
    }
}

/// TLS, with the feature `tls`.
impl Request {
    /// Sets whether the server's certificate has to be good: signed by somebody who is trusted, for the
    /// host of the URL, not expired; true. Tornado's `validate_cert`.
    ///
    /// Without it anybody in between can read and change everything: for tests.
    #[must_use]
    pub fn validate_cert(self, validate: bool) -> Request {
        self.change_tls(|settings| settings.believes_anybody = !validate)
    }

    /// Trusts the authorities of this file of PEM, and not the system's: Tornado's `ca_certs`. It is
    /// read once a client.
    #[must_use]
    pub fn ca_certs(self, file: impl Into<PathBuf>) -> Request {
        self.change_tls(|settings| settings.roots = Some(file.into()))
    }

    /// Shows this certificate to a server that asks for one; both are files of PEM. Tornado's
    /// `client_cert` and `client_key`. They are read once a client.
    #[must_use]
    pub fn client_cert(self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Request {
        self.change_tls(|settings| settings.identity = Some((certificate.into(), key.into())))
    }

    /// Sets all of TLS, in place of the client's and of the other settings: Tornado's `ssl_options`.
    ///
    /// Keep the connector: idle connections are used again by requests that come with the same one.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use squall::net::{Roots, TlsConnector};
    /// use squall_web::client::Request;
    ///
    /// # fn main() -> squall::Result<()> {
    /// let tls = TlsConnector::builder().roots(Roots::file("company.pem")?).build()?;
    /// let request = Request::get("https://wiki.internal/").tls(tls.clone());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn tls(mut self, tls: TlsConnector) -> Request {
        self.options.tls.connector = Some(tls);
        self
    }

    fn change_tls(mut self, change: impl FnOnce(&mut Settings)) -> Request {
        let settings = self.options.tls.settings.get_or_insert_default();
        change(Rc::make_mut(settings));
        self
    }
}
