//! A backup: one encrypted file that holds the database as it was at one moment, restored once before it counts.
//!
//! The database is copied while others may use it, encrypted, and read back from the disk; then the file is restored
//! into a scratch folder by the code that restores homes, and all that is there is checked as `log verify` does. Only
//! then has the file its name. Copy and scratch lie in the home in plain, as the database itself does, and are gone
//! before the command ends. Not here: restoring (`restore`), the form of what is inside (`contents`), age (`cipher`).

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use chancery_carriers::files::{
    Output, create_new_private, create_private_folder, open_document, read_private,
};
use chancery_carriers::text::shown_path;
use chancery_hsm_config::KeyRef;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::restore::unpack;
use crate::error::CommandError;
use crate::home::Home;
use crate::log::LogTree;
use crate::repository::{Repository, RepositoryError};

pub mod cipher;
pub mod contents;

use cipher::{Key, Lock};
use contents::{Contents, DATABASE, MAX_KEY_BYTES, MAX_KEYS, Part, is_key_name};

/// Bytes that are read or written at a time.
pub(super) const CHUNK: usize = 64 * 1024;

/// The copy of the database, in the scratch folder.
const COPY: &str = "copy";
/// The home that the backup is restored to, in the scratch folder.
const RESTORED: &str = "restored";
/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 20;

/// What takes its time, for those who watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reading and checking the log; counted in leaves.
    Check,
    /// Copying the database; counted in pages.
    Copy,
    /// Encrypting or decrypting; counted in KiB.
    Encrypt,
}

/// Told how far a step has come: done, and in all.
pub type Watch<'a> = dyn FnMut(Step, u64, u64) + 'a;

/// What is asked for.
#[derive(Debug)]
pub struct Request<'a> {
    /// The file to make.
    pub output: &'a Path,
    /// To whom it is encrypted.
    pub lock: Lock,
    /// What opens it, to try that.
    pub key: Option<Key>,
    /// Whether the encrypted files of software keys are to be in it.
    pub with_keys: bool,
}

/// What was made.
#[derive(Debug)]
pub struct Made {
    /// What the backup says of itself.
    pub contents: Contents,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Whether the key of somebody who is to open it was tried, rather than one made for the trial alone.
    pub opened: bool,
    /// Software keys whose files are not in it.
    pub keys_left: Vec<PathBuf>,
}

/// Makes a backup. `now` is Unix seconds.
///
/// # Errors
///
/// An alarm where the copy is not sound; `backup-running`; those of the file, which is then not there.
pub fn backup(
    repository: &Repository,
    request: &Request<'_>,
    now: u64,
    watch: &mut Watch<'_>,
) -> Result<Made, CommandError> {
    if let Some(key) = &request.key
        && !key.fits(&request.lock)
    {
        return Err(CommandError::refused("identity-foreign", "identity is not that of a recipient")
            .hint("name the identity of one of the recipients, or none"));
    }
    let output = create_new_private(request.output)?;
    let scratch = Scratch::make(repository.home())?;
    let copy = scratch.home(COPY)?;
    repository.copy_to(&copy, &mut |done, all| watch(Step::Copy, done, all))?;
    let mut contents = describe_home(&copy, now)?;
    let mut files = vec![copy.database()];
    let KeyFiles { packed, left: keys_left } = software_keys(repository, request.with_keys)?;
    for (name, path) in packed {
        contents.files.push(describe(&format!("keys/{name}"), &path)?);
        files.push(path);
    }
    let (trial, lock, opened) = match &request.key {
        Some(key) => (key.clone(), request.lock.clone(), true),
        None => request.lock.clone().with_trial(),
    };
    let (bytes, sha256) = encrypt(&output, &lock, &contents, &files, watch)?;
    remove(copy.path())?;
    try_to_restore(&output, bytes, &trial, &scratch.home(RESTORED)?, &contents, watch)?;
    scratch.remove()?;
    output.publish()?;
    Ok(Made { contents, bytes, sha256, opened, keys_left })
}

