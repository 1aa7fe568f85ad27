//! The server, for curl, nghttp, h2load and node.

use std::process::Command;

use squall::run_in_executor;
use squall_web::HttpServer;
use squall_web::http::Limits;

use super::{app, serve};
use crate::net::tls::Authority;
use crate::programs::{Folder, has, python};
use crate::support::{Trace, run_real};

/// Runs a program beside the loop; gives what it wrote to both outputs.
async fn output(mut command: Command) -> String {
    let run = move || {
        let out = command.output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        text + &String::from_utf8_lossy(&out.stderr)
    };
    run_in_executor(run).await.unwrap()
}

fn roots(name: &str, authority: &Authority) -> Folder {
    Folder::with(name, &[("roots", &authority.pem)])
}

#[test]
fn curl_is_served() {
    if !has("curl") {
        return;
    }
    let authority = Authority::new("test authority");
    let folder = roots("curl-http2", &authority);
    folder.write("large", vec![b'x'; 3_000_000]);
    run_real(|| async {
        let secure = serve(&authority, Limits::default(), &Trace::new());
        let plain = HttpServer::new(app(&Trace::new()))
            .listen("127.0.0.1:0")
            .unwrap();
        let secure = format!("https://localhost:{}", secure.local_addr().port());
        let plain = format!("http://localhost:{}", plain.local_addr().port());
        let curl = |arguments: &str| {
            let mut curl = Command::new("curl");
            curl.current_dir(&folder)
                .args(["-sS", "-4", "--cacert", "roots"]);
            curl.args(arguments.split(' '));
            output(curl)
        };
        for (how, url) in [("--http2", &secure), ("--http2-prior-knowledge", &plain)] {
            let written = "-w _%{http_version}_%{http_code}";
            let about = curl(&format!("{how} {written} {url}/")).await;
            assert!(
                about.starts_with("2 http") && about.ends_with("_2_200"),
                "{about}"
            );
            for (path, want) in [
                ("/204", "_2_204"),
                ("/304", "_2_304"),
                ("/empty", "_2_200"),
                ("/trailers", "1 2 3_2_200"),
            ] {
                assert_eq!(
                    curl(&format!("{how} {written} {url}{path}")).await,
                    want,
                    "{path}"
                );
            }
            let head = curl(&format!("{how} -I {url}/")).await;
            assert!(
                head.starts_with("HTTP/2 200") && head.contains("content-length: "),
                "{head}"
            );
            assert!(!head.contains("connection"), "{head}");
            let echoed = curl(&format!(
                "{how} -X POST --data-binary @large {url}/echo -o back"
            ));
            assert_eq!(echoed.await, "");
            assert_eq!(
                std::fs::metadata(folder.join("back")).unwrap().len(),
                3_000_000
            );
            let asks = format!("{how} -H Expect:100-continue --data-binary @large {url}/length");
            assert_eq!(curl(&asks).await, "3000000");
            let cut = curl(&format!("{how} {url}/cut")).await;
            assert!(
                cut.contains("INTERNAL_ERROR") || cut.contains("not closed cleanly"),
                "{cut}"
            );
            let cookies = curl(&format!(
                "{how} -b a=1;b=2 -H Host:other.example {url}/headers"
            ))
            .await;
            assert!(
                cookies.contains("cookie=a=1;b=2") && cookies.contains("Host=other.example"),
                "{cookies}"
            );
        }
        // With prior knowledge curl 7.88 itself cannot, whoever serves it.
        let many = format!("--http2 --parallel --parallel-max 50 {secure}/slow?[1-50]");
        let all = curl(&many).await;
        assert!(all.starts_with(&"slow".repeat(50)), "{all}");
        // Without having asked for it, HTTP/1.1 stays.
        assert!(
            curl(&format!("--http1.1 {secure}/"))
                .await
                .starts_with("1 https")
        );
        assert!(curl(&format!("{plain}/")).await.starts_with("1 http "));
    });
}

#[test]
fn nghttp_and_h2load_are_served() {
    if !has("nghttp") || !has("h2load") {
        return;
    }
    let authority = Authority::new("test authority");
    run_real(|| async {
        let secure = serve(&authority, Limits::default(), &Trace::new());
        let plain = HttpServer::new(app(&Trace::new()))
            .listen("127.0.0.1:0")
            .unwrap();
        let at = |port: u16| {
            (
                format!("https://127.0.0.1:{port}"),
                format!("http://127.0.0.1:{port}"),
            )
        };
        let (secure, _) = at(secure.local_addr().port());
        let (_, plain) = at(plain.local_addr().port());
        let mut nghttp = Command::new("nghttp");
        nghttp.args(["-v", "--no-verify-peer", &format!("{secure}/trailers")]);
        let seen = output(nghttp).await;
        assert!(
            seen.contains("1 2 3") && seen.contains("x-sum: 6"),
            "{seen}"
        );
        for url in [&secure, &plain] {
            for (path, requests) in [("/", "5000"), ("/flood", "40")] {
                let mut load = Command::new("h2load");
                load.args(["-n", requests, "-c", "10", "-m", "20"])
                    .arg(format!("{url}{path}"));
                let told = output(load).await;
                let want = format!("{requests} succeeded, 0 failed, 0 errored, 0 timeout");
                assert!(told.contains(&want), "{told}");
            }
        }
    });
}

