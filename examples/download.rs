//! A concurrent downloader with a progress bar: `cargo run --example download`
//!
//! Without arguments it serves twelve files to itself, and downloads four at a time; try others with
//! `cargo run --example download http://example.com/a http://example.com/b`. The files go into a new
//! folder below the system's temporary one. It draws a bar while it goes on, and prints at the end:
//!
//! ```text
//! [##############################] 12 of 12 files, 24.6 MB
//! 12 files in /tmp/squall-download-4711
//! ```

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use squall::{PeriodicCallback, run_in_executor, yield_};
use squall_web::client::{ClientConfig, Request};
use squall_web::{Application, AsyncHttpClient, Error, Exchange, HttpServer, Result, StatusCode};

const AT_ONCE: usize = 4;

/// What the downloads share; they take turns on one thread, so cells are all the locking it needs.
#[derive(Default)]
struct Progress {
    files: Cell<usize>,
    begun: Cell<usize>,
    done: Cell<usize>,
    received: Cell<u64>,
    /// Of the files whose length was said.
    expected: Cell<u64>,
    failed: RefCell<Vec<String>>,
}

impl Progress {
    fn draw(&self) {
        const WIDTH: u64 = 30;
        let (done, files) = (self.done.get() as u64, self.files.get() as u64);
        // Files that have not begun count as much as the average of those that have.
        let expected = self.expected.get() * files / self.begun.get().max(1) as u64;
        let share = match expected {
            0 => done * WIDTH / files.max(1),
            expected => self.received.get().min(expected) * WIDTH / expected,
        };
        let bar = "#".repeat(share as usize);
        let megabytes = self.received.get() as f64 / 1e6;
        print!("\r[{bar:<30}] {done} of {files} files, {megabytes:.1} MB");
        let _ = io::stdout().flush();
    }
}

/// Downloads one file in pieces: none is asked for before the last was written.
#[squall::coroutine]
fn download(
    client: AsyncHttpClient,
    url: String,
    path: PathBuf,
    progress: Rc<Progress>,
) -> Result<(), Box<dyn std::error::Error>> {
    // However long it takes, as long as something comes.
    let request = Request::get(&url)
        .timeout(None)
        .connect_timeout(None)
        .stall_timeout(Duration::from_secs(30))
        .max_body_bytes(u64::MAX);
    let mut answer = yield_!(client.stream(request))?;
    let expected = answer.content_length().unwrap_or(0);
    progress.expected.set(progress.expected.get() + expected);
    progress.begun.set(progress.begun.get() + 1);

    let mut file = yield_!(run_in_executor(move || File::create(path)))??;
    while let Some(chunk) = yield_!(answer.chunk())? {
        progress
            .received
            .set(progress.received.get() + chunk.len() as u64);
        // Writing may block, so another thread does it, and gives the file back.
        let write = move || file.write_all(&chunk).map(|()| file);
        file = yield_!(run_in_executor(write))??;
    }
    progress.done.set(progress.done.get() + 1);
    Ok(())
}

/// The last part of a URL's path, or a name for one that has none.
fn file_name(url: &str, n: usize) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().filter(|name| !name.is_empty());
    let is_plain = |name: &&str| {
        name.chars()
            .all(|c| c.is_alphanumeric() || "._-".contains(c))
    };
    format!("{n:02}-{}", last.filter(is_plain).unwrap_or("index"))
}

/// A file of as many hundred kilobytes as its name says, a piece at a time.
#[squall::coroutine]
fn file(ex: &mut Exchange) -> Result<()> {
    let n: usize = ex.path_argument("n")?;
    if n > 100 {
        return Err(Error::status_only(StatusCode::NOT_FOUND));
    }
    for _ in 0..n {
        ex.write(vec![b'x'; 100_000]);
        yield_!(ex.flush())?;
        yield_!(squall::sleep(Duration::from_millis(2)));
    }
    Ok(())
}

fn serve_files() -> Result<Vec<String>> {
    let app = Application::new().get("/file/{n}", file);
    let server = HttpServer::new(app).listen("127.0.0.1:0")?;
    let site = format!("http://{}", server.local_addr());
    Ok((15..27).map(|n| format!("{site}/file/{n}")).collect())
}

fn make_folder() -> io::Result<PathBuf> {
    let name = format!("squall-download-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

#[squall::coroutine]
fn download_all(urls: Vec<String>, folder: &Path) -> Result<Rc<Progress>> {
    let client = AsyncHttpClient::with_config(ClientConfig {
        max_clients: AT_ONCE, // the others wait in the client's line
        ..ClientConfig::default()
    });
    let progress = Rc::new(Progress::default());
    progress.files.set(urls.len());

    let shown = progress.clone();
    let bar = PeriodicCallback::new(Duration::from_millis(100), move || shown.draw())?;
    if io::stdout().is_terminal() {
        bar.start();
    }
    let mut downloads = Vec::new();
    for (n, url) in urls.into_iter().enumerate() {
        let path = folder.join(file_name(&url, n));
        let (client, progress) = (client.clone(), progress.clone());
        downloads.push((url.clone(), download(client, url, path, progress)));
    }
    for (url, download) in downloads {
        // One that fails does not stop the others.
        if let Err(error) = yield_!(download) {
            progress.failed.borrow_mut().push(format!("{url}: {error}"));
        }
    }
    bar.stop();
    progress.draw();
    println!();
    Ok(progress)
}

#[squall::main]
fn main() -> Result<()> {
    let mut urls: Vec<String> = std::env::args().skip(1).collect();
    if urls.is_empty() {
        urls = serve_files()?;
    }
    let folder = make_folder()?;
    let progress = yield_!(download_all(urls, &folder))?;
    println!("{} files in {}", progress.done.get(), folder.display());
    for failure in progress.failed.borrow().iter() {
        println!("{failure}");
    }
    Ok(())
}
