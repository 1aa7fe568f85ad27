//! What went wrong with TLS, said so that it can be mended.

use std::io;

use rustls::{AlertDescription, CertificateError, Error as Tls};

use crate::error::TlsFailure;

/// The first bytes that came, which tell what a peer speaks that does not speak TLS.
#[derive(Debug, Default)]
pub(super) struct Hello {
    bytes: [u8; 8],
    len: usize,
}

impl Hello {
    pub(super) fn note(&mut self, bytes: &[u8]) {
        let count = bytes.len().min(self.bytes.len() - self.len);
        self.bytes[self.len..self.len + count].copy_from_slice(&bytes[..count]);
        self.len += count;
    }

    /// True for requests and answers of HTTP without TLS.
    fn is_http(&self) -> bool {
        const STARTS: [&[u8]; 9] = [
            b"GET ",
            b"POST ",
            b"PUT ",
            b"HEAD ",
            b"DELETE ",
            b"OPTIONS ",
            b"PATCH ",
            b"CONNECT ",
            b"HTTP/",
        ];
        let said = &self.bytes[..self.len];
        STARTS.iter().any(|start| said.starts_with(start))
    }
}

/// The error of a stream, in words of our own where rustls' say less.
pub(super) fn explain(error: &Tls, hello: &Hello) -> io::Error {
    let message = match error {
        Tls::InvalidMessage(_) if hello.is_http() => {
            "the peer speaks plain HTTP where TLS was expected".to_owned()
        }
        Tls::InvalidMessage(_) if hello.bytes[0] != 22 => {
            format!("the peer does not speak TLS ({error})")
        }
        Tls::InvalidCertificate(why) => certificate(why),
        Tls::NoCertificatesPresented => {
            "the peer sent no certificate, and one is required".to_owned()
        }
        Tls::AlertReceived(alert) => format!("the peer refused: {}", alert_words(*alert)),
        Tls::NoApplicationProtocol => {
            "the peer offers no protocol that is spoken here (ALPN)".into()
        }
        Tls::PeerIncompatible(why) => {
            format!("the two sides have no version or cipher in common ({why:?})")
        }
        other => other.to_string(),
    };
    TlsFailure::new(message, error.clone()).into_io(io::ErrorKind::InvalidData)
}

fn certificate(why: &CertificateError) -> String {
    let why = match why {
        CertificateError::UnknownIssuer => "is signed by nobody who is trusted here".to_owned(),
        CertificateError::Expired => "has expired".to_owned(),
        CertificateError::NotValidYet => "is not valid yet; is the clock right?".to_owned(),
        CertificateError::Revoked => "was revoked".to_owned(),
        CertificateError::InvalidPurpose => "is for another purpose".to_owned(),
        CertificateError::NotValidForName => "is for another name".to_owned(),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let expected = expected.to_str();
            match presented.as_slice() {
                [] => format!("is not for {expected:?}: it has no name at all"),
                names => format!("is not for {expected:?}, but for {}", names.join(", ")),
            }
        }
        CertificateError::ExpiredContext { time, not_after } => {
            let seconds = time.as_secs().saturating_sub(not_after.as_secs());
            format!("has expired {} days ago", seconds / 86_400)
        }
        CertificateError::NotValidYetContext { .. } => {
            "is not valid yet; is the clock right?".to_owned()
        }
        CertificateError::InvalidPurposeContext { .. } => "is for another purpose".to_owned(),
        other => format!("is refused ({other})"),
    };
    format!("the peer's certificate {why}")
}

fn alert_words(alert: AlertDescription) -> String {
    let words = match alert {
        AlertDescription::UnknownCA => "it does not trust who signed our certificate (unknown CA)",
        AlertDescription::BadCertificate => "our certificate is bad, for it",
        AlertDescription::CertificateExpired => "our certificate has expired",
        AlertDescription::CertificateRevoked => "our certificate was revoked",
        AlertDescription::CertificateUnknown => "it does not accept our certificate",
        AlertDescription::CertificateRequired => "it requires a certificate, and none was sent",
        AlertDescription::ProtocolVersion => "no version of TLS is common to both",
        AlertDescription::HandshakeFailure => {
            "no parameters are common to both, or it requires a certificate"
        }
        AlertDescription::NoApplicationProtocol => "no protocol is common to both (ALPN)",
        AlertDescription::UnrecognisedName => "it does not know the name that was asked for",
        other => return format!("{other:?}"),
    };
    words.to_owned()
}

pub(super) fn ended_in_handshake() -> io::Error {
    let message = "the peer closed the connection in the middle of the TLS handshake";
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}

pub(super) fn cut_off() -> io::Error {
    let message = "the connection ended without the end of TLS: what came may be cut off";
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}

/// An error of the settings, before there is a connection.
pub(super) fn bad_settings(what: impl Into<String>, error: impl Into<Cause>) -> crate::Error {
    TlsFailure::new(what.into(), error)
        .into_io(io::ErrorKind::InvalidInput)
        .into()
}

type Cause = Box<dyn std::error::Error + Send + Sync>;
