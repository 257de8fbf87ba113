//! Changes of the catalog: numbered, kept for ever, each with the file's text and the whole catalog it made.
//!
//! A pilot holds for a share of the customers, and only while it is the newest change: what comes after it promotes
//! it, withdraws it or overtakes it. Not here: who is in a pilot (`workflow::pilot`).

use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use sha2::{Digest, Sha256};

use super::super::{GrantWriter, Repository, RepositoryError};
use super::Catalog;

/// Largest catalog, in bytes as it is kept.
const MAX_WHOLE: usize = 4 * 1024 * 1024;

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Holds for everybody.
    Apply,
    /// Holds for a share of the customers.
    Pilot {
        /// Of the customers, in hundredths of a percent, from 1 to 9,999.
        share: u16,
        /// Number of the pilot whose cohort it grows or shrinks; its own number where it begins one.
        seed: Option<u64>,
    },
    /// Makes the pilot of this number hold for everybody.
    Promote(u64),
    /// Ends the pilot of this number.
    Withdraw(u64),
}

impl ChangeKind {
    /// Returns the word that people, JSON and the database see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Pilot { .. } => "pilot",
            Self::Promote(_) => "promote",
            Self::Withdraw(_) => "withdraw",
        }
    }
}

/// A change to be recorded.
#[derive(Clone, Debug)]
pub struct NewChange<'a> {
    /// What it does.
    pub kind: ChangeKind,
    /// The number of the change that it was made from, 0 for none: what came meanwhile refuses it.
    pub after: u64,
    /// The whole catalog that it makes.
    pub catalog: &'a Catalog,
    /// The file that it was read from, whole; empty where there is none.
    pub text: &'a str,
    /// Who made it, where that is stated.
    pub by: Option<&'a str>,
    /// Why, where that is stated.
    pub reason: Option<&'a str>,
}

/// A recorded change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// From 1, without gaps.
    pub number: u64,
    /// What it does. The seed of a pilot is always stated.
    pub kind: ChangeKind,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Who made it.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Unix seconds.
    pub applied_at: u64,
}

/// The catalog as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogState {
    /// Number of the newest change of any kind; 0 for none.
    pub newest: u64,
    /// Number of the change whose catalog holds for everybody who is not in a pilot; 0 for none.
    pub number: u64,
    /// What that change made.
    pub catalog: Catalog,
    /// The pilot that is open.
    pub pilot: Option<Pilot>,
}

/// A catalog that holds for a share of the customers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pilot {
    /// Number of the change.
    pub number: u64,
    /// Of the customers, in hundredths of a percent, from 1 to 9,999.
    pub share: u16,
    /// Number that chooses the customers.
    pub seed: u64,
    /// What holds for them.
    pub catalog: Catalog,
}

impl Repository {
    /// Makes `catalog` the whole catalog for everybody, and keeps `text`, the file it was read from.
    ///
    /// Returns the number of the change, counted from 1, or `None` when everything was so before. `now` is
    /// Unix seconds.
    ///
    /// # Errors
    ///
    /// Those of [`Repository::change_catalog`].
    pub fn apply_catalog(
        &mut self,
        catalog: &Catalog,
        text: &str,
        now: u64,
    ) -> Result<Option<u64>, RepositoryError> {
        let state = self.catalog_state()?;
        if state.catalog == *catalog {
            return Ok(None);
        }
        let kind = ChangeKind::Apply;
        let new = NewChange { kind, after: state.newest, catalog, text, by: None, reason: None };
        self.change_catalog(&new, now).map(Some)
    }

    /// Records a change and returns its number. `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::CatalogMoved`] where another change came after the one that this was made from;
    /// [`RepositoryError::CatalogTooLarge`].
    pub fn change_catalog(&mut self, new: &NewChange<'_>, now: u64) -> Result<u64, RepositoryError> {
        let whole = serde_json::to_string(new.catalog)
            .map_err(|error| RepositoryError::Corrupted { detail: error.to_string() })?;
        if whole.len() > MAX_WHOLE {
            return Err(RepositoryError::CatalogTooLarge { bytes: whole.len(), most: MAX_WHOLE });
        }
        self.write(|transaction| {
            let newest = newest(transaction)?;
            if newest != new.after {
                return Err(RepositoryError::CatalogMoved { number: newest });
            }
            keep_products(transaction, new)?;
            let (share, seed, pilot) = match new.kind {
                ChangeKind::Apply => (None, None, None),
                ChangeKind::Pilot { share, seed } => (Some(share), Some(seed.unwrap_or(newest + 1)), None),
                ChangeKind::Promote(pilot) | ChangeKind::Withdraw(pilot) => (None, None, Some(pilot)),
            };
            let hash: [u8; 32] = Sha256::digest(new.text).into();
            transaction.execute(
                "INSERT INTO catalog_change
                     (number, sha256, text, applied_at, kind, share, seed, pilot, applied_by, reason, whole)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                (
                    newest + 1,
                    hash,
                    new.text,
                    now,
                    new.kind.name(),
                    share,
                    seed,
                    pilot,
                    new.by,
                    new.reason,
                    whole,
                ),
            )?;
            Ok(newest + 1)
        })
    }

