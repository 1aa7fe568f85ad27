//! Other people's clients against our server: curl, Python's, node's, a browser, and those that make load.
//!
//! Each is looked for on the machine; without it its part is skipped, and says so. In CI (`CI` set)
//! nothing is skipped.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use squall::net::{ListenOptions, TcpServer};
use squall::{IoLoop, sleep, yield_};
use squall_web::{Application, BodyPlan, Exchange, HttpServer, HttpThreads, Result, StatusCode};

use super::handlers::{cut, echo_pieces, hello};
use crate::programs::{Folder, dom, has, python};

// ---------------------------------------------------------------- the server

#[squall::coroutine]
fn numbers(ex: &mut Exchange) -> Result<()> {
    for n in 0..100 {
        ex.write(format!("{n} "));
        yield_!(ex.flush())?;
        if n % 25 == 0 {
            yield_!(sleep(Duration::from_millis(2)));
        }
    }
    ex.add_trailer("x-count", "100")
}

/// The port of the client's end: tells connections apart.
fn port(ex: &mut Exchange) {
    let port = ex.request().remote_addr().map_or(0, |peer| peer.port());
    ex.write(port.to_string());
}

fn refuses(_: &mut Exchange) -> Result<()> {
    Err(squall_web::Error::status_only(StatusCode::FORBIDDEN))
}

/// What a browser does with it all, and what it makes of it.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>Clients</title><p id="said">nothing</p>
<script>
(async () => {
  const said = [];
  const large = 'x'.repeat(1 << 20);
  const text = async (path, init) => (await fetch(path, init)).text();
  said.push(await text('/') === 'hello');
  said.push((await text('/numbers')).endsWith('98 99 '));
  said.push(await text('/echo', { method: 'POST', body: large }) === large);
  said.push(new Set(await Promise.all([1, 2, 3].map(() => text('/')))).size === 1);
  said.push((await fetch('/', { method: 'HEAD' })).headers.get('content-length') === '5');
  said.push((await fetch('/away')).url.endsWith('/numbers'));
  said.push((await fetch('/refuses', { method: 'POST', body: large })).status === 403);
  said.push(await text('/cut').then(() => false, () => true));
  said.push(await text('/') === 'hello');
  document.getElementById('said').textContent = 'said ' + said.join(' ');
})();
</script>"#;

fn start(path: &Path) -> HttpThreads {
    let app = || {
        Application::new()
            .get("/", hello)
            .get("/port", port)
            .get("/numbers", numbers)
            .get("/cut", cut)
            .get("/away", |ex: &mut Exchange| ex.redirect("/numbers"))
            .get("/page", |ex: &mut Exchange| ex.write(PAGE))
            .post("/echo", echo_pieces)
            .put("/echo", echo_pieces)
            .body("/echo", BodyPlan::stream())
            .post("/whole", |ex: &mut Exchange| {
                let length = ex.request().body().len();
                ex.write(length.to_string());
            })
            .post("/refuses", refuses)
            .body("/refuses", BodyPlan::stream())
    };
    let io_loop = IoLoop::new().unwrap();
    io_loop.make_current();
    let options = ListenOptions::default();
    let server = TcpServer::listen("127.0.0.1:0", &options).unwrap();
    let server = server.and(TcpServer::bind_unix(path, &options).unwrap());
    HttpServer::start_on(server, 1, move || HttpServer::new(app())).unwrap()
}

/// Has a client at work while the server serves; the client gets the server's URL.
fn with_server(client: impl FnOnce(&str, &Path)) {
    let folder = Folder::new("clients");
    let path = folder.join("socket");
    let threads = start(&path);
    client(&format!("http://{}", threads.local_addr()), &path);
    let io_loop = IoLoop::current();
    let drained = io_loop
        .run_sync(|| threads.drain(Duration::from_secs(5)))
        .unwrap();
    io_loop.close();
    IoLoop::clear_current();
    assert!(drained.is_clean(), "{drained:?}");
    assert!(!path.exists(), "the socket's file goes with the server");
}

// ---------------------------------------------------------------- the clients

/// What a program prints; it has to succeed.
#[track_caller]
fn output(program: impl AsRef<Path>, arguments: &[&str]) -> String {
    let output = Command::new(program.as_ref())
        .args(arguments)
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let name = program.as_ref().display();
    assert!(
        output.status.success(),
        "{name} {arguments:?}: {out}\n{err}"
    );
    out.into_owned()
}

