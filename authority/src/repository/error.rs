//! Why the repository refuses or fails: the message says what, [`RepositoryError::hint`] what to do.
//!
//! SQLite's result codes become variants here, once. Not here: printing and exit codes (`crate::error`).

use std::path::PathBuf;

use chancery_carriers::files::FileError;
use chancery_carriers::text::ShownPath;
use chancery_formats::DecodeError;
use chancery_formats::id::{DeviceId, EntitlementId, LicenseId, Thumbprint};
use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

use super::lock::{ADOPTED, RESTORED};

/// Why the repository refuses or fails.
#[allow(missing_docs)] // the messages document the variants
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    #[error("an authority exists in {}", ShownPath(home))]
    AlreadyInitialized { home: PathBuf },
    #[error("document {log_index} is signed")]
    AlreadySigned { log_index: u64 },
    #[error("these rows are batch {batch}")]
    BatchKnown { batch: u64 },
    #[error("another process keeps the authority database locked")]
    Busy,
    #[error("catalog change {number} came in between")]
    CatalogMoved { number: u64 },
    #[error("the whole catalog would take {bytes} bytes, and {most} are the most")]
    CatalogTooLarge { bytes: usize, most: usize },
    #[error("the authority database is corrupted")]
    Corrupted { detail: String },
    #[error("customer {customer} exists")]
    CustomerExists { customer: String },
    #[error("device {serial} shows an entry that differs from the one kept")]
    DeviceEntryDiffers { serial: String },
    #[error("disk is full")]
    DiskFull,
    #[error("entitlement {entitlement} was changed at the same moment")]
    EntitlementChanged { entitlement: EntitlementId },
    #[error("entitlement {entitlement} has 0 of {quantity} activations left")]
    EntitlementExhausted { entitlement: EntitlementId, used: u64, quantity: u64 },
    #[error("entitlement {entitlement} is revoked")]
    EntitlementRevoked { entitlement: EntitlementId },
    #[error("entitlement {entitlement} is suspended")]
    EntitlementSuspended { entitlement: EntitlementId },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("what entitlement {entitlement} would grant cannot be kept: {fault}")]
    GrantRefused { entitlement: EntitlementId, fault: DecodeError },
    #[error("authority.db is not the database of an authority")]
    ForeignDatabase,
    #[error("the authority database holds tables, views or triggers that this program did not make")]
    ForeignSchema,
    #[error(
        "{} is a copy of a home: its lease, of epoch {epoch}, names another machine or another file",
        ShownPath(home)
    )]
    HomeCopied { home: PathBuf, epoch: u64 },
    #[error("cannot use {}", ShownPath(path))]
    Io { path: PathBuf, source: std::io::Error },
    #[error("issuing is locked: {detail}")]
    IssuingLocked { reason: String, detail: String },
    #[error("key {thumbprint} is known")]
    KeyExists { thumbprint: Thumbprint },
    #[error("the lease of {} is missing", ShownPath(home))]
    LeaseMissing { home: PathBuf },
    #[error("the authority database is of version {found}; this program knows {known}")]
    NewerVersion { found: i64, known: i64 },
    #[error("no authority in {}", ShownPath(home))]
    NotInitialized { home: PathBuf },
    #[error("the authority database is of version {found}, which is older than {known}")]
    OlderVersion { found: i64, known: i64 },
    #[error("the authority database cannot be written")]
    ReadOnly,
    #[error("the request is answered by license {license}")]
    RequestKnown { license: LicenseId },
    #[error("{what} is revoked")]
    RevocationExists { what: String },
    #[error("another license of the same device was issued at the same moment")]
    RevisionTaken,
    #[error("the authority database does not answer")]
    Sqlite(#[source] rusqlite::Error),
    #[error("device {device} had its trial under entitlement {entitlement}")]
    TrialUsed { device: DeviceId, entitlement: EntitlementId },
    #[error("the authority in {} is unfinished", ShownPath(home))]
    Unfinished { home: PathBuf },
    #[error("batch {batch} is unknown")]
    UnknownBatch { batch: u64 },
    #[error("there is no catalog change {number}")]
    UnknownChange { number: u64 },
    #[error("customer {customer} is unknown")]
    UnknownCustomer { customer: String },
    #[error("log index {log_index} is unknown")]
    UnknownDocument { log_index: u64 },
    #[error("product {product} has no edition {edition}")]
    UnknownEdition { product: String, edition: String },
    #[error("entitlement {entitlement} is unknown")]
    UnknownEntitlement { entitlement: EntitlementId },
    #[error("entitlement {entitlement} did not exist then")]
    UnknownGrant { entitlement: EntitlementId },
    #[error("key {thumbprint} is unknown")]
    UnknownKey { thumbprint: Thumbprint },
    #[error("license {license} is unknown")]
    UnknownLicense { license: LicenseId },
    #[error("product {product} is unknown")]
    UnknownProduct { product: String },
}

