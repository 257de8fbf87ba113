//! What a witness is shown of a batch, and how far one has signed.
//!
//! Not here: batches themselves (`batch`), keeping signatures (`custody`), what a statement says.

use chancery_formats::id::Thumbprint;

use super::{Repository, RepositoryError};

/// Protected header and payload of a document, as encoded.
pub type Document = (Vec<u8>, Vec<u8>);

impl Repository {
    /// Returns protected header and payload of `count` documents from `first_index` on.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownDocument`] where the log ends before.
    pub fn documents_from(&self, first_index: u64, count: u64) -> Result<Vec<Document>, RepositoryError> {
        let mut statement = self.connection.prepare(
            "SELECT protected, payload FROM log_leaf WHERE log_index >= ?1 ORDER BY log_index LIMIT ?2",
        )?;
        let rows = statement.query_map((first_index, count), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let found = rows.collect::<Result<Vec<_>, _>>()?;
        let length = found.len() as u64;
        if length < count {
            return Err(RepositoryError::UnknownDocument { log_index: first_index.saturating_add(length) });
        }
        Ok(found)
    }

    /// Returns the size of the log up to which a signer has signed batches; 0 where it has signed none.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn signed_up_to(&self, signer: Thumbprint) -> Result<u64, RepositoryError> {
        let sql = "SELECT coalesce(max(first_index + leaf_count), 0)
                   FROM batch JOIN batch_signature USING (first_index) WHERE signer = ?1";
        Ok(self.connection.query_row(sql, [signer.0], |row| row.get(0))?)
    }
}
