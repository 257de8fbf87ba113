//! What must be tried, and by what: every decoder by a fuzz target, every attack on seals by a vector.
//!
//! The lists are read from the sources and from `docs/spec/vectors.md`, so that a new decoder without a target
//! fails here. Not here: whether they pass (`tests/fuzz/run.sh`, `vectors.rs`).
#![allow(clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

use chancery_tests::vectors::{self, Case};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

/// Returns each public decoder as targets call it: `Type::function`, or `module::function` for a free one.
fn decoders(file: &Path) -> Vec<String> {
    let module = file.file_stem().and_then(|stem| stem.to_str()).expect("UTF-8");
    let (mut owner, mut found) = (module.to_owned(), Vec::new());
    for line in read(file).lines() {
        if line == "}" {
            module.clone_into(&mut owner);
        }
        if let Some(named) = line.strip_prefix("impl") {
            // `impl<'a, const N: usize> Ids<'a, N> {` is about Ids.
            let named = if named.starts_with('<') {
                named.split_once("> ").map_or("", |(_, rest)| rest)
            } else {
                named
            };
            owner = named.trim().split(['<', ' ']).next().unwrap_or_default().to_owned();
        }
        let signature = line.trim_start().strip_prefix("pub fn ").unwrap_or_default();
        let name = signature.split(['(', '<']).next().unwrap_or_default();
        if name == "scan" || name.starts_with("decode") {
            found.push(format!("{owner}::{name}"));
        }
    }
    found
}

#[test]
fn every_decoder_has_a_fuzz_target() {
    let targets: String =
        rust_files(&root().join("tests/fuzz/targets")).iter().map(|file| read(file)).collect();
    let targets = targets.replace("::<16>", "");
    let folders = ["formats/src", "verifier/src"].map(|folder| rust_files(&root().join(folder)));
    let decoders: Vec<String> = folders.iter().flatten().flat_map(|file| decoders(file)).collect();
    assert!(decoders.len() >= 25, "only {decoders:?} found");
    let called = |decoder: &&String| {
        let function = decoder.split("::").last().unwrap_or_default();
        // The names of these two tell what they decode, so targets import them alone.
        let alone = ["scan", "decode_qr"].contains(&function) && targets.contains(&format!(" {function}("));
        alone || targets.contains(&format!("{decoder}("))
    };
    let missing: Vec<_> = decoders.iter().filter(|decoder| !called(decoder)).collect();
    assert!(missing.is_empty(), "no file in tests/fuzz/targets calls {missing:?}");
}

/// A row of the table: the attack, what refuses it, and the cases that try it, each with its file.
struct Row {
    attack: String,
    cases: Vec<(String, String, String)>,
}

/// Reads `| attack | code | file: case; case |`; a code or a file stands until the next.
fn rows() -> Vec<Row> {
    let page = read(&root().join("docs/spec/vectors.md"));
    let lines = page.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [attack, cases] = cells[..] else { panic!("two cells: {line}") };
        let mut found = Vec::new();
        for part in cases.split("<br>") {
            let (place, names) = part.trim().split_once(": ").expect("code in file: cases");
            let (code, file) = place.split_once(" in ").expect("code in file");
            let names = names.split("; ").map(str::trim);
            found.extend(names.map(|name| (code.trim_matches('`').into(), file.into(), name.into())));
        }
        Row { attack: attack.into(), cases: found }
    };
    lines.map(row).collect()
}

#[test]
fn every_attack_of_the_page_is_refused_by_its_vectors() {
    let rows = rows();
    assert!(rows.len() >= 17, "only {} attacks were read", rows.len());
    for Row { attack, cases } in &rows {
        assert!(!cases.is_empty(), "{attack}");
        for (code, file, name) in cases {
            let path = vectors::folder().join(format!("{file}.json"));
            let found: Vec<Case> = serde_json::from_str(&read(&path)).expect("cases");
            let case = found.into_iter().find(|case| case.name == *name);
            let case = case.unwrap_or_else(|| panic!("{attack}: {file} has no case {name:?}"));
            assert_eq!(case.expect, *code, "{attack}: {name}");
        }
    }
}
