//! Over TLS to openssl's server, nginx, Python's and node's.

use std::process::Command;

use squall_web::client::{AsyncHttpClient, ClientConfig, Request, Stage};

use super::text;
use crate::net::tls::{Authority, Pair};
use crate::programs::{Folder, Program, free_port, has, nginx};
use crate::support::run_real;

/// Files as the programs want them: the roots, and a certificate for `localhost`.
fn files(name: &str, authority: &Authority, pair: &Pair) -> Folder {
    let files = [
        ("roots.pem", &*authority.pem),
        ("cert.pem", &*pair.certificate),
        ("key.pem", &*pair.key),
    ];
    Folder::with(name, &files)
}

fn trusting(authority: &Authority) -> AsyncHttpClient {
    AsyncHttpClient::with_config(ClientConfig {
        tls: Some(authority.connector()),
        ..ClientConfig::default()
    })
}

#[test]
fn openssl_serves_us() {
    if !has("openssl") {
        return;
    }
    let authority = Authority::new("test authority");
    let pair = authority.issue(&["localhost"]);
    for version in ["-tls1_2", "-tls1_3"] {
        let port = free_port();
        let mut openssl = Command::new("openssl");
        openssl
            .args(["s_server", "-www", "-naccept", "3", version, "-accept"])
            .arg(port.to_string())
            .args(["-cert", "cert.pem", "-key", "key.pem"]);
        // To see that it listens takes one of its three connections.
        let files = files("s-server", &authority, &pair);
        let program = Program::start(&mut openssl, files, &[port]);
        run_real(|| async {
            let url = format!("https://localhost:{port}/");
            let request = Request::get(&url).allow_ipv6(false);
            let page = trusting(&authority).fetch(request.clone()).await.unwrap();
            let page = page.text().unwrap().to_owned();
            let cipher = if version == "-tls1_3" {
                "TLSv1.3"
            } else {
                "TLSv1.2"
            };
            assert!(page.contains("HTML") && page.contains(cipher), "{page}");
            let system = AsyncHttpClient::new().fetch(request).await.unwrap_err();
            assert_eq!(system.stage(), Stage::Handshake, "{system}");
        });
        drop(program);
    }
}

/// nginx with a server for each of: a good certificate, an expired one, one for another name, one that
/// wants clients to show one.
fn start_nginx(authority: &Authority, folder: Folder) -> (Program, [u16; 4]) {
    let ports = [(); 4].map(|()| free_port());
    let pairs = [
        authority.issue(&["localhost"]),
        authority.expired(&["localhost"]),
        authority.issue(&["elsewhere.example"]),
        authority.issue(&["localhost"]),
    ];
    let mut servers = String::new();
    for (n, (port, pair)) in ports.iter().zip(&pairs).enumerate() {
        folder.write(&format!("{n}.pem"), &pair.certificate);
        folder.write(&format!("{n}.key"), &pair.key);
        let clients = match n {
            3 => format!(
                "ssl_verify_client on; ssl_client_certificate {}/roots.pem;",
                folder.display()
            ),
            _ => String::new(),
        };
        servers += &format!(
            "server {{ listen 127.0.0.1:{port} ssl; {clients}
                ssl_certificate {0}/{n}.pem; ssl_certificate_key {0}/{n}.key;
                location / {{ return 200 '$scheme $ssl_server_name $ssl_client_verify'; }}
                location /large {{ root {0}; }} }}\n",
            folder.display()
        );
    }
    folder.write("large", vec![b'x'; 5_000_000]);
    let program = nginx(folder, &servers, &ports);
    (program, ports)
}

#[test]
fn nginx_serves_us_over_tls() {
    if !has("nginx") {
        return;
    }
    let authority = Authority::new("test authority");
    let own = authority.issue(&["me"]);
    let files = files("nginx-tls", &authority, &own);
    let (program, [good, expired, wrong, asking]) = start_nginx(&authority, files);
    run_real(|| async {
        let client = trusting(&authority);
        let get = |port| Request::get(format!("https://localhost:{port}/")).allow_ipv6(false);
        for reused in [false, true] {
            let response = client.fetch(get(good)).await.unwrap();
            assert_eq!(response.text().unwrap(), "https localhost NONE");
            assert_eq!(response.time_info().reused, reused);
        }
        let large = format!("https://localhost:{good}/large");
        let large = client
            .fetch(Request::get(large).allow_ipv6(false))
            .await
            .unwrap();
        assert_eq!(large.body().len(), 5_000_000);
        for (port, why) in [
            (expired, "has expired"),
            (wrong, "is not for \"localhost\""),
        ] {
            let error = client.fetch(get(port)).await.unwrap_err();
            assert!(text(&error).contains(why), "{error}");
        }
        // nginx tells those without a certificate by a page.
        assert_eq!(client.fetch(get(asking)).await.unwrap_err().code(), 400);
        let at = |name: &str| program.folder.join(name);
        let shown = get(asking).ca_certs(at("roots.pem"));
        let shown = shown.client_cert(at("cert.pem"), at("key.pem"));
        let shown = client.fetch(shown).await.unwrap();
        assert_eq!(shown.text().unwrap(), "https localhost SUCCESS");
        // Plain HTTP on its TLS port.
        let plain = Request::get(format!("http://localhost:{good}/")).allow_ipv6(false);
        assert_eq!(client.fetch(plain).await.unwrap_err().code(), 400);
    });
    drop(program);
}

#[test]
fn python_serves_us_over_tls() {
    if !has("python3") {
        return;
    }
    let authority = Authority::new("test authority");
    let files = files("python-tls", &authority, &authority.issue(&["localhost"]));
    let script = "import http.server, ssl\n\
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\n\
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
        context.load_cert_chain('cert.pem', 'key.pem')\n\
        server.socket = context.wrap_socket(server.socket, server_side=True)\n\
        print(server.server_address[1], flush=True)\n\
        server.serve_forever()\n";
    let mut python = Command::new("python3");
    let python = python.args(["-c", script]);
    let (program, port) = Program::that_tells_its_port(python, files);
    run_real(|| async {
        let client = trusting(&authority);
        let get =
            |path: &str| Request::get(format!("https://localhost:{port}{path}")).allow_ipv6(false);
        let roots = client.fetch(get("/roots.pem")).await.unwrap();
        assert_eq!(roots.text().unwrap(), authority.pem);
        let lost = client.fetch(get("/lost")).await.unwrap_err();
        assert_eq!(lost.code(), 404);
    });
    drop(program);
}

const NODE: &str = r#"
const https = require('https'), fs = require('fs');
const options = { cert: fs.readFileSync('cert.pem'), key: fs.readFileSync('key.pem') };
const server = https.createServer(options, async (request, response) => {
    let length = 0;
    for await (const piece of request) length += piece.length;
    response.end(`${request.method} ${request.socket.servername} ${length}`);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.on('SIGTERM', () => process.exit());
"#;

#[test]
fn node_serves_us_over_tls() {
    if !has("node") {
        return;
    }
    let authority = Authority::new("test authority");
    let files = files("node-tls", &authority, &authority.issue(&["localhost"]));
    let mut node = Command::new("node");
    let (program, port) = Program::that_tells_its_port(node.args(["-e", NODE]), files);
    run_real(|| async {
        let client = trusting(&authority);
        let url = format!("https://localhost:{port}/");
        for body in [0, 1, 3_000_000] {
            let request = Request::put(&url, vec![b'x'; body]).allow_ipv6(false);
            let response = client.fetch(request).await.unwrap();
            assert_eq!(response.text().unwrap(), format!("PUT localhost {body}"));
        }
    });
    drop(program);
}
