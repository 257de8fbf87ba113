//! The lease: which machine and which very file this database is, so that a copy of it is noticed.
//!
//! Two copies of one home that both issue would give one serial to two licenses. The lease names the machine, the
//! file system and the inode of the database; who opens the database to write compares them. A home that is renamed
//! on its file system keeps them, a copied one has others. What cannot be seen here: a clone of the whole
//! machine, or of the whole file system on it (`docs/adr/0015-lease-of-a-home.md`). Not here: what adopting asks
//! of the operator (`workflow::restored`).

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use chancery_formats::id::AuthorityId;
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};

use super::{Repository, RepositoryError};
use crate::home::Home;

/// Begins what is hashed, so that the hash means nothing else.
const DOMAIN: &[u8] = b"chancery lease 1\0";

/// Where systemd, and others after it, keep 32 digits that tell machines apart.
const MACHINE_ID: &str = "/etc/machine-id";

/// Bytes of [`MACHINE_ID`] that count; it has 33.
const MACHINE_ID_BYTES: u64 = 256;

/// Which copy of the database may issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// From 1; each adoption adds 1.
    pub epoch: u64,
    /// SHA-256 over the machine, the file and the authority.
    pub place: [u8; 32],
    /// Unix seconds.
    pub taken_at: u64,
}

impl Repository {
    /// Returns the lease in force; `None` in a home that is in the making.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn lease(&self) -> Result<Option<Lease>, RepositoryError> {
        load(&self.connection)
    }

    /// Checks that the lease names this machine and this file.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::HomeCopied`] where it names another, [`RepositoryError::LeaseMissing`] where it is not
    /// there; a database file that cannot be looked at.
    pub fn require_lease(&self) -> Result<(), RepositoryError> {
        let home = self.home.path().to_path_buf();
        let Some(lease) = self.lease()? else {
            return Err(RepositoryError::LeaseMissing { home });
        };
        if lease.place == place(&self.home, self.authority()?.id)? {
            Ok(())
        } else {
            Err(RepositoryError::HomeCopied { home, epoch: lease.epoch })
        }
    }

    /// Takes the lease for this machine and this file, under the next epoch. `now` is Unix seconds.
    ///
    /// Whoever calls it has locked issuing first.
    ///
    /// # Errors
    ///
    /// Those of the database; a database file that cannot be looked at.
    pub fn take_lease(&mut self, now: u64) -> Result<Lease, RepositoryError> {
        let (home, authority) = (self.home.clone(), self.authority()?.id);
        self.write(|transaction| take(transaction, &home, authority, now))
    }
}

/// Takes the lease of the file at `home` under the next epoch.
pub(super) fn take(
    connection: &Connection,
    home: &Home,
    authority: AuthorityId,
    now: u64,
) -> Result<Lease, RepositoryError> {
    let epoch = load(connection)?.map_or(0, |lease| lease.epoch) + 1;
    let lease = Lease { epoch, place: place(home, authority)?, taken_at: now };
    let sql = "INSERT INTO lease (epoch, place, taken_at) VALUES (?1, ?2, ?3)";
    connection.execute(sql, (lease.epoch, lease.place, lease.taken_at))?;
    Ok(lease)
}

fn load(connection: &Connection) -> Result<Option<Lease>, RepositoryError> {
    let sql = "SELECT epoch, place, taken_at FROM lease ORDER BY epoch DESC LIMIT 1";
    let lease =
        |row: &rusqlite::Row<'_>| Ok(Lease { epoch: row.get(0)?, place: row.get(1)?, taken_at: row.get(2)? });
    Ok(connection.query_row(sql, [], lease).optional()?)
}

/// SHA-256 over the machine's id, file system and inode of the database, and the authority.
///
/// The file system's own id is taken rather than the number of its device, which changes when disks are found in
/// another order; where a file system has none, that number has to do.
fn place(home: &Home, authority: AuthorityId) -> Result<[u8; 32], RepositoryError> {
    let path = home.database();
    let unusable = |source| RepositoryError::Io { path: path.clone(), source };
    let found = path.metadata().map_err(unusable)?;
    let system = match rustix::fs::statvfs(&path).map_err(|errno| unusable(errno.into()))?.f_fsid {
        0 => found.dev(),
        id => id,
    };
    let mut hash = Sha256::new_with_prefix(DOMAIN);
    hash.update(Sha256::digest(machine_id()));
    hash.update(system.to_be_bytes());
    hash.update(found.ino().to_be_bytes());
    hash.update(authority.0);
    Ok(hash.finalize().into())
}

/// Returns what tells this machine from others; nothing where the system keeps no such file.
fn machine_id() -> Vec<u8> {
    let mut id = Vec::new();
    let read = File::open(MACHINE_ID).and_then(|file| file.take(MACHINE_ID_BYTES).read_to_end(&mut id));
    if read.is_err() {
        id.clear();
    }
    id.trim_ascii_end().to_vec()
}