const NODE: &str = r#"
const http2 = require('http2');
const [url, ca] = process.argv.slice(1);
const client = http2.connect(url, ca ? { ca: require('fs').readFileSync(ca) } : {});
const ask = (headers, body) => new Promise((done, fail) => {
    const stream = client.request(headers, { endStream: body === undefined });
    let status, text = '', trailers = {};
    stream.on('response', headers => { status = headers[':status']; });
    stream.on('trailers', fields => { trailers = fields; });
    stream.on('data', piece => { text += piece; });
    stream.on('end', () => done([status, text, trailers['x-sum']]));
    stream.on('error', error => done(['error', error.code]));
    if (body !== undefined) stream.end(body);
});
(async () => {
    const told = [];
    told.push(...await Promise.all([
        ask({ ':path': '/' }), ask({ ':path': '/trailers' }), ask({ ':path': '/lost' }),
        ask({ ':path': '/length', ':method': 'POST' }, 'x'.repeat(1e6)),
        ask({ ':path': '/headers', cookie: ['a=1', 'b=2'] }),
    ]));
    const lost = client.request({ ':path': '/waits' });
    setTimeout(() => lost.close(http2.constants.NGHTTP2_CANCEL), 50);
    await new Promise(done => lost.on('close', done));
    const tunnel = client.request({ ':method': 'CONNECT', ':authority': 'a:1' });
    told.push(await new Promise(done => {
        tunnel.on('response', headers => done(headers[':status']));
        tunnel.on('error', error => done(error.code));
    }));
    const pinged = await new Promise(done => client.ping(error => done(error === null)));
    told.push(pinged);
    console.log(JSON.stringify(told));
    client.close();
})();
"#;

#[test]
fn node_is_served() {
    if !has("node") {
        return;
    }
    let authority = Authority::new("test authority");
    let folder = roots("node-http2", &authority);
    run_real(|| async {
        let trace = Trace::new();
        let secure = serve(&authority, Limits::default(), &trace);
        let plain = HttpServer::new(app(&trace)).listen("127.0.0.1:0").unwrap();
        let secure = format!("https://localhost:{}", secure.local_addr().port());
        let plain = format!("http://localhost:{}", plain.local_addr().port());
        for (url, ca) in [(secure, "roots"), (plain, "")] {
            let mut node = Command::new("node");
            node.current_dir(&folder)
                .args(["--dns-result-order=ipv4first", "-e", NODE, &url, ca]);
            let told = output(node).await;
            let told: serde_json::Value = serde_json::from_str(&told).expect(&told);
            assert!(told[0][1].as_str().unwrap().starts_with("2 http"), "{told}");
            assert_eq!(told[1], serde_json::json!([200, "1 2 3", "6"]));
            assert_eq!(told[2][0], 404);
            assert_eq!(told[3][1], "1000000");
            assert!(
                told[4][1].as_str().unwrap().contains("cookie=a=1; b=2"),
                "{told}"
            );
            assert_eq!(told[5], 501);
            assert_eq!(told[6], true);
            squall::sleep(std::time::Duration::from_millis(50)).await;
            assert_eq!(trace.take(), ["waits", "gone"]);
        }
    });
}

/// Begins requests and takes each back at once ("rapid reset", CVE-2023-44487).
const RESETS: &str = r#"
const http2 = require('http2');
const client = http2.connect(process.argv[1]);
client.on('error', () => {});
let sent = 0;
const more = () => {
    if (client.destroyed || sent >= 20000) return setTimeout(() => client.destroy(), 200);
    for (let n = 0; n < 500; n++, sent++) {
        try {
            const stream = client.request({ ':path': '/waits' });
            stream.on('error', () => {});
            stream.close(http2.constants.NGHTTP2_CANCEL);
        } catch { break; }
    }
    setTimeout(more, 1);
};
client.on('connect', more);
client.on('close', () => console.log(`closed after ${sent}`));
"#;

#[test]
fn streams_that_are_reset_at_once_are_bounded() {
    if !has("node") {
        return;
    }
    run_real(|| async {
        let trace = Trace::new();
        let server = HttpServer::new(app(&trace)).listen("127.0.0.1:0").unwrap();
        let url = format!("http://127.0.0.1:{}", server.local_addr().port());
        let mut node = Command::new("node");
        node.args(["-e", RESETS, &url]);
        let told = output(node).await;
        assert!(told.starts_with("closed after"), "{told}");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--http2-prior-knowledge", &format!("{url}/")]);
        assert!(output(curl).await.starts_with("2 http"));
        squall::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(server.connections(), 0);
        // Whoever began has noticed, and few did.
        let trace = trace.take();
        let began = trace.iter().filter(|step| *step == "waits").count();
        assert_eq!(trace.len(), 2 * began);
        println!("{began} handlers, {}", told.trim());
    });
}

const PYTHON: &str = r#"
import sys, httpx
client = httpx.Client(http1=False, http2=True, verify=sys.argv[2] or True)
about = client.get(sys.argv[1] + '/')
large = client.post(sys.argv[1] + '/length', content=b'x' * 1000000)
print(about.http_version, about.text.split()[0], large.text)
"#;

#[test]
fn httpx_is_served() {
    if !has(python()) {
        return;
    }
    let authority = Authority::new("test authority");
    let folder = roots("httpx", &authority);
    run_real(|| async {
        let secure = serve(&authority, Limits::default(), &Trace::new());
        let secure = format!("https://localhost:{}", secure.local_addr().port());
        let mut client = Command::new(python());
        client
            .current_dir(&folder)
            .args(["-c", PYTHON, &secure, "roots"]);
        assert_eq!(output(client).await.trim(), "HTTP/2 2 1000000");
    });
}
