//! Creating and opening the database file, with settings that keep it durable and distrust its content.
//!
//! Only [`Repository::create`] makes a file. A missing database is never replaced by an empty one: what
//! was issued would be forgotten. Not here: the schema (`schema`), the tables (one file a group).

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use chancery_carriers::files::private_folder;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction};

use super::ballast::Ballast;
use super::digest::Digests;
use super::error::RepositoryError;
use super::{Repository, lease, schema};
use crate::home::Home;

/// How long a command waits for another that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Statements that stay prepared: a line of an order takes some twenty, thousands of times in turn.
const STATEMENTS: usize = 64;

/// Most memory for pages, in KiB: what a transaction of a million licenses writes beyond it goes to the log early.
const CACHE_KIB: i32 = 64 * 1024;

impl Repository {
    /// Creates the home where it is missing, and in it an empty database and the reserve.
    ///
    /// Both are readable by their owner alone. What `init` has to add before the home counts as an
    /// authority, it adds next.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::AlreadyInitialized`] when the home holds a database file of any kind, or
    /// [`RepositoryError::Unfinished`] when that is what an interrupted `init` left;
    /// [`RepositoryError::File`] when the home is open to others.
    pub fn create(home: &Home) -> Result<Self, RepositoryError> {
        let unusable = |source| RepositoryError::Io { path: home.path().into(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(home.path()).map_err(unusable)?;
        private_folder(home.path())?;
        let path = home.database();
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(match Self::open_read_only(home) {
                    Err(unfinished @ RepositoryError::Unfinished { .. }) => unfinished,
                    _ => RepositoryError::AlreadyInitialized { home: home.path().into() },
                });
            }
            Err(source) => return Err(RepositoryError::Io { path, source }),
        }
        let (mut connection, digests) = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE, Locking::Shared)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        schema::create(&mut connection)?;
        Ok(Self::opened(home, connection, digests))
    }

    /// Opens the database to read and write, and brings an older version up to date.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::NotInitialized`], [`RepositoryError::Unfinished`],
    /// [`RepositoryError::NewerVersion`], [`RepositoryError::Corrupted`],
    /// [`RepositoryError::ForeignDatabase`], [`RepositoryError::ForeignSchema`]; [`RepositoryError::HomeCopied`]
    /// and [`RepositoryError::LeaseMissing`] where this is not the file that the lease names.
    pub fn open(home: &Home) -> Result<Self, RepositoryError> {
        let repository = Self::open_unleased(home)?;
        repository.require_lease()?;
        Ok(repository)
    }

    /// Opens the database as [`Repository::open`] does, whoever holds its lease: to read beside a writer, and to
    /// take the lease.
    ///
    /// # Errors
    ///
    /// Those of [`Repository::open`], but for the lease.
    pub fn open_unleased(home: &Home) -> Result<Self, RepositoryError> {
        require_database(home)?;
        let (mut connection, digests) =
            connect(&home.database(), OpenFlags::SQLITE_OPEN_READ_WRITE, Locking::Shared)?;
        let version = require_version(home, &connection)?;
        if schema::is_old(version) {
            schema::upgrade(&mut connection)?;
            require_version(home, &connection)?;
        }
        let mut repository = Self::opened(home, connection, digests);
        let authority = repository.authority()?;
        if schema::is_before_leases(version) {
            let take = |transaction: &Transaction<'_>| {
                lease::take(transaction, home, authority.id, authority.created_at).map(drop)
            };
            repository.write(take)?;
        }
        Ok(repository)
    }

    /// Opens the database to look at it, without changing a byte of the home.
    ///
    /// A database of an older version is left as it is, and refused. What another process changes meanwhile may be missed or seen in
    /// part: see [`Repository::is_stale`].
    ///
    /// # Errors
    ///
    /// Those of [`Repository::open`], and [`RepositoryError::OlderVersion`].
    pub fn open_read_only(home: &Home) -> Result<Self, RepositoryError> {
        require_database(home)?;
        let seen = Seen::now(home);
        let (connection, digests) = match seen {
            // SQLite makes the files of its write-ahead log where they are missing, even for a reader. Where
            // they are missing nobody writes, so the database alone is whole and counts as immutable.
            Seen::Alone(_) => look(home, "immutable=1", OpenFlags::SQLITE_OPEN_READ_ONLY, Locking::Shared)?,
            // A killed process leaves a log whose index is missing or does not match it. With exclusive
            // locking SQLite makes an index in private. That lock needs a file opened to write, though
            // nothing is written; a writer that comes waits. Where a process is using the database there
            // is no such lock to be had, but an index to be read.
            Seen::Log => match look(home, "", OpenFlags::SQLITE_OPEN_READ_WRITE, Locking::Exclusive) {
                Err(_) if home.write_ahead_index().exists() => {
                    look(home, "readonly_shm=1", OpenFlags::SQLITE_OPEN_READ_ONLY, Locking::Shared)?
                }
                result => result?,
            },
        };
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let found = require_version(home, &connection)?;
        if schema::is_old(found) {
            return Err(RepositoryError::OlderVersion { found, known: schema::NEWEST });
        }
        let repository = Self { seen, ..Self::opened(home, connection, digests) };
        repository.authority()?;
        Ok(repository)
    }

    /// Returns whether a writer came while this repository, opened to look at it, was in use.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        Seen::now(&self.home) != self.seen
    }

    fn opened(home: &Home, connection: Connection, digests: Digests) -> Self {
        Self {
            connection,
            digests,
            home: home.clone(),
            ballast: Ballast::new(home),
            seen: Seen::now(home),
            proposed: Vec::new(),
        }
    }
}

