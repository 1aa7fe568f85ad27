//! Rules that the compiler does not check, read off the sources.
//!
//! Each test is one rule; its message says the rule and why. The reading is simple:
//! comments are left out, and so are unit tests, which stand at the
//! end of a file under `#[cfg(test)]` or in a `tests.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A file and its text.
struct Source {
    /// Relative to the project, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(i, line)| (i + 1, line))
    }

    /// The lines of code: no comments, no unit tests.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_tests = self.path.ends_with("/tests.rs");
        let end = match unit_tests(&self.text) {
            _ if is_tests => 0,
            Some(line) => line,
            None => usize::MAX,
        };
        let code = self.lines().take_while(move |(number, _)| *number < end);
        code.map(|(number, line)| (number, without_comment(line)))
    }
}

/// The line of the `#[cfg(test)]` above `mod … {`.
fn unit_tests(text: &str) -> Option<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let is_tests = |pair: &[&str]| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    };
    Some(lines.windows(2).position(is_tests)? + 1)
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        return "";
    }
    line.split_once(" //").map_or(line, |(code, _)| code)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files under `folder` whose name ends in one of `endings`, in order.
fn sources(folder: &str, endings: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    paths.sort();
    let named = |path: &PathBuf| {
        let name = path.to_string_lossy();
        endings.iter().any(|ending| name.ends_with(ending))
    };
    paths.into_iter().filter(named).map(read).collect()
}

/// All files, except those of git and of builds.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_build = path.join("CACHEDIR.TAG").exists() || path.ends_with(".git");
        match path.is_dir() {
            true if is_build => {}
            true => walk(&path, files),
            false => files.push(path),
        }
    }
}

fn read(path: PathBuf) -> Source {
    let relative = path.strip_prefix(root()).expect("it was found under it");
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Source {
        path: relative.to_string_lossy().replace('\\', "/"),
        text: String::from_utf8_lossy(&text).into_owned(),
    }
}

/// The sources of the packages, without examples, tests and benches.
fn packages() -> Vec<Source> {
    let folders = ["macros/src", "runtime/src", "web/src"];
    folders
        .map(|folder| sources(folder, &[".rs"]))
        .into_iter()
        .flatten()
        .collect()
}

/// Fails with the rule if something was found.
#[track_caller]
fn check(found: Vec<String>, rule: &str) {
    assert!(
        found.is_empty(),
        "\n  {}\n\nThe rule: {rule}\n",
        found.join("\n  ")
    );
}

/// Lines of code in which `is_wrong`.
fn find<'a>(
    sources: impl IntoIterator<Item = &'a Source>,
    is_wrong: impl Fn(&Source, &str) -> bool,
) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for (number, line) in source.code().filter(|(_, line)| is_wrong(source, line)) {
            found.push(format!("{}:{number}: {}", source.path, line.trim()));
        }
    }
    found
}

// Arrows.

/// Modules of a package in layers; a module may use its own layer and those before it.
struct Layers {
    folder: &'static str,
    /// How the package is named in its own code, besides `crate`.
    name: &'static str,
    layers: &'static [&'static [&'static str]],
    /// Names of the crate's root that do not stand in a `pub use module::…`, and their module.
    names: &'static [(&'static str, &'static str)],
}

const RUNTIME: Layers = Layers {
    folder: "runtime/src",
    name: "squall",
    layers: &[
        &["error", "signal", "random"],
        &["coro"],
        &["future", "inspect", "signal"],
        &["ioloop"],
        &["runner"],
        &["net", "sync", "executor"],
        &["process", "testing"],
    ],
    // The macros' output calls the runner.
    names: &[
        ("coroutine", "runner"),
        ("coroutines", "runner"),
        ("yield_", "runner"),
    ],
};

const WEB: Layers = Layers {
    folder: "web/src",
    name: "squall_web",
    layers: &[
        &["http"],
        &["error"],
        &["conn", "http2"],
        &["server", "client"],
        &["files", "uploads", "websocket"],
        &["app"],
    ],
    names: &[("request_handler", "app")],
};

impl Layers {
    fn rank(&self, module: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.contains(&module))
    }

    /// From the names of the crate's root to modules, as its `lib.rs` says.
    fn root_names(&self, lib: &str) -> HashMap<String, String> {
        let mut names = HashMap::new();
        for (name, module) in self.names {
            names.insert((*name).to_owned(), (*module).to_owned());
        }
        for item in lib.split(';') {
            let Some((_, path)) = item.rsplit_once("pub use ") else {
                continue;
            };
            let Some((module, rest)) = path.split_once("::") else {
                continue;
            };
            if self.rank(module).is_none() {
                continue;
            }
            for name in rest.split(|c: char| !c.is_alphanumeric() && c != '_') {
                names
                    .entry(name.to_owned())
                    .or_insert_with(|| module.to_owned());
            }
        }
        names
    }

