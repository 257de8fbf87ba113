//! What differs between two catalogs, in the words of the file.

use std::collections::BTreeMap;

use super::written::{Entry, entries};
use crate::repository::Catalog;

/// A table of the file that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which it is, for people, such as `product pump, edition standard`.
    pub path: String,
    /// What became of it.
    pub kind: DifferenceKind,
    /// The keys that differ.
    pub lines: Vec<Line>,
}

/// What became of a table of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// It is new.
    Added,
    /// Some of its keys have other values.
    Changed,
    /// It is gone.
    Removed,
}

impl DifferenceKind {
    /// Returns the word that people and JSON see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }

    /// Returns the sign before its line.
    #[must_use]
    pub const fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Changed => '~',
            Self::Removed => '-',
        }
    }
}

/// A key with its values before and after, as the file writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Such as `features.channels`.
    pub key: String,
    /// Before; none where the key was not there.
    pub from: Option<String>,
    /// After; none where the key is not there.
    pub to: Option<String>,
}

/// Returns what differs, in the order of the file; what is gone comes last.
#[must_use]
pub fn differences(before: &Catalog, after: &Catalog) -> Vec<Difference> {
    let (before, after) = (entries(before), entries(after));
    let old: BTreeMap<&str, &Entry> = before.iter().map(|entry| (entry.path.as_str(), entry)).collect();
    let new: BTreeMap<&str, &Entry> = after.iter().map(|entry| (entry.path.as_str(), entry)).collect();
    let kept = after.iter().map(|entry| difference(old.get(entry.path.as_str()).copied(), Some(entry)));
    let gone = before.iter().filter(|entry| !new.contains_key(entry.path.as_str()));
    let mut found: Vec<_> = kept.chain(gone.map(|entry| difference(Some(entry), None))).collect();
    found.retain(|difference| !difference.lines.is_empty());
    found
}

fn difference(before: Option<&Entry>, after: Option<&Entry>) -> Difference {
    let lines_of = |entry: Option<&Entry>| entry.map(|entry| entry.lines.clone()).unwrap_or_default();
    let (old, new) = (lines_of(before), lines_of(after));
    let value = |lines: &[(String, String)], key: &str| {
        lines.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone())
    };
    let kept = new.iter().map(|(key, value_now)| Line {
        key: key.clone(),
        from: value(&old, key),
        to: Some(value_now.clone()),
    });
    let dropped = old.iter().filter(|(key, _)| value(&new, key).is_none());
    let dropped =
        dropped.map(|(key, before)| Line { key: key.clone(), from: Some(before.clone()), to: None });
    let lines = kept.chain(dropped).filter(|line| line.from != line.to).collect();
    let kind = match (before, after) {
        (None, _) => DifferenceKind::Added,
        (_, None) => DifferenceKind::Removed,
        _ => DifferenceKind::Changed,
    };
    let path = after.or(before).map(|entry| entry.path.clone()).unwrap_or_default();
    Difference { path, kind, lines }
}
