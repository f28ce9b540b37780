//! The arrows of ARCHITECTURE.md, checked: which crate may depend on which, which part belongs to which crate,
//! what the pure crates must not even reach, and where the wall clock may be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// Which crates of the house each crate may depend on: dev-dependencies included, absence meant.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("ingest", &["model"]),
    ("geofence", &["model"]),
    ("rules", &["model"]),
    ("alerting", &["model"]),
    ("casework", &["model"]),
    ("scheduling", &[]),
    ("broker", &["model", "scheduling"]),
    ("store", &["model", "scheduling"]),
    ("channels", &["model"]),
    ("api", &["model", "store"]),
    (
        "engine",
        &[
            "model",
            "scheduling",
            "ingest",
            "geofence",
            "rules",
            "alerting",
            "casework",
            "broker",
            "store",
            "channels",
            "api",
        ],
    ),
    ("simulator", &["engine", "model"]),
    ("yinling", &["engine", "simulator", "model", "scheduling"]),
    ("benches", &["engine", "simulator", "ingest", "geofence", "model", "store", "scheduling"]),
];

/// The crates that decide: no runtime, clock, randomness, files or sockets, and no knowledge of each other.
const PURE: &[&str] = &["model", "ingest", "geofence", "rules", "alerting", "casework"];

/// Crates that wait, ask the time, throw dice, or touch the world. None of them is reachable from a pure crate.
const WORLDLY: &[&str] = &[
    "async-io",
    "async-std",
    "axum",
    "crossbeam-channel",
    "fastrand",
    "figment",
    "fs2",
    "getrandom",
    "hyper",
    "iana-time-zone",
    "lettre",
    "metrics",
    "mio",
    "native-tls",
    "notify",
    "parking_lot",
    "polling",
    "rand",
    "reqwest",
    "rumqttc",
    "rumqttd",
    "rusqlite",
    "rustls",
    "sled",
    "smol",
    "socket2",
    "tempfile",
    "time",
    "tokio",
    "tokio-util",
    "tracing",
    "uuid",
    "walkdir",
    "web-time",
];

/// Arrows of other people's crates that lead to a worldly one without reaching the world, and why.
const HARMLESS: &[(&str, &str, &str)] =
    &[("geo", "rand", "geo's random-point helpers, generators without any source of entropy: getrandom stays away")];

/// Parts that only these crates hold, so that a successor costs a day.
const KEPT_BY: &[(&str, &[&str])] = &[
    ("argon2", &["engine"]),
    ("axum", &["api", "simulator"]),
    ("clap", &["yinling", "simulator", "benches"]),
    ("figment", &["engine"]),
    ("geo", &["geofence"]),
    ("lettre", &["channels"]),
    ("rcgen", &["engine"]),
    ("reqwest", &["channels", "simulator", "yinling"]),
    ("ring", &["engine"]),
    ("rumqttc", &["broker", "simulator", "benches"]),
    ("rumqttd", &["broker", "benches"]),
    ("sled", &["store"]),
    ("tokio-rustls", &["api", "broker", "engine"]),
];

/// What pure code does not say. (`std::time::Duration` is a length, not a clock.)
const WORLDLY_WORDS: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::env",
    "std::os",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "thread_local!",
    "static mut",
    "RandomState",
    "HashMap::new(",
    "HashSet::new(",
];

/// What we ship for; without a platform Cargo would fetch other systems' crates, too.
const OPTIONS: [&str; 3] = ["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"];

struct House {
    metadata: Metadata,
}

impl House {
    fn read() -> House {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
        let metadata = MetadataCommand::new().manifest_path(manifest).other_options(OPTIONS.map(str::to_owned)).exec();
        House { metadata: metadata.unwrap() }
    }

    fn crates(&self) -> impl Iterator<Item = &Package> {
        self.metadata.workspace_packages().into_iter()
    }

    fn package(&self, id: &PackageId) -> &Package {
        self.metadata.packages.iter().find(|p| p.id == *id).unwrap()
    }

    /// Name and id of what a package depends on, by these kinds.
    fn neighbours(&self, id: &PackageId, kinds: &[DependencyKind]) -> Vec<(&str, &PackageId)> {
        let nodes = &self.metadata.resolve.as_ref().unwrap().nodes;
        let node = nodes.iter().find(|n| n.id == *id).unwrap();
        let wanted = node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kinds.contains(&kind.kind)));
        wanted.map(|dep| (self.package(&dep.pkg).name.as_str(), &dep.pkg)).collect()
    }

    fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Every Rust file of a crate below one of its folders.
    fn sources(&self, package: &Package, folder: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect_sources(&package.manifest_path.parent().unwrap().as_std_path().join(folder), &mut found);
        found
    }
}

