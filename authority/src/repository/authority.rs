//! Who the authority is, and the keys it uses.
//!
//! Public halves and references only. Not here: private keys (`chancery-hsm-config`), what a key record
//! says (`chancery-formats`).

use chancery_formats::id::{AuthorityId, Thumbprint};
use chancery_formats::key::{Protection, PublicKey};
use chancery_formats::seal::Role;
use rusqlite::{OptionalExtension, Row, Transaction};

use super::{Repository, RepositoryError, lease};

/// Who the authority is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// SHA-256 of the payload of root version 1.
    pub id: AuthorityId,
    /// The claim `iss` of every license.
    pub name: String,
    /// Highest root version in force.
    pub root_version: u64,
    /// Unix seconds.
    pub created_at: u64,
}

/// A key to be added.
#[derive(Clone, Debug)]
pub struct NewKey<'a> {
    /// As the device gave it.
    pub public_key: PublicKey,
    /// What it is for.
    pub role: Role,
    /// Where the key backend finds the private key; none where another machine has it.
    pub reference: Option<&'a str>,
    /// Where the private key lives.
    pub protection: Protection,
}

/// A key of the authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// As the device gave it when it was added.
    pub public_key: PublicKey,
    /// What it is for.
    pub role: Role,
    /// Where the key backend finds the private key; none where another machine has it.
    pub reference: Option<String>,
    /// Where the private key lives.
    pub protection: Protection,
    /// Log index of its newest key record; `None` for custodians, and until it is certified.
    pub record_index: Option<u64>,
    /// How it was closed; `None` for a key that is not.
    pub closing: Option<KeyClosing>,
    /// When it was revoked, in Unix seconds, whether or not a list says so yet.
    pub revoked_at: Option<u64>,
    /// Unix seconds.
    pub created_at: u64,
}

/// How a key was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyClosing {
    /// Size and root of the log below which its documents stand; `None` for a retired key, all of whose do.
    pub compromised_at: Option<(u64, [u8; 32])>,
    /// Log index of its newest closing document.
    pub log_index: u64,
    /// Why, for people.
    pub reason: String,
    /// Unix seconds.
    pub closed_at: u64,
}

impl KeyRecord {
    /// Returns whether the root has certified the key and not closed it, and it is not revoked.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.record_index.is_some() && self.closing.is_none() && self.revoked_at.is_none()
    }
}

impl Repository {
    /// Writes who the authority is, and takes the lease of its home: the last step of `init`.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::AlreadyInitialized`] when it was written before.
    pub fn set_authority(&mut self, authority: &Authority) -> Result<(), RepositoryError> {
        let home = self.home.clone();
        self.write(|transaction| {
            let added = transaction.execute(
                "INSERT INTO authority (singleton, authority_id, name, root_version, created_at)
                 VALUES (1, ?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                (authority.id.0, &authority.name, authority.root_version, authority.created_at),
            )?;
            if added != 1 {
                return Err(RepositoryError::AlreadyInitialized { home: home.path().into() });
            }
            lease::take(transaction, &home, authority.id, authority.created_at).map(|_| ())
        })
    }

    /// Returns who the authority is.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Unfinished`] until `init` has written it.
    pub fn authority(&self) -> Result<Authority, RepositoryError> {
        let sql = "SELECT authority_id, name, root_version, created_at FROM authority";
        let found = self.connection.query_row(sql, [], |row| {
            Ok(Authority {
                id: AuthorityId(row.get(0)?),
                name: row.get(1)?,
                root_version: row.get(2)?,
                created_at: row.get(3)?,
            })
        });
        found.optional()?.ok_or_else(|| RepositoryError::Unfinished { home: self.home.path().into() })
    }

    /// Adds a key; `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::KeyExists`] when the key, or another under the same reference, is known.
    pub fn add_key(&mut self, key: &NewKey<'_>, now: u64) -> Result<(), RepositoryError> {
        self.write(|transaction| insert_key(transaction, key, now))
    }

    /// Notes which document certifies a key.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownKey`]; a constraint of the database where `log_index` is unknown.
    pub fn set_key_record(&mut self, thumbprint: Thumbprint, log_index: u64) -> Result<(), RepositoryError> {
        self.write(|transaction| certify_key(transaction, thumbprint, log_index))
    }

    /// Returns every key, oldest first.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Corrupted`] when a stored key is none.
    pub fn keys(&self) -> Result<Vec<KeyRecord>, RepositoryError> {
        let mut statement = self.connection.prepare(
            "SELECT public_key, role, reference, protection, record_index, created_at, thumbprint,
                    key_closing.tree_size, key_closing.tree_root, log_index, key_closing.reason, closed_at, added_at
             FROM key LEFT JOIN key_closing USING (thumbprint)
             LEFT JOIN revocation ON revocation.kind = 'key' AND revocation.value = key.thumbprint
             ORDER BY created_at, record_index, role, thumbprint",
        )?;
        let mut rows = statement.query([])?;
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            keys.push(key_record(row)?);
        }
        Ok(keys)
    }
}