#[test]
fn curl_is_served() {
    if !has("curl") {
        return;
    }
    with_server(|url, socket| {
        let curl = |arguments: &[&str]| {
            output("curl", &[&["-sS", "--max-time", "30"], arguments].concat())
        };
        assert_eq!(curl(&[url]), "hello");
        // One connection for several requests.
        let both = format!("{url}/[1-1]");
        let twice = curl(&[
            "-w",
            " %{num_connects} ",
            &format!("{url}/"),
            &format!("{url}/port"),
        ]);
        assert!(
            twice.starts_with("hello 1 ") && twice.ends_with(" 0 "),
            "{twice}"
        );
        assert_eq!(
            curl(&["-o", "/dev/null", "-w", "%{http_code}", &both]),
            "404"
        );
        let head = curl(&["-I", url]);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Content-Length: 5\r\n"));
        assert_eq!(curl(&["--http1.0", url]), "hello");
        let numbers = format!("{url}/numbers");
        let text = curl(&["--http1.0", &numbers]);
        assert!(
            text.starts_with("0 1 2 ") && text.ends_with(" 98 99 "),
            "{text}"
        );
        assert_eq!(curl(&[&numbers]), text);
        let raw = curl(&["--raw", &numbers]);
        assert!(raw.ends_with("0\r\nx-count: 100\r\n\r\n"), "{raw}");
        assert_eq!(curl(&["-L", &format!("{url}/away")]), text);
        assert_eq!(
            curl(&["--unix-socket", socket.to_str().unwrap(), "http://a/port"]),
            "0"
        );

        // A body of more than a megabyte waits for a 100; one from a pipe comes in chunks.
        let file = socket.with_extension("body");
        let large = "squall ".repeat(400_000);
        std::fs::write(&file, &large).unwrap();
        let body = format!("@{}", file.display());
        let echo = format!("{url}/echo");
        assert!(curl(&["--data-binary", &body, &echo]) == large);
        assert!(curl(&["-T", file.to_str().unwrap(), &echo]) == large);
        let chunked = [
            "-H",
            "Transfer-Encoding: chunked",
            "--data-binary",
            &body,
            &echo,
        ];
        assert!(curl(&chunked) == large);
        let whole = curl(&["--data-binary", &body, &format!("{url}/whole")]);
        assert_eq!(whole, large.len().to_string());
        let refused = [
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %{size_upload}",
            "--data-binary",
        ];
        let refused = curl(&[&refused[..], &[&body, &format!("{url}/refuses")]].concat());
        assert_eq!(refused, "403 0", "it is told before it sends");

        // What is cut is an error in either version.
        for version in ["--http1.1", "--http1.0"] {
            let mut cut = Command::new("curl");
            cut.args(["-sS", version, &format!("{url}/cut")]);
            let status = cut.output().unwrap().status;
            assert!(
                matches!(status.code(), Some(18 | 56)),
                "{version}: {status}"
            );
        }
    });
}

#[test]
fn clients_in_python_are_served() {
    if !has(python()) {
        return;
    }
    const SCRIPT: &str = r#"
import asyncio, sys
import aiohttp, httpx, requests
url = sys.argv[1]
large = b'squall ' * 200_000

def pieces():
    for at in range(0, len(large), 100_000):
        yield large[at:at + 100_000]

with requests.Session() as session:
    assert session.get(url).text == 'hello'
    ports = {session.get(url + '/port').text for _ in range(5)}
    assert len(ports) == 1, ports
    assert session.get(url + '/numbers').text.endswith(' 98 99 ')
    assert session.post(url + '/echo', data=large).content == large
    assert session.post(url + '/echo', data=pieces()).content == large
    assert session.post(url + '/whole', data=pieces()).text == str(len(large))
    assert session.get(url + '/away').url.endswith('/numbers')
    assert session.head(url).headers['content-length'] == '5'
    assert session.post(url + '/refuses', data=b'x').status_code == 403
    try:
        session.get(url + '/cut')
        raise SystemExit('the cut answer was taken')
    except requests.exceptions.RequestException:
        pass
    with session.get(url + '/numbers', stream=True) as response:
        assert next(response.iter_content(3)).startswith(b'0')

with httpx.Client() as client:
    assert client.get(url).text == 'hello'
    assert len({client.get(url + '/port').text for _ in range(5)}) == 1
    assert client.post(url + '/echo', content=pieces()).content == large
    with client.stream('GET', url + '/numbers') as response:
        assert b''.join(response.iter_raw()).endswith(b' 98 99 ')
    try:
        client.get(url + '/cut')
        raise SystemExit('the cut answer was taken')
    except httpx.RemoteProtocolError:
        pass

async def main():
    async with aiohttp.ClientSession() as session:
        async def text(path):
            async with session.get(url + path) as response:
                return await response.text()
        assert set(await asyncio.gather(*(text('/') for _ in range(200)))) == {'hello'}
        async with session.post(url + '/echo', data=large, expect100=True) as response:
            assert await response.read() == large
        async def slowly():
            for piece in pieces():
                yield piece
                await asyncio.sleep(0.001)
        async with session.post(url + '/echo', data=slowly()) as response:
            assert await response.read() == large
        try:
            await text('/cut')
            raise SystemExit('the cut answer was taken')
        except aiohttp.ClientPayloadError:
            pass
        async with session.get(url + '/numbers') as response:
            assert await response.content.read(1) == b'0'
        assert await text('/') == 'hello'
asyncio.run(main())
print('all is well')
"#;
    with_server(|url, _| assert_eq!(output(python(), &["-c", SCRIPT, url]), "all is well\n"));
}

