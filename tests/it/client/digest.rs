//! Digest authorization, against Python's own reckoning.

use std::process::Command;

use squall_web::client::{AsyncHttpClient, Request};

use crate::programs::{Folder, Program, has};
use crate::support::run_real;

/// Lets in who knows the password `Circle of Life`; the path says what is asked of him.
const SERVER: &str = r#"
import hashlib, http.server, urllib.request
used = {}
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def answer(self):
        length = int(self.headers.get('Content-Length', 0))
        body = self.rfile.read(length)
        path = self.path.split('?')[0]
        if path == '/away':
            return self.say(307, b'', [('Location', '/SHA-256/auth')])
        _, algorithm, qop = path.split('/')
        value = self.headers.get('Authorization', '')
        nonce = 'fresh' if 'nonce="old"' in value else ('old' if qop == 'stale' else 'one')
        challenge = f'Digest realm="a realm", nonce="{nonce}", opaque="o"'
        if algorithm != 'none':
            challenge += f', algorithm={algorithm}'
        if qop != 'none':
            challenge += ', qop="auth,auth-int"'
        if 'nonce="old"' in value:
            return self.say(401, b'', [('WWW-Authenticate', challenge + ', stale=true')])
        if not value.startswith('Digest ') or not self.fits(value[7:], algorithm):
            headers = [('WWW-Authenticate', 'Basic realm="x"'), ('WWW-Authenticate', challenge)]
            return self.say(401, b'', headers)
        fields = self.fields(value[7:])
        self.say(200, f"{self.command} {fields.get('nc', 'none')} {len(body)}".encode())
    def fields(self, value):
        parse = urllib.request.parse_keqv_list(urllib.request.parse_http_list(value))
        return parse
    def fits(self, value, algorithm):
        f = self.fields(value)
        new = hashlib.sha256 if algorithm.startswith('SHA-256') else hashlib.md5
        h = lambda text: new(text.encode()).hexdigest()
        secret = h(f"{f['username']}:{f['realm']}:Circle of Life")
        if algorithm.endswith('-sess'):
            secret = h(f"{secret}:{f['nonce']}:{f['cnonce']}")
        asked = h(f"{self.command}:{self.path}")
        if 'qop' in f:
            want = h(f"{secret}:{f['nonce']}:{f['nc']}:{f['cnonce']}:{f['qop']}:{asked}")
        else:
            want = h(f"{secret}:{f['nonce']}:{asked}")
        return f['response'] == want and f['uri'] == self.path and f['opaque'] == 'o'
    def say(self, status, body, headers=()):
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_PUT = do_HEAD = answer
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

#[test]
fn challenges_are_answered_as_python_reckons() {
    if !has("python3") {
        return;
    }
    let mut python = Command::new("python3");
    let python = python.args(["-c", SERVER]);
    let (program, port) = Program::that_tells_its_port(python, Folder::new("digest"));
    run_real(|| async {
        let client = AsyncHttpClient::new();
        let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
        let get = |path: &str| Request::get(url(path)).digest_auth("Mufasa", "Circle of Life");
        for algorithm in ["none", "MD5", "MD5-sess", "SHA-256", "SHA-256-sess"] {
            for (qop, count) in [
                ("auth", "00000001"),
                ("none", "none"),
                ("stale", "00000001"),
            ] {
                let path = format!("/{algorithm}/{qop}?q=a,\"b");
                let response = client.fetch(get(&path)).await.unwrap();
                let want = format!("GET {count} 0");
                assert_eq!(response.text().unwrap(), want, "{path}");
            }
        }
        // A body is sent again, and after a redirect the same challenge is answered at once.
        let put = Request::put(url("/SHA-256/auth"), vec![b'x'; 100_000]);
        let put = put.digest_auth("Mufasa", "Circle of Life");
        let response = client.fetch(put).await.unwrap();
        assert_eq!(response.text().unwrap(), "PUT 00000001 100000");
        let response = client.fetch(get("/away")).await.unwrap();
        assert_eq!(response.text().unwrap(), "GET 00000001 0");
        assert_eq!(response.time_info().redirects, 1);

        let wrong = Request::get(url("/MD5/auth")).digest_auth("Mufasa", "wrong");
        assert_eq!(client.fetch(wrong).await.unwrap_err().code(), 401);
        // Unknown to us: the 401 is the answer.
        let unknown = client.fetch(get("/ROT13/auth")).await.unwrap_err();
        assert_eq!(unknown.code(), 401);
    });
    drop(program);
}
