//! `examples/probe` (and `reverse_proxy`) as those who test servers meet it: a program that is started, asked over sockets
//! that know nothing of Squall, and judged by what it says.

/// Cases in a data file, and what runs them.
mod table;

/// What takes time: limits of it, streams, waits.
mod times;

/// Answers that take more than one question: cookies, files, forms, messages.
mod web;

/// Clients that behave badly, and signals.
mod robust;

/// `examples/reverse_proxy` in front of it.
mod proxy;

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::programs::{Folder, PATIENCE, Running, free_port, wait_for};

/// Somebody who listens on a port of this machine, and is asked.
pub(super) struct Server {
    pub(super) port: u16,
}

impl Server {
    pub(super) fn connect(&self) -> Wire {
        Wire::connect(self.port)
    }

    /// Sends one request on a connection of its own.
    #[track_caller]
    pub(super) fn ask(&self, request: impl AsRef<[u8]>) -> Answer {
        let request = request.as_ref();
        let mut wire = self.connect();
        wire.send(request);
        let answer = wire.answer(request.starts_with(b"HEAD "));
        answer.unwrap_or_else(|| panic!("no answer to {}", String::from_utf8_lossy(request)))
    }

    #[track_caller]
    pub(super) fn get(&self, target: &str) -> Answer {
        self.get_with(target, "")
    }

    /// Gets with more header lines.
    #[track_caller]
    pub(super) fn get_with(&self, target: &str, headers: &str) -> Answer {
        self.ask(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n"))
    }

    #[track_caller]
    pub(super) fn post(&self, target: &str, headers: &str, body: impl AsRef<[u8]>) -> Answer {
        let body = body.as_ref();
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        self.ask([head.as_bytes(), body].concat())
    }

    /// Asks whether it still serves.
    #[track_caller]
    pub(super) fn lives(&self) {
        let answer = self.get("/hello");
        assert_eq!((answer.status, &*answer.text()), (200, "Hello, world"));
    }
}

/// A running probe with a directory of files; both end with it.
pub(super) struct Probe {
    process: Running,
    server: Server,
    pub(super) folder: Folder,
}

impl Deref for Probe {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Probe {
    /// Starts one with the limits of time that are `--…-timeout-ms` in this order: head, body, idle.
    pub(super) fn start(timeouts: [u64; 3]) -> Probe {
        let port = free_port();
        let folder = files();
        let [header, body, idle] = timeouts.map(|ms| ms.to_string());
        let mut command = Command::new(example("probe"));
        command
            .args(["--port", &port.to_string()])
            .arg("--static-dir")
            .arg(folder.join("static"))
            .args(["--max-header-bytes", "65536", "--max-body-bytes=1048576"])
            .args(["--header-timeout-ms", &header])
            .args(["--body-timeout-ms", &body])
            .args(["--idle-timeout-ms", &idle])
            .args(["--ws-max-message-bytes", "16777216"])
            .args(["--shutdown-grace-ms", "1000"])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = Running::start(&mut command);
        wait_for(port);
        Probe {
            process,
            server: Server { port },
            folder,
        }
    }

    /// One without limits of time that a test could meet.
    pub(super) fn patient() -> Probe {
        Probe::start([60_000, 60_000, 60_000])
    }

    /// Its resident memory in KiB.
    pub(super) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("the probe runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|n| n.parse().ok()).expect("a number")
    }

    /// The time that the processor has spent for it, in hundredths of a second.
    pub(super) fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()));
        let stat = stat.expect("the probe runs");
        let (_, rest) = stat.rsplit_once(')').expect("a name in parentheses");
        let fields: Vec<u64> = rest
            .split_whitespace()
            .map(|f| f.parse().unwrap_or(0))
            .collect();
        fields[11] + fields[12]
    }

    pub(super) fn terminate(&self) {
        self.process.terminate();
    }

    /// Waits for its end, and returns its exit status.
    pub(super) fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().expect("it is our child") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the probe does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The directory `static`, and beside it what is not to be served.
fn files() -> Folder {
    let folder = Folder::new("probe");
    let root = folder.join("static");
    fs::create_dir_all(root.join("sub")).expect("a directory");
    let write = |name: &str, content: &[u8]| fs::write(root.join(name), content).expect("a file");
    write("hello.txt", b"hello from a file\n");
    write("empty.txt", b"");
    write("with space.txt", b"spaced\n");
    write("sub/index.html", b"index\n");
    write("style.css", b"a {}\n");
    write("data.json", b"{}\n");
    write("app.js", b"1;\n");
    write("page.html", b"<p>\n");
    write(".hidden", b"hidden\n");
    write("big.bin", &big());
    folder.write("secret.txt", "hidden\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink("../secret.txt", root.join("out.txt")).expect("a link");
        symlink("..", root.join("outside")).expect("a link");
        symlink("hello.txt", root.join("in.txt")).expect("a link");
        symlink("loop.txt", root.join("loop.txt")).expect("a link");
        let made = Command::new("mkfifo").arg(root.join("pipe")).status();
        assert!(made.expect("mkfifo runs").success());
    }
    folder
}

/// What is in `big.bin`.
pub(super) fn big() -> Vec<u8> {
    (0..8 * 1024 * 1024_u32).map(|i| (i % 253) as u8).collect()
}

