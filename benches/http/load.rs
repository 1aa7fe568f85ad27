//! Clients: plain sockets, so that little of the machine is theirs.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{PIECE, Result};

/// A folder that goes with this.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Result<Folder> {
        let path = std::env::temp_dir().join(format!("squall-http-bench-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes a file of so many bytes.
    pub(crate) fn write(&self, name: &str, bytes: u64) -> Result<()> {
        let mut file = BufWriter::new(File::create(self.0.join(name))?);
        io::copy(&mut io::repeat(b'x').take(bytes), &mut file)?;
        Ok(file.flush()?)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

/// Sends a body, and checks how long the server says that it was.
pub(crate) fn upload(port: u16, bytes: u64) -> Result<Duration> {
    let mut stream = connect(port)?;
    let begin = Instant::now();
    write!(
        stream,
        "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n"
    )?;
    io::copy(
        &mut io::repeat(b'x').take(bytes),
        &mut BufWriter::with_capacity(PIECE, &stream),
    )?;
    let answer = read_head(&mut stream)?;
    let mut told = vec![0; bytes.to_string().len()];
    stream.read_exact(&mut told)?;
    if !answer.starts_with("HTTP/1.1 200") || told != bytes.to_string().as_bytes() {
        return Err(format!("not told of {bytes} bytes: {answer}").into());
    }
    Ok(begin.elapsed())
}

/// Asks for a body, and checks its length and content.
pub(crate) fn download(port: u16, target: &str, bytes: u64) -> Result<Duration> {
    let mut stream = connect(port)?;
    let begin = Instant::now();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let head = read_head(&mut stream)?;
    let length = format!("content-length: {bytes}\r\n");
    if !head.starts_with("HTTP/1.1 200") || !head.to_lowercase().contains(&length) {
        return Err(format!("{target}: {head}").into());
    }
    let mut piece = vec![0; 4 * PIECE];
    let mut left = bytes;
    while left > 0 {
        let count = stream.read(&mut piece)?;
        if count == 0 || piece[0] != b'x' || piece[count - 1] != b'x' {
            return Err(format!("{target}: {left} bytes are missing or wrong").into());
        }
        left -= count as u64;
    }
    Ok(begin.elapsed())
}

/// Reads a head byte by byte, so that none of the body is taken.
fn read_head(stream: &mut TcpStream) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head)?)
}

pub(crate) struct Latencies {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// Sends requests one after the other on one connection.
pub(crate) fn requests(port: u16, count: usize) -> Result<Latencies> {
    let mut stream = connect(port)?;
    let mut times = Vec::with_capacity(count);
    let mut answer = [0; 1024];
    for _ in 0..count {
        let begin = Instant::now();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
        let read = stream.read(&mut answer)?;
        times.push(begin.elapsed());
        let answer = &answer[..read];
        if !answer.starts_with(b"HTTP/1.1 200") || !answer.ends_with(b"Hello, World!") {
            return Err(format!("not the answer: {}", answer.escape_ascii()).into());
        }
    }
    times.sort_unstable();
    Ok(Latencies {
        p50: times[count / 2],
        p99: times[count * 99 / 100],
    })
}

/// Clients that send a byte of their heads a second, until they are stopped.
pub(crate) struct SlowClients {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<()>>,
}

impl SlowClients {
    pub(crate) fn start(port: u16, count: usize) -> Result<SlowClients> {
        let mut streams = Vec::new();
        for _ in 0..count {
            let mut stream = connect(port)?;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")?;
            streams.push(stream);
        }
        let is_over = Arc::new(AtomicBool::new(false));
        let told = is_over.clone();
        let thread = std::thread::spawn(move || {
            loop {
                for stream in &mut streams {
                    if told.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    stream.write_all(b"x")?;
                    std::thread::sleep(Duration::from_secs(1) / count as u32);
                }
            }
        });
        Ok(SlowClients { is_over, thread })
    }

    /// Stops them. An error if the server has closed one.
    pub(crate) fn stop(self) -> Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| "the slow clients panicked")??;
        Ok(())
    }
}
