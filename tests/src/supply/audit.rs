//! The table of what products embed with the verifier: what each package is for, and what was found in it.
//!
//! What a person has to say stands in `tests/supply/reviewed.json`, for one version of each package: another version
//! has to be looked at again. Licence, `unsafe` and what runs at build time are read from the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Graph, Id, Package, workspace};

/// What a person found when looking at one version of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviewed {
    /// Its name.
    pub package: String,
    /// The version that was looked at.
    pub version: String,
    /// When that was released, as the registry says: year, month and day.
    pub released: String,
    /// The project or person that keeps it.
    pub kept_by: String,
    /// What it does here.
    pub used_for: String,
}

/// Reads what was looked at.
///
/// # Panics
///
/// Where the file is missing or malformed.
#[must_use]
pub fn reviewed() -> BTreeMap<Id, Reviewed> {
    let text = fs::read_to_string(workspace().join("tests/supply/reviewed.json")).expect("the reviews");
    let reviews: Vec<Reviewed> = serde_json::from_str(&text).expect("reviews");
    reviews.into_iter().map(|one| ((one.package.clone(), one.version.clone()), one)).collect()
}

/// Writes the table of the packages that a graph draws in, one row each.
///
/// # Panics
///
/// Where one has not been looked at.
#[must_use]
pub fn table(graph: &Graph) -> String {
    let reviews = reviewed();
    let mut lines = vec![
        "| package | version | released | kept by | licence | `unsafe` | at build time | used for |"
            .to_owned(),
        "| --- | --- | --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    for (id, package) in graph.foreign() {
        let one = reviews.get(id).unwrap_or_else(|| panic!("{} {} was not looked at", id.0, id.1));
        let Reviewed { package: name, version, released, kept_by, used_for } = one;
        let (license, unsafe_code, at_build) = (&package.license, unsafe_code(package), at_build(package));
        lines.push(format!(
            "| {name} | {version} | {released} | {kept_by} | {license} | {unsafe_code} | {at_build} | {used_for} |"
        ));
    }
    lines.join("\n") + "\n"
}

/// What of a package runs on the machine that builds.
fn at_build(package: &Package) -> &'static str {
    match (package.targets.contains("proc-macro"), package.targets.contains("custom-build")) {
        (true, true) => "macro, script",
        (true, false) => "macro",
        (false, true) => "script",
        (false, false) => "",
    }
}

/// `forbidden`, or on how many lines `unsafe` stands, comments aside.
fn unsafe_code(package: &Package) -> String {
    let (mut lines, mut is_forbidden) = (0, false);
    for file in rust_files(&package.folder.join("src")) {
        let text = fs::read_to_string(&file).expect("a source file in UTF-8");
        is_forbidden |=
            text.lines().any(|line| line.starts_with("#![forbid(") && line.contains("unsafe_code"));
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        lines += code.filter(|code| has_word(code, "unsafe")).count();
    }
    if is_forbidden { "forbidden".to_owned() } else { lines.to_string() }
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}
