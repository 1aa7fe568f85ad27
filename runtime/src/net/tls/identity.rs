//! A certificate with its key.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::PROVIDER;
use super::failure::bad_settings;
use crate::error::Result;

/// A chain of certificates and the key of its first: what one side shows the other.
///
/// One that was read from files is read again when they change; see
/// [`TlsAcceptorBuilder::reload_every`](super::TlsAcceptorBuilder::reload_every). Cheap to clone; every
/// clone is the same identity.
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

struct Inner {
    current: RwLock<Arc<CertifiedKey>>,
    files: Option<Files>,
}

struct Files {
    certificates: PathBuf,
    key: PathBuf,
    /// What the files were when they were read last, or tried.
    seen: Mutex<Stamps>,
}

/// What changes when a file is written or replaced: device, inode, length, and the time.
type Stamps = [Option<(u64, u64, u64, i64, i64)>; 2];

impl Identity {
    /// Reads a chain of certificates, and a key, from files of PEM; both may be the same file.
    ///
    /// Blocks while it reads.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or has no certificate or key in it, or if the key is that of another
    /// certificate.
    pub fn files(certificates: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Identity> {
        let (certificates, key) = (certificates.as_ref(), key.as_ref());
        // Before they are read: a change meanwhile is seen later.
        let seen = stamps(certificates, key);
        let current = read(certificates, key)?;
        let files = Files {
            certificates: certificates.to_owned(),
            key: key.to_owned(),
            seen: Mutex::new(seen),
        };
        Ok(Self::new(current, Some(files)))
    }

    /// Takes a chain of certificates, and a key, as PEM.
    ///
    /// # Errors
    ///
    /// If there is no certificate or key in it, or if the key is that of another certificate.
    pub fn pem(certificates: &[u8], key: &[u8]) -> Result<Identity> {
        let key = parse(certificates, key, "certificates", "key")?;
        Ok(Self::new(key, None))
    }

    fn new(key: CertifiedKey, files: Option<Files>) -> Identity {
        let current = RwLock::new(Arc::new(key));
        Identity {
            inner: Arc::new(Inner { current, files }),
        }
    }

    pub(super) fn current(&self) -> Arc<CertifiedKey> {
        let current = self.inner.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True if it came from files.
    pub(super) fn has_files(&self) -> bool {
        self.inner.files.is_some()
    }

    /// Reads the files again if they have changed, and says what came of it. If they are not good, the
    /// last good pair is kept. Blocks.
    pub(super) fn reload(&self) -> Option<Reloaded> {
        let files = self.inner.files.as_ref()?;
        let now = stamps(&files.certificates, &files.key);
        let mut seen = files.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return None;
        }
        *seen = now;
        let result = read(&files.certificates, &files.key).map(|key| {
            let current = &self.inner.current;
            *current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
        });
        let name = files.certificates.display().to_string();
        Some(Reloaded { name, result })
    }
}

/// What came of files that had changed.
pub(super) struct Reloaded {
    name: String,
    result: Result<()>,
}

impl Reloaded {
    pub(super) fn log(&self) {
        let name = &self.name;
        match &self.result {
            Ok(()) => tracing::info!(target: "squall", "the certificate {name} was loaded anew"),
            Err(error) => {
                tracing::error!(target: "squall", "the certificate {name} has changed and is not good, the one before is kept: {error}");
            }
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the key.
        f.debug_struct("Identity")
            .field("certificates", &self.current().cert.len())
            .field(
                "files",
                &self.inner.files.as_ref().map(|files| &files.certificates),
            )
            .finish_non_exhaustive()
    }
}

fn stamps(certificates: &Path, key: &Path) -> Stamps {
    [certificates, key].map(|path| {
        let found = fs::metadata(path).ok()?;
        let time = (found.mtime(), found.mtime_nsec());
        Some((found.dev(), found.ino(), found.len(), time.0, time.1))
    })
}

fn read(certificates: &Path, key: &Path) -> Result<CertifiedKey> {
    let read = |path: &Path| {
        fs::read(path).map_err(|error| bad_settings(format!("{}: {error}", path.display()), error))
    };
    let (chain, secret) = (read(certificates)?, read(key)?);
    let [chain_name, key_name] = [certificates, key].map(|path| path.display().to_string());
    parse(&chain, &secret, &chain_name, &key_name)
}

fn parse(chain: &[u8], key: &[u8], chain_name: &str, key_name: &str) -> Result<CertifiedKey> {
    let chain = certificates(chain, chain_name)?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| bad_settings(format!("{key_name}: no private key ({error})"), error))?;
    CertifiedKey::from_der(chain, key, &PROVIDER).map_err(|error| {
        let what = match error {
            rustls::Error::InconsistentKeys(_) => {
                format!("{key_name} is not the key of {chain_name}")
            }
            _ => format!("{chain_name} and {key_name}: {error}"),
        };
        bad_settings(what, error)
    })
}

/// The certificates in a text of PEM, one at least.
pub(super) fn certificates(pem: &[u8], name: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found =
        found.map_err(|error| bad_settings(format!("{name}: no certificates ({error})"), error))?;
    match found.is_empty() {
        true => Err(bad_settings(
            format!("{name}: there is no certificate in it"),
            "nothing between BEGIN CERTIFICATE and END CERTIFICATE",
        )),
        false => Ok(found),
    }
}