    fn violations(&self) -> Vec<String> {
        let lib = fs::read_to_string(root().join(self.folder).join("lib.rs"));
        let names = self.root_names(&lib.expect("the package has a lib.rs"));
        let mut found = Vec::new();
        for source in sources(self.folder, &[".rs"]) {
            let inside = &source.path[self.folder.len() + 1..];
            let own = inside.split(['/', '.']).next().unwrap_or_default();
            let Some(rank) = self.rank(own) else { continue };
            for (number, name) in self.uses(&source, inside) {
                let module = names.get(&name).map_or(name.as_str(), String::as_str);
                let Some(used) = self.rank(module).filter(|used| *used > rank) else {
                    continue;
                };
                found.push(format!(
                    "{}:{number}: `{own}` (layer {rank}) uses `{module}` (layer {used})",
                    source.path
                ));
            }
        }
        found
    }

    /// The first names of paths that start at the crate's root, with their lines.
    fn uses(&self, source: &Source, inside: &str) -> Vec<(usize, String)> {
        let depth = inside.trim_end_matches("/mod.rs").split('/').count();
        let own_name = format!("{}::", self.name);
        let to_root = "super::".repeat(depth);
        let mut uses = Vec::new();
        let code: Vec<(usize, &str)> = source.code().collect();
        for (index, (number, line)) in code.iter().enumerate() {
            for prefix in ["crate::", &own_name, &to_root] {
                for (at, _) in line.match_indices(prefix) {
                    let before = line[..at].chars().next_back();
                    if before.is_some_and(|c| c.is_alphanumeric() || "_:".contains(c)) {
                        continue;
                    }
                    let rest: Vec<&str> = code[index + 1..].iter().map(|(_, line)| *line).collect();
                    let rest = format!("{}\n{}", &line[at + prefix.len()..], rest.join("\n"));
                    uses.extend(first_names(&rest).into_iter().map(|name| (*number, name)));
                }
            }
        }
        uses
    }
}

