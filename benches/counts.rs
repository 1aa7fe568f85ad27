//! How many instructions the hot paths take, compared with what they took: `tests/counts.sh`
//!
//! Times on a shared machine move by a few percent, instructions do not. This program runs itself
//! under `valgrind --tool=callgrind`, and compares what each path takes an operation with
//! `counts.txt` beside it. A path that takes more fails, and so does one that takes far less, so
//! that the next regression is measured from there. `--update` writes the file anew.
//!
//! As a test (`cargo test --benches`) it does each path once, briefly.

#[macro_use]
mod support;
#[macro_use]
#[path = "support/two_peers.rs"]
mod two_peers;
// Of the rows only Squall's side is counted.
#[allow(dead_code)]
mod rows {
    pub(crate) mod children;
    pub(crate) mod lists;
    pub(crate) mod locks;
    pub(crate) mod promises;
    pub(crate) mod queues;
    pub(crate) mod starts;
    pub(crate) mod timers;
    pub(crate) mod yields;
}
mod counting {
    pub(crate) mod baseline;
    pub(crate) mod callgrind;
    pub(crate) mod paths;
}

use std::process::ExitCode;

use counting::baseline::{Baseline, Change};
use counting::callgrind::{self, Missing};
use counting::paths::PATHS;

fn main() -> ExitCode {
    let has = |flag: &str| std::env::args().any(|arg| arg == flag);
    if has(callgrind::INSIDE) {
        callgrind::inside();
        return ExitCode::SUCCESS;
    }
    if !has("--bench") || has("--test") {
        for path in &PATHS {
            (path.run)(path.batch);
            println!("{}: ok", path.name);
        }
        return ExitCode::SUCCESS;
    }
    let found = match callgrind::count() {
        Ok(found) => found,
        Err(Missing(why)) => {
            println!("skipped: {why}");
            return ExitCode::from(u8::from(std::env::var_os("CI").is_some()));
        }
    };
    if has("--update") {
        Baseline::now(&found).write();
        println!("wrote {} counts to {}", found.len(), Baseline::PATH);
        return ExitCode::SUCCESS;
    }
    compare(&found)
}

/// Prints the table of all paths, and what to do if one of them has changed.
fn compare(found: &[(&str, u64)]) -> ExitCode {
    let before = Baseline::read();
    if let Some(why) = before.is_of_another_compiler() {
        println!("skipped: {why}");
        return ExitCode::SUCCESS;
    }
    println!("| instructions an operation | before | now | |\n|---|---:|---:|---|");
    let (mut more, mut less) = (false, false);
    for (name, now) in found {
        let change = before.compare(name, *now);
        more |= matches!(change, Change::More(_) | Change::New);
        less |= matches!(change, Change::Less(_));
        let before = (before.get(name)).map_or("-".to_owned(), |count| count.to_string());
        println!("| {name} | {before} | {now} | {change} |");
    }
    let gone = before.without(found);
    for name in &gone {
        println!(
            "| {name} | {} | - | is no longer counted |",
            before.get(name).unwrap_or(0)
        );
    }
    if !more && !less && gone.is_empty() {
        println!("\nno path has changed");
        return ExitCode::SUCCESS;
    }
    if more {
        println!(
            "\nA hot path takes more than it did, or was not counted before. Find out why; if it"
        );
        println!("is worth it, say so in the commit that has the new counts.");
    }
    if less || !gone.is_empty() {
        println!("\nA path takes less, or is gone: let the new counts hold from now on.");
    }
    println!("`tests/counts.sh --update` writes {}.", Baseline::PATH);
    ExitCode::FAILURE
}
