//! The counts that hold: `benches/counts.txt`.

use std::fmt;
use std::fs;
use std::process::Command;

/// How far a count may be from what it was: three in a hundred, and at least two.
fn tolerance(before: u64) -> u64 {
    (before * 3 / 100).max(2)
}

const ABOUT: &str = "\
# Instructions an operation, as callgrind counts them; see benches/README.md.
# tests/counts.sh compares, tests/counts.sh --update writes this file.
";

/// What the file says.
pub(crate) struct Baseline {
    /// The compiler and the platform that the counts are of.
    compiler: String,
    counts: Vec<(String, u64)>,
}

/// A path's count beside what it was.
pub(crate) enum Change {
    None,
    /// By so many percent.
    More(f64),
    Less(f64),
    New,
}

impl Baseline {
    pub(crate) const PATH: &str = "benches/counts.txt";

    /// The counts of this compiler.
    pub(crate) fn now(found: &[(&str, u64)]) -> Baseline {
        let counts = found
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count));
        Baseline {
            compiler: compiler(),
            counts: counts.collect(),
        }
    }

    /// Reads the file.
    pub(crate) fn read() -> Baseline {
        let text = std::fs::read_to_string(Self::file());
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", Self::PATH));
        let mut baseline = Baseline {
            compiler: String::new(),
            counts: Vec::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(compiler) = line.strip_prefix("compiler: ") {
                baseline.compiler = compiler.to_owned();
                continue;
            }
            let count = line
                .rsplit_once(' ')
                .and_then(|(name, count)| Some((name.trim_end().to_owned(), count.parse().ok()?)));
            let count = count.unwrap_or_else(|| panic!("{}: what is {line:?}?", Self::PATH));
            baseline.counts.push(count);
        }
        baseline
    }

    pub(crate) fn write(&self) {
        let mut text = format!("{ABOUT}compiler: {}\n", self.compiler);
        for (name, count) in &self.counts {
            text += &format!("{name:<44} {count:>5}\n");
        }
        fs::write(Self::file(), text).unwrap_or_else(|error| panic!("{}: {error}", Self::PATH));
    }

    fn file() -> String {
        format!("{}/{}", env!("CARGO_MANIFEST_DIR"), Self::PATH)
    }

    /// Another compiler makes other code, whose counts say nothing about ours.
    pub(crate) fn is_of_another_compiler(&self) -> Option<String> {
        let (before, now) = (&self.compiler, compiler());
        (*before != now).then(|| {
            format!(
                "{} is of `{before}`, and this is `{now}`; `tests/counts.sh --update` writes it anew",
                Self::PATH
            )
        })
    }

    pub(crate) fn get(&self, name: &str) -> Option<u64> {
        let mut counts = self.counts.iter();
        counts.find(|(own, _)| own == name).map(|(_, count)| *count)
    }

    pub(crate) fn compare(&self, name: &str, now: u64) -> Change {
        let Some(before) = self.get(name) else {
            return Change::New;
        };
        let percent = 100.0 * now.abs_diff(before) as f64 / before.max(1) as f64;
        match now.abs_diff(before) > tolerance(before) {
            false => Change::None,
            true if now > before => Change::More(percent),
            true => Change::Less(percent),
        }
    }

    /// Names of the file that are not among those found.
    pub(crate) fn without(&self, found: &[(&str, u64)]) -> Vec<&str> {
        let names = self.counts.iter().map(|(name, _)| name.as_str());
        let is_gone = |name: &&str| found.iter().all(|(other, _)| other != name);
        names.filter(is_gone).collect()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::None => Ok(()),
            Change::More(percent) => write!(f, "**{percent:.0} % more**"),
            Change::Less(percent) => write!(f, "{percent:.0} % less"),
            Change::New => write!(f, "**was not counted**"),
        }
    }
}

/// The compiler's version and platform, in a line.
fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let version = text.lines().next().unwrap_or_default();
    format!("{version}, {}", field("host: ").unwrap_or("unknown"))
}
