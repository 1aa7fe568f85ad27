//! The client, at nginx, nghttpd and node.

use std::process::Command;

use squall_web::client::{AsyncHttpClient, ClientConfig, Request};

use crate::net::tls::Authority;
use crate::programs::{Folder, Program, free_port, has, nginx};
use crate::support::run_real;

fn trusting(authority: &Authority) -> AsyncHttpClient {
    AsyncHttpClient::with_config(ClientConfig {
        tls: Some(authority.connector()),
        ..ClientConfig::default()
    })
}

/// A folder with a certificate for `localhost`.
fn certified(name: &str, authority: &Authority) -> Folder {
    let (folder, pair) = (Folder::new(name), authority.issue(&["localhost"]));
    folder.write("cert.pem", &pair.certificate);
    folder.write("key.pem", &pair.key);
    folder.write("large", vec![b'x'; 5_000_000]);
    folder
}

fn get(port: u16, path: &str) -> Request {
    Request::get(format!("https://localhost:{port}{path}")).allow_ipv6(false)
}

#[test]
fn nginx_serves_us() {
    if !has("nginx") {
        return;
    }
    let authority = Authority::new("test authority");
    let (folder, port) = (certified("nginx-http2", &authority), free_port());
    let http = format!(
        "server {{ listen 127.0.0.1:{port} ssl http2; root {0}; keepalive_requests 50;
             ssl_certificate {0}/cert.pem; ssl_certificate_key {0}/key.pem;
             gzip on; gzip_types text/plain; gzip_min_length 1;
             location /about {{ return 200 '$server_protocol $connection'; }}
             location /moved {{ return 302 /about; }} }}",
        folder.display()
    );
    let program = nginx(folder, &http, &[port]);
    run_real(|| async {
        let client = trusting(&authority);
        let fetches: Vec<_> = (0..30).map(|_| client.fetch(get(port, "/about"))).collect();
        let mut seen = Vec::new();
        for fetch in fetches {
            seen.push(fetch.await.unwrap().text().unwrap().to_owned());
        }
        assert!(seen[0].starts_with("HTTP/2.0 "), "{seen:?}");
        seen.dedup();
        assert_eq!(seen.len(), 1, "one connection: {seen:?}");
        // It says goodbye after fifty requests: nothing is lost.
        for _ in 0..120 {
            let about = client.fetch(get(port, "/about")).await.unwrap();
            assert!(about.text().unwrap().starts_with("HTTP/2.0 "));
        }
        let large = client.fetch(get(port, "/large")).await.unwrap();
        assert_eq!(large.body().len(), 5_000_000);
        let moved = client.fetch(get(port, "/moved")).await.unwrap();
        assert_eq!(moved.effective_url().path(), "/about");
        assert_eq!(
            client.fetch(get(port, "/lost")).await.unwrap_err().code(),
            404
        );
    });
    drop(program);
}

#[test]
fn nghttpd_serves_us() {
    if !has("nghttpd") {
        return;
    }
    let authority = Authority::new("test authority");
    let (folder, port) = (certified("nghttpd", &authority), free_port());
    let mut nghttpd = Command::new("nghttpd");
    nghttpd
        .args(["-a", "127.0.0.1", "--echo-upload", "-d", "."])
        .args(["--trailer=x-sum: 6", &port.to_string()])
        .args(["key.pem", "cert.pem"]);
    let program = Program::start(&mut nghttpd, folder, &[port]);
    run_real(|| async {
        let client = trusting(&authority);
        let large = client.fetch(get(port, "/large")).await.unwrap();
        assert_eq!(large.body().len(), 5_000_000);
        for size in [1, 100_000, 2_000_000] {
            let body = vec![b'y'; size];
            let url = format!("https://localhost:{port}/");
            let request = Request::post(url, body.clone()).allow_ipv6(false);
            assert!(
                client.fetch(request).await.unwrap().body() == body,
                "{size}"
            );
        }
    });
    drop(program);
}

const NODE: &str = r#"
const http2 = require('http2'), fs = require('fs');
const options = { cert: fs.readFileSync('cert.pem'), key: fs.readFileSync('key.pem'), allowHTTP1: true };
const server = http2.createSecureServer(options, async (request, response) => {
    if (request.url === '/reset') return response.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    if (request.url === '/early') {
        response.writeEarlyHints({ link: '</style.css>; rel=preload' });
    }
    if (request.url === '/refuse') {
        response.writeHead(403);
        return response.end('no');
    }
    let length = 0;
    for await (const piece of request) length += piece.length;
    response.end(`${request.httpVersion} ${request.method} ${request.authority} ${length}`);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.on('SIGTERM', () => process.exit());
"#;

#[test]
fn node_serves_us() {
    if !has("node") {
        return;
    }
    let authority = Authority::new("test authority");
    let folder = certified("node-http2-server", &authority);
    let mut node = Command::new("node");
    let (program, port) = Program::that_tells_its_port(node.args(["-e", NODE]), folder);
    run_real(|| async {
        let client = trusting(&authority);
        let told = client.fetch(get(port, "/")).await.unwrap();
        assert_eq!(told.text().unwrap(), format!("2.0 GET localhost:{port} 0"));
        let early = client.fetch(get(port, "/early")).await.unwrap();
        assert_eq!(early.text().unwrap(), format!("2.0 GET localhost:{port} 0"));
        let url = format!("https://localhost:{port}/");
        let put = Request::put(url, vec![b'x'; 3_000_000]).allow_ipv6(false);
        let put = client.fetch(put).await.unwrap();
        assert_eq!(
            put.text().unwrap(),
            format!("2.0 PUT localhost:{port} 3000000")
        );
        let refused = format!("https://localhost:{port}/refuse");
        let refused = Request::put(refused, vec![b'x'; 3_000_000]).allow_ipv6(false);
        assert_eq!(client.fetch(refused).await.unwrap_err().code(), 403);
        let reset = client.fetch(get(port, "/reset")).await.unwrap_err();
        assert_eq!(reset.code(), 599);
        assert!(
            client
                .fetch(get(port, "/"))
                .await
                .unwrap()
                .time_info()
                .reused
        );
    });
    drop(program);
}
