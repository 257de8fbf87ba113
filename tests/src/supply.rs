//! What the programs are made of: packages with their licences, and what was found when each was looked at.
//!
//! Read from cargo itself and from the sources that it builds. Not here: whether a package may be used
//! (`.config/deny.toml`), whether one is known to be faulty.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

pub mod audit;
pub mod sbom;

/// The platform that programs are released for.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Name and version.
pub type Id = (String, String);

/// A package that is linked into a program, or runs while it is built.
#[derive(Clone, Debug)]
pub struct Package {
    /// SPDX expression.
    pub license: String,
    /// Where its sources are kept, as it says.
    pub repository: String,
    /// SHA-256 of what the registry gives, in hexadecimal; none for ours.
    pub checksum: Option<String>,
    /// The folder of its sources.
    pub folder: PathBuf,
    /// What kinds of targets it has, as cargo names them.
    pub targets: BTreeSet<String>,
}

/// A package and all that it draws in.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The package that was asked for.
    pub root: Id,
    /// Every package.
    pub packages: BTreeMap<Id, Package>,
    /// What each draws in itself.
    pub edges: BTreeMap<Id, BTreeSet<Id>>,
}

/// Returns the folder of the workspace.
///
/// # Panics
///
/// Never where this package lies below it.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new("cargo");
    command.args(arguments).args(["--offline", "--locked"]).current_dir(workspace());
    let output = command.output().expect("cargo on the PATH");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

impl Graph {
    /// Reads what a package of the workspace draws in on the platform of releases, features as `arguments` say.
    ///
    /// # Panics
    ///
    /// Where cargo cannot tell, such as before `cargo fetch`.
    #[must_use]
    pub fn of(package: &str, arguments: &[&str]) -> Self {
        let asked =
            ["tree", "-e", "normal", "--prefix", "depth", "--format", "{p}|{l}|{r}", "--target", TARGET];
        let tree = cargo(&[&asked[..], &["-p", package], arguments].concat());
        let (known, checksums) = (manifests(), checksums());
        let (mut packages, mut edges) = (BTreeMap::new(), BTreeMap::<Id, BTreeSet<Id>>::new());
        // The packages above the one at hand, the root first.
        let mut above: Vec<Id> = Vec::new();
        for line in tree.lines() {
            let digits = line.chars().take_while(char::is_ascii_digit).count();
            let depth: usize = line[..digits].parse().expect("a depth");
            let [named, license, repository] = line[digits..].splitn(3, '|').collect::<Vec<_>>()[..] else {
                panic!("three parts: {line}")
            };
            let mut words = named.split(' ');
            let mut word = || words.next().expect("a name and a version").to_owned();
            let id = (word(), word().trim_start_matches('v').to_owned());
            above.truncate(depth);
            if let Some(parent) = above.last() {
                edges.entry(parent.clone()).or_default().insert(id.clone());
            }
            edges.entry(id.clone()).or_default();
            let (folder, targets) = known.get(&id).expect("a package that cargo knows").clone();
            let package = Package {
                license: license.trim_end_matches(" (*)").replace('/', " OR "),
                repository: repository.trim_end_matches(" (*)").to_owned(),
                checksum: checksums.get(&id).cloned(),
                folder,
                targets,
            };
            packages.entry(id.clone()).or_insert(package);
            above.push(id);
        }
        let root = above.into_iter().next().expect("a package");
        Self { root, packages, edges }
    }

    /// Iterates over the packages that are not of this workspace.
    pub fn foreign(&self) -> impl Iterator<Item = (&Id, &Package)> {
        self.packages.iter().filter(|(_, package)| package.checksum.is_some())
    }
}

/// Every package that cargo knows here: folder and kinds of targets.
fn manifests() -> BTreeMap<Id, (PathBuf, BTreeSet<String>)> {
    let metadata = cargo(&["metadata", "--format-version", "1", "--filter-platform", TARGET]);
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let packages = metadata["packages"].as_array().expect("packages").iter().map(|package| {
        let folder = Path::new(package["manifest_path"].as_str().expect("a path")).with_file_name("");
        let targets = package["targets"].as_array().expect("targets").iter();
        let kinds = targets.flat_map(|target| target["kind"].as_array().expect("kinds")).map(text).collect();
        ((text(&package["name"]), text(&package["version"])), (folder, kinds))
    });
    packages.collect()
}

/// The checksums of `Cargo.lock`.
fn checksums() -> BTreeMap<Id, String> {
    let lock = fs::read_to_string(workspace().join("Cargo.lock")).expect("Cargo.lock");
    let blocks = lock.split("[[package]]").skip(1).filter_map(|block| {
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(&format!("{name} = \"")))?;
            Some(line.trim_end_matches('"').to_owned())
        };
        Some(((field("name")?, field("version")?), field("checksum")?))
    });
    blocks.collect()
}