/// A folder of the home for what is in plain, which one backup at a time may use; removed with the value.
struct Scratch {
    path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Makes the folder, or empties one that a backup left that was interrupted.
    fn make(home: &Home) -> Result<Self, CommandError> {
        let running = || {
            CommandError::failed("backup-running", "another backup of this home is running")
                .hint("wait until it ends")
        };
        let path = home.backup_copy();
        let unusable = |source| CommandError::from(RepositoryError::Io { path: path.clone(), source });
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unusable(error)),
            _ => {}
        }
        // Not the home itself: that is locked by whoever uses a key, who need not wait for a backup.
        let lock = File::open(&path).map_err(unusable)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            // A file system without locks does without: it is the operator who runs two at once.
            Ok(()) | Err(Errno::NOTSUP | Errno::NOLCK | Errno::NOSYS) => {}
            Err(Errno::WOULDBLOCK) => return Err(running()),
            Err(errno) => return Err(unusable(errno.into())),
        }
        // The other may have ended, and taken the folder away, between the two calls.
        let (held, named) = (lock.metadata().map_err(unusable)?, path.symlink_metadata().map_err(unusable)?);
        if held.ino() != named.ino() {
            return Err(running());
        }
        for name in [COPY, RESTORED] {
            remove(&path.join(name))?;
        }
        Ok(Self { path, _lock: lock })
    }

    /// Makes a folder for a home in it.
    fn home(&self, name: &str) -> Result<Home, CommandError> {
        let path = self.path.join(name);
        create_private_folder(&path)?;
        Ok(Home::new(path))
    }

    fn remove(self) -> Result<(), CommandError> {
        remove(&self.path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is removed by the next backup, and named by `doctor`.
        let _ = remove(&self.path);
    }
}

fn remove(path: &Path) -> Result<(), CommandError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(CommandError::failed("backup-copy-stays", format!("cannot remove {}", shown_path(path)))
                .cause(error.to_string())
                .hint("remove that folder: it holds a copy of the database in plain"))
        }
        _ => Ok(()),
    }
}

/// Says what a copy of a database is, as far as it says so itself.
fn describe_home(home: &Home, made_at: u64) -> Result<Contents, CommandError> {
    let database = describe(DATABASE, &home.database())?;
    let copy = Repository::open_read_only(home)?;
    let tree = LogTree::open(&copy)?;
    let log = tree.head(tree.size())?;
    let (authority, schema) = (copy.authority()?.id, copy.schema_version()?);
    Ok(Contents { authority, log, made_at, schema, files: vec![database] })
}

fn describe(name: &str, path: &Path) -> Result<Part, CommandError> {
    let mut file = open_document(path)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk).map_err(|source| RepositoryError::Io { path: path.into(), source })? {
            0 => return Ok(Part { name: name.to_owned(), bytes, sha256: hash.finalize().into() }),
            count => {
                hash.update(chunk.get(..count).unwrap_or_default());
                bytes += count as u64;
            }
        }
    }
}

/// The files of software keys.
#[derive(Default)]
struct KeyFiles {
    /// Those to pack: the name in `keys/`, and where it is.
    packed: Vec<(String, PathBuf)>,
    /// Those that stay behind.
    left: Vec<PathBuf>,
}

fn software_keys(repository: &Repository, with_keys: bool) -> Result<KeyFiles, CommandError> {
    let mut files = KeyFiles::default();
    for key in repository.keys()? {
        // A key on another machine has no reference here.
        let Some(reference) = key.reference.map(|written| written.parse::<KeyRef>()).transpose()? else {
            continue;
        };
        let Some(path) = reference.file_path() else { continue };
        let file = repository.home().path().join(path);
        let name = path.strip_prefix("keys").ok().and_then(Path::to_str).filter(|name| is_key_name(name));
        match name {
            Some(name) if with_keys => {
                // Refuses what others can read or write, and what is no small file.
                read_private(&file, MAX_KEY_BYTES)?;
                files.packed.push((name.to_owned(), file));
            }
            _ => files.left.push(file),
        }
    }
    files.packed.sort();
    files.packed.dedup();
    if files.packed.len() > MAX_KEYS {
        return Err(CommandError::failed("keys-too-many", format!("more than {MAX_KEYS} key files")));
    }
    Ok(files)
}

