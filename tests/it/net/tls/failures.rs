//! What goes wrong, and what is said of it.

use std::time::Duration;

use squall::net::{Identity, IoStream, Roots, TlsAcceptor, TlsConnector};
use squall::{Error, yield_};

use crate::net::{LIMIT, settled};
use crate::programs::Folder;

use super::{Authority, Pair, accept, shake, start};

/// The errors of a handshake in which both sides fail: the client's, then the server's.
#[squall::coroutine]
fn fail(connector: TlsConnector, acceptor: TlsAcceptor) -> (String, String) {
    let (client, server) = yield_!(shake(IoStream::pair(), connector, acceptor, "example.org"));
    // In TLS 1.3 a client learns that it is refused at its first read.
    let client = match client {
        Ok(client) => yield_!(client.read_partial(1)).map(drop),
        Err(error) => Err(error),
    };
    let text = |error: Error| {
        assert!(error.is_tls(), "{error:?}");
        error.to_string()
    };
    (text(client.unwrap_err()), text(server.unwrap_err()))
}

#[squall::test]
fn bad_certificates_say_why_on_both_sides() {
    let authority = Authority::new("test authority");
    let cases = [
        (
            authority.expired(&["example.org"]),
            "the peer's certificate has expired ",
            "the peer refused: our certificate has expired",
        ),
        (
            authority.issue_with(&["example.org"], |params| {
                params.not_before = rcgen::date_time_ymd(4000, 1, 1);
                params.not_after = rcgen::date_time_ymd(4001, 1, 1);
            }),
            "the peer's certificate is not valid yet; is the clock right?",
            "the peer refused: ",
        ),
        (
            authority.issue_with(&["example.org"], |params| {
                params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
            }),
            "the peer's certificate is for another purpose",
            "the peer refused: ",
        ),
        (
            authority.issue(&[]),
            "the peer's certificate is not for \"example.org\": it has no name at all",
            "the peer refused: ",
        ),
    ];
    for (pair, client, server) in cases {
        let said = yield_!(fail(authority.connector(), pair.acceptor()));
        assert!(said.0.starts_with(client), "{said:?}");
        assert!(said.1.starts_with(server), "{said:?}");
    }
}

#[squall::test]
fn client_s_certificate_is_required_requested_and_shown() {
    let authority = Authority::new("for servers");
    let clients = Authority::new("for clients");
    let server = authority.issue(&["example.org"]);
    let builder = || TlsAcceptor::builder(server.identity());
    let required = builder()
        .require_client_certificate(clients.roots())
        .build()
        .unwrap();
    let requested = builder()
        .request_client_certificate(clients.roots())
        .build()
        .unwrap();
    let showing = |pair: &Pair| {
        let builder = TlsConnector::builder().roots(authority.roots());
        builder.identity(pair.identity()).build().unwrap()
    };
    let good = showing(&clients.issue(&["someone"]));
    let bad = showing(&authority.issue(&["someone"]));
    let nothing = authority.connector();

    let (client, server) = yield_!(fail(nothing.clone(), required.clone()));
    assert_eq!(server, "the peer sent no certificate, and one is required");
    assert_eq!(
        client,
        "the peer refused: it requires a certificate, and none was sent"
    );
    for acceptor in [&required, &requested] {
        let (client, server) = yield_!(fail(bad.clone(), acceptor.clone()));
        let want = "the peer's certificate is signed by nobody who is trusted here";
        assert_eq!(server, want);
        assert!(client.starts_with("the peer refused: "), "{client}");
        let ends = shake(
            IoStream::pair(),
            good.clone(),
            acceptor.clone(),
            "example.org",
        );
        let (_client, server) = yield_!(ends);
        let chain = server.unwrap().tls().unwrap();
        assert_eq!(chain.peer_certificates().len(), 1, "{chain:?}");
    }
    let ends = shake(IoStream::pair(), nothing, requested, "example.org");
    let (_client, server) = yield_!(ends);
    assert!(
        server
            .unwrap()
            .tls()
            .unwrap()
            .peer_certificates()
            .is_empty()
    );
}

#[squall::test]
fn protocols_without_one_in_common_are_refused() {
    let authority = Authority::new("test authority");
    let server = authority.issue(&["example.org"]);
    let acceptor = TlsAcceptor::builder(server.identity())
        .alpn(["h2"])
        .build()
        .unwrap();
    let connector = TlsConnector::builder()
        .roots(authority.roots())
        .alpn(["http/1.1"])
        .build()
        .unwrap();
    let (client, server) = yield_!(fail(connector, acceptor.clone()));
    assert_eq!(
        client,
        "the peer refused: no protocol is common to both (ALPN)"
    );
    assert_eq!(
        server,
        "the peer offers no protocol that is spoken here (ALPN)"
    );
    // Who says nothing of protocols is served.
    let ends = shake(
        IoStream::pair(),
        authority.connector(),
        acceptor,
        "example.org",
    );
    let (client, server) = yield_!(ends);
    assert!(client.unwrap().tls().unwrap().alpn().is_none() && server.is_ok());
}

