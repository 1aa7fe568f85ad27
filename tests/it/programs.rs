//! Programs that tests start: whether one is there, a folder and a port of its own, and an end with the
//! test, however that one ends.

use std::fmt::Display;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a program may take until it hangs: one in debug on a busy machine has much to do meanwhile.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

// ---------------------------------------------------------------- whether it is there

/// True if a program is there, by its name or at its path; says that the test is skipped if not, and
/// fails in CI (`CI` set).
#[track_caller]
pub(crate) fn has(program: impl AsRef<Path>) -> bool {
    let program = program.as_ref();
    let folders = std::env::var_os("PATH").unwrap_or_default();
    // A path of more than a name stands for itself.
    let is_there = match program.components().count() {
        1 => std::env::split_paths(&folders).any(|folder| folder.join(program).is_file()),
        _ => program.is_file(),
    };
    is_installed(is_there, program.display())
}

/// Says that the test is skipped if what it needs is not there, and fails in CI.
#[track_caller]
pub(crate) fn is_installed(is_there: bool, name: impl Display) -> bool {
    if !is_there {
        let note = format!("skipped: {name} is not installed (tests/install.sh installs it)");
        assert!(std::env::var_os("CI").is_none(), "{note}");
        eprintln!("{note}");
    }
    is_there
}

/// Where `tests/install.sh` puts packages of Python's and node's.
pub(crate) fn peers() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = tmp.parent().expect("it is in the target folder");
    target.join("peers")
}

/// A Python with its clients and servers.
pub(crate) fn python() -> PathBuf {
    peers().join("venv/bin/python")
}

// ---------------------------------------------------------------- folders and ports

/// A folder that nobody else has, neither another test nor another run; removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let own = format!("squall-{name}-{}-{count}", std::process::id());
            let path = std::env::temp_dir().join(own);
            match fs::create_dir(&path) {
                Ok(()) => return Folder(path),
                // Of a run with the same number that was killed.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
    }

    /// One with files: their names, and what is in them.
    pub(crate) fn with(name: &str, files: &[(&str, &str)]) -> Folder {
        let folder = Folder::new(name);
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    /// Writes a file, and returns its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        self
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A port that is free, and that nobody gets who leaves the choice to the system.
pub(crate) fn free_port() -> u16 {
    /// Below those that Linux chooses from (32768 on).
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Runs at the same time begin at different ones.
    let begin = std::process::id().wrapping_mul(101) % u32::from(COUNT);
    for _ in 0..COUNT {
        let next = begin + u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + (next % u32::from(COUNT)) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("none of {COUNT} ports is free");
}

/// Waits until somebody listens on a port.
#[track_caller]
pub(crate) fn wait_for(port: u16) {
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < PATIENCE, "nobody listens on {port}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

// ---------------------------------------------------------------- running ones

/// A running program; killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Running {
        match command.spawn() {
            Ok(child) => Running(child),
            Err(error) => panic!("{}: {error}", command.get_program().display()),
        }
    }

    /// Asks it to end, by SIGTERM.
    #[track_caller]
    pub(crate) fn terminate(&self) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// The port that it prints on its first line. Its output has to be piped.
    #[track_caller]
    pub(crate) fn port(&mut self) -> u16 {
        let out = self.0.stdout.take().expect("its output is piped");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("text");
        let port = line.trim().parse();
        port.unwrap_or_else(|_| panic!("{line:?} is no port"))
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that serves from a folder of its own; both end with this.
pub(crate) struct Program {
    running: Running,
    pub(crate) folder: Folder,
}

impl Program {
    /// Starts a program in a folder, and waits until it listens on these ports.
    #[track_caller]
    pub(crate) fn start(command: &mut Command, folder: Folder, ports: &[u16]) -> Program {
        command.current_dir(&folder).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let program = Program {
            running: Running::start(command),
            folder,
        };
        for port in ports {
            wait_for(*port);
        }
        program
    }

    /// Starts a program in a folder; it prints its port first.
    #[track_caller]
    pub(crate) fn that_tells_its_port(command: &mut Command, folder: Folder) -> (Program, u16) {
        command.current_dir(&folder).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut running = Running::start(command);
        let port = running.port();
        (Program { running, folder }, port)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A signal that lets nginx end its workers; the others take it as well.
        self.running.terminate();
        let _ = self.running.wait();
    }
}

/// Starts nginx, with what is to stand in its `http` block beside its paths.
#[track_caller]
pub(crate) fn nginx(folder: Folder, http: &str, ports: &[u16]) -> Program {
    let config = format!(
        "daemon off; pid {0}/pid; error_log {0}/errors; worker_processes 1;
         events {{ worker_connections 256; }}
         http {{ access_log off; client_body_temp_path {0}/a; proxy_temp_path {0}/b;
             fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d; scgi_temp_path {0}/e; {http} }}",
        folder.display()
    );
    let config = folder.write("nginx.conf", config);
    let mut command = Command::new("nginx");
    command.arg("-c").arg(config).arg("-p").arg(&*folder);
    Program::start(&mut command, folder, ports)
}

/// Chromium without a window; its profile is in a folder.
pub(crate) fn chromium(profile: &Folder) -> Command {
    let mut command = Command::new("chromium");
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking"])
        .args(["--disable-component-update", "--disable-dev-shm-usage"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .stdin(Stdio::null());
    command
}

/// What Chromium makes of a page, once its scripts have nothing more to do; and what it says about it.
pub(crate) fn dom(url: &str) -> (String, String) {
    let profile = Folder::new("chromium");
    let output = chromium(&profile)
        .args(["--virtual-time-budget=20000", "--dump-dom", url])
        .output()
        .expect("chromium runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