impl Repository {
    /// Records where the private half of a key is now; durable on return. `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownKey`]; a constraint where another key is there.
    pub fn move_key(&mut self, key: Thumbprint, reference: &str, now: u64) -> Result<(), RepositoryError> {
        self.write(|transaction| {
            let sql = "INSERT INTO key_move (move_id, thumbprint, reference, first_operation, moved_at)
                       SELECT (SELECT coalesce(max(move_id), 0) + 1 FROM key_move), thumbprint, reference,
                              (SELECT coalesce(max(operation_id) + 1, 0) FROM operation), ?2
                       FROM key WHERE thumbprint = ?1";
            if transaction.execute(sql, (key.0, now))? != 1 {
                return Err(RepositoryError::UnknownKey { thumbprint: key });
            }
            transaction.execute("UPDATE key SET reference = ?2 WHERE thumbprint = ?1", (key.0, reference))?;
            Ok(())
        })
    }

    /// Returns the first operation of a key at the place where it is now: 0 for one that never moved.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn first_operation_here(&self, key: Thumbprint) -> Result<u64, RepositoryError> {
        let sql = "SELECT coalesce(max(first_operation), 0) FROM key_move WHERE thumbprint = ?1";
        Ok(self.connection.query_row(sql, [key.0], |row| row.get(0))?)
    }
}

pub(super) fn insert_key(
    transaction: &Transaction<'_>,
    key: &NewKey<'_>,
    now: u64,
) -> Result<(), RepositoryError> {
    let thumbprint = key.public_key.thumbprint();
    let added = transaction.execute(
        "INSERT INTO key (thumbprint, role, algorithm, public_key, reference, protection, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        (
            thumbprint.0,
            key.role.name(),
            key.public_key.algorithm().cose_number(),
            key.public_key.encode(),
            key.reference,
            key.protection.name(),
            now,
        ),
    )?;
    if added == 1 { Ok(()) } else { Err(RepositoryError::KeyExists { thumbprint }) }
}

pub(super) fn certify_key(
    transaction: &Transaction<'_>,
    thumbprint: Thumbprint,
    log_index: u64,
) -> Result<(), RepositoryError> {
    let sql = "UPDATE key SET record_index = ?2 WHERE thumbprint = ?1";
    match transaction.execute(sql, (thumbprint.0, log_index))? {
        1 => Ok(()),
        _ => Err(RepositoryError::UnknownKey { thumbprint }),
    }
}

fn key_record(row: &Row<'_>) -> Result<KeyRecord, RepositoryError> {
    let malformed = || RepositoryError::malformed("key");
    let public_key =
        PublicKey::decode(row.get_ref(0)?.as_blob().map_err(|_| malformed())?).map_err(|_| malformed())?;
    if public_key.thumbprint().0 != row.get::<_, [u8; 32]>(6)? {
        return Err(malformed());
    }
    let protection = match row.get::<_, String>(3)?.as_str() {
        "software" => Protection::Software,
        "hardware" => Protection::Hardware,
        _ => return Err(malformed()),
    };
    Ok(KeyRecord {
        public_key,
        role: Role::from_name(&row.get::<_, String>(1)?).ok_or_else(malformed)?,
        reference: row.get(2)?,
        protection,
        record_index: row.get(4)?,
        closing: closing(row)?,
        revoked_at: row.get(12)?,
        created_at: row.get(5)?,
    })
}

fn closing(row: &Row<'_>) -> Result<Option<KeyClosing>, RepositoryError> {
    let Some(log_index) = row.get(9)? else { return Ok(None) };
    let (size, root): (Option<u64>, Option<[u8; 32]>) = (row.get(7)?, row.get(8)?);
    Ok(Some(KeyClosing {
        compromised_at: size.zip(root),
        log_index,
        reason: row.get(10)?,
        closed_at: row.get(11)?,
    }))
}
