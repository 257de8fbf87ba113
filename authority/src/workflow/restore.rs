//! A home from its backup: all of it checked in a folder beside, which takes the home's name as the last step.
//!
//! A backup comes from a stick, so it is bounded by its own size, read strictly, and its database must be ours word
//! for word and sound. A home that was restored may lack what was issued after the backup was made: it issues nothing
//! until it was compared with the newest checkpoint (`restored`). Not here: the form of a backup (`backup`).

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use chancery_carriers::files::{create_new_private, create_private_folder, open_document};
use chancery_formats::id::{AuthorityId, Thumbprint};
use chancery_hsm_config::KeyRef;
use sha2::{Digest, Sha256};

use super::backup::cipher::{self, Key};
use super::backup::contents::{Contents, Part};
use super::backup::{CHUNK, Step, Watch, copy_part, require_end, total};
use super::restored;
use super::staging::{Staging, Task, require_free};
use crate::error::CommandError;
use crate::home::Home;
use crate::log::verify::verify;
use crate::repository::{Lease, Repository, RepositoryError};

/// What is asked for.
#[derive(Debug)]
pub struct Request<'a> {
    /// The backup.
    pub file: &'a Path,
    /// What opens it.
    pub key: Key,
    /// Whose it has to be, where that is said.
    pub authority: Option<AuthorityId>,
    /// SHA-256 of the whole file, where that is said.
    pub sha256: Option<[u8; 32]>,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What the backup says of itself, and holds.
    pub contents: Contents,
    /// The authority's name.
    pub name: String,
    /// The lease that the new home took.
    pub lease: Lease,
    /// Files of software keys that the home needs and the backup does not hold.
    pub keys_missing: Vec<PathBuf>,
}

/// Makes the home of a backup. `now` is Unix seconds.
///
/// # Errors
///
/// A refusal for a key that does not open it, for a damaged or foreign backup; an alarm for a database that is not
/// sound. There is no home then.
pub fn restore(
    home: &Home,
    request: &Request<'_>,
    now: u64,
    watch: &mut Watch<'_>,
) -> Result<Restored, CommandError> {
    require_free(home)?;
    let file = open_document(request.file)?;
    let size = file.metadata().map_err(|error| cipher::unreadable(&error))?.len();
    let mut file = Hashing { file, hash: Sha256::new() };
    let staging = Staging::beside(home.path(), Task::Restore)?;
    let contents = unpack(&mut file, size, &request.key, request.authority, staging.home(), watch)?;
    let sha256 = file.hash.finalize().into();
    if request.sha256.is_some_and(|wanted| wanted != sha256) {
        return Err(CommandError::refused("backup-other", "file is not the backup with that SHA-256")
            .cause(format!("its SHA-256 is {}", Thumbprint(sha256)))
            .hint("take the file whose SHA-256 `chancery backup` told"));
    }
    let (name, lease, keys_missing) = settle(staging.home(), &contents, now)?;
    staging.publish(home.path())?;
    Ok(Restored { contents, name, lease, keys_missing })
}