fn encrypt(
    output: &Output,
    lock: &Lock,
    contents: &Contents,
    files: &[PathBuf],
    watch: &mut Watch<'_>,
) -> Result<(u64, [u8; 32]), CommandError> {
    let all = total(contents);
    // age adds 16 bytes to every 64 KiB, and a header.
    output.reserve(all + all / 4096 + 128 * 1024)?;
    let wrong = |error| output.write_error(error);
    let mut sealed = lock.encrypt(BufWriter::with_capacity(BUFFER, output.stream())).map_err(wrong)?;
    sealed.write_all(contents.encode().as_bytes()).map_err(wrong)?;
    let (mut chunk, mut done) = (vec![0; CHUNK], 0);
    for (path, part) in files.iter().zip(&contents.files) {
        let unreadable = |source| RepositoryError::Io { path: path.clone(), source };
        let mut file = open_document(path)?.take(part.bytes);
        loop {
            let count = file.read(&mut chunk).map_err(unreadable)?;
            if count == 0 {
                break;
            }
            sealed.write_all(chunk.get(..count).unwrap_or_default()).map_err(wrong)?;
            done += count as u64;
            watch(Step::Encrypt, done / 1024, all / 1024);
        }
    }
    let stream = sealed.finish().map_err(wrong)?.into_inner().map_err(|error| wrong(error.into_error()))?;
    Ok(stream.finish()?)
}

/// The bytes of all files inside.
pub(super) fn total(contents: &Contents) -> u64 {
    contents.files.iter().fold(0, |sum, part| sum.saturating_add(part.bytes))
}

/// Restores what was written, from the disk, and checks that it is what was to be written.
fn try_to_restore(
    output: &Output,
    bytes: u64,
    key: &Key,
    scratch: &Home,
    contents: &Contents,
    watch: &mut Watch<'_>,
) -> Result<(), CommandError> {
    let unsound = |cause: String| {
        CommandError::failed("backup-unsound", "backup does not restore to what was put into it")
            .cause(cause)
            .hint("use another disk, and look for faulty memory; the home is as it was")
    };
    match unpack(output.reader(), bytes, key, None, scratch, watch) {
        Ok(found) if found == *contents => Ok(()),
        Ok(_) => Err(unsound("it says other things of itself".to_owned())),
        // What is wrong with the home itself is told as it is.
        Err(error) if error.code().starts_with("backup-") => Err(unsound(error.report().error.clone())),
        Err(error) => Err(error),
    }
}

/// Hands the bytes of one file of a backup on, piece by piece.
pub(super) fn copy_part(
    plain: &mut impl Read,
    part: &Part,
    done: &mut u64,
    all: u64,
    watch: &mut Watch<'_>,
    mut take: impl FnMut(&[u8]) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let mut chunk = vec![0; CHUNK];
    let mut left = part.bytes;
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let read = plain.read(chunk.get_mut(..wanted).unwrap_or_default());
        let count = read.map_err(|error| cipher::unreadable(&error))?;
        if count == 0 {
            return Err(cipher::damaged(&format!("{} ends early", part.name)));
        }
        take(chunk.get(..count).unwrap_or_default())?;
        left = left.saturating_sub(count as u64);
        *done += count as u64;
        watch(Step::Encrypt, *done / 1024, all / 1024);
    }
    Ok(())
}

/// Refuses bytes after the last file.
pub(super) fn require_end(plain: &mut impl Read) -> Result<(), CommandError> {
    match plain.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(cipher::damaged("it goes on after its last file")),
        Err(error) => Err(cipher::unreadable(&error)),
    }
}
