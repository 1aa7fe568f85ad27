//! Holds the tests to the list of Tornado's assertions, `assertions.txt`.
//!
//! Each number of the list stands in the name of a test (`g43_…`, `bad_i27_…`, `g1_g3_…`), or is left
//! out there with a reason and named in the last part of `docs/tornado.md`; never both.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the tests of a letter stand: folders and files. A name with several letters stands in a place
/// of each.
const PLACES: [(char, &[&str]); 6] = [
    (
        'g',
        &[
            "tests/it/g",
            "tests/it/cancel.rs",
            "tests/it/traceback.rs",
            "tests/it/web",
        ],
    ),
    (
        'c',
        &[
            "tests/it/c",
            "tests/it/g/task.rs",
            "tests/it/i/executor.rs",
            "tests/it/cancel.rs",
            "tests/it/traceback.rs",
        ],
    ),
    // The one about a clock that goes back: no clock of a loop does, so it is a unit test.
    ('i', &["tests/it/i", "runtime/src/ioloop/periodic.rs"]),
    ('l', &["tests/it/l.rs", "tests/it/l", "tests/it/locks.rs"]),
    ('q', &["tests/it/q"]),
    // Streams, and TLS over them.
    ('t', &["tests/it/net"]),
];

/// What does not compile; a file is a test, and is named as one.
const MISTAKES: &str = "tests/ui/fail";

/// How many of the letters' assertions there are.
const COUNTS: [(char, u32); 6] = [
    ('g', 115),
    ('c', 23),
    ('i', 62),
    ('l', 33),
    ('q', 27),
    ('t', 20),
];

/// A letter and a number.
type Id = (char, u32);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `G43` or `g43`, and nothing else.
fn id(word: &str) -> Option<Id> {
    let letter = word.chars().next()?.to_ascii_lowercase();
    let digits = &word[letter.len_utf8()..];
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let is_known = is_number && COUNTS.iter().any(|(known, _)| *known == letter);
    is_known.then(|| Some((letter, digits.parse().ok()?)))?
}

fn show(ids: impl IntoIterator<Item = Id>) -> Vec<String> {
    let named = ids
        .into_iter()
        .map(|(letter, number)| format!("{}{number}", letter.to_ascii_uppercase()));
    named.collect()
}

/// The list: what is said of each, and whether it is left out.
fn list() -> BTreeMap<Id, (String, bool)> {
    let mut list = BTreeMap::new();
    for line in text("tests/assertions.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, said) = line.split_once(' ').expect("a number, then what it says");
        let id = id(word).unwrap_or_else(|| panic!("{word:?} is no number of an assertion"));
        let said = said.trim();
        let (said, left_out) = match said.strip_prefix('!') {
            Some(reason) => (reason, true),
            None => (said, false),
        };
        assert!(said.len() > 10, "{word} says nothing: {said:?}");
        let twice = list.insert(id, (said.to_owned(), left_out));
        assert!(twice.is_none(), "{word} stands in the list twice");
    }
    list
}

/// The numbers at the beginning of a test's name, past `bad_`.
fn ids_of(name: &str) -> Vec<Id> {
    let name = name.strip_prefix("bad_").unwrap_or(name);
    name.split('_').map_while(id).collect()
}

/// The names of the tests in a source: functions below a `#[test]` or `#[squall::test]`.
fn tests_of(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim_start) {
        if ["#[test]", "#[squall::test]"]
            .iter()
            .any(|attribute| line.starts_with(attribute))
        {
            is_test = true;
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
            let end = rest.find(['(', '<']).unwrap_or(rest.len());
            names.push(rest[..end].to_owned());
            is_test = false;
        }
    }
    names
}

fn files(path: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    if path.is_file() && path.to_string_lossy().ends_with(ending) {
        found.push(path.to_owned());
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        files(&entry.path(), ending, found);
    }
}

/// A test, where it stands, and the numbers in its name.
struct Test {
    path: String,
    name: String,
    ids: Vec<Id>,
}

fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    let mut add = |path: &Path, name: String| {
        let path = path.strip_prefix(root()).expect("it was found under it");
        let path = path.to_string_lossy().replace('\\', "/");
        let ids = ids_of(&name);
        tests.push(Test { path, name, ids });
    };
    let mut sources = Vec::new();
    files(&root().join("tests/it"), ".rs", &mut sources);
    files(&root().join("runtime/src"), ".rs", &mut sources);
    for path in sources {
        let source = fs::read_to_string(&path).expect("it can be read");
        for name in tests_of(&source) {
            add(&path, name);
        }
    }
    let mut mistakes = Vec::new();
    files(&root().join(MISTAKES), ".rs", &mut mistakes);
    for path in mistakes {
        let name = path
            .file_stem()
            .expect("a file has a name")
            .to_string_lossy()
            .into_owned();
        add(&path, name);
    }
    tests
}

