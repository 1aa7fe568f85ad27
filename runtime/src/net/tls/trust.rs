//! Whose signatures under certificates are believed.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error as Tls, SignatureScheme};
use rustls_platform_verifier::Verifier;

use super::PROVIDER;
use super::failure::bad_settings;
use super::identity::certificates;
use crate::error::Result;

/// The authorities whose certificates are trusted.
#[derive(Clone)]
pub struct Roots {
    system: bool,
    own: Vec<CertificateDer<'static>>,
}

impl Roots {
    /// Trusts whom the system trusts. On Linux that is what its certificate bundle says, or the file
    /// and folder that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    pub fn system() -> Roots {
        Roots {
            system: true,
            own: Vec::new(),
        }
    }

    /// Trusts nobody yet; see [`and_pem`](Self::and_pem).
    pub fn none() -> Roots {
        Roots {
            system: false,
            own: Vec::new(),
        }
    }

    /// Trusts the certificates of a file of PEM, and nobody else.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or has no certificate in it.
    pub fn file(path: impl AsRef<Path>) -> Result<Roots> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let pem =
            fs::read(path).map_err(|error| bad_settings(format!("{name}: {error}"), error))?;
        Ok(Roots {
            system: false,
            own: certificates(&pem, &name)?,
        })
    }

    /// Trusts these certificates as well.
    ///
    /// # Errors
    ///
    /// If there is no certificate in the text.
    pub fn and_pem(mut self, pem: &[u8]) -> Result<Roots> {
        self.own.extend(certificates(pem, "the roots")?);
        Ok(self)
    }

    /// What looks at servers' certificates.
    pub(super) fn server_verifier(&self) -> Result<Arc<dyn ServerCertVerifier>> {
        if self.system {
            let verifier = Verifier::new_with_extra_roots(self.own.clone(), PROVIDER.clone());
            let verifier = verifier.map_err(|error| {
                bad_settings(
                    format!("the system has no certificates of authorities; install them (the package ca-certificates) or give roots of your own: {error}"),
                    error,
                )
            })?;
            return Ok(Arc::new(verifier));
        }
        let store = Arc::new(self.store()?);
        let verifier = WebPkiServerVerifier::builder_with_provider(store, PROVIDER.clone()).build();
        Ok(verifier.map_err(|error| bad_settings("no roots to verify servers by", error))?)
    }

    /// The store that clients' certificates are looked at by: the system's trust is for servers.
    pub(super) fn store(&self) -> Result<RootCertStore> {
        if self.system {
            return Err(bad_settings(
                "whom the system trusts says nothing about clients: give the roots that sign their certificates",
                "system roots",
            ));
        }
        let mut store = RootCertStore::empty();
        for root in &self.own {
            let added = store.add(root.clone());
            added.map_err(|error| {
                bad_settings(format!("a certificate cannot be a root: {error}"), error)
            })?;
        }
        Ok(store)
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots")
            .field("system", &self.system)
            .field("own", &self.own.len())
            .finish()
    }
}

/// How much of a server's certificate is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Check {
    All,
    NotTheName,
    Nothing,
}

/// Looks at all but the name.
#[derive(Debug)]
pub(super) struct Lenient(pub(super) Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Tls> {
        // The name is looked at last, when all else is good.
        match self
            .0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        {
            Err(Tls::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Tls> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Tls> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// For those who look at nothing, and have no roots: signatures of the handshake are still looked at.
#[derive(Debug)]
pub(super) struct SignaturesOnly;

impl ServerCertVerifier for SignaturesOnly {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Tls> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Tls> {
        let known = &PROVIDER.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Tls> {
        let known = &PROVIDER.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER
            .signature_verification_algorithms
            .supported_schemes()
    }
}
