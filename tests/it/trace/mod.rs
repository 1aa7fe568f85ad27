//! Whole traces, compared with those in `tests/golden/`.
//!
//! Each test logs what nobody took, and compares every line of it with `tests/golden/trace_NAME.txt`.
//! The files hold the lines of these tests, so whoever edits them writes the files anew:
//! `SQUALL_GOLDEN=overwrite cargo test --test it trace::`, and reads the difference.

/// Cancelled coroutines, and those that wait for them.
mod cancels;
/// Errors on their way through coroutines that wait for one another.
mod errors;
/// What is no started coroutine: futures of others, threads, coroutines that borrow.
mod foreign;
/// Panics on the same ways.
mod panics;
/// What else ends a wait: callbacks, limits, shared results.
mod tasks;
/// Children of lists, maps, tuples.
mod trees;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use squall::{Deferred, moment, sleep, yield_};

use crate::support::{capture_logs, live_names, run};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Compares a text with the file of the name, or writes that.
#[track_caller]
fn golden(name: &str, text: &str) {
    let text = format!("{}\n", without_own_lines(text));
    let file = folder().join(format!("trace_{name}.txt"));
    if std::env::var_os("SQUALL_GOLDEN").is_some_and(|how| how == "overwrite") {
        fs::write(&file, text).expect("the folder of golden files can be written");
        return;
    }
    let mend = "SQUALL_GOLDEN=overwrite cargo test --test it trace::";
    let Ok(want) = fs::read_to_string(&file) else {
        panic!("{} is not there; `{mend}` writes it", file.display());
    };
    let mut difference = String::new();
    let (mut want_lines, mut lines) = (want.lines(), text.lines());
    loop {
        match (want_lines.next(), lines.next()) {
            (None, None) => break,
            (want, line) if want == line => difference += &format!("   {}\n", line.unwrap_or("")),
            (want, line) => {
                difference += &want.map_or(String::new(), |want| format!(" - {want}\n"));
                difference += &line.map_or(String::new(), |line| format!(" + {line}\n"));
            }
        }
    }
    assert!(
        want == text,
        "the trace is not that of {}. If it should be as it is now, `{mend}` writes it.\n{difference}",
        file.display()
    );
}

/// The crate's own lines change with it, and are no business of these tests.
fn without_own_lines(text: &str) -> String {
    let without = |line: &str| {
        let own = line.find("runtime/src/")?;
        let path = own + line[own..].find(':')?;
        let end = if line.ends_with(')') { ")" } else { "" };
        Some(format!("{}:…{end}", &line[..path]))
    };
    let lines = text
        .lines()
        .map(|line| without(line).unwrap_or_else(|| line.to_owned()));
    lines.collect::<Vec<_>>().join("\n")
}

/// What is logged while `f` runs in a loop and everything that it started comes to an end.
fn log_of<R>(f: impl FnOnce() -> R) -> String {
    let ((), log) = capture_logs(|| {
        run(|| async {
            f();
            sleep(Duration::from_secs(60)).await;
        });
    });
    assert_eq!(live_names(), [""; 0]);
    log.join("\n")
}

/// Fails after it has waited.
#[squall::coroutine]
fn deep(error: &'static str) -> Result<u32, String> {
    yield_!(moment());
    Err(error.to_owned())
}

/// Panics after it has waited.
#[squall::coroutine]
fn falls(message: &'static str) -> Result<u32, String> {
    yield_!(moment());
    panic!("{message}");
}

fn fine(n: u32) -> Deferred<Result<u32, String>> {
    Deferred::ready(Ok(n))
}

#[test]
fn each_golden_file_has_a_test() {
    let mut sources = String::new();
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/trace");
    for entry in fs::read_dir(tests).unwrap().flatten() {
        sources += &fs::read_to_string(entry.path()).unwrap();
    }
    let files = fs::read_dir(folder()).unwrap().flatten();
    let names = files.filter_map(|file| {
        let name = file.file_name().into_string().unwrap();
        let name = name.strip_prefix("trace_")?.strip_suffix(".txt")?;
        Some(name.to_owned())
    });
    let names: BTreeSet<String> = names.collect();
    let without = |name: &&String| !sources.contains(&format!("\"{name}\""));
    let without: Vec<&String> = names.iter().filter(without).collect();
    assert!(
        without.is_empty(),
        "files that no test compares: {without:?}"
    );
    assert!(names.len() >= 20, "{names:?}");
}
