//! Site records: signed documents about where sites stand, each kept as it came.
//!
//! Not here: who may attest, and whether a record is to be believed (`workflow::approval::geo`).

use rusqlite::{Connection, OptionalExtension, Row};

use super::grant::GrantWriter;
use super::{Repository, RepositoryError};

/// A site record, as it was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteRecordRow {
    /// From 1.
    pub id: u64,
    /// Whose site.
    pub customer: String,
    /// Which.
    pub site: String,
    /// Number of the approver who attests it.
    pub approver: u64,
    /// The whole document.
    pub bytes: Vec<u8>,
    /// Unix seconds.
    pub imported_at: u64,
}

impl Repository {
    /// Keeps a site record and returns its number; none where the same document is there.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownCustomer`].
    pub fn add_site_record(&mut self, record: &SiteRecordRow) -> Result<Option<u64>, RepositoryError> {
        self.write(|transaction| {
            let sql = "SELECT 1 FROM customer WHERE customer_id = ?1";
            if !transaction.prepare_cached(sql)?.exists([&record.customer])? {
                return Err(RepositoryError::UnknownCustomer { customer: record.customer.clone() });
            }
            let sql = "SELECT 1 FROM site_record WHERE customer_id = ?1 AND site_id = ?2 AND bytes = ?3";
            if transaction.prepare_cached(sql)?.exists((&record.customer, &record.site, &record.bytes))? {
                return Ok(None);
            }
            let sql = "INSERT INTO site_record (site_record_id, customer_id, site_id, approver_id, bytes, imported_at)
                       SELECT coalesce(max(site_record_id), 0) + 1, ?1, ?2, ?3, ?4, ?5
                       FROM site_record RETURNING site_record_id";
            let SiteRecordRow { customer, site, approver, bytes, imported_at, .. } = record;
            let parameters = (customer, site, approver, bytes, imported_at);
            Ok(Some(transaction.query_row(sql, parameters, |row| row.get(0))?))
        })
    }

    /// Returns the newest record of a site that was here at an instant, in Unix seconds.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn site_record(
        &self,
        customer: &str,
        site: &str,
        at: u64,
    ) -> Result<Option<SiteRecordRow>, RepositoryError> {
        newest(&self.connection, customer, site, at)
    }

    /// Returns every site record, oldest first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn site_records(&self) -> Result<Vec<SiteRecordRow>, RepositoryError> {
        let sql =
            "SELECT site_record_id, customer_id, site_id, approver_id, bytes, imported_at FROM site_record
                   ORDER BY site_record_id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], record)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl GrantWriter<'_> {
    /// As [`Repository::site_record`], within a change.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn site_record(
        &self,
        customer: &str,
        site: &str,
        at: u64,
    ) -> Result<Option<SiteRecordRow>, RepositoryError> {
        newest(self.transaction, customer, site, at)
    }
}

fn newest(
    connection: &Connection,
    customer: &str,
    site: &str,
    at: u64,
) -> Result<Option<SiteRecordRow>, RepositoryError> {
    let sql = "SELECT site_record_id, customer_id, site_id, approver_id, bytes, imported_at FROM site_record
               WHERE customer_id = ?1 AND site_id = ?2 AND imported_at <= ?3 ORDER BY site_record_id DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row((customer, site, at), record).optional()?)
}

fn record(row: &Row<'_>) -> rusqlite::Result<SiteRecordRow> {
    Ok(SiteRecordRow {
        id: row.get(0)?,
        customer: row.get(1)?,
        site: row.get(2)?,
        approver: row.get(3)?,
        bytes: row.get(4)?,
        imported_at: row.get(5)?,
    })
}
