//! What a handshake has agreed on.

use rustls::Connection;

/// What the two sides of a TLS connection have agreed on; see
/// [`IoStream::tls`](crate::net::IoStream::tls).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    version: Option<String>,
    cipher: Option<String>,
    alpn: Option<Vec<u8>>,
    server_name: Option<String>,
    peer_certificates: Vec<Vec<u8>>,
}

impl TlsInfo {
    pub(super) fn of(connection: &Connection) -> TlsInfo {
        let server_name = match connection {
            Connection::Server(server) => server.server_name().map(str::to_owned),
            Connection::Client(_) => None,
        };
        let version = connection.protocol_version();
        let cipher = connection.negotiated_cipher_suite();
        let chain = connection.peer_certificates().unwrap_or_default();
        TlsInfo {
            version: version.and_then(|version| Some(version.as_str()?.to_owned())),
            cipher: cipher.and_then(|cipher| Some(cipher.suite().as_str()?.to_owned())),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            server_name,
            peer_certificates: chain.iter().map(|one| one.to_vec()).collect(),
        }
    }

    /// Returns the version, such as `TLSv1_3`.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Returns the cipher suite, such as `TLS13_AES_256_GCM_SHA384`.
    pub fn cipher(&self) -> Option<&str> {
        self.cipher.as_deref()
    }

    /// Returns the protocol that both speak; none if it was not talked about.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// Returns the name that the client asked for (SNI); on the server's side only.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// Returns the peer's certificates, as DER, its own in front; none if it showed none.
    pub fn peer_certificates(&self) -> &[Vec<u8>] {
        &self.peer_certificates
    }
}