    /// Returns the catalog as it stands, and the pilot that is open.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn catalog_state(&self) -> Result<CatalogState, RepositoryError> {
        state(&self.connection)
    }

    /// Returns every change, oldest first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn catalog_changes(&self) -> Result<Vec<Change>, RepositoryError> {
        let sql = "SELECT number, kind, share, seed, pilot, sha256, applied_by, reason, applied_at
                   FROM catalog_change ORDER BY number";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(change(row)?);
        }
        Ok(found)
    }

    /// Returns the whole catalog that a change made; `None` where it was not kept, as in releases before 0005.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownChange`].
    pub fn catalog_of(&self, number: u64) -> Result<Option<Catalog>, RepositoryError> {
        whole(&self.connection, number)
    }

    /// Returns the file of a change, whole.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownChange`].
    pub fn catalog_text(&self, number: u64) -> Result<String, RepositoryError> {
        let sql = "SELECT text FROM catalog_change WHERE number = ?1";
        let text = self.connection.query_row(sql, [number], |row| row.get(0)).optional()?;
        text.ok_or(RepositoryError::UnknownChange { number })
    }
}

impl GrantWriter<'_> {
    /// As [`Repository::catalog_of`], within a change of entitlements.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn catalog_of(&self, number: u64) -> Result<Option<Catalog>, RepositoryError> {
        whole(self.transaction, number)
    }
}

fn whole(connection: &Connection, number: u64) -> Result<Option<Catalog>, RepositoryError> {
    let sql = "SELECT whole FROM catalog_change WHERE number = ?1";
    let whole: Option<Option<String>> = connection.query_row(sql, [number], |row| row.get(0)).optional()?;
    let whole = whole.ok_or(RepositoryError::UnknownChange { number })?;
    whole.map(|whole| read(&whole)).transpose()
}

/// Keeps the names of products, to which entitlements refer. What a pilot calls them counts when it holds for all.
fn keep_products(transaction: &Transaction<'_>, new: &NewChange<'_>) -> Result<(), RepositoryError> {
    let sql = match new.kind {
        ChangeKind::Pilot { .. } => {
            "INSERT INTO product (product_id, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING"
        }
        _ => {
            "INSERT INTO product (product_id, name) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET name = excluded.name WHERE name <> excluded.name"
        }
    };
    let mut statement = transaction.prepare(sql)?;
    for (id, product) in &new.catalog.products {
        statement.execute((id, &product.name))?;
    }
    Ok(())
}

fn newest(connection: &Connection) -> Result<u64, RepositoryError> {
    let sql = "SELECT coalesce(max(number), 0) FROM catalog_change";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// Reads the catalog as it stands, also within a transaction.
pub(super) fn state(connection: &Connection) -> Result<CatalogState, RepositoryError> {
    let mut state = CatalogState { newest: newest(connection)?, ..CatalogState::default() };
    let sql = "SELECT number, whole FROM catalog_change WHERE kind IN ('apply', 'promote')
               ORDER BY number DESC LIMIT 1";
    let standing = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?)));
    if let Some((number, whole)) = standing.optional()? {
        let whole = whole.ok_or_else(|| RepositoryError::malformed("catalog_change"))?;
        (state.number, state.catalog) = (number, read(&whole)?);
    }
    let sql = "SELECT share, seed, whole FROM catalog_change WHERE number = ?1 AND kind = 'pilot'";
    let open = connection
        .query_row(sql, [state.newest], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)));
    if let Some((share, seed, whole)) = open.optional()? {
        state.pilot = Some(Pilot { number: state.newest, share, seed, catalog: read(&whole)? });
    }
    Ok(state)
}

fn read(whole: &str) -> Result<Catalog, RepositoryError> {
    serde_json::from_str(whole).map_err(|_| RepositoryError::malformed("catalog_change"))
}

fn change(row: &Row<'_>) -> Result<Change, RepositoryError> {
    let kind = match row.get::<_, String>(1)?.as_str() {
        "apply" => ChangeKind::Apply,
        "pilot" => ChangeKind::Pilot { share: row.get(2)?, seed: Some(row.get(3)?) },
        "promote" => ChangeKind::Promote(row.get(4)?),
        "withdraw" => ChangeKind::Withdraw(row.get(4)?),
        _ => return Err(RepositoryError::malformed("catalog_change")),
    };
    Ok(Change {
        number: row.get(0)?,
        kind,
        sha256: row.get(5)?,
        by: row.get(6)?,
        reason: row.get(7)?,
        applied_at: row.get(8)?,
    })
}
