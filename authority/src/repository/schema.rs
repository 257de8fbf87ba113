//! The schema: its migrations, and the proof that a database holds it and nothing else.
//!
//! A database restored from elsewhere may carry triggers and views that act while the program works.
//! So every object of the file must equal, word for word, what the migrations make. Not here: settings of
//! the connection (`open`), damage inside the tables (`Repository::damage`).

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction};
use rusqlite_migration::{HookError, M, Migrations};
use sha2::{Digest, Sha256};

use super::error::RepositoryError;
use super::{digest, grant, tree};

/// Marks the file as the database of an authority: `CHNC`.
const APPLICATION_ID: i32 = 0x4348_4e43;

/// Number of migrations.
const STEPS: usize = 8;

fn steps() -> [M<'static>; STEPS] {
    [
        M::up(include_str!("../../migrations/0001_initial.sql")),
        M::up(include_str!("../../migrations/0002_device_log.sql")),
        M::up_with_hook(include_str!("../../migrations/0003_trust.sql"), |transaction: &Transaction<'_>| {
            tree::rebuild(transaction).map_err(|error| HookError::Hook(error.to_string()))
        })
        .foreign_key_check(),
        M::up_with_hook(include_str!("../../migrations/0004_row_digest.sql"), install_digests),
        M::up_with_hook(include_str!("../../migrations/0005_catalog.sql"), install_digests)
            .foreign_key_check(),
        M::up_with_hook(include_str!("../../migrations/0006_grant.sql"), |transaction: &Transaction<'_>| {
            let fill = grant::upgrade::fill(transaction).and_then(|()| digest::install(transaction));
            fill.map_err(|error| HookError::Hook(error.to_string()))
        })
        .foreign_key_check(),
        M::up_with_hook(include_str!("../../migrations/0007_order.sql"), install_digests),
        M::up_with_hook(include_str!("../../migrations/0008_approval.sql"), install_digests),
    ]
}

fn install_digests(transaction: &Transaction<'_>) -> Result<(), HookError> {
    digest::install(transaction).map_err(|error| HookError::Hook(error.to_string()))
}

/// What [`fingerprint`] yields after each step: one entry a migration.
const FINGERPRINTS: [&str; STEPS] = [
    "03f2fc32b3f60fe733d8940b34b4711dde6241f11f36ca572237fc2c7d3d8996",
    "3fd0ea0557db43fb62b7d90370a9bbddfa512e9d5a5c86a29953044a5406c323",
    "480ff6c6c09d1537d06fc47f7830799177a8eed4f97fde2d17241610cd3eb6fd",
    "be7bdbcf8f586e39190f8c0c810395e12d952f383bb8e23dacd4c8cde9c92ef0",
    "82ced4089e9af29845fcf48d2259935b7b14aeebb59de82756c6f78c8eb9708f",
    "6f516ec1199c9c4876f878280f213ea8c63d90a131122a94a9a0194efdc04b53",
    "af8f2c6a59d113187c29644fee983ead843275d58b7b2877e67fc06baca7f506",
    "5486681b054defec791f4f45fa11a01e5c766418778d853c39b09742cbdf27fe",
];

/// The version that this program writes.
#[allow(clippy::cast_possible_wrap)]
pub(super) const NEWEST: i64 = STEPS as i64;

/// What the header of a database file says.
pub(super) enum State {
    /// Made by `create`, which did not end.
    Unfinished,
    /// The schema of a version that this program knows, whole.
    Version(i64),
}

/// Makes the schema in an empty database.
pub(super) fn create(connection: &mut Connection) -> Result<(), RepositoryError> {
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    upgrade(connection)
}

/// Brings a checked database to the newest version.
pub(super) fn upgrade(connection: &mut Connection) -> Result<(), RepositoryError> {
    // A table that others refer to is made anew under its name; `foreign_key_check` looks at the result.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    let upgraded = Migrations::from_slice(&steps()).to_latest(connection).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => err.into(),
        other => RepositoryError::Corrupted { detail: other.to_string() },
    });
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    upgraded
}

/// Brings a database to an older version, as the release of its day left it.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) fn upgrade_to(connection: &mut Connection, version: usize) {
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    Migrations::from_slice(&steps()).to_version(connection, version).unwrap();
}

/// Returns the version that the header of a checked database states.
pub(super) fn version(connection: &Connection) -> Result<u32, RepositoryError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Returns whether a version needs [`upgrade`].
pub(super) fn is_old(version: i64) -> bool {
    version < NEWEST
}

/// Returns whether homes of a version have no lease yet: the upgrade takes their first.
pub(super) fn is_before_leases(version: i64) -> bool {
    version < 3
}

/// Checks whose database this is, of which version, and that its schema is ours.
pub(super) fn check(connection: &Connection) -> Result<State, RepositoryError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    if application == 0 && version == 0 && object_count(connection)? == 0 {
        return Ok(State::Unfinished);
    }
    if application != i64::from(APPLICATION_ID) {
        return Err(RepositoryError::ForeignDatabase);
    }
    if version == 0 {
        return Ok(State::Unfinished);
    }
    if version > NEWEST {
        return Err(RepositoryError::NewerVersion { found: version, known: NEWEST });
    }
    let expected = usize::try_from(version - 1).ok().and_then(|index| FINGERPRINTS.get(index));
    if expected.copied() != Some(fingerprint(connection)?.as_str()) {
        return Err(RepositoryError::ForeignSchema);
    }
    Ok(State::Version(version))
}

fn object_count(connection: &Connection) -> Result<i64, RepositoryError> {
    Ok(connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?)
}

/// Hashes every table, index, view and trigger: SHA-256 in hexadecimal of kind, name, table and SQL.
///
/// Runs of white space count as one space, so that a checkout with other line ends gives the same hash.
fn fingerprint(connection: &Connection) -> Result<String, RepositoryError> {
    let mut statement = connection
        .prepare("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name")?;
    let mut rows = statement.query([])?;
    let mut hash = Sha256::new();
    while let Some(row) = rows.next()? {
        for column in 0..4 {
            for word in row
                .get_ref(column)?
                .as_str()
                .map_err(|_| RepositoryError::ForeignSchema)?
                .split_ascii_whitespace()
            {
                hash.update(word);
                hash.update(b" ");
            }
            hash.update(b"\0");
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_the_fingerprint_that_its_migrations_make() {
        let made: Vec<_> = (1..=STEPS)
            .map(|version| {
                let mut connection = Connection::open_in_memory().unwrap();
                Migrations::from_slice(&steps()).to_version(&mut connection, version).unwrap();
                fingerprint(&connection).unwrap()
            })
            .collect();
        assert_eq!(made, FINGERPRINTS);
    }
}
