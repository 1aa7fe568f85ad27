//! Other programs at the other end.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use squall::net::{IoStream, TcpClient, TcpServer};
use squall::{Result, run_in_executor, yield_};

use crate::net::{LIMIT, bind};
use crate::programs::{Folder, Running, has};

use super::{Authority, Pair};

#[squall::coroutine]
fn echo(stream: IoStream) -> Result<()> {
    loop {
        let line = yield_!(stream.read_until(b"\n", LIMIT))?;
        yield_!(stream.write(&line))?;
    }
}

/// A folder with the roots, a certificate and its key.
fn files(name: &str, authority: &Authority, pair: &Pair) -> Folder {
    let files = [
        ("roots.pem", &*authority.pem),
        ("cert.pem", &pair.certificate),
        ("key.pem", &pair.key),
    ];
    Folder::with(name, &files)
}

/// A server of this crate's, and its port.
fn serve(pair: &Pair) -> u16 {
    let (server, port): (TcpServer, u16) = bind();
    drop(server.tls(pair.acceptor()).serve(|stream, _| echo(stream)));
    port
}

#[squall::test]
fn openssl_s_client_talks_to_our_server() {
    if !has("openssl") {
        return;
    }
    let authority = Authority::new("test authority");
    let pair = authority.issue(&["example.org"]);
    let folder = files("s-client", &authority, &pair);
    let port = serve(&pair);
    for version in ["-tls1_2", "-tls1_3"] {
        let mut client = Command::new("openssl");
        client
            .args([
                "s_client",
                "-quiet",
                "-verify_return_error",
                "-verify_hostname",
                "example.org",
            ])
            .args(["-servername", "example.org", version, "-CAfile"])
            .arg(folder.join("roots.pem"))
            .args(["-connect", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let talk = move || {
            let mut child = Running::start(&mut client);
            let mut input = child.stdin.take().unwrap();
            input.write_all(b"hello\n").unwrap();
            let mut answer = String::new();
            let mut output = BufReader::new(child.stdout.take().unwrap());
            output.read_line(&mut answer).unwrap();
            let mut errors = String::new();
            if answer.is_empty() {
                let mut stderr = child.stderr.take().unwrap();
                stderr.read_to_string(&mut errors).unwrap();
            }
            (answer, errors)
        };
        let (answer, errors) = yield_!(run_in_executor(talk)).unwrap();
        assert_eq!(answer, "hello\n", "{version}: {errors}");
    }
}

#[squall::test]
fn our_client_talks_to_openssl_s_server() {
    if !has("openssl") {
        return;
    }
    let authority = Authority::new("test authority");
    let pair = authority.issue(&["127.0.0.1"]);
    let folder = files("s-server", &authority, &pair);
    for version in ["-tls1_2", "-tls1_3"] {
        // `-rev` answers each line, reversed; it tells its port when it accepts.
        let mut server = Command::new("openssl");
        server
            .args([
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-rev",
                version,
                "-cert",
            ])
            .arg(folder.join("cert.pem"))
            .arg("-key")
            .arg(folder.join("key.pem"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = Running::start(&mut server);
        let output = child.stdout.take().unwrap();
        let find_port = move || {
            let mut lines = BufReader::new(output).lines().map_while(|line| line.ok());
            let accept = lines.find(|line| line.starts_with("ACCEPT"))?;
            accept.rsplit(':').next()?.trim().parse::<u16>().ok()
        };
        let port = yield_!(run_in_executor(find_port)).unwrap();
        let port = port.expect("s_server says `ACCEPT address:port`");
        let client = TcpClient::new().tls(authority.connector());
        let stream = yield_!(client.connect("127.0.0.1", port)).unwrap();
        let want = if version == "-tls1_2" {
            "TLSv1_2"
        } else {
            "TLSv1_3"
        };
        assert_eq!(stream.tls().unwrap().version(), Some(want));
        yield_!(stream.write(b"hello\n")).unwrap();
        assert_eq!(
            yield_!(stream.read_until(b"\n", LIMIT)).unwrap(),
            b"olleh\n"
        );
    }
}

#[squall::test]
fn python_s_ssl_talks_to_our_server_and_sees_its_end() {
    if !has("python3") {
        return;
    }
    const SCRIPT: &str = "
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.set_alpn_protocols(['http/1.1'])
# An end without close_notify is an error.
with socket.create_connection(('127.0.0.1', int(sys.argv[2]))) as plain:
    with context.wrap_socket(plain, server_hostname='example.org', suppress_ragged_eofs=False) as s:
        s.sendall(b'x' * 100000 + b'\\n')
        got = b''
        while not got.endswith(b'\\n'):
            got += s.recv(65536)
        s.sendall(b'bye\\n')
        while s.recv(100): pass
        print(len(got), s.version())
";
    #[squall::coroutine]
    fn until_bye(stream: IoStream) -> Result<()> {
        loop {
            let line = yield_!(stream.read_until(b"\n", 200_000))?;
            yield_!(stream.write(&line))?;
            if line == b"bye\n" {
                return Ok(());
            }
        }
    }

    let authority = Authority::new("test authority");
    let pair = authority.issue(&["example.org"]);
    let folder = files("python", &authority, &pair);
    let (server, port): (TcpServer, u16) = bind();
    drop(
        server
            .tls(pair.acceptor())
            .serve(|stream, _| until_bye(stream)),
    );
    let roots = folder.join("roots.pem");
    let run = move || {
        let mut python = Command::new("python3");
        python.args(["-c", SCRIPT]).arg(roots).arg(port.to_string());
        python.output().unwrap()
    };
    let output = yield_!(run_in_executor(run)).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "100001 TLSv1.3\n",
        "{error}"
    );
}