fn collect_sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect_sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// A file's lines without line comments, numbered from 1.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

#[test]
fn every_crate_depends_only_on_what_the_map_allows() {
    let house = House::read();
    let names: BTreeSet<&str> = house.crates().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ARROWS.iter().map(|(name, _)| *name).collect(), "the map and the workspace name the same crates");
    let every_kind = [DependencyKind::Normal, DependencyKind::Build, DependencyKind::Development];
    let mut faults = Vec::new();
    for (name, allowed) in ARROWS {
        let package = house.crates().find(|p| p.name.as_str() == *name).unwrap();
        for (neighbour, _) in house.neighbours(&package.id, &every_kind) {
            if names.contains(neighbour) && !allowed.contains(&neighbour) {
                faults.push(format!("{name} -> {neighbour}"));
            }
        }
        let folder = package.manifest_path.parent().unwrap().as_std_path();
        assert_eq!(folder, house.root().join(name), "folders are flat at the root and named as the crates");
    }
    assert!(faults.is_empty(), "arrows that ARCHITECTURE.md does not draw: {faults:#?}");
}

#[test]
fn pure_crates_reach_neither_clock_nor_dice_nor_files_nor_sockets() {
    let house = House::read();
    let mut faults = Vec::new();
    for name in PURE {
        let start = house.crates().find(|p| p.name.as_str() == *name).unwrap();
        // Breadth first, with the way that led there, so that the message names the arrow to cut.
        let mut ways: BTreeMap<&PackageId, String> = BTreeMap::from([(&start.id, (*name).to_owned())]);
        let mut queue = vec![&start.id];
        while let Some(at) = queue.pop() {
            let from = house.package(at).name.as_str();
            for (neighbour, id) in house.neighbours(at, &[DependencyKind::Normal, DependencyKind::Build]) {
                if ways.contains_key(id) || HARMLESS.iter().any(|(a, b, _)| *a == from && *b == neighbour) {
                    continue;
                }
                let way = format!("{} -> {neighbour}", ways[at]);
                if WORLDLY.contains(&neighbour) {
                    faults.push(way.clone());
                }
                ways.insert(id, way);
                queue.push(id);
            }
        }
    }
    assert!(faults.is_empty(), "a pure crate reaches the world: {faults:#?}");
}

#[test]
fn pure_sources_do_not_speak_of_the_world() {
    let house = House::read();
    let mut faults = Vec::new();
    for name in PURE {
        let package = house.crates().find(|p| p.name.as_str() == *name).unwrap();
        for file in house.sources(package, "src") {
            let text = fs::read_to_string(&file).unwrap();
            // Tests stand at the end of a file and may read golden files.
            let text = text.split("#[cfg(test)]").next().unwrap();
            for (number, line) in code_lines(text) {
                let found = WORLDLY_WORDS.iter().find(|word| line.contains(**word));
                faults.extend(found.map(|word| format!("{}:{number}: {word}", file.display())));
            }
        }
    }
    assert!(faults.is_empty(), "pure code speaks of the world: {faults:#?}");
}

/// What is kept is `store`'s, or the engine's; who speaks to the outside is handed it.
#[test]
fn the_edges_know_no_files() {
    let house = House::read();
    let mut faults = Vec::new();
    for name in ["broker", "channels"] {
        let package = house.crates().find(|p| p.name.as_str() == name).unwrap();
        for file in house.sources(package, "src") {
            let text = fs::read_to_string(&file).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            let speaks = |line: &str| ["std::fs", "tokio::fs", "OpenOptions"].iter().any(|word| line.contains(word));
            let spoken = code_lines(text).filter(|(_, line)| speaks(line));
            faults.extend(spoken.map(|(number, line)| format!("{}:{number}: {line}", file.display())));
        }
    }
    assert!(faults.is_empty(), "files are read or written in the wrong room: {faults:#?}");
}

#[test]
fn each_part_is_held_by_the_crates_that_the_map_names() {
    let house = House::read();
    let mut faults = Vec::new();
    for package in house.crates() {
        for (neighbour, _) in house.neighbours(&package.id, &[DependencyKind::Normal, DependencyKind::Build]) {
            let kept = KEPT_BY.iter().find(|(part, _)| *part == neighbour);
            if kept.is_some_and(|(_, keepers)| !keepers.contains(&package.name.as_str())) {
                faults.push(format!("{} -> {neighbour}", package.name));
            }
        }
    }
    assert!(faults.is_empty(), "parts in rooms where they do not belong: {faults:#?}");
}

