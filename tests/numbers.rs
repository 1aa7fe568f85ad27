//! Holds the tests to the numbered cases of Tornado's HTTP behaviour, `data/http_cases.txt` (H) and
//! `data/numbers.txt` (U, S, X), as `assertions.rs` does to its assertions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A letter and a number.
type Id = (char, u32);

/// How many of the letters' cases there are.
const COUNTS: [(char, u32); 4] = [('H', 272), ('S', 32), ('U', 22), ('X', 52)];

/// Where tests stand. Of a source with code only what follows its `#[cfg(test)]` counts.
const PLACES: [&str; 5] = [
    "tests/it/client",
    "tests/it/https",
    "tests/it/web",
    "tests/data",
    "web/src",
];

const LIST: &str = "tests/data/numbers.txt";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `U10`, and nothing else.
fn id(word: &str) -> Option<Id> {
    let letter = word.chars().next()?;
    let (_, count) = COUNTS.iter().find(|(known, _)| *known == letter)?;
    let digits = &word[1..];
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    let number = digits.parse().ok().filter(|_| is_plain)?;
    (1..=*count).contains(&number).then_some((letter, number))
}

fn ids(text: &str) -> impl Iterator<Item = Id> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter_map(id)
}

/// The numbers that a file's tests name: in comments, or first in a line of data.
fn named(path: &Path, text: &str) -> BTreeSet<Id> {
    if path.extension().is_some_and(|end| end == "txt") {
        let first = |line: &str| ids(line.split([' ', '-']).next().unwrap_or_default()).next();
        return text.lines().filter_map(first).collect();
    }
    let is_source = path.starts_with(root().join("web/src")) && !path.ends_with("tests.rs");
    let tests = match is_source {
        true => text
            .split_once("#[cfg(test)]")
            .map_or("", |(_, tests)| tests),
        false => text,
    };
    let comments = tests.lines().filter_map(|line| line.split_once("//"));
    comments.flat_map(|(_, comment)| ids(comment)).collect()
}

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_file() {
        found.push(path.to_owned());
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        files(&entry.path(), found);
    }
}

/// The list: of each number what it says, or why there is no test.
fn list() -> BTreeMap<Id, String> {
    let text = text(&root().join(LIST));
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut list = BTreeMap::new();
    for line in lines {
        let (word, said) = line.split_once(' ').expect("a number, then what it says");
        let id = id(word).unwrap_or_else(|| panic!("{word:?} is no number of a case"));
        assert!(said.trim().len() > 10, "{word} says nothing: {said:?}");
        let twice = list.insert(id, said.trim().to_owned());
        assert!(twice.is_none(), "{word} stands in the list twice");
    }
    list
}

#[test]
fn every_case_has_a_test_or_a_reason() {
    let mut paths = Vec::new();
    for place in PLACES {
        files(&root().join(place), &mut paths);
    }
    paths.retain(|path| !path.ends_with(LIST));
    assert!(paths.len() > 20, "the places are where they were");
    let tested: BTreeSet<Id> = (paths.iter())
        .flat_map(|path| named(path, &text(path)))
        .collect();
    let list = list();
    let all = (COUNTS.iter()).flat_map(|(letter, count)| (1..=*count).map(|n| (*letter, n)));
    let mut wrong = Vec::new();
    for id in all {
        let said = list.get(&id).map_or("", |said| said);
        let is_tested = tested.contains(&id);
        let problem = match said {
            "" if id.0 != 'H' => "is not in the list",
            _ if said.starts_with("!later ") => continue,
            _ if said.starts_with('!') && is_tested => "has a test: take its `!` out",
            _ if said.starts_with('!') || is_tested => continue,
            _ => "has no test",
        };
        wrong.push(format!("{}{} {problem} {said}", id.0, id.1));
    }
    assert!(
        wrong.is_empty(),
        "\n  {}\n\nThe rule: a test names its cases in a comment, a line of data begins with one; or \
         {LIST} says why there is none.\n",
        wrong.join("\n  ")
    );
}

#[test]
fn names_are_read() {
    let path = root().join("tests/it/web/some.rs");
    let source = "let x = S9; // S2, and U10: S99 are none, XU3 and H07 neither\nfn u1() {}";
    assert_eq!(named(&path, source), BTreeSet::from([('S', 2), ('U', 10)]));
    let path = root().join("web/src/some.rs");
    let source = "// S1\n#[cfg(test)]\n// S2";
    assert_eq!(named(&path, source), BTreeSet::from([('S', 2)]));
    let path = root().join("tests/data/some.txt");
    let data = "H1 one\nS11-list | GET\n> U1\n";
    assert_eq!(named(&path, data), BTreeSet::from([('H', 1), ('S', 11)]));
}
