//! The architecture, as far as a test can hold it: who depends on whom and on what, what the root folder
//! holds, that every test runs, and what no source file may contain.
//!
//! The lists under `tests/architecture/` name every package that a crate draws in. A new one is a deliberate
//! act: `CHANCERY_BLESS=1 cargo test -p chancery-tests --test architecture` writes them anew. Not here: what the
//! compiler and clippy hold already.
#![allow(clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Each list: its file, and what `cargo tree` is asked.
const LISTS: [(&str, &[&str]); 12] = [
    ("formats", &["-p", "chancery-formats"]),
    ("carriers", &["-p", "chancery-carriers"]),
    ("carriers-photos", &["-p", "chancery-carriers", "--features", "photos"]),
    ("verifier", &["-p", "chancery-verifier"]),
    ("verifier-std", &["-p", "chancery-verifier", "--features", "std"]),
    ("site", &["-p", "chancery-site"]),
    ("hsm-config", &["-p", "chancery-hsm-config", "--no-default-features"]),
    (
        "hsm-config-conformance",
        &["-p", "chancery-hsm-config", "--no-default-features", "--features", "conformance"],
    ),
    (
        "hsm-config-attestation",
        &["-p", "chancery-hsm-config", "--no-default-features", "--features", "attestation"],
    ),
    ("hsm-config-piv", &["-p", "chancery-hsm-config", "--no-default-features", "--features", "piv"]),
    ("hsm-config-pkcs11", &["-p", "chancery-hsm-config", "--no-default-features", "--features", "pkcs11"]),
    ("hsm-config-yubihsm", &["-p", "chancery-hsm-config", "--no-default-features", "--features", "yubihsm"]),
];

/// The lists are those of one platform, so that they are the same wherever they are compared.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Packages that would give a product's library a socket, a database or a command line. A blessed list
/// does not excuse them.
const FORBIDDEN: [(&str, &[&str]); 4] = [
    (
        "formats",
        &["clap", "getrandom", "libsqlite3-sys", "rand_core", "rusqlite", "rustix", "serde", "tokio"],
    ),
    ("verifier", &["clap", "getrandom", "libsqlite3-sys", "rusqlite", "rustix", "socket2", "tokio"]),
    ("verifier-std", &["clap", "getrandom", "libsqlite3-sys", "rusqlite", "socket2", "tokio"]),
    (
        "site",
        &["hyper", "libsqlite3-sys", "minreq", "reqwest", "rusqlite", "rustls", "socket2", "tokio", "ureq"],
    ),
];

/// Which of our crates each may use (DESIGN §2). A crate that stands nowhere here is not ours yet.
const DIRECTION: [(&str, &[&str]); 7] = [
    ("chancery-formats", &[]),
    ("chancery-carriers", &["chancery-formats"]),
    ("chancery-hsm-config", &["chancery-formats"]),
    ("chancery-verifier", &["chancery-formats"]),
    ("chancery-site", &["chancery-carriers", "chancery-formats", "chancery-hsm-config", "chancery-verifier"]),
    (
        "chancery-authority",
        &["chancery-carriers", "chancery-formats", "chancery-hsm-config", "chancery-verifier"],
    ),
    (
        "chancery-tests",
        &[
            "chancery-authority",
            "chancery-carriers",
            "chancery-formats",
            "chancery-hsm-config",
            "chancery-site",
            "chancery-verifier",
        ],
    ),
];

