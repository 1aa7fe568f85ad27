//! What the compiler says to newcomers, and what it takes.
//!
//! Each file in `ui/fail/` holds one mistake and is named after it; the `.stderr` beside it is what
//! the compiler says. The first error should stand at the user's own token and say the mend. Where
//! the message is rustc's and says less, the comment at the top of the file says it. Each file in
//! `ui/pass/` is an unusual but valid form, and is run.
//!
//! The texts depend on the compiler, so they are compared on one version only. After a change of a
//! message run `TRYBUILD=overwrite cargo test --test ui`, and read the diff as a newcomer would.

use std::env;
use std::io::{self, Write};
use std::process::Command;

/// The version whose messages are checked in.
const PINNED: &str = "rustc 1.95.";

#[test]
fn newcomers_mistakes_are_explained() {
    let version = rustc_version();
    if !version.starts_with(PINNED) {
        // Past the test harness, which would keep the words of a test that passes to itself.
        let mut stderr = io::stderr();
        let skipped = writeln!(
            stderr,
            "skipped: tests/ui holds the messages of {PINNED}x, and this is {}; \
             run it with that one, for messages change from version to version",
            version.trim()
        );
        skipped.expect("stderr can be written to");
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}

/// The first line of `rustc --version`, of the compiler that cargo uses.
fn rustc_version() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    let output = output.expect("rustc can be run, as it compiled this test");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
