//! The page at the beginning of the crate says which file holds which rule: it has to be right.

use std::collections::BTreeSet;
use std::path::Path;

const PAGE: &str = include_str!("../../src/lib.rs");

/// What the reference page of thresholds has a line for.
const LINES: [&str; 16] = [
    "BP high (watch)",
    "BP grade 3, crisis, low",
    "BP drop after standing",
    "cuff flags: unreliable",
    "cuff flags: irregular pulse",
    "heart rate",
    "SpO2",
    "temperature",
    "NEWS2 total",
    "NEWS2, else single parameters",
    "fall",
    "SOS",
    "silence",
    "mass silence (cell: the community; carrier)",
    "fence",
    "wandering",
];

/// Rows of the table: what, and the files that it names.
fn rows() -> Vec<(String, Vec<String>)> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("//! | ")).skip(2);
    let row = |line: &str| {
        let mut cells = line.split(" | ");
        let (what, file) = (cells.next().unwrap(), cells.next().unwrap());
        let files = file.split('`').filter(|word| word.ends_with(".rs")).map(str::to_owned).collect();
        (what.trim().to_owned(), files)
    };
    rows.map(row).collect()
}

#[test]
fn every_line_of_the_reference_has_a_row_and_every_row_a_file() {
    let (rows, folder) = (rows(), Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for line in LINES {
        assert!(rows.iter().any(|(what, files)| what == line && !files.is_empty()), "{line}");
    }
    let named: BTreeSet<&String> = rows.iter().flat_map(|(_, files)| files).collect();
    for file in &named {
        assert!(folder.join(file).exists(), "{file}");
    }
    // And every file that is a rule stands there.
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_rule = path.is_file() && std::fs::read_to_string(&path).unwrap().contains("const RULE: ");
        assert!(!is_rule || named.contains(&name), "{name} is a rule and not in the table");
    }
}
