//! The tiles of the tree, computed anew from the hashes of documents and compared one by one.

use chancery_formats::merkle::Hash;

use super::Findings;
use crate::repository::tree::{TILE, perfect_root};
use crate::repository::{Repository, RepositoryError};

/// The tiles that grow, one a level.
#[derive(Debug, Default)]
pub(super) struct Tiles {
    levels: Vec<Growing>,
    /// Whole and growing tiles that were compared.
    compared: u64,
}

#[derive(Debug, Default)]
struct Growing {
    number: u64,
    hashes: Vec<Hash>,
}

impl Tiles {
    /// Appends a document and compares every tile that it fills.
    pub(super) fn push(
        &mut self,
        repository: &Repository,
        leaf: Hash,
        findings: &mut Findings,
    ) -> Result<(), RepositoryError> {
        let (mut level, mut hash) = (0, leaf);
        loop {
            if self.levels.len() == level {
                self.levels.push(Growing::default());
            }
            let Some(growing) = self.levels.get_mut(level) else { return Ok(()) };
            growing.hashes.push(hash);
            if (growing.hashes.len() as u64) < TILE {
                return Ok(());
            }
            let hashes = std::mem::take(&mut growing.hashes);
            compare(repository, level, growing.number, &hashes, findings)?;
            growing.number += 1;
            self.compared += 1;
            (level, hash) = (level + 1, perfect_root(hashes));
        }
    }

    /// Compares the tiles that are not full, and asks whether there are others.
    pub(super) fn finish(
        mut self,
        repository: &Repository,
        findings: &mut Findings,
    ) -> Result<(), RepositoryError> {
        for (level, growing) in self.levels.iter().enumerate().filter(|level| !level.1.hashes.is_empty()) {
            compare(repository, level, growing.number, &growing.hashes, findings)?;
            self.compared += 1;
        }
        let (_, _, stored) = repository.history_counts()?;
        if stored > self.compared {
            let surplus = stored - self.compared;
            findings.add("tile-surplus", format!("the tree has {surplus} tiles beyond the documents"));
        }
        Ok(())
    }
}

fn compare(
    repository: &Repository,
    level: usize,
    number: u64,
    expected: &[Hash],
    findings: &mut Findings,
) -> Result<(), RepositoryError> {
    let stored = match u8::try_from(level).map(|level| repository.tile(level, number)) {
        Ok(Ok(stored)) => stored,
        Ok(Err(RepositoryError::Corrupted { .. })) | Err(_) => Vec::new(),
        Ok(Err(error)) => return Err(error),
    };
    let name = format!("tile {number} of level {level}");
    if stored.is_empty() {
        findings.add("tile-missing", format!("{name} is missing or malformed"));
    } else if let Some(place) = stored.iter().zip(expected).position(|(stored, made)| stored != made) {
        findings.add("tile-hash", format!("{name} has another hash at {place} than the documents give"));
    } else if stored.len() != expected.len() {
        let message = format!("{name} has {} hashes, and not {}", stored.len(), expected.len());
        findings.add("tile-length", message);
    }
    Ok(())
}
