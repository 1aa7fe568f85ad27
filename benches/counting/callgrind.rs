//! Runs this program under callgrind, and reads what it counted.
//!
//! Inside, each path is done to warm up, then `N` times, then `2 N`, and `mark` is called after
//! each. Callgrind writes what it has counted, and starts anew, whenever `mark` is called. The
//! difference of the two counts is what `N` operations take, without the start and the end of a
//! run.

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;

use super::paths::PATHS;

/// The flag that says that this is the program inside.
pub(crate) const INSIDE: &str = "--inside-callgrind";

/// About how many operations are counted; whole batches of them.
const OPERATIONS: u64 = 2000;

/// Marks the end of a run for callgrind, which knows it by its name.
#[inline(never)]
fn mark() {
    black_box(());
}

/// Does what is counted.
pub(crate) fn inside() {
    mark();
    for path in &PATHS {
        let count = operations(path.batch);
        for n in [2 * count, count, 2 * count] {
            (path.run)(n);
            mark();
        }
    }
}

fn operations(batch: u64) -> u64 {
    OPERATIONS.div_ceil(batch) * batch
}

/// Why nothing could be counted.
pub(crate) struct Missing(pub(crate) String);

/// Counts the instructions that each path takes an operation.
pub(crate) fn count() -> Result<Vec<(&'static str, u64)>, Missing> {
    let outputs = Outputs::new();
    let program = std::env::current_exe().expect("a program knows its own path");
    let valgrind = Command::new("valgrind")
        .args(["--tool=callgrind", "--dump-before=*callgrind*mark*"])
        .arg(format!(
            "--callgrind-out-file={}",
            outputs.0.join("part").display()
        ))
        .arg(program)
        .arg(INSIDE)
        // One way to copy memory, whatever the processor has.
        .env(
            "GLIBC_TUNABLES",
            "glibc.cpu.hwcaps=-AVX2,-AVX,-ERMS,-FSRM,-AVX512F,-AVX512VL",
        )
        .output();
    let valgrind = match valgrind {
        Ok(output) => output,
        Err(error) => {
            return Err(Missing(format!(
                "valgrind does not start: {error} (tests/install.sh installs it)"
            )));
        }
    };
    let words = String::from_utf8_lossy(&valgrind.stderr);
    assert!(valgrind.status.success(), "valgrind failed: {words}");
    // The first part is the program's start.
    let each = PATHS.iter().enumerate().map(|(index, path)| {
        let part = |run: usize| outputs.instructions(3 * index + run + 2);
        let n = operations(path.batch);
        let extra = part(2).saturating_sub(part(1));
        (path.name, (extra + n / 2) / n)
    });
    Ok(each.collect())
}

/// A folder for the files that callgrind writes; removed in the end.
struct Outputs(PathBuf);

impl Outputs {
    fn new() -> Outputs {
        let folder = std::env::temp_dir().join(format!("squall-counts-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for temporary files can be made");
        Outputs(folder)
    }

    /// What was counted in a part, by its number.
    fn instructions(&self, number: usize) -> u64 {
        let file = self.0.join(format!("part.{number}"));
        let text = fs::read_to_string(&file);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let total = total.and_then(|total| total.trim().parse().ok());
        total.unwrap_or_else(|| panic!("{} has no total", file.display()))
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        // Whatever is left lies among temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}