/// An example's program, built as these tests are.
pub(super) fn example(name: &str) -> PathBuf {
    static PROFILE: OnceLock<PathBuf> = OnceLock::new();
    let profile = PROFILE.get_or_init(|| {
        // …/target/debug/deps/it-0123
        let own = std::env::current_exe().expect("a program has a path");
        let profile = own.ancestors().nth(2).expect("it is in deps");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build
            .args(["build", "--quiet", "--offline", "--example", "probe"])
            .args(["--example", "reverse_proxy", "--target-dir"])
            .arg(profile.parent().expect("a profile is in target"))
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        // A profile's folder has its name, but for the one that is called `dev`.
        let folder = profile.file_name().and_then(OsStr::to_str);
        let name = folder.expect("a profile has a name");
        build.args(["--profile", if name == "debug" { "dev" } else { name }]);
        assert!(build.status().expect("cargo runs").success());
        profile.to_owned()
    });
    profile.join("examples").join(name)
}

/// A connection, and what has come on it.
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    read: Vec<u8>,
}

/// An answer, its chunks joined.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The whole, as it came.
    pub(super) raw: Vec<u8>,
}

impl Answer {
    /// The values of a header, in any case.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let named = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| &**value).collect()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

impl Wire {
    pub(super) fn connect(port: u16) -> Wire {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.set_nodelay(true).expect("a socket has options");
        let timeout = stream.set_read_timeout(Some(PATIENCE));
        timeout.expect("a socket has options");
        Wire {
            stream,
            read: Vec::new(),
        }
    }

    /// Sends; what the other side does not take any more is no matter.
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Says that nothing more is sent.
    pub(super) fn finish(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads once. False at the end, however it comes.
    fn more(&mut self) -> bool {
        let mut piece = [0; 65536];
        match self.stream.read(&mut piece) {
            Ok(0) => false,
            Ok(count) => {
                self.read.extend_from_slice(&piece[..count]);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing comes: {:?}", String::from_utf8_lossy(&self.read))
            }
            Err(_) => false,
        }
    }

    /// Reads all that comes until the connection is closed.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.read)
    }

    /// Reads until something has come, while the connection stays open.
    #[track_caller]
    pub(super) fn until(&mut self, end: &[u8]) {
        while !self.read.ends_with(end) {
            assert!(self.more(), "{}", String::from_utf8_lossy(&self.read));
        }
    }

    /// Reads an answer; none if the connection is closed before. Panics if it is malformed.
    #[track_caller]
    pub(super) fn answer(&mut self, of_head: bool) -> Option<Answer> {
        let end = loop {
            if let Some(at) = find(&self.read, b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more() {
                let rest = String::from_utf8_lossy(&self.read);
                assert!(self.read.is_empty(), "half a head: {rest}");
                return None;
            }
        };
        let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
        let mut lines = head.trim_end().split("\r\n");
        let first = lines.next().unwrap_or_default();
        assert!(first.starts_with("HTTP/1.1 "), "{first}");
        let status = first[9..12].parse().unwrap_or_else(|_| panic!("{first}"));
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("{line:?}")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
            raw: Vec::new(),
        };
        let chunked = answer.header("transfer-encoding").map(str::to_owned);
        let length = answer.header("content-length").map(|n| n.parse::<usize>());
        let length = length.map(|n| n.expect("a length is a number"));
        assert!(
            chunked.is_none() || length.is_none(),
            "two framings: {head}"
        );
        let is_bare = of_head || status < 200 || matches!(status, 204 | 304);
        let used = match (is_bare, chunked, length) {
            (true, ..) => end,
            (false, Some(coding), _) => {
                assert_eq!(coding, "chunked");
                self.chunks(end, &mut answer.body)?
            }
            (false, None, Some(length)) => {
                while self.read.len() < end + length {
                    if !self.more() {
                        return None;
                    }
                }
                answer.body = self.read[end..end + length].to_vec();
                end + length
            }
            (false, None, None) => {
                while self.more() {}
                answer.body = self.read[end..].to_vec();
                self.read.len()
            }
        };
        answer.raw = self.read.drain(..used).collect();
        Some(answer)
    }

    /// Reads chunks from `at` on; none if they end too early.
    fn chunks(&mut self, mut at: usize, body: &mut Vec<u8>) -> Option<usize> {
        loop {
            let line = loop {
                if let Some(end) = find(&self.read[at..], b"\r\n") {
                    break at + end;
                }
                if !self.more() {
                    return None;
                }
            };
            let size = String::from_utf8_lossy(&self.read[at..line]).into_owned();
            let size = usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("{size:?}"));
            at = line + 2;
            while self.read.len() < at + size + 2 {
                if !self.more() {
                    return None;
                }
            }
            body.extend_from_slice(&self.read[at..at + size]);
            assert_eq!(&self.read[at + size..at + size + 2], b"\r\n");
            at += size + 2;
            if size == 0 {
                return Some(at);
            }
        }
    }

    /// Asserts that the connection serves another request.
    #[track_caller]
    pub(super) fn is_kept(&mut self) {
        self.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = self.answer(false).expect("the connection is kept");
        assert_eq!((answer.status, &*answer.text()), (200, "Hello, world"));
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The digest of some bytes, as the probe writes it.
fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}
