//! The showcase as a user meets it: started as a program, asked by curl, driven in a browser.
//!
//! Both are looked for on the machine; without one its part is skipped, and says so. In CI (`CI` set)
//! nothing is skipped.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::programs::{Running, dom, has};

struct Showcase {
    _process: Running,
    url: String,
}

impl Showcase {
    fn start() -> Showcase {
        let mut command = Command::new(env!("CARGO_BIN_EXE_showcase"));
        command
            .args(["--port", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = Running::start(&mut command);
        let out = process.stdout.take().expect("stdout is piped");
        let line = BufReader::new(out).lines().map_while(Result::ok);
        let url = line
            .flat_map(|line| {
                let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
                words
            })
            .find(|word| word.starts_with("http://"))
            .expect("it says where it listens");
        let url = url.trim_end_matches('/').to_owned();
        Showcase {
            _process: process,
            url,
        }
    }

    fn curl(&self, path: &str) -> (String, String) {
        let output = Command::new("curl")
            .args(["-s", "--max-time", "30", "-w", "\n%{http_code}"])
            .arg(format!("{}{path}", self.url))
            .output()
            .expect("curl runs");
        let text = String::from_utf8(output.stdout).expect("text");
        let (body, status) = text.rsplit_once('\n').expect("a status");
        (status.to_owned(), body.to_owned())
    }
}

/// When the load of a page began and ended.
fn bar(bar: &serde_json::Value) -> (u64, u64) {
    let ms = |key: &str| {
        bar[key]
            .as_u64()
            .unwrap_or_else(|| panic!("{key} in {bar}"))
    };
    (ms("from_ms"), ms("to_ms"))
}

#[track_caller]
fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn curl_gets_every_part() {
    if !has("curl") {
        return;
    }
    let showcase = Showcase::start();
    let (status, page) = showcase.curl("/");
    assert_eq!(status, "200");
    assert!(page.contains("Squall"), "{page}");

    for path in ["/run/list", "/run/map", "/run/interleave"] {
        let (status, body) = showcase.curl(path);
        assert_eq!(status, "200", "{path}: {body}");
        // The bars overlap: the pages were loaded at the same time. Their order says it, not a clock.
        let report = json(&body);
        let bars: Vec<(u64, u64)> = match &report["bars"] {
            serde_json::Value::Array(bars) => bars.iter().map(bar).collect(),
            serde_json::Value::Object(bars) => bars.values().map(bar).collect(),
            other => panic!("{path}: {other}"),
        };
        let overlaps = |a: &(u64, u64)| bars.iter().any(|b| b != a && b.0 < a.1 && a.0 < b.1);
        assert!(
            bars.len() > 2 && bars.iter().any(overlaps),
            "{path}: {body}"
        );
    }

    let (status, clock) = showcase.curl("/run/clock");
    assert_eq!(status, "200");
    assert_eq!(clock.lines().count(), 10, "{clock}");

    for path in ["/run/fail", "/run/panic"] {
        let (status, body) = showcase.curl(path);
        assert_eq!(status, "500", "{path}: {body}");
        assert_eq!(showcase.curl("/ping").0, "200", "after {path}");
    }

    let (status, live) = showcase.curl("/live");
    assert_eq!(status, "200");
    assert!(live.contains("accept_loop"), "{live}");
    assert_eq!(showcase.curl("/nowhere").0, "404");
}

#[test]
fn a_browser_runs_every_card() {
    if !has("chromium") {
        return;
    }
    let showcase = Showcase::start();
    let (dom, error) = dom(&format!("{}/?demo=all", showcase.url));
    for want in WANTED {
        assert!(
            dom.contains(want),
            "{want:?} is not in the page:\n{dom}\n{error}"
        );
    }
}

/// What the page shows once every card has run.
const WANTED: &[&str] = &["instead of", "500", "accept_loop"];
