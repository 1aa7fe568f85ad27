//! TLS: both ends our own, and against `openssl` and Python.

/// Tornado's cases of streams that become TLS ones, T17 to T19, and what a handshake agrees on.
mod handshake;

/// What goes wrong, and whether it is said so that it can be mended.
mod failures;

/// Servers and clients with TLS: names, reloading, threads.
mod server;

/// Other programs at the other end.
mod others;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use squall::net::{Identity, IoStream, Roots, TlsAcceptor, TlsConnector};
use squall::{Result, yield_};

/// Who signs certificates for a test.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Authority {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for a server or client of these names.
    pub(crate) fn issue(&self, names: &[&str]) -> Pair {
        self.issue_with(names, |_| {})
    }

    pub(crate) fn issue_with(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    pub(crate) fn expired(&self, names: &[&str]) -> Pair {
        self.issue_with(names, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 1);
        })
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots::none().and_pem(self.pem.as_bytes()).unwrap()
    }

    /// A client that trusts this authority, and nobody else.
    pub(crate) fn connector(&self) -> TlsConnector {
        let builder = TlsConnector::builder().roots(self.roots());
        builder.build().unwrap()
    }
}

impl Pair {
    pub(crate) fn identity(&self) -> Identity {
        Identity::pem(self.certificate.as_bytes(), self.key.as_bytes()).unwrap()
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::builder(self.identity()).build().unwrap()
    }
}

#[squall::coroutine]
fn accept(stream: IoStream, tls: TlsAcceptor) -> Result<IoStream> {
    yield_!(stream.accept_tls(&tls))
}

#[squall::coroutine]
fn start(stream: IoStream, tls: TlsConnector, name: String) -> Result<IoStream> {
    yield_!(stream.start_tls(&tls, &name))
}

/// The ends of a handshake: the client's, then the server's.
#[squall::coroutine]
fn shake(
    (near, far): (IoStream, IoStream),
    connector: TlsConnector,
    acceptor: TlsAcceptor,
    name: &'static str,
) -> (Result<IoStream>, Result<IoStream>) {
    let server = accept(far, acceptor);
    let client = start(near, connector, name.to_owned());
    (client.await, server.await)
}