/// Hashes what is read of a file; all of it, as the last bytes of a backup are authenticated too.
struct Hashing {
    file: File,
    hash: Sha256,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Decrypts a backup of `size` bytes into the folder of a home, checks everything, and returns what it is.
///
/// # Errors
///
/// As [`restore`]; the folder then holds what came before.
pub(super) fn unpack(
    file: impl Read,
    size: u64,
    key: &Key,
    authority: Option<AuthorityId>,
    home: &Home,
    watch: &mut Watch<'_>,
) -> Result<Contents, CommandError> {
    let mut plain = BufReader::with_capacity(CHUNK, key.decrypt(file)?);
    let contents = Contents::read(&mut plain).map_err(|error| cipher::damaged(&describe(&error)))?;
    if authority.is_some_and(|wanted| wanted != contents.authority) {
        return Err(foreign(contents.authority));
    }
    if total(&contents) > size {
        return Err(cipher::damaged("it promises more than it holds"));
    }
    create_private_folder(&home.keys())?;
    let (mut done, all) = (0, total(&contents));
    for part in &contents.files {
        unpack_part(home, part, &mut plain, &mut done, all, watch)?;
    }
    require_end(&mut plain)?;
    // Looking at a database of an older version is refused. Opening compares its schema word for word first.
    drop(Repository::open_unleased(home).map_err(|error| match error {
        RepositoryError::Unfinished { .. } => cipher::damaged("its database is that of no authority"),
        error => error.into(),
    })?);
    require_sound(home, &contents, watch)?;
    Ok(contents)
}

fn unpack_part(
    home: &Home,
    part: &Part,
    plain: &mut impl Read,
    done: &mut u64,
    all: u64,
    watch: &mut Watch<'_>,
) -> Result<(), CommandError> {
    let output = create_new_private(&home.path().join(&part.name))?;
    output.reserve(part.bytes)?;
    let mut stream = output.stream();
    copy_part(plain, part, done, all, watch, |bytes| {
        stream.write_all(bytes).map_err(|error| output.write_error(error).into())
    })?;
    let (_, sha256) = stream.finish()?;
    if sha256 != part.sha256 {
        return Err(cipher::damaged(&format!("{} is not what was backed up", part.name)));
    }
    Ok(output.publish()?)
}

/// Checks all of a database that came out of a backup: that it is what the list says, and that it agrees with itself
/// and with every signature in it.
fn require_sound(home: &Home, told: &Contents, watch: &mut Watch<'_>) -> Result<(), CommandError> {
    let repository = Repository::open_read_only(home)?;
    if let Some(line) = repository.damage_in_depth()?.into_iter().next() {
        return Err(RepositoryError::Corrupted { detail: line }.into());
    }
    if told.authority != repository.authority()?.id {
        return Err(cipher::damaged("its database is that of another authority than it says"));
    }
    if told.schema > repository.schema_version()? {
        return Err(cipher::damaged("its database is of another version than it says"));
    }
    let report = verify(&repository, None, |done, all| watch(Step::Check, done, all))?;
    if let Some(first) = report.findings.first() {
        let count = report.findings.len() as u64 + report.more;
        let message = format!("log in the backup has {count} contradictions");
        return Err(CommandError::alarm("log-damaged", message)
            .cause(format!("{}: {}", first.code, first.message))
            .hint("keep the home as it is, look with `chancery log verify`, and call the auditor"));
    }
    if told.log != report.head {
        return Err(cipher::damaged("the log of its database is not the one that it states"));
    }
    Ok(())
}

/// Locks issuing and takes the lease, before the home has its name.
fn settle(home: &Home, contents: &Contents, now: u64) -> Result<(String, Lease, Vec<PathBuf>), CommandError> {
    let mut repository = Repository::open_unleased(home)?;
    restored::lock(&mut repository, restored::Reason::Restored, contents.made_at, now)?;
    let lease = repository.take_lease(now)?;
    let mut missing = Vec::new();
    for key in repository.keys()? {
        let reference = key.reference.map(|written| written.parse::<KeyRef>()).transpose()?;
        if let Some(path) = reference.as_ref().and_then(KeyRef::file_path)
            && !home.path().join(path).is_file()
        {
            missing.push(path.to_path_buf());
        }
    }
    missing.sort();
    let name = repository.authority()?.name;
    drop(repository);
    // Closing moves what the log of the database holds into it; a reader could keep that from happening.
    if home.write_ahead_log().symlink_metadata().is_ok() {
        return Err(RepositoryError::Busy.into());
    }
    Ok((name, lease, missing))
}

fn foreign(found: AuthorityId) -> CommandError {
    CommandError::refused("backup-foreign-authority", "backup is that of another authority")
        .cause(format!("it is that of {found}"))
        .hint("check the file, and the id after `--authority`")
}

fn describe(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
