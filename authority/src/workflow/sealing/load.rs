//! Taking a batch up again from the log, days after it was begun.
//!
//! Not here: signing it and letting it stand.

use chancery_formats::cose::Unsigned;
use chancery_formats::document::Kind;
use chancery_formats::merkle::Tree;
use chancery_formats::seal::OwnedStatement;

use super::Batch;
use crate::error::CommandError;
use crate::repository::Repository;

impl Batch {
    /// Reads a batch back; `first_index` is the log index of its first document.
    ///
    /// # Errors
    ///
    /// `batch-unknown`; an integrity alarm where the documents are not those that the statement is about.
    pub fn load(repository: &Repository, first_index: u64) -> Result<Self, CommandError> {
        let (statement, leaf_count) = repository.batch_statement(first_index)?;
        let statement = OwnedStatement::decode(&statement)?;
        let documents: Vec<Unsigned> = repository
            .documents_from(first_index, leaf_count)?
            .into_iter()
            .map(|(protected, payload)| Unsigned::from_parts(protected, payload))
            .collect();
        let tree = Tree::new(documents.iter().map(Unsigned::leaf_hash).collect());
        let tree = tree.filter(|tree| {
            tree.root() == statement.root
                && statement.first_index == Some(first_index)
                && statement.size == leaf_count
        });
        let (Some(tree), Some(kind)) = (tree, Kind::from_typ(&statement.leaf_typ)) else {
            let message = format!("the batch at {first_index} is not what its statement says");
            return Err(CommandError::alarm("batch-root", message)
                .hint("issue nothing from here; run `chancery log verify`, and call the auditor"));
        };
        Ok(Self {
            authority: statement.authority,
            root_version: statement.root_version,
            kind,
            first_index,
            time: statement.time,
            signers: statement.signers,
            documents,
            tree,
        })
    }

    /// Returns the payloads of the documents, in the order of the log.
    #[must_use]
    pub fn payloads(&self) -> Vec<Vec<u8>> {
        self.documents.iter().map(|document| document.payload().to_vec()).collect()
    }

    /// Returns what the documents are.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}
