//! nginx, Python's server and node's, and ours.
//!
//! Each is looked for on the machine; without it its part is skipped, and says so. In CI (`CI` set)
//! nothing is skipped.

use std::process::Command;

use squall_web::client::{
    AsyncHttpClient, BodyWriter, ClientConfig, Multipart, Proxies, Proxy, Request,
};
use squall_web::{Application, Exchange, HttpServer, Result};

use crate::programs::{Folder, Program, free_port, has, nginx};
use crate::support::run_real;

fn start_nginx() -> Option<(Program, u16)> {
    if !has("nginx") {
        return None;
    }
    let (folder, port) = (Folder::new("nginx"), free_port());
    folder.write("plain.txt", "plain ".repeat(10_000));
    folder.write("users", "user:{PLAIN}pass\n");
    std::fs::create_dir(folder.join("sub")).unwrap();
    let http = format!(
        "types {{ text/plain txt; }}
         gzip on; gzip_types text/plain; gzip_min_length 1;
         server {{
             listen 127.0.0.1:{port}; root {0}; keepalive_requests 5;
             client_max_body_size 1000;
             location /moved {{ return 302 /plain.txt; }}
             location /secret {{ auth_basic s; auth_basic_user_file {0}/users; alias {0}/plain.txt; }}
             location /small {{ return 200 'small'; }}
             location /accepts {{ proxy_pass http://127.0.0.1:{port}/small; }}
         }}",
        folder.display()
    );
    Some((nginx(folder, &http, &[port]), port))
}

#[test]
fn nginx_serves_us() {
    let Some((program, port)) = start_nginx() else {
        return;
    };
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    run_real(|| async {
        let client = AsyncHttpClient::new();
        let plain = client.fetch(url("/plain.txt")).await.unwrap();
        assert_eq!(plain.text().unwrap(), "plain ".repeat(10_000));
        let consumed = plain.header("x-consumed-content-encoding");
        assert_eq!(consumed, Some("gzip"));
        let raw = Request::get(url("/plain.txt")).decompress_response(false);
        let raw = raw.header("Accept-Encoding", "gzip");
        let raw = client.fetch(raw).await.unwrap();
        assert!(raw.body().starts_with(b"\x1f\x8b") && raw.body().len() < 1000);

        let moved = client.fetch(url("/moved")).await.unwrap();
        assert_eq!(moved.effective_url().path(), "/plain.txt");
        let folder = client.fetch(url("/sub")).await.unwrap_err();
        assert_eq!(folder.code(), 403, "{folder}");
        let lost = client.fetch(url("/lost")).await.unwrap_err();
        assert_eq!(lost.code(), 404);
        assert!(lost.response().unwrap().text().unwrap().contains("nginx"));

        let modified = plain.header("last-modified").unwrap();
        let again = Request::get(url("/plain.txt")).header("If-Modified-Since", modified);
        assert_eq!(client.fetch(again).await.unwrap_err().code(), 304);
        let head = client
            .fetch(Request::head(url("/plain.txt")))
            .await
            .unwrap();
        assert!(head.body().is_empty());
        let part = Request::get(url("/plain.txt")).header("Range", "bytes=6-10");
        let part = client.fetch(part).await.unwrap();
        assert_eq!(part.status(), 206);
        assert_eq!(part.body(), b"plain");

        let refused = client.fetch(url("/secret")).await.unwrap_err();
        assert_eq!(refused.code(), 401);
        let allowed = Request::get(url("/secret")).auth("user", "pass");
        client.fetch(allowed).await.unwrap();

        let large = Request::put(url("/plain.txt"), vec![b'x'; 4 << 20]);
        let large = client.fetch(large).await.unwrap_err();
        // nginx answers and closes; the system may lose the answer in the reset.
        assert!(large.code() == 413 || large.status().is_none(), "{large}");
        let asked = Request::put(url("/plain.txt"), vec![b'x'; 4 << 20]).expect_100_continue(true);
        assert_eq!(client.fetch(asked).await.unwrap_err().code(), 413);

        // It closes each connection after five requests, and says so.
        for _ in 0..30 {
            let small = client.fetch(url("/small")).await.unwrap();
            assert_eq!(small.body(), b"small");
        }
    });
    drop(program);
}

#[test]
fn nginx_serves_many_of_us_at_once() {
    let Some((program, port)) = start_nginx() else {
        return;
    };
    run_real(|| async {
        let client = AsyncHttpClient::with_config(ClientConfig {
            max_clients_per_host: 10,
            ..ClientConfig::default()
        });
        let url = format!("http://127.0.0.1:{port}/small");
        let fetches: Vec<_> = (0..1000).map(|_| client.fetch(&url)).collect();
        let mut served = 0;
        for fetch in fetches {
            served += fetch.await.unwrap().body().len();
        }
        assert_eq!(served, 5000);
    });
    drop(program);
}

#[test]
fn python_serves_us() {
    if !has("python3") {
        return;
    }
    let folder = Folder::with("python", &[("plain.txt", "plain")]);
    std::fs::create_dir(folder.join("sub")).unwrap();
    let script = "import http.server\n\
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\n\
        print(server.server_address[1], flush=True)\n\
        server.serve_forever()\n";
    let mut python = Command::new("python3");
    let python = python.args(["-c", script]);
    let (program, port) = Program::that_tells_its_port(python, folder);
    run_real(|| async {
        let client = AsyncHttpClient::new();
        let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
        // HTTP/1.0: a connection for each.
        for _ in 0..3 {
            let plain = client.fetch(url("/plain.txt")).await.unwrap();
            assert_eq!(plain.body(), b"plain");
            assert!(!plain.time_info().reused);
        }
        let list = client.fetch(url("/sub")).await.unwrap();
        assert_eq!(list.effective_url().path(), "/sub/");
        let lost = client.fetch(url("/lost")).await.unwrap_err();
        assert_eq!(lost.code(), 404);
        let posted = client
            .fetch(Request::post(url("/"), "x"))
            .await
            .unwrap_err();
        assert_eq!(posted.code(), 501);
        let head = client
            .fetch(Request::head(url("/plain.txt")))
            .await
            .unwrap();
        assert_eq!(head.header("content-length"), Some("5"));
    });
    drop(program);
}

const NODE: &str = r#"
const http = require('http'), zlib = require('zlib');
const server = http.createServer(async (request, response) => {
    if (request.url === '/chunks') {
        response.write('one,');
        setTimeout(() => response.end('two'), 20);
        return;
    }
    if (request.url === '/deflate' || request.url === '/raw' || request.url === '/br') {
        const name = request.url.slice(1);
        const codings = {
            deflate: ['deflate', zlib.deflateSync], raw: ['deflate', zlib.deflateRawSync],
            br: ['br', zlib.brotliCompressSync],
        };
        const [coding, compress] = codings[name];
        response.setHeader('Content-Encoding', coding);
        response.end(compress('plain '.repeat(1000)));
        return;
    }
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces);
    if (request.url === '/form') {
        const form = await new Response(body, { headers: request.headers }).formData();
        const fields = [];
        for (const [name, value] of form) {
            fields.push(typeof value === 'string' ? [name, value]
                : [name, value.name, value.type, await value.text()]);
        }
        response.end(JSON.stringify(fields));
        return;
    }
    response.setHeader('Set-Cookie', 'seen=1');
    response.end(JSON.stringify({
        method: request.method, headers: request.headers, body: body.toString(),
    }));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.on('SIGTERM', () => process.exit());
"#;

#[squall::coroutine]
fn lines(body: BodyWriter) -> squall::Result<()> {
    for n in 0..1000 {
        squall::yield_!(body.write(format!("line {n}\n")))?;
    }
    Ok(())
}

#[test]
fn node_serves_us() {
    if !has("node") {
        return;
    }
    let mut node = Command::new("node");
    let node = node.args(["-e", NODE]);
    let (program, port) = Program::that_tells_its_port(node, Folder::new("node"));
    let file = program.folder.write("notes \"1\".txt", "from the file");
    run_real(|| async {
        let client = AsyncHttpClient::new();
        let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
        let chunks = client.fetch(url("/chunks")).await.unwrap();
        assert_eq!(chunks.body(), b"one,two");
        let mut codings = vec!["/deflate", "/raw"];
        let known = client.fetch(url("/")).await.unwrap();
        let known: serde_json::Value = known.json().unwrap();
        let accepted = known["headers"]["accept-encoding"]
            .as_str()
            .unwrap()
            .to_owned();
        if accepted.contains("br") {
            codings.push("/br");
        }
        for path in codings {
            let plain = client.fetch(url(path)).await.unwrap();
            assert_eq!(plain.text().unwrap(), "plain ".repeat(1000), "{path}");
        }

        let request = Request::put(url("/"), "").body_producer(lines);
        let echoed = client.fetch(request).await.unwrap();
        let echoed: serde_json::Value = echoed.json().unwrap();
        assert_eq!(echoed["method"], "PUT");
        assert_eq!(echoed["headers"]["transfer-encoding"], "chunked");
        assert!(
            echoed["body"]
                .as_str()
                .unwrap()
                .ends_with("line 998\nline 999\n")
        );
        let request = Request::put(url("/"), "asked").expect_100_continue(true);
        let echoed: serde_json::Value = client.fetch(request).await.unwrap().json().unwrap();
        assert_eq!(echoed["body"], "asked");

        let form = Multipart::new()
            .text("field", "välue\r\n--x")
            .bytes("data", "ü\".bin", "application/x-own", "bytes")
            .file("file", &file, "text/plain");
        let request = Request::post(url("/form"), "").multipart(form);
        let fields: serde_json::Value = client.fetch(request).await.unwrap().json().unwrap();
        let want = serde_json::json!([
            ["field", "välue\r\n--x"],
            ["data", "ü\".bin", "application/x-own", "bytes"],
            ["file", "notes \"1\".txt", "text/plain", "from the file"],
        ]);
        assert_eq!(fields, want);
        let request = Request::post(url("/form"), "").form([("a", "b c"), ("é", "&=")]);
        let fields: serde_json::Value = client.fetch(request).await.unwrap().json().unwrap();
        assert_eq!(fields, serde_json::json!([["a", "b c"], ["é", "&="]]));
    });
    drop(program);
}

#[test]
fn our_own_server_serves_us_through_a_proxy_of_ours() {
    run_real(|| async {
        let app = Application::new().post("/echo", |ex: &mut Exchange| -> Result<()> {
            let body = ex.request().body().to_vec();
            ex.write(body);
            Ok(())
        });
        let server = HttpServer::new(app).listen("127.0.0.1:0").unwrap();
        // The server takes requests with a whole URL as well, so it can stand for a proxy.
        let proxy = Proxy::new(&server.local_addr().to_string()).unwrap();
        let client = AsyncHttpClient::with_config(ClientConfig {
            proxies: Proxies::all(proxy),
            ..ClientConfig::default()
        });
        let request = Request::post("http://a.example/echo", "").body_producer(lines);
        let response = client.fetch(request).await.unwrap();
        assert!(response.text().unwrap().ends_with("line 999\n"));
    });
}