/// What the root folder holds, dotfiles aside; `target` is cargo's own.
const ROOT: [&str; 9] = [
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "authority",
    "docs",
    "formats",
    "hsm-config",
    "tests",
    "verifier",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new("cargo")
        .args(arguments)
        .args(["--offline", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo on the PATH");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn packages(manifest: &Path) -> Vec<Value> {
    let manifest = manifest.to_str().expect("UTF-8");
    let text = cargo(&["metadata", "--no-deps", "--format-version", "1", "--manifest-path", manifest]);
    let metadata: Value = serde_json::from_str(&text).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// Every package that cargo would link, with its version and without paths, which differ by machine.
fn tree(arguments: &[&str]) -> String {
    let asked = ["tree", "-e", "normal", "--prefix", "none", "--format", "{p}", "--target", TARGET];
    let text = cargo(&[&asked, arguments].concat());
    let names: BTreeSet<&str> = text
        .lines()
        .map(|line| line.split(" (").next().unwrap_or(line))
        .filter(|name| !name.is_empty())
        .collect();
    names.into_iter().map(|name| format!("{name}\n")).collect()
}

#[test]
fn dependencies_are_those_of_the_committed_lists() {
    let folder = root().join("tests/architecture");
    let bless = std::env::var_os("CHANCERY_BLESS").is_some();
    for (name, arguments) in LISTS {
        let file = folder.join(format!("{name}.txt"));
        let found = tree(arguments);
        if bless {
            fs::write(&file, &found).expect("the list is written");
        }
        let committed = fs::read_to_string(&file).unwrap_or_default();
        let set = |text: &str| text.lines().map(String::from).collect::<BTreeSet<_>>();
        let (committed, found) = (set(&committed), set(&found));
        let new: Vec<_> = found.difference(&committed).collect();
        let gone: Vec<_> = committed.difference(&found).collect();
        assert!(new.is_empty() && gone.is_empty(), "{name}: new {new:?}, gone {gone:?}");
        for (list, forbidden) in FORBIDDEN.iter().filter(|(list, _)| *list == name) {
            let names: BTreeSet<&str> = found.iter().filter_map(|line| line.split(' ').next()).collect();
            let met: Vec<_> = forbidden.iter().filter(|package| names.contains(**package)).collect();
            assert!(met.is_empty(), "{list} draws in {met:?}");
        }
    }
    let names: BTreeSet<String> = LISTS.iter().map(|(name, _)| format!("{name}.txt")).collect();
    let files = fs::read_dir(folder).expect("the lists");
    let files: BTreeSet<String> =
        files.map(|file| file.expect("a file").file_name().into_string().expect("UTF-8")).collect();
    assert_eq!(files, names);
}

#[test]
fn crates_use_each_other_in_one_direction() {
    let allowed: BTreeMap<&str, &[&str]> = DIRECTION.into_iter().collect();
    let packages = packages(&root().join("Cargo.toml"));
    assert_eq!(packages.len(), allowed.len(), "a crate is missing here or in the workspace");
    for package in &packages {
        let name = package["name"].as_str().expect("a name");
        let allowed = allowed.get(name).unwrap_or_else(|| panic!("{name} stands nowhere in DIRECTION"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let on = dependency["name"].as_str().expect("a name");
            // A package may name itself for its own tests, to switch a feature on.
            let itself = on == name && dependency["kind"] == "dev";
            if on.starts_with("chancery-") && !itself {
                assert!(allowed.contains(&on), "{name} may not use {on}");
            }
        }
    }
}

#[test]
fn libraries_of_products_are_no_std_and_safe() {
    for (file, no_std) in [
        ("formats/src/lib.rs", "#![no_std]"),
        ("verifier/src/lib.rs", "#![cfg_attr(not(feature = \"std\"), no_std)]"),
    ] {
        let text = fs::read_to_string(root().join(file)).expect("a library");
        assert!(text.lines().any(|line| line == no_std), "{file}");
        assert!(text.lines().any(|line| line == "#![forbid(unsafe_code)]"), "{file}");
    }
}

#[test]
fn one_function_decides() {
    let defines = |file: &PathBuf| read(file).contains("fn decide(");
    let found: Vec<_> = sources().into_iter().filter(defines).map(|file| relative(&file)).collect();
    assert_eq!(found, ["verifier/src/decision.rs"]);
}

#[test]
fn only_the_repository_speaks_to_the_database() {
    let speaks = |file: &PathBuf| relative(file).starts_with("authority/") && read(file).contains("rusqlite");
    let found: Vec<_> = sources().into_iter().filter(speaks).map(|file| relative(&file)).collect();
    assert!(!found.is_empty(), "the repository itself does");
    let outside: Vec<_> = found.iter().filter(|file| !file.starts_with("authority/src/repository")).collect();
    assert!(outside.is_empty(), "{outside:?}");
}

#[test]
fn the_root_folder_holds_what_it_should() {
    let entries = fs::read_dir(root()).expect("the root folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    let names: BTreeSet<String> = names.filter(|name| !name.starts_with('.') && name != "target").collect();
    assert_eq!(names, ROOT.map(String::from).into());
}

#[test]
fn every_test_file_is_named_by_a_manifest() {
    let manifests: Vec<_> = walk(root()).into_iter().filter(|file| file.ends_with("Cargo.toml")).collect();
    let mut checked = 0;
    for manifest in &manifests {
        for package in packages(manifest) {
            let targets = package["targets"].as_array().expect("targets");
            let named: BTreeSet<PathBuf> =
                targets.iter().map(|target| target["src_path"].as_str().expect("a path").into()).collect();
            let own = PathBuf::from(package["manifest_path"].as_str().expect("a path"));
            let folder = own.parent().expect("a folder");
            // The package of the tests keeps them beside its manifest, others in the usual folders.
            let beside = folder == root().join("tests");
            for place in [folder.join("tests"), folder.join("benches"), folder.join("targets")]
                .into_iter()
                .chain(beside.then(|| folder.to_path_buf()))
            {
                for file in files_in(&place).into_iter().filter(|file| is_rust(file)) {
                    assert!(named.contains(&file), "{} is named by no manifest", relative(&file));
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 8, "only {checked} test files found");
}

#[test]
fn every_source_file_is_a_module_of_its_parent() {
    for file in sources() {
        let name = file.file_stem().and_then(|stem| stem.to_str()).expect("UTF-8");
        let folder = file.parent().expect("a folder");
        if ["lib", "main"].contains(&name) || folder.ends_with("src/bin") {
            continue;
        }
        let parents = match folder.ends_with("src") {
            true => vec![folder.join("lib.rs"), folder.join("main.rs")],
            false => vec![folder.with_extension("rs")],
        };
        let declared = |parent: &PathBuf| {
            let text = fs::read_to_string(parent).unwrap_or_default();
            text.lines().any(|line| line.trim_end().ends_with(&format!("mod {name};")))
        };
        assert!(parents.iter().any(declared), "{} is compiled by nobody", relative(&file));
    }
}

#[test]
fn every_unwrap_gives_its_reason() {
    for file in sources().into_iter().filter(|file| !relative(file).starts_with("tests/")) {
        let in_tests = file.components().any(|part| part.as_os_str() == "tests")
            || file.file_stem().is_some_and(|stem| stem == "tests");
        if in_tests {
            continue;
        }
        // Tests stand at the bottom of a file.
        let text = read(&file);
        let code = text.split("\n#[cfg(test)]").next().unwrap_or_default();
        let lines: Vec<&str> = code.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let calls = [".unwrap()", ".expect(\"", ".unwrap_err()", ".expect_err(", ".expect(&"];
            let panics = calls.iter().any(|call| code.contains(call));
            let reason = line.contains("// safe: ");
            assert!(!panics || reason, "{}:{} has no `// safe:`", relative(&file), number + 1);
        }
    }
}

/// A threat without a test that tries it is a promise. Tests are named `file::function`, scripts by their file.
#[test]
fn every_threat_names_a_test_that_exists() {
    let text = read(&root().join("docs/threat-model.md"));
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
    for row in &rows {
        let named = row.rsplit('`').nth(1).expect("a named test");
        let (file, function) =
            named.split_once("::").map_or((named, None), |(file, name)| (file, Some(name)));
        let path = root().join(file);
        assert!(path.is_file(), "no file {file}: {row}");
        if let Some(name) = function {
            assert!(read(&path).contains(&format!("fn {name}(")), "no test {named}");
        }
    }
    assert!(rows.len() >= 25, "only {} threats were read", rows.len());
}

#[test]
fn no_folder_hides_behind_mod_rs() {
    let hidden: Vec<_> = walk(root()).into_iter().filter(|file| file.ends_with("mod.rs")).collect();
    assert_eq!(hidden, Vec::<PathBuf>::new());
}

#[test]
fn no_file_names_a_place_on_one_machine() {
    let home = std::env::var("HOME").unwrap_or_default();
    // A short path, such as that of a clone below the root, may stand in any text by chance.
    let mut places = vec![concat!("/wo", "rk/").to_owned(), concat!("/ro", "ot/").to_owned()];
    places.extend(home.starts_with("/home/").then(|| format!("{home}/")));
    for file in walk(root()) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for place in &places {
            assert!(!text.contains(place), "{} names {place}", relative(&file));
        }
    }
}

fn is_rust(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "rs")
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", relative(file)))
}

fn relative(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect()
}

/// Every file of the project: what is neither git's nor cargo's.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = files_in(folder);
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with(".git") && !path.ends_with("target") {
            files.extend(walk(&path));
        }
    }
    files.sort();
    files
}

/// Every Rust file under a `src` folder of the workspace.
fn sources() -> Vec<PathBuf> {
    let in_src = |file: &PathBuf| file.components().any(|part| part.as_os_str() == "src");
    let sources: Vec<_> = walk(root()).into_iter().filter(|file| is_rust(file) && in_src(file)).collect();
    assert!(sources.len() > 40, "only {} sources found", sources.len());
    sources
}