/// `a::b` gives `a`; `{a::{b, c}, d}` gives `a` and `d`.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        let text = text.trim_start();
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let mut names = vec![name(group)];
    let mut depth = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(name(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

#[test]
fn runtime_points_one_way() {
    check(
        RUNTIME.violations(),
        "in runtime an item may use what stands left of it in \
        `coro, future → ioloop → runner → net, sync, executor → process, testing`. Nothing lower knows that anything \
        higher exists, so that each can be read and tested without the rest.",
    );
}

#[test]
fn web_points_one_way() {
    check(
        WEB.violations(),
        "in web an item may use what stands left of it in `http → conn, http2 → server, client → files, websocket → app`. \
        Nothing lower knows that anything higher exists, so that each can be read and tested without \
        the rest.",
    );
}

#[test]
fn codec_and_mechanism_are_pure() {
    const IMPURE: [&str; 7] = [
        "mio::",
        "TcpStream",
        "TcpListener",
        "IoLoop",
        "IoStream",
        "Instant::now",
        "thread::sleep",
    ];
    let http = ["web/src/http", "web/src/websocket/codec"].map(|folder| sources(folder, &[".rs"]));
    let http = http.into_iter().flatten().collect::<Vec<_>>();
    let mut found = find(&http, |_, line| {
        line.contains("squall::") || IMPURE.iter().any(|word| line.contains(word))
    });
    let coro = ["runtime/src/coro", "runtime/src/future"].map(|folder| sources(folder, &[".rs"]));
    let coro = coro.into_iter().flatten().collect::<Vec<_>>();
    found.extend(find(&coro, |_, line| {
        // What ticks are counted from is read once a process.
        IMPURE.iter().any(|word| line.contains(word)) && !line.contains("BASE.get_or_init")
    }));
    check(
        found,
        "`http` and `websocket/codec` use nothing of `squall`, and neither they nor `coro` and `future` know a loop, a \
        socket or a clock: bytes in, bytes out. So all of the hard code is tested by plain calls.",
    );
}

#[test]
fn path_groups_are_read() {
    assert_eq!(first_names("a::b;"), ["a"]);
    assert_eq!(first_names("{a::{b, c},\n    d, e};"), ["a", "d", "e"]);
}

// Clocks, unsafe code, words.

#[test]
fn clocks_are_read_in_one_place() {
    const CLOCKS: [&str; 3] = [
        "runtime/src/coro/tick.rs",
        "runtime/src/ioloop/clock.rs",
        "web/src/conn/clock.rs",
    ];
    let found = find(&packages(), |source, line| {
        let reads = line.contains("Instant::now(") || line.contains("SystemTime::now(");
        reads && !CLOCKS.contains(&source.path.as_str())
    });
    check(
        found,
        "only `ioloop/clock.rs` and `conn/clock.rs` read a clock. Others ask the loop \
        (`IoLoop::time`, `turn_time`), which may have a virtual clock: that is how tests are fast \
        and repeatable.",
    );
}

#[test]
fn unsafe_code_stands_in_named_modules() {
    const MODULES: [&str; 7] = [
        "runtime/src/coro/beacon.rs",
        "runtime/src/coro/task.rs",
        "runtime/src/ioloop/native_stack.rs",
        "runtime/src/ioloop/waker.rs",
        "runtime/src/net/inherited.rs",
        "runtime/src/runner/multi.rs",
        "runtime/src/runner/tuple.rs",
    ];
    let mut found = find(&packages(), |source, line| {
        line.contains("allow(unsafe_code)") && !MODULES.contains(&source.path.as_str())
    });
    for (lib, lint) in [("macros", "forbid"), ("runtime", "deny"), ("web", "forbid")] {
        let lib = read(root().join(lib).join("src/lib.rs"));
        if !lib.text.contains(&format!("#![{lint}(unsafe_code)]")) {
            found.push(format!(
                "{}: `#![{lint}(unsafe_code)]` is missing",
                lib.path
            ));
        }
    }
    check(
        found,
        "`unsafe` is for a few small modules, which are listed here: they are read with more care, \
        and run under valgrind. First ask whether the safe way is slow, with a benchmark.",
    );
}

#[test]
fn unsafe_blocks_are_argued_for() {
    let mut found = Vec::new();
    for source in sources("", &[".rs"]) {
        let lines: Vec<&str> = source.text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let code = without_comment(line);
            let is_unsafe =
                code.contains("unsafe {") || code.trim_start().starts_with("unsafe impl");
            if is_unsafe && !code.contains('"') && !is_argued_for(&lines[..index]) {
                found.push(format!("{}:{}: {}", source.path, index + 1, line.trim()));
            }
        }
    }
    check(
        found,
        "above each `unsafe` block stands `// SAFETY:` with the argument: who promised it, why it \
        still holds, what would break it.",
    );
}

/// True if the statement that goes on after these lines has a SAFETY comment above it.
fn is_argued_for(above: &[&str]) -> bool {
    let goes_on = |line: &str| {
        let line = line.trim_end();
        !line.is_empty() && ![';', '{', '}', ','].iter().any(|end| line.ends_with(*end))
    };
    let is_comment = |line: &str| line.trim_start().starts_with("//");
    let above = above.iter().rev();
    let above = above.skip_while(|line| !is_comment(line) && goes_on(line));
    above
        .take_while(|line| is_comment(line))
        .any(|line| line.contains("SAFETY:"))
}

#[test]
fn nothing_is_left_to_do() {
    let words = ["todo", "dbg", "unimplemented"].map(|word| format!("{word}!"));
    let mut found = Vec::new();
    for source in sources("", &[".rs"]) {
        // Unit tests, too.
        for (number, line) in source.lines() {
            let code = without_comment(line);
            if source.path != "tests/tidy.rs" && words.iter().any(|word| code.contains(word)) {
                found.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    check(
        found,
        "no `todo!`, `dbg!` or `unimplemented!`: what is there works, and what is not there is not \
        promised.",
    );
}

#[test]
fn no_registry_is_named() {
    // In pieces, so that this file names none either.
    let names = [
        ["index.crates", "io"],
        ["static.crates", "io"],
        ["registry.npmjs", "org"],
        ["pypi", "org"],
        ["proxy.golang", "org"],
    ]
    .map(|pieces| pieces.join("."));
    // What cargo writes for a package of the usual registry, whoever builds.
    let usual = [
        "source = \"registry+https://github",
        "com/rust-lang/crates",
        "io-index\"",
    ]
    .join(".");
    let texts = [
        ".rs", ".toml", ".lock", ".md", ".sh", ".yml", ".yaml", ".json", ".stderr", ".ci/run",
    ];
    let mut found = Vec::new();
    for source in sources("", &texts) {
        for (number, line) in source.lines() {
            let is_source = source.path.ends_with("Cargo.lock") && line.starts_with("source = ");
            let is_unusual = is_source && line != usual;
            if is_unusual || names.iter().any(|name| line.contains(name)) {
                found.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    check(
        found,
        "where packages come from is for the configuration of whoever builds, and stands in no file \
        here: a mirror's name is of no use elsewhere.",
    );
}

// Examples and papers.

/// The programs in `examples/`: name and main file.
fn examples() -> BTreeMap<String, PathBuf> {
    let folder = fs::read_dir(root().join("examples")).expect("there are examples");
    let entries = folder.flatten().map(|entry| entry.path());
    let named = entries.filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path)));
    let programs = named.filter_map(|(name, path)| {
        let candidates = [
            path.clone(),
            path.join("main.rs"),
            path.join(format!("{name}.rs")),
        ];
        let is_program = |file: &PathBuf| file.is_file() && file.extension() == Some("rs".as_ref());
        let main = candidates.into_iter().find(is_program)?;
        Some((name, main))
    });
    programs.collect()
}

#[test]
fn examples_say_what_they_show() {
    let is_silent = |path: &PathBuf| !read(path.clone()).text.starts_with("//! ");
    let silent = examples().into_values().filter(is_silent);
    check(
        silent.map(|path| path.display().to_string()).collect(),
        "the first line of an example is a `//!` doc: what it shows; then how to run it, and what to \
        try.",
    );
}

#[test]
fn examples_are_in_the_readme() {
    let Ok(readme) = fs::read_to_string(root().join("README.md")) else {
        return;
    };
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let words: BTreeSet<&str> = readme.split(|c| !is_word(c)).collect();
    let unnamed = examples()
        .into_keys()
        .filter(|name| !words.contains(name.as_str()));
    check(
        unnamed.map(|name| format!("examples/{name}")).collect(),
        "README.md names every example, for that is where a newcomer looks for them.",
    );
}

#[test]
fn links_lead_somewhere() {
    let mut found = Vec::new();
    for paper in sources("", &[".md"]) {
        let folder = root().join(&paper.path);
        let folder = folder.parent().expect("a file is in a folder").to_owned();
        for (number, line) in paper.lines() {
            for target in links(line) {
                let path = target.split('#').next().unwrap_or_default();
                let is_elsewhere = path.is_empty() || path.contains(':');
                if !is_elsewhere && !folder.join(path).exists() {
                    found.push(format!("{}:{number}: {target}", paper.path));
                }
            }
        }
    }
    check(
        found,
        "a relative link in a paper leads to a file that exists.",
    );
}

/// The targets of `[text](target)` and `[name]: target`.
fn links(line: &str) -> Vec<&str> {
    let inline = line.match_indices("](").filter_map(|(at, _)| {
        let target = &line[at + 2..];
        target.find(')').map(|end| &target[..end])
    });
    let named = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]: "));
    let named = named.and_then(|(_, target)| target.split_whitespace().next());
    inline.chain(named).collect()
}

// Versions.

#[test]
fn rust_version_is_enough_for_the_dependencies() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("there are packages");
    let by_id: HashMap<&str, &Value> = packages.iter().map(|p| (text(&p["id"]), p)).collect();
    let nodes = metadata["resolve"]["nodes"]
        .as_array()
        .expect("they are resolved");
    let nodes: HashMap<&str, &Value> = nodes.iter().map(|n| (text(&n["id"]), n)).collect();

    let members = metadata["workspace_members"]
        .as_array()
        .expect("there are members");
    let members: Vec<&str> = members.iter().map(text).collect();
    let own =
        version(&by_id[members[0]]["rust_version"]).expect("the workspace has a rust-version");
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = members;
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let package = by_id[id];
        if version(&package["rust_version"]).is_some_and(|needed| needed > own) {
            let (name, needed) = (text(&package["name"]), text(&package["rust_version"]));
            found.push(format!(
                "{name} {} needs Rust {needed}",
                text(&package["version"])
            ));
        }
        let is_normal = |dep: &&Value| {
            let kinds = dep["dep_kinds"].as_array().expect("a dependency has kinds");
            kinds.iter().any(|kind| kind["kind"].is_null())
        };
        let deps = nodes[id]["deps"]
            .as_array()
            .expect("a node has dependencies");
        open.extend(deps.iter().filter(is_normal).map(|dep| text(&dep["pkg"])));
    }
    assert!(seen.len() > 10, "the tree was read: {seen:?}");
    check(
        found,
        "the workspace's `rust-version` is not below that of any normal dependency in Cargo.lock: it \
        is a promise to whoever builds with that version. Take an older release of the dependency \
        (`cargo update -p … --precise …`), or raise `rust-version` and say so in CHANGELOG.md.",
    );
}

/// What `cargo metadata` says about the packages of this platform, without a network.
fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let rustc = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let rustc = String::from_utf8_lossy(&rustc.stdout).into_owned();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: "));
    // Packages of other platforms may not be on this machine.
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--filter-platform",
        ])
        .arg(host.expect("rustc tells its host"))
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "`cargo metadata` failed: {message}"
    );
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `1.90` is `[1, 90, 0]`.
fn version(value: &Value) -> Option<[u64; 3]> {
    let mut version = [0; 3];
    for (part, text) in version.iter_mut().zip(value.as_str()?.split('.')) {
        *part = text.parse().ok()?;
    }
    Some(version)
}
