//! The chat's page in Chromium: echoes with compression, a chat of two, a close.
//!
//! Without chromium it is skipped, and says so; in CI (`CI` set) nothing is skipped.

use std::cell::RefCell;
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use squall::{Promise, with_timeout};
use squall_web::{Application, Exchange, Result};

use super::serve;
use crate::programs::{Folder, Running, chromium, has};
use crate::support::run_real;

#[path = "../../../examples/probe/websocket.rs"]
mod routes;

fn page(ex: &mut Exchange) -> Result<()> {
    ex.set_header("content-type", "text/html; charset=utf-8")?;
    ex.write(include_str!("../../../examples/websocket_chat/page.html"));
    Ok(())
}

#[test]
fn page_talks_to_the_server() {
    if !has("chromium") {
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
        let profile = Folder::new("chat");
        let mut chromium = chromium(&profile);
        // With a port for debuggers, so that it stays.
        chromium.args([
            "--remote-debugging-port=0",
            &format!("http://{address}/?demo"),
        ]);
        let _browser = Running::start(chromium.stdout(Stdio::null()).stderr(Stdio::null()));
        with_timeout(Duration::from_secs(60), seen).await
    });
    assert_eq!(seen.expect("the page reports"), "all 14 are well");
}
