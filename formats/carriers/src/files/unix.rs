//! The calls to the operating system that the standard library lacks, on Unix.
//!
//! Everything that another operating system does otherwise is in this file. Names are relative to an
//! open folder, so that a folder renamed or replaced in between cannot redirect a write.

use std::ffi::OsStr;
use std::fs::{File, FileType, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{self, Advice, AtFlags, FallocateFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};
use sha2::{Digest, Sha256};

/// An open folder, to name files in.
pub(super) type Folder = OwnedFd;

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

pub(super) fn open_to_read(path: &Path) -> io::Result<File> {
    // NONBLOCK: a FIFO that took the file's place must not make the program wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(retry_on_intr(|| fs::open(path, flags, Mode::empty()))?.into())
}

pub(super) fn open_folder(path: &Path) -> io::Result<Folder> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| fs::open(path, flags, Mode::empty()))?)
}

/// Returns whether the folder has an entry of this name, a dangling link among them.
pub(super) fn exists(folder: &Folder, name: &OsStr) -> io::Result<bool> {
    match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Creates a file that must not exist, locked for as long as it stays open.
pub(super) fn create(folder: &Folder, name: &OsStr, private: bool) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(if private { 0o600 } else { 0o644 });
    let file: File = retry_on_intr(|| fs::openat(folder, name, flags, mode))?.into();
    // The lock only tells `leftovers` that the file is in use; a file system without locks does without.
    let _ = fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
    Ok(file)
}

/// Returns whether a process holds the lock of [`create`].
pub(super) fn is_in_use(file: &File) -> bool {
    fs::flock(file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)
}

/// Makes sure that the disk has room for `bytes` bytes of this file, by zeros where it knows no other way.
pub(super) fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    match retry_on_intr(|| fs::fallocate(file, FallocateFlags::empty(), 0, bytes)) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => reserve_by_zeros(file, bytes),
        done => Ok(done?),
    }
}

// Synced, because a file system that allocates late would find out too late.
pub(super) fn reserve_by_zeros(file: &File, bytes: u64) -> io::Result<()> {
    let mut written = 0;
    while written < bytes {
        let rest = usize::try_from(bytes - written).unwrap_or(usize::MAX).min(ZEROS.len());
        file.write_all_at(&ZEROS[..rest], written)?;
        written += rest as u64;
    }
    file.sync_data()
}

/// Makes the file hold exactly `bytes`, synced; space reserved beyond them is given back.
pub(super) fn write_whole(file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all_at(bytes, 0)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()
}

/// Reads from a place, fewer bytes than asked for where the file ends or the system likes.
pub(super) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.read_at(buffer, at)
}

/// Writes bytes at a place.
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Ends a file at `length`, synced; space reserved beyond it is given back.
pub(super) fn finish(file: &File, length: u64) -> io::Result<()> {
    file.set_len(length)?;
    file.sync_all()
}

/// Returns length and SHA-256 of the file, read from the disk where the system lets go of its copy.
pub(super) fn hash(file: &File) -> io::Result<(u64, [u8; 32])> {
    let _ = fs::fadvise(file, 0, None, Advice::DontNeed);
    let (mut length, mut hash) = (0, Sha256::new());
    let mut chunk = vec![0; ZEROS.len()];
    loop {
        match file.read_at(&mut chunk, length)? {
            0 => return Ok((length, hash.finalize().into())),
            read => {
                hash.update(&chunk[..read]);
                length += read as u64;
            }
        }
    }
}

/// Returns whether the file holds exactly `bytes`, read from the disk where the system lets go of its copy.
pub(super) fn holds(file: &File, bytes: &[u8]) -> io::Result<bool> {
    let _ = fs::fadvise(file, 0, None, Advice::DontNeed);
    let mut chunk = vec![0; ZEROS.len()];
    for (index, expected) in bytes.chunks(ZEROS.len()).enumerate() {
        let chunk = &mut chunk[..expected.len()];
        match file.read_exact_at(chunk, (index * ZEROS.len()) as u64) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            done => done?,
        }
        if chunk != expected {
            return Ok(false);
        }
    }
    Ok(file.metadata()?.len() == bytes.len() as u64)
}

/// Gives a file its final name, which must be free.
///
/// At any moment the final name is free or the whole file, but for file systems with neither
/// `RENAME_NOREPLACE` nor hard links: there a kill can leave an empty file under it, never a torn one.
pub(super) fn publish(folder: &Folder, temp: &OsStr, name: &OsStr) -> io::Result<()> {
    match fs::renameat_with(folder, temp, folder, name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        done => return Ok(done?),
    }
    match publish_by_link(folder, temp, name) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM | Errno::MLINK) => {}
        done => return Ok(done?),
    }
    Ok(publish_by_placeholder(folder, temp, name)?)
}

pub(super) fn publish_by_link(folder: &Folder, temp: &OsStr, name: &OsStr) -> rustix::io::Result<()> {
    fs::linkat(folder, temp, folder, name, AtFlags::empty())?;
    fs::unlinkat(folder, temp, AtFlags::empty())
}

// The empty file takes the name, or finds it taken; the rename then replaces nothing but it.
pub(super) fn publish_by_placeholder(folder: &Folder, temp: &OsStr, name: &OsStr) -> rustix::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    drop(fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?);
    fs::renameat(folder, temp, folder, name).inspect_err(|_| {
        let _ = fs::unlinkat(folder, name, AtFlags::empty());
    })
}

/// Gives a file its final name in place of the file that has it.
pub(super) fn replace(folder: &Folder, temp: &OsStr, name: &OsStr) -> io::Result<()> {
    Ok(fs::renameat(folder, temp, folder, name)?)
}

pub(super) fn remove(folder: &Folder, name: &OsStr) -> io::Result<()> {
    Ok(fs::unlinkat(folder, name, AtFlags::empty())?)
}

/// Makes names in the folder durable. A file system that cannot sync folders keeps them by other means.
pub(super) fn sync_folder(folder: &Folder) -> io::Result<()> {
    match retry_on_intr(|| fs::fsync(folder)) {
        Err(Errno::INVAL) => Ok(()),
        done => Ok(done?),
    }
}

/// Creates a folder that only its owner may enter.
pub(super) fn create_private_folder(parent: &Folder, name: &OsStr) -> io::Result<()> {
    Ok(fs::mkdirat(parent, name, Mode::RWXU)?)
}

/// Returns the mode where group or others have any right.
pub(super) fn exposed_mode(metadata: &Metadata) -> Option<u32> {
    let mode = metadata.mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

pub(super) fn is_own(metadata: &Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw()
}

pub(super) fn name_of(kind: FileType) -> &'static str {
    match kind {
        _ if kind.is_symlink() => "symbolic link",
        _ if kind.is_dir() => "folder",
        _ if kind.is_fifo() => "FIFO",
        _ if kind.is_socket() => "socket",
        _ if kind.is_block_device() || kind.is_char_device() => "device",
        _ => "special file",
    }
}
