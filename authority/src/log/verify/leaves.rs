//! One pass over the documents of the log, in order: numbers, tree, batches, and each document by itself.

use chancery_formats::cose;
use chancery_formats::id::AuthorityId;
use chancery_formats::merkle::{Frontier, Head};

use super::sealed::Batch;
use super::tiles::Tiles;
use super::{Findings, Keys, documents};
use crate::repository::history::{LeafRow, OperationRow};
use crate::repository::{Repository, RepositoryError};

/// What the pass carries along.
struct Pass<'p> {
    repository: &'p Repository,
    keys: &'p Keys,
    authority: AuthorityId,
    findings: &'p mut Findings,
    tree: Frontier,
    tiles: Tiles,
    batch: Option<Batch>,
    documents: documents::Documents,
}

/// Checks every document and returns the head of the tree that they make.
pub(super) fn check(
    repository: &Repository,
    authority: AuthorityId,
    keys: &Keys,
    findings: &mut Findings,
    progress: &mut dyn FnMut(u64, u64),
) -> Head {
    let total = repository.log_size().unwrap_or_default();
    let mut pass = Pass {
        repository,
        keys,
        authority,
        findings,
        tree: Frontier::new(),
        tiles: Tiles::default(),
        batch: None,
        documents: documents::Documents::default(),
    };
    let mut done = 0;
    let read = repository.each_leaf(|row| {
        match row {
            Ok((leaf, operations)) => pass.leaf(&leaf, operations)?,
            Err(malformed) => pass.findings.malformed(&malformed),
        }
        done += 1;
        progress(done, total);
        Ok::<(), RepositoryError>(())
    });
    let Pass { findings, tree, tiles, batch, .. } = pass;
    if let Some(batch) = batch {
        findings.add("batch-range", format!("the batch at {} ends beyond the log", batch.first_index()));
    }
    if let Err(error) = read.and_then(|()| tiles.finish(repository, findings)) {
        findings.unreadable("the documents", &error);
    }
    tree.head()
}

impl Pass<'_> {
    fn leaf(&mut self, leaf: &LeafRow, operations: &[OperationRow]) -> Result<(), RepositoryError> {
        let expected = self.tree.size();
        if leaf.log_index != expected {
            let message = format!("document {expected} is missing: {} follows", leaf.log_index);
            self.findings.add("document-missing", message);
        }
        let hash = cose::leaf_hash(&leaf.protected, &leaf.payload);
        self.tree.push(hash);
        self.tiles.push(self.repository, hash, self.findings)?;
        self.batch(leaf, hash)?;
        let batch = self.batch.as_ref();
        self.documents.check(leaf, operations, self.keys, self.authority, batch, self.findings);
        if self.batch.as_ref().is_some_and(Batch::is_whole) {
            self.batch = None;
        }
        Ok(())
    }

    /// Begins the batch that begins here, and goes on with the one that is open.
    fn batch(&mut self, leaf: &LeafRow, hash: [u8; 32]) -> Result<(), RepositoryError> {
        if let Some(row) = &leaf.batch {
            if let Some(open) = &self.batch {
                let message =
                    format!("the batch at {} begins inside that at {}", leaf.log_index, open.first_index());
                self.findings.add("batch-range", message);
            }
            let signatures = self.repository.signatures_of_batch(leaf.log_index)?;
            self.batch =
                Batch::begin(leaf.log_index, row, signatures, self.keys, self.authority, self.findings);
        }
        if let Some(batch) = &mut self.batch {
            batch.push(leaf.kind, hash, self.findings);
        }
        Ok(())
    }
}