#[test]
fn there_is_no_common_and_no_utils() {
    let house = House::read();
    let shunned = ["common", "util", "utils", "helper", "helpers", "misc"];
    for package in house.crates() {
        assert!(!shunned.contains(&package.name.as_str()), "{} has no meaning of its own", package.name);
        for file in house.sources(package, "src") {
            let stem = file.file_stem().unwrap().to_str().unwrap();
            assert!(!shunned.contains(&stem), "{} has no meaning of its own", file.display());
        }
    }
}

#[test]
fn only_the_clock_reads_the_wall_clock() {
    let house = House::read();
    let clock = house.root().join("engine/src/clock.rs");
    // Spelled in two halves, so that this file does not name them itself.
    let needles = [["SystemTime", "::now"], ["Utc", "::now"], ["Local", "::now"], ["UNIX_EPOCH", ".elapsed"]];
    let needles = needles.map(|halves| halves.concat());
    let mut faults = Vec::new();
    for package in house.crates() {
        for file in ["src", "tests", "benches", "examples"].iter().flat_map(|folder| house.sources(package, folder)) {
            if file == clock {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            for (number, line) in code_lines(&text) {
                if needles.iter().any(|needle| line.contains(needle)) {
                    faults.push(format!("{}:{number}", file.display()));
                }
            }
        }
    }
    assert!(clock.exists(), "{} moved; move this test with it", clock.display());
    assert!(faults.is_empty(), "the wall clock is read outside engine/src/clock.rs: {faults:#?}");
}

#[test]
fn every_licence_is_on_the_list() {
    let house = House::read();
    let text = fs::read_to_string(house.root().join("deny.toml")).unwrap();
    let deny: toml::Value = toml::from_str(&text).unwrap();
    let allowed = deny["licenses"]["allow"].as_array().unwrap();
    let allowed: BTreeSet<&str> = allowed.iter().filter_map(toml::Value::as_str).collect();
    let mut faults = Vec::new();
    for package in &house.metadata.packages {
        let licence = package.license.as_deref().unwrap_or("none");
        if !is_allowed(licence, &allowed) {
            faults.push(format!("{} {}: {licence}", package.name, package.version));
        }
    }
    assert!(faults.is_empty(), "licences that deny.toml does not list: {faults:#?}");
}

/// Evaluates an SPDX expression: OR binds weaker than AND, parentheses group, an old slash means OR.
fn is_allowed(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ").replace(" WITH ", "~");
    let mut words = spaced.split_whitespace().peekable();
    any_of(&mut words, allowed)
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    let mut result = all_of(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        result |= all_of(words, allowed);
    }
    result
}

fn all_of(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    let mut result = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        result &= one(words, allowed);
    }
    result
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    match words.next() {
        Some("(") => {
            let inner = any_of(words, allowed);
            words.next_if_eq(&")");
            inner
        }
        Some(name) => allowed.contains(name.replace('~', " WITH ").as_str()),
        None => false,
    }
}

#[test]
fn a_licence_expression_is_read_as_spdx_has_it() {
    let allowed = BTreeSet::from(["MIT", "BSD-3-Clause", "Apache-2.0 WITH LLVM-exception"]);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("MIT/Apache-2.0", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR MIT) AND BSD-3-Clause", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn every_part_has_its_line_in_the_record() {
    let house = House::read();
    let manifest: toml::Value = toml::from_str(&fs::read_to_string(house.root().join("Cargo.toml")).unwrap()).unwrap();
    let record = fs::read_to_string(house.root().join("docs/decisions/0006-parts-we-take.md")).unwrap();
    let parts = manifest["workspace"]["dependencies"].as_table().unwrap();
    let theirs = parts.iter().filter(|(_, value)| value.get("path").is_none());
    let taken: BTreeSet<&str> = theirs.map(|(name, _)| name.as_str()).collect();
    let rows = record.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let recorded: BTreeSet<&str> = rows.collect();
    let missing: Vec<&&str> = taken.difference(&recorded).collect();
    assert!(missing.is_empty(), "say in docs/decisions/0006-parts-we-take.md what these replace: {missing:?}");
    let gone: Vec<&&str> = recorded.difference(&taken).collect();
    assert!(gone.is_empty(), "docs/decisions/0006-parts-we-take.md lists what is not taken any more: {gone:?}");
}

#[test]
fn the_map_stays_a_map() {
    let house = House::read();
    let text = fs::read_to_string(house.root().join("ARCHITECTURE.md")).unwrap();
    assert!(text.lines().count() <= 200, "ARCHITECTURE.md has {} lines, at most 200", text.lines().count());
    for (name, _) in ARROWS {
        assert!(text.contains(&format!("`{name}`")), "ARCHITECTURE.md does not place `{name}`");
    }
}