#[squall::test]
fn peers_that_speak_no_tls_are_told_from_others() {
    let authority = Authority::new("test authority");
    let acceptor = authority.issue(&["example.org"]).acceptor();
    let cases = [
        (
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            "plain HTTP where TLS was expected",
        ),
        (b"EHLO mail.example.com\r\n", "the peer does not speak TLS"),
        (b"\0\0\0\0\0\0\0\0", "the peer does not speak TLS"),
    ];
    for (said, want) in cases {
        let (near, far) = IoStream::pair();
        let server = accept(far, acceptor.clone());
        yield_!(near.write(said)).unwrap();
        let error = yield_!(settled(server)).expect("it ends").unwrap_err();
        assert!(
            error.is_tls() && error.to_string().contains(want),
            "{error:?}"
        );
        // The peer gets an alert, and the end.
        let alert = yield_!(near.read_until_close(LIMIT)).unwrap();
        assert_eq!(alert[0], 21, "{alert:?}");
    }
    // A server that answers in HTTP, and one that goes.
    for (said, want, is_tls) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "plain HTTP where TLS was expected",
            true,
        ),
        (
            b"",
            "the peer closed the connection in the middle of the TLS handshake",
            false,
        ),
    ] {
        let (near, far) = IoStream::pair();
        let client = start(near, authority.connector(), "example.org".into());
        yield_!(far.write(said)).unwrap();
        far.shutdown_write().unwrap();
        let error = yield_!(settled(client)).expect("it ends").unwrap_err();
        assert!(error.to_string().contains(want), "{error:?}");
        assert_eq!((error.is_tls(), error.is_closed()), (is_tls, !is_tls));
    }
}

#[squall::test]
fn handshake_that_takes_too_long_is_given_up() {
    let authority = Authority::new("test authority");
    let pair = authority.issue(&["example.org"]);
    let three = Duration::from_secs(3);
    let acceptor = TlsAcceptor::builder(pair.identity())
        .handshake_timeout(three)
        .build();
    let connector = TlsConnector::builder()
        .roots(authority.roots())
        .handshake_timeout(three);
    let (_near, far) = IoStream::pair();
    let server = yield_!(settled(accept(far, acceptor.unwrap()))).expect("it ends");
    let (near, _far) = IoStream::pair();
    let client = start(near, connector.build().unwrap(), "example.org".into());
    let client = yield_!(settled(client)).expect("it ends");
    for error in [server.unwrap_err(), client.unwrap_err()] {
        assert!(error.is_timeout(), "{error:?}");
        assert_eq!(error.to_string(), "the TLS handshake took more than 3s");
    }
}

#[squall::test]
fn record_that_was_changed_ends_the_connection_for_good() {
    let authority = Authority::new("test authority");
    let acceptor = authority.issue(&["example.org"]).acceptor();
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let other_near = near.try_clone().unwrap();
    let near = IoStream::from_unix(near).unwrap();
    let far = IoStream::from_unix(far).unwrap();
    let ends = shake((near, far), authority.connector(), acceptor, "example.org");
    let (client, server) = yield_!(ends);
    let (client, server) = (client.unwrap(), server.unwrap());
    yield_!(client.write(b"good")).unwrap();
    assert_eq!(yield_!(server.read_bytes(4)).unwrap(), b"good");
    std::io::Write::write_all(
        &mut &other_near,
        b"\x17\x03\x03\x00\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    )
    .unwrap();
    for _ in 0..2 {
        let read = yield_!(settled(server.read_bytes(1))).expect("it ends");
        assert!(read.unwrap_err().is_tls());
    }
    assert!(yield_!(server.write(b"x")).unwrap_err().is_tls());
    assert!(server.error().is_some());
    assert!(
        yield_!(client.read_bytes(1)).unwrap_err().is_tls(),
        "it got an alert"
    );
}

#[test]
fn bad_settings_say_what_is_wrong() {
    let authority = Authority::new("test authority");
    let (one, other) = (authority.issue(&["a"]), authority.issue(&["b"]));
    let error = |result: squall::Result<Identity>| {
        let error = result.unwrap_err();
        assert!(error.is_tls(), "{error:?}");
        error.to_string()
    };
    let pem = |a: &str, b: &str| error(Identity::pem(a.as_bytes(), b.as_bytes()));
    assert_eq!(
        pem("", &one.key),
        "certificates: there is no certificate in it"
    );
    assert!(pem(&one.certificate, "").starts_with("key: no private key ("));
    assert_eq!(
        pem(&one.certificate, &other.key),
        "key is not the key of certificates"
    );
    let broken = one
        .certificate
        .replace("BEGIN CERTIFICATE", "BEGIN NONSENSE");
    assert!(pem(&broken, &one.key).contains("certificate"));
    let said = error(Identity::files("/no/such.pem", "/no/such.key"));
    assert!(said.starts_with("/no/such.pem: No such file"), "{said}");
    let folder = Folder::new("tls");
    let cert = folder.write("cert.pem", &one.certificate);
    let key = folder.write("key.pem", &other.key);
    let said = error(Identity::files(&cert, &key));
    let want = format!("{} is not the key of {}", key.display(), cert.display());
    assert_eq!(said, want);
    let roots = Roots::file(&key).unwrap_err();
    assert!(roots.to_string().ends_with("there is no certificate in it"));

    let builder = || TlsAcceptor::builder(one.identity());
    let system = builder()
        .require_client_certificate(Roots::system())
        .build();
    assert!(
        system
            .unwrap_err()
            .to_string()
            .contains("says nothing about clients")
    );
    let nobody = builder().require_client_certificate(Roots::none()).build();
    assert!(nobody.unwrap_err().is_tls());
    assert!(
        TlsConnector::builder()
            .roots(Roots::none())
            .build()
            .unwrap_err()
            .is_tls()
    );
    let debug = format!("{:?}", one.identity());
    assert!(!debug.contains("PRIVATE"), "{debug}");
}

#[squall::test]
fn bad_names_of_servers_are_refused_before_anything_is_sent() {
    let authority = Authority::new("test authority");
    for name in ["", "with space", "-", "[::1"] {
        let (near, far) = IoStream::pair();
        let error = yield_!(near.start_tls(&authority.connector(), name)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{name:?} is no name of a server")
        );
        assert_eq!(yield_!(far.read_until_close(LIMIT)).unwrap(), b"");
    }
}