impl RepositoryError {
    /// Returns the stable kebab-case code, as `--json` prints it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AlreadyInitialized { .. } => "already-initialized",
            Self::AlreadySigned { .. } => "already-signed",
            Self::BatchKnown { .. } => "batch-known",
            Self::Busy => "database-busy",
            Self::CatalogMoved { .. } => "catalog-moved",
            Self::CatalogTooLarge { .. } => "catalog-too-large",
            Self::Corrupted { .. } => "database-corrupted",
            Self::CustomerExists { .. } => "customer-exists",
            Self::DeviceEntryDiffers { .. } => "audit-broken",
            Self::DiskFull => "disk-full",
            Self::EntitlementChanged { .. } => "entitlement-changed",
            Self::EntitlementExhausted { .. } => "entitlement-exhausted",
            Self::EntitlementRevoked { .. } => "entitlement-revoked",
            Self::EntitlementSuspended { .. } => "entitlement-suspended",
            Self::File(error) => error.code(),
            Self::ForeignDatabase => "database-foreign",
            Self::ForeignSchema => "database-schema-foreign",
            Self::GrantRefused { .. } => "grant-refused",
            Self::HomeCopied { .. } => "home-copied",
            Self::Io { .. } => "home-unusable",
            Self::IssuingLocked { .. } => "issuing-locked",
            Self::KeyExists { .. } => "key-exists",
            Self::LeaseMissing { .. } => "lease-missing",
            Self::NewerVersion { .. } => "database-newer",
            Self::NotInitialized { .. } => "not-initialized",
            Self::OlderVersion { .. } => "database-older",
            Self::ReadOnly => "database-read-only",
            Self::RequestKnown { .. } => "request-known",
            Self::RevisionTaken => "revision-taken",
            Self::RevocationExists { .. } => "revocation-exists",
            Self::Sqlite(_) => "database-failed",
            Self::TrialUsed { .. } => "trial-used",
            Self::Unfinished { .. } => "init-unfinished",
            Self::UnknownBatch { .. } => "batch-unknown",
            Self::UnknownChange { .. } => "change-unknown",
            Self::UnknownCustomer { .. } => "customer-unknown",
            Self::UnknownDocument { .. } => "document-unknown",
            Self::UnknownEdition { .. } => "edition-unknown",
            Self::UnknownEntitlement { .. } => "entitlement-unknown",
            Self::UnknownGrant { .. } => "grant-unknown",
            Self::UnknownKey { .. } => "key-unknown",
            Self::UnknownLicense { .. } => "license-unknown",
            Self::UnknownProduct { .. } => "product-unknown",
        }
    }

    /// Returns the operator's next action.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::AlreadyInitialized { .. } => "choose another directory with `--home`",
            Self::AlreadySigned { .. } => "write it again with `chancery license export`",
            Self::BatchKnown { .. } => "run the command again: it goes on with that batch",
            Self::Busy | Self::EntitlementChanged { .. } | Self::RevisionTaken => {
                "wait until the other command ends, then run this one again"
            }
            Self::CatalogMoved { .. } => {
                "look at it with `chancery catalog history`, then run this command again"
            }
            Self::CatalogTooLarge { .. } => "remove from the catalog what is no longer sold: see `[remove]`",
            Self::Corrupted { .. } => "stop issuing, keep the home as it is, and restore the last backup",
            Self::CustomerExists { .. } => "list customers with `chancery customer list`",
            Self::DeviceEntryDiffers { .. } => "stop issuing, and call the auditor",
            Self::DiskFull => "free space on the file system that holds the home; nothing was signed",
            Self::EntitlementRevoked { .. } => {
                "see why with `chancery entitlement history`; what is revoked stays so: grant something new"
            }
            Self::EntitlementSuspended { .. } => {
                "see why with `chancery entitlement history`, and end it with `chancery entitlement resume`"
            }
            Self::EntitlementExhausted { .. } => {
                "grant another entitlement, or check with `chancery license list` which devices hold one"
            }
            Self::File(error) => error.hint(),
            Self::ForeignDatabase => "check `--home`; this directory belongs to another program",
            Self::ForeignSchema => "stop and call the auditor: the database was changed by other hands",
            Self::GrantRefused { .. } => "change less at once, or name fewer users and features",
            Self::HomeCopied { .. } | Self::LeaseMissing { .. } => {
                "work in the original; if that is gone for good, `chancery restore --adopt` takes this home over, \
                 which then issues nothing until `chancery restore --reconcile`"
            }
            Self::Io { .. } => "check that the directory exists and belongs to this user",
            Self::IssuingLocked { reason, .. } if [ADOPTED, RESTORED].contains(&reason.as_str()) => {
                "compare the log with the newest checkpoint: `chancery restore --reconcile --checkpoint FILE`"
            }
            Self::IssuingLocked { .. } => {
                "call the auditor; `chancery log reconcile` shows what was found, and its --release ends the lock"
            }
            Self::KeyExists { .. } => "list keys with `chancery key list`",
            Self::NewerVersion { .. } => "use the newer release of chancery that wrote it",
            Self::NotInitialized { .. } => {
                "create an authority with `chancery init --home DIR`, or name its home with `--home`"
            }
            Self::OlderVersion { .. } => {
                "back the home up, then run any other command: it upgrades the database"
            }
            Self::ReadOnly => "check who owns the home and that its file system is mounted read-write",
            Self::RequestKnown { .. } => "write that license again with `chancery license export`",
            Self::RevocationExists { .. } => "list what is revoked with `chancery revocation list`",
            Self::Sqlite(_) => "run `chancery doctor`",
            Self::Unfinished { .. } => {
                "`chancery init` was interrupted and signed no license: remove the directory, then run it again"
            }
            Self::TrialUsed { .. } => {
                "convert that trial with `chancery entitlement convert`, or sell to the device"
            }
            Self::UnknownBatch { .. } => "list batches with `chancery batch list`",
            Self::UnknownChange { .. } => "list changes with `chancery catalog history`",
            Self::UnknownCustomer { .. } => "add it with `chancery customer add ID --name NAME`",
            Self::UnknownDocument { .. } | Self::UnknownLicense { .. } => {
                "list licenses with `chancery license list`"
            }
            Self::UnknownEdition { .. } | Self::UnknownProduct { .. } => {
                "add it to the catalog with `chancery catalog apply FILE.toml`"
            }
            Self::UnknownEntitlement { .. } => "list entitlements with `chancery entitlement list`",
            Self::UnknownGrant { .. } => "see when it was granted with `chancery entitlement history`",
            Self::UnknownKey { .. } => "list keys with `chancery key list`",
        }
    }

    /// A stored value of a form that the program never writes.
    pub(super) fn malformed(what: &'static str) -> Self {
        Self::Corrupted { detail: format!("malformed value in {what}") }
    }
}

impl From<rusqlite::Error> for RepositoryError {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(failure, message) = &error else {
            return match error {
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..) => {
                    Self::Corrupted { detail: error.to_string() }
                }
                other => Self::Sqlite(other),
            };
        };
        match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                Self::Corrupted { detail: message.clone().unwrap_or_else(|| failure.to_string()) }
            }
            ErrorCode::DiskFull => Self::DiskFull,
            ErrorCode::ReadOnly => Self::ReadOnly,
            // The shared-memory index of the write-ahead log finds no space.
            ErrorCode::SystemIoFailure if failure.extended_code == SQLITE_IOERR_SHMSIZE => Self::DiskFull,
            _ => Self::Sqlite(error),
        }
    }
}
