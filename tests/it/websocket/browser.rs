//! The chat's page in Chromium: echoes with compression, a chat of two, a close.
//!
//! Without chromium it is skipped, and says so; in CI (`CI` set) nothing is skipped.

use std::cell::RefCell;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use squall::{Promise, with_timeout};
use squall_web::{Application, Exchange, Result};

use super::serve;
use crate::client::run_real;

#[path = "../../../examples/probe/websocket.rs"]
mod routes;

fn page(ex: &mut Exchange) -> Result<()> {
    ex.set_header("content-type", "text/html; charset=utf-8")?;
    ex.write(include_str!("../../../examples/websocket_chat/page.html"));
    Ok(())
}

/// A browser that shows a page, until this is dropped.
struct Browser(Child, std::path::PathBuf);

impl Browser {
    fn open(url: &str) -> Browser {
        let profile = std::env::temp_dir().join(format!("squall-chat-{}", std::process::id()));
        let process = Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                // So that it stays.
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Browser(process.expect("chromium starts"), profile)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = std::fs::remove_dir_all(&self.1);
    }
}

#[test]
fn page_talks_to_the_server() {
    if Command::new("chromium").arg("--version").output().is_err() {
        let note = "skipped: chromium is not installed (tests/install.sh installs it)";
        assert!(std::env::var_os("CI").is_none(), "{note}");
        eprintln!("{note}");
        return;
    }
    let seen = run_real(async || {
        let (promise, seen) = Promise::new();
        let promise = Rc::new(RefCell::new(Some(promise)));
        let app = Application::new()
            .get("/", page)
            .post("/demo", move |ex: &mut Exchange| {
                let seen = String::from_utf8_lossy(ex.request().body()).into_owned();
                if let Some(promise) = promise.take() {
                    promise.set_result(seen);
                }
            });
        let address = serve(routes::routes(app, 1024 * 1024));
        let _browser = Browser::open(&format!("http://{address}/?demo"));
        with_timeout(Duration::from_secs(60), seen).await
    });
    assert_eq!(seen.expect("the page reports"), "all 14 are well");
}