fn stands_in_place(test: &Test) -> bool {
    let is_in = |place: &str| {
        test.path
            .strip_prefix(place)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let of_letter = |letter: char| {
        let places = PLACES.iter().filter(|(of, _)| *of == letter);
        places
            .flat_map(|(_, places)| *places)
            .any(|place| is_in(place))
    };
    is_in(MISTAKES) || test.ids.iter().all(|(letter, _)| of_letter(*letter))
}

#[track_caller]
fn check(found: Vec<String>, rule: &str) {
    assert!(
        found.is_empty(),
        "\n  {}\n\nThe rule: {rule}\n",
        found.join("\n  ")
    );
}

#[test]
fn list_is_whole() {
    let numbers: BTreeSet<Id> = list().into_keys().collect();
    let all = COUNTS
        .iter()
        .flat_map(|(letter, count)| (1..=*count).map(|n| (*letter, n)));
    assert_eq!(numbers, all.collect());
}

#[test]
fn every_assertion_has_a_test_or_is_left_out() {
    let (list, tests) = (list(), tests());
    let tested: BTreeSet<Id> = tests.iter().flat_map(|test| test.ids.clone()).collect();
    let without = list
        .iter()
        .filter(|(id, (_, left_out))| !left_out && !tested.contains(id));
    check(
        without
            .map(|(id, (said, _))| format!("{}: {said}", show([*id])[0]))
            .collect(),
        "an assertion has a test whose name begins with its number; or begins with `!` in \
        tests/assertions.txt, with the reason why it has none.",
    );
    let both = list
        .iter()
        .filter(|(id, (_, left_out))| *left_out && tested.contains(id));
    check(
        show(both.map(|(id, _)| *id)),
        "an assertion that is left out has no test; take the `!` out of tests/assertions.txt.",
    );
    let unknown = tested.into_iter().filter(|id| !list.contains_key(id));
    check(
        show(unknown),
        "a number in the name of a test is one of tests/assertions.txt.",
    );
}

#[test]
fn tests_stand_with_their_letter() {
    let strays = tests()
        .into_iter()
        .filter(|test| !test.ids.is_empty() && !stands_in_place(test));
    check(
        strays
            .map(|test| format!("{}: {}", test.path, test.name))
            .collect(),
        "a test with a number stands in a folder or file of its letter, for that is where it is \
        looked for; `PLACES` names them.",
    );
}

#[test]
fn fewer_than_a_tenth_are_left_out_and_the_paper_says_so() {
    let list = list();
    let left_out: BTreeSet<Id> = list
        .iter()
        .filter(|(_, (_, left_out))| *left_out)
        .map(|(id, _)| *id)
        .collect();
    let share = (left_out.len(), list.len());
    assert!(
        share.0 * 10 < share.1,
        "{} of {} are left out",
        share.0,
        share.1
    );
    let named = named_in_the_paper(&text("docs/tornado.md"));
    assert_eq!(
        show(named),
        show(left_out),
        "\n\nThe rule: the table in the last part of docs/tornado.md names what \
        tests/assertions.txt leaves out, and nothing else.\n"
    );
}

/// The numbers in the first column of the last part's table; `G1 – G3` is three of them.
fn named_in_the_paper(paper: &str) -> BTreeSet<Id> {
    let (_, last) = paper.rsplit_once("\n## ").expect("the paper has parts");
    let mut named = BTreeSet::new();
    for row in last.lines().filter_map(|line| line.strip_prefix("| ")) {
        let cell = row.split('|').next().unwrap_or_default();
        for range in cell.split(',') {
            let mut ends = range.split('–').filter_map(|end| id(end.trim()));
            let Some(first) = ends.next() else { continue };
            let last = ends.next().unwrap_or(first);
            named.extend((first.1..=last.1).map(|number| (first.0, number)));
        }
    }
    named
}

// The paper's names.

#[test]
fn names_that_the_paper_gives_exist() {
    let mut sources = Vec::new();
    for folder in ["runtime/src", "macros/src", "web/src", "examples"] {
        files(&root().join(folder), ".rs", &mut sources);
    }
    let texts = sources
        .iter()
        .map(|path| fs::read_to_string(path).expect("it can be read"));
    let texts: Vec<String> = texts.collect();
    let known: BTreeSet<&str> = texts.iter().flat_map(|text| words(text)).collect();
    let paper = text("docs/tornado.md");
    let (paper, _) = paper.rsplit_once("\n## ").expect("the paper has parts");
    let mut found = Vec::new();
    for row in paper.lines().filter(|line| line.starts_with("| ")) {
        let given = row.split(" | ").nth(1).unwrap_or_default();
        // Every other piece stands between backticks.
        for name in given
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| !name.starts_with("std::"))
        {
            let unknown = words(name).find(|word| word.len() > 3 && !known.contains(word));
            found.extend(unknown.map(|word| format!("{word} in {row}")));
        }
    }
    check(
        found,
        "what docs/tornado.md has for a name of Tornado's is there: its words stand in the sources.",
    );
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

// The reading itself.

#[test]
fn names_are_read() {
    assert_eq!(
        ids_of("g1_g3_g11_a_coroutine"),
        [('g', 1), ('g', 3), ('g', 11)]
    );
    assert_eq!(ids_of("bad_i27_start_inside"), [('i', 27)]);
    assert_eq!(ids_of("g_does_not_count_1"), []);
    assert_eq!(ids_of("a_g1_in_the_middle"), []);
    let source =
        "#[squall::test]\n#[should_panic]\nfn one() {\n    fn two() {}\n}\nfn three() {}\n";
    assert_eq!(tests_of(source), ["one"]);
}

#[test]
fn paper_is_read() {
    let paper = "## First\n| G9 |\n## Last\n| rule | about |\n| G1, G3 – G5 | x |\n| L2 | G7 |\n";
    let want = [('g', 1), ('g', 3), ('g', 4), ('g', 5), ('l', 2)];
    assert_eq!(named_in_the_paper(paper), BTreeSet::from(want));
}
