//! Over TLS to openssl's server, nginx, Python's and node's.

use std::path::Path;
use std::process::{Command, Stdio};

use squall_web::client::{AsyncHttpClient, ClientConfig, Request, Stage};

use super::https::Files;
use super::servers::{Program, folder, free_port, has, start, wait_for};
use super::{run_real, text};
use crate::net::tls::{Authority, Pair};

/// Files as the programs want them: the roots, and a certificate for `localhost`.
fn files(name: &str, authority: &Authority, pair: &Pair) -> Files {
    let files = [
        ("roots.pem", &*authority.pem),
        ("cert.pem", &*pair.certificate),
        ("key.pem", &*pair.key),
    ];
    Files::new(name, &files)
}

fn trusting(authority: &Authority) -> AsyncHttpClient {
    AsyncHttpClient::with_config(ClientConfig {
        tls: Some(authority.connector()),
        ..ClientConfig::default()
    })
}

#[test]
fn openssl_serves_us() {
    if !has("openssl", "version") {
        return;
    }
    let authority = Authority::new("test authority");
    let files = files("s-server", &authority, &authority.issue(&["localhost"]));
    for version in ["-tls1_2", "-tls1_3"] {
        let port = free_port();
        let process = Command::new("openssl")
            .args(["s_server", "-www", "-naccept", "3", version, "-accept"])
            .arg(port.to_string())
            .args(["-cert", "cert.pem", "-key", "key.pem"])
            .current_dir(&files.0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let program = Program::new(process, folder("s-server-none"));
        // One of its three connections.
        wait_for(port);
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
fn nginx(authority: &Authority, folder: &Path) -> (Program, [u16; 4]) {
    let ports = [(); 4].map(|()| free_port());
    let pairs = [
        authority.issue(&["localhost"]),
        authority.expired(&["localhost"]),
        authority.issue(&["elsewhere.example"]),
        authority.issue(&["localhost"]),
    ];
    let mut servers = String::new();
    for (n, (port, pair)) in ports.iter().zip(&pairs).enumerate() {
        std::fs::write(folder.join(format!("{n}.pem")), &pair.certificate).unwrap();
        std::fs::write(folder.join(format!("{n}.key")), &pair.key).unwrap();
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
    let config = format!(
        "daemon off; pid {0}/pid; error_log {0}/errors; worker_processes 1;
         events {{ worker_connections 256; }}
         http {{ access_log off; client_body_temp_path {0}/a; proxy_temp_path {0}/b;
             fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d; scgi_temp_path {0}/e; {servers} }}",
        folder.display()
    );
    std::fs::write(folder.join("nginx.conf"), config).unwrap();
    std::fs::write(folder.join("large"), vec![b'x'; 5_000_000]).unwrap();
    let process = Command::new("nginx")
        .arg("-c")
        .arg(folder.join("nginx.conf"))
        .arg("-p")
        .arg(folder)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let program = Program::new(process, folder.to_owned());
    for port in ports {
        wait_for(port);
    }
    (program, ports)
}

#[test]
fn nginx_serves_us_over_tls() {
    if !has("nginx", "-v") {
        return;
    }
    let authority = Authority::new("test authority");
    let own = authority.issue(&["me"]);
    let files = files("nginx-tls", &authority, &own);
    let (program, [good, expired, wrong, asking]) = nginx(&authority, &files.0);
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
        let at = |name: &str| files.0.join(name);
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
    if !has("python3", "--version") {
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
    let (program, port) = start(
        Command::new("python3").args(["-c", script]),
        files.0.clone(),
    );
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
    if !has("node", "--version") {
        return;
    }
    let authority = Authority::new("test authority");
    let files = files("node-tls", &authority, &authority.issue(&["localhost"]));
    let (program, port) = start(Command::new("node").args(["-e", NODE]), files.0.clone());
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
