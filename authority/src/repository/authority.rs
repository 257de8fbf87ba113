//! Who the authority is, and the keys it uses.
//!
//! Public halves and references only. Not here: private keys (`chancery-hsm-config`), what a key record
//! says (`chancery-formats`).

use chancery_formats::id::{AuthorityId, Thumbprint};
use chancery_formats::key::{Protection, PublicKey};
use rusqlite::{OptionalExtension, Row};

use super::{Repository, RepositoryError};

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

/// What a key is for. One key never fills two roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyRole {
    /// Signs licenses.
    Issuer,
    /// Signs roots and key records.
    Root,
}

impl KeyRole {
    /// Returns the word that the database, people and JSON see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Root => "root",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Issuer, Self::Root].into_iter().find(|role| role.name() == name)
    }
}

/// A key to be added.
#[derive(Clone, Debug)]
pub struct NewKey<'a> {
    /// As the device gave it.
    pub public_key: PublicKey,
    /// What it is for.
    pub role: KeyRole,
    /// Where the key backend finds the private key.
    pub reference: &'a str,
    /// Where the private key lives.
    pub protection: Protection,
}

/// A key of the authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// As the device gave it when it was added.
    pub public_key: PublicKey,
    /// What it is for.
    pub role: KeyRole,
    /// Where the key backend finds the private key.
    pub reference: String,
    /// Where the private key lives.
    pub protection: Protection,
    /// Log index of its key record; `None` for root keys, and until it is certified.
    pub record_index: Option<u64>,
    /// Unix seconds.
    pub created_at: u64,
}

impl Repository {
    /// Writes who the authority is: the last step of `init`.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::AlreadyInitialized`] when it was written before.
    pub fn set_authority(&mut self, authority: &Authority) -> Result<(), RepositoryError> {
        let home = self.home.path().to_path_buf();
        self.write(|transaction| {
            let added = transaction.execute(
                "INSERT INTO authority (singleton, authority_id, name, root_version, created_at)
                 VALUES (1, ?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                (authority.id.0, &authority.name, authority.root_version, authority.created_at),
            )?;
            if added == 1 { Ok(()) } else { Err(RepositoryError::AlreadyInitialized { home }) }
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
        let thumbprint = key.public_key.thumbprint();
        self.write(|transaction| {
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
        })
    }

    /// Notes which document certifies a key.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownKey`]; a constraint of the database where `log_index` is unknown.
    pub fn set_key_record(&mut self, thumbprint: Thumbprint, log_index: u64) -> Result<(), RepositoryError> {
        self.write(|transaction| {
            let sql = "UPDATE key SET record_index = ?2 WHERE thumbprint = ?1";
            match transaction.execute(sql, (thumbprint.0, log_index))? {
                1 => Ok(()),
                _ => Err(RepositoryError::UnknownKey { thumbprint }),
            }
        })
    }

    /// Returns every key, oldest first.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Corrupted`] when a stored key is none.
    pub fn keys(&self) -> Result<Vec<KeyRecord>, RepositoryError> {
        let mut statement = self.connection.prepare(
            "SELECT public_key, role, reference, protection, record_index, created_at, thumbprint
             FROM key ORDER BY created_at, role DESC, thumbprint",
        )?;
        let mut rows = statement.query([])?;
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            keys.push(key_record(row)?);
        }
        Ok(keys)
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
        role: KeyRole::from_name(&row.get::<_, String>(1)?).ok_or_else(malformed)?,
        reference: row.get(2)?,
        protection,
        record_index: row.get(4)?,
        created_at: row.get(5)?,
    })
}
