//! The properties, on the corpus and on what was found before.

use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

#[test]
fn properties_hold_of_the_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let folders = files(&corpus);
    let names: Vec<&str> = (folders.iter())
        .map(|folder| folder.file_name().expect("a name").to_str().expect("text"))
        .collect();
    let targets = squall_properties::ALL.map(|(name, _)| name);
    assert_eq!(names, targets, "a folder of the corpus for each target");
    for ((_, property), folder) in squall_properties::ALL.iter().zip(&folders) {
        let files = files(folder);
        assert!(files.len() >= 20, "{folder:?} has {} files", files.len());
        for file in files {
            let data = fs::read(&file).expect("a file");
            let held = std::panic::catch_unwind(|| property(&data));
            assert!(
                held.is_ok(),
                "the property does not hold of {}",
                file.display()
            );
        }
    }
}