/// What tells that another process wrote to a database that was opened as immutable.
#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    /// Readers and writers see each other through the write-ahead log, or lock each other out.
    Log,
    /// The database alone, last written at this time.
    Alone(Option<SystemTime>),
}

impl Seen {
    fn now(home: &Home) -> Self {
        if home.write_ahead_log().symlink_metadata().is_ok() {
            return Self::Log;
        }
        Self::Alone(home.database().metadata().and_then(|found| found.modified()).ok())
    }
}

/// How a connection locks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Locking {
    /// For each transaction, with the index of the write-ahead log shared.
    Shared,
    /// From the first access on and without waiting, with the index in private.
    Exclusive,
}

/// Connects to read, with parameters of SQLite's URI.
fn look(
    home: &Home,
    how: &str,
    mode: OpenFlags,
    locking: Locking,
) -> Result<(Connection, Digests), RepositoryError> {
    let uri = format!("file:{}?{how}", percent_encoded(&absolute(&home.database())?));
    let (connection, digests) = connect(Path::new(&uri), mode | OpenFlags::SQLITE_OPEN_URI, locking)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok((connection, digests))
}

fn connect(
    path: &Path,
    flags: OpenFlags,
    locking: Locking,
) -> Result<(Connection, Digests), RepositoryError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(if locking == Locking::Exclusive { Duration::ZERO } else { BUSY_TIMEOUT })?;
    if locking == Locking::Exclusive {
        // Before all other settings, of which some read the database.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    }
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        connection.set_db_config(setting, on)?;
    }
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Statement journals and sorters stay in memory: what is written here never stands in a folder of others, and a
    // batch would else write a page to a temporary file for each of its rows.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Without it, REPLACE deletes a row without asking the triggers that forbid it.
    connection.pragma_update(None, "recursive_triggers", true)?;
    let digests = Digests::register(&connection)?;
    Ok((connection, digests))
}

fn require_database(home: &Home) -> Result<(), RepositoryError> {
    match home.database().metadata() {
        Ok(found) if found.is_file() && found.len() == 0 => {
            Err(RepositoryError::Unfinished { home: home.path().into() })
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(RepositoryError::NotInitialized { home: home.path().into() })
        }
        Err(source) => Err(RepositoryError::Io { path: home.database(), source }),
    }
}

fn require_version(home: &Home, connection: &Connection) -> Result<i64, RepositoryError> {
    match schema::check(connection)? {
        schema::State::Unfinished => Err(RepositoryError::Unfinished { home: home.path().into() }),
        schema::State::Version(version) => Ok(version),
    }
}

fn absolute(path: &Path) -> Result<std::path::PathBuf, RepositoryError> {
    std::path::absolute(path).map_err(|source| RepositoryError::Io { path: path.into(), source })
}

/// Writes a path so that SQLite's URI parser reads the same bytes.
fn percent_encoded(path: &Path) -> String {
    let mut text = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), RepositoryError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| RepositoryError::Io { path: path.into(), source })
}