#[test]
fn fetch_of_node_is_served() {
    if !has("node") {
        return;
    }
    const SCRIPT: &str = r#"
const assert = require('node:assert');
const url = process.argv[1];
const large = 'squall '.repeat(200_000);
(async () => {
  const text = async (path, init) => (await fetch(url + path, init)).text();
  assert.equal(await text('/'), 'hello');
  assert.equal((await Promise.all(Array.from({ length: 100 }, () => text('/')))).join(''), 'hello'.repeat(100));
  const ports = new Set();
  for (let n = 0; n < 5; n++) ports.add(await text('/port'));
  assert.ok(ports.size < 5, 'connections are used again');
  assert.ok((await text('/numbers')).endsWith(' 98 99 '));
  assert.ok(await text('/echo', { method: 'POST', body: large }) === large);
  const stream = new Blob([large]).stream();
  assert.ok(await text('/echo', { method: 'PUT', body: stream, duplex: 'half' }) === large);
  assert.equal((await fetch(url, { method: 'HEAD' })).headers.get('content-length'), '5');
  assert.ok((await fetch(url + '/away')).url.endsWith('/numbers'));
  await assert.rejects(text('/cut'));
  const left = new AbortController();
  const response = await fetch(url + '/numbers', { signal: left.signal });
  left.abort();
  await assert.rejects(response.text());
  assert.equal(await text('/'), 'hello');
  console.log('all is well');
})();
"#;
    with_server(|url, _| assert_eq!(output("node", &["-e", SCRIPT, url]), "all is well\n"));
}

#[test]
fn a_browser_is_served() {
    if !has("chromium") {
        return;
    }
    with_server(|url, _| {
        let (dom, _) = dom(&format!("{url}/page"));
        let said = format!("said {}<", ["true"; 9].join(" "));
        assert!(dom.contains(&said), "{dom}");
    });
}

// ---------------------------------------------------------------- load

#[test]
fn ab_is_served() {
    if !has("ab") {
        return;
    }
    with_server(|url, _| {
        // HTTP/1.0, with a connection each, and kept alive.
        for kept in [&[][..], &["-k"]] {
            let last = format!("{url}/");
            let arguments = [&["-q", "-n", "2000", "-c", "20"][..], kept, &[&last]].concat();
            let report = output("ab", &arguments);
            let line = |name: &str| {
                let line = report.lines().find_map(|line| line.strip_prefix(name));
                line.map(|value| value.trim().to_owned())
            };
            assert_eq!(
                line("Complete requests:").as_deref(),
                Some("2000"),
                "{report}"
            );
            assert_eq!(line("Failed requests:").as_deref(), Some("0"), "{report}");
            assert_eq!(line("Non-2xx responses:"), None, "{report}");
            if !kept.is_empty() {
                let alive = line("Keep-Alive requests:");
                assert_eq!(alive.as_deref(), Some("2000"), "{report}");
            }
        }
    });
}

#[test]
fn wrk_is_served() {
    if !has("wrk") {
        return;
    }
    with_server(|url, _| {
        let report = output("wrk", &["-t1", "-c50", "-d1s", url]);
        assert!(report.contains("Requests/sec"), "{report}");
        for bad in ["Socket errors", "Non-2xx"] {
            assert!(!report.contains(bad), "{report}");
        }
    });
}

#[test]
fn h2load_is_served_in_pipelines() {
    if !has("h2load") {
        return;
    }
    with_server(|url, _| {
        let report = output("h2load", &["--h1", "-n2000", "-c10", "-m8", url]);
        let all =
            "2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout";
        assert!(report.contains(all), "{report}");
    });
}
