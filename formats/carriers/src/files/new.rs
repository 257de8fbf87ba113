//! New files: whole under their final name, or not there at all.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{FileError, os, split};

const TEMP_SUFFIX: &str = ".chancery-tmp";
const RANDOM_LETTERS: usize = 6;
/// What is gathered before it is written.
const PART_BYTES: usize = 1 << 20;
// Leaves room for the dot, the random letters and the suffix in the 255 bytes that a name may have.
const MAX_NAME_IN_TEMP: usize = 200;

/// A new file that has no name yet: made before the work, published after it.
///
/// [`reserve`](Self::reserve) before a key signs, so that a full disk is told in time; then
/// [`commit`](Self::commit). Dropped without commit, it leaves nothing behind. A kill leaves a temporary
/// file, `.NAME.XXXXXX.chancery-tmp`, which [`leftovers`] lists and the next commit of the name removes.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    folder: os::Folder,
    name: OsString,
    temp: OsString,
    file: File,
    published: bool,
}

/// Prepares a new file that everybody may read (mode 0644, less the umask).
///
/// # Errors
///
/// [`FileError::AlreadyExists`] where anything has the name, a dangling link among them; a folder that
/// is missing, read-only or forbidden; what else the operating system refuses.
pub fn create_new(path: &Path) -> Result<Output, FileError> {
    Output::new(path, false, false)
}

/// Prepares a new file that only its owner may read (mode 0600).
///
/// # Errors
///
/// As [`create_new`].
pub fn create_new_private(path: &Path) -> Result<Output, FileError> {
    Output::new(path, true, false)
}

impl Output {
    pub(super) fn new(path: &Path, private: bool, may_exist: bool) -> Result<Self, FileError> {
        let fault = |source| FileError::from_io("create", path, source);
        let (folder_path, name) = split(path)?;
        let folder = os::open_folder(&folder_path)
            .map_err(|source| FileError::from_io("open", &folder_path, source))?;
        if !may_exist && os::exists(&folder, name).map_err(fault)? {
            return Err(FileError::AlreadyExists { path: path.into() });
        }
        let temp = temp_name(name).map_err(fault)?;
        let file = os::create(&folder, &temp, private).map_err(fault)?;
        Ok(Self { path: path.into(), folder, name: name.into(), temp, file, published: false })
    }

    /// Returns the final path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes sure that the disk has room for `bytes` bytes; [`commit`](Self::commit) may use fewer.
    ///
    /// A file system that knows no reservation is filled with zeros. One that compresses or copies on
    /// write may still run full later.
    ///
    /// # Errors
    ///
    /// [`FileError::Full`] where it has not; what else the operating system refuses.
    pub fn reserve(&self, bytes: u64) -> Result<(), FileError> {
        os::reserve(&self.file, bytes).map_err(|source| FileError::from_io("write", &self.path, source))
    }

    /// Writes the whole file, syncs it, reads it back, and publishes it under its final name, synced.
    ///
    /// The comparison comes before the name, so that damage never has the final name.
    ///
    /// # Errors
    ///
    /// [`FileError::AlreadyExists`] where something took the name meanwhile; [`FileError::Damaged`];
    /// what the operating system refuses. Only a folder that cannot be synced is told after
    /// publishing: the file is then there, and whole, but may not outlive a power cut.
    pub fn commit(self, bytes: &[u8]) -> Result<(), FileError> {
        self.write(bytes)?;
        self.publish()
    }

    /// Returns what writes a content that is too large for memory, from the file's beginning.
    ///
    /// [`Stream::finish`] ends it; then [`publish`](Self::publish).
    #[must_use]
    pub fn stream(&self) -> Stream<'_> {
        Stream { output: self, written: 0, hash: Sha256::new() }
    }

    /// Returns what reads the file from its beginning, before it has its name.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        Reader { file: &self.file, read: 0 }
    }

    /// Gives a file that [`Stream::finish`] ended its final name, synced.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit), but for writing.
    pub fn publish(mut self) -> Result<(), FileError> {
        os::publish(&self.folder, &self.temp, &self.name).map_err(|source| self.fault("create", source))?;
        self.finish()?;
        self.remove_leftovers();
        Ok(())
    }

    /// Like [`commit`](Self::commit), for one of so many that listing and syncing their folder each time would
    /// take most of the time: whoever writes them calls [`remove_leftovers`] before the first and
    /// [`sync_folder`] after the last, and counts on none of the names before that.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub fn commit_of_many(mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.write(bytes)?;
        os::publish(&self.folder, &self.temp, &self.name).map_err(|source| self.fault("create", source))?;
        self.published = true;
        Ok(())
    }

    /// Says what it means that writing this file gave an error.
    #[must_use]
    pub fn write_error(&self, source: io::Error) -> FileError {
        self.fault("write", source)
    }

    /// Like [`commit`](Self::commit), for what is too large to be at hand at once: `fill` appends it in parts.
    ///
    /// What is read back is compared by its hash.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit), and those of `fill`; the file is then not there.
    pub fn commit_in_parts<E: From<FileError>>(
        self,
        fill: impl FnOnce(&mut Parts<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut parts = Parts { stream: self.stream(), buffer: Vec::new() };
        fill(&mut parts)?;
        parts.flush()?;
        parts.stream.finish()?;
        Ok(self.publish()?)
    }

    // What an interrupted program left of the same name: the name is taken, so nobody can publish it.
    fn remove_leftovers(&self) {
        let Ok((folder, _)) = split(&self.path) else { return };
        for leftover in leftovers(&folder).unwrap_or_default() {
            let temp = leftover.path.file_name().unwrap_or_default();
            if stem(temp).is_some_and(|stem| stem == kept_of(&self.name)) {
                // One that stays is found by `leftovers`.
                let _ = os::remove(&self.folder, temp);
            }
        }
    }

    // Like `commit`, in place of the file that has the name.
    pub(super) fn replace(mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.write(bytes)?;
        os::replace(&self.folder, &self.temp, &self.name).map_err(|source| self.fault("replace", source))?;
        self.finish()
    }

    fn write(&self, bytes: &[u8]) -> Result<(), FileError> {
        os::write_whole(&self.file, bytes).map_err(|source| self.fault("write", source))?;
        if os::holds(&self.file, bytes).map_err(|source| self.fault("read", source))? {
            Ok(())
        } else {
            Err(FileError::Damaged { path: self.path.clone() })
        }
    }

    fn finish(&mut self) -> Result<(), FileError> {
        self.published = true;
        os::sync_folder(&self.folder).map_err(|source| self.fault("sync the folder of", source))
    }

    fn fault(&self, action: &'static str, source: io::Error) -> FileError {
        FileError::from_io(action, &self.path, source)
    }
}

/// Writes a new file piece by piece, and hashes what it writes.
#[derive(Debug)]
pub struct Stream<'a> {
    output: &'a Output,
    written: u64,
    hash: Sha256,
}

impl Stream<'_> {
    /// Syncs the file, reads it back, and returns its size and its SHA-256.
    ///
    /// # Errors
    ///
    /// [`FileError::Damaged`] where the disk holds something else than was written; what the operating system
    /// refuses.
    pub fn finish(self) -> Result<(u64, [u8; 32]), FileError> {
        let Self { output, written, hash } = self;
        let expected = (written, <[u8; 32]>::from(hash.finalize()));
        os::finish(&output.file, written).map_err(|source| output.fault("write", source))?;
        if os::hash(&output.file).map_err(|source| output.fault("read", source))? == expected {
            Ok(expected)
        } else {
            Err(FileError::Damaged { path: output.path.clone() })
        }
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        os::write_at(&self.output.file, bytes, self.written)?;
        self.hash.update(bytes);
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A new file while its parts are appended.
#[derive(Debug)]
pub struct Parts<'o> {
    stream: Stream<'o>,
    buffer: Vec<u8>,
}

impl Parts<'_> {
    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// [`FileError`] where the disk does not take them.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PART_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), FileError> {
        let output = self.stream.output;
        self.stream.write_all(&self.buffer).map_err(|source| output.write_error(source))?;
        self.buffer.clear();
        Ok(())
    }
}

/// Reads a new file that has no name yet.
#[derive(Debug)]
pub struct Reader<'a> {
    file: &'a File,
    read: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = os::read_at(self.file, buffer, self.read)?;
        self.read += count as u64;
        Ok(count)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.published {
            // Nothing can be told here; what stays is found by `leftovers`.
            let _ = os::remove(&self.folder, &self.temp);
        }
    }
}

fn temp_name(name: &OsStr) -> io::Result<OsString> {
    let mut random = [0; RANDOM_LETTERS];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let letters: String = random.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    Ok(format!(".{}.{letters}{TEMP_SUFFIX}", kept_of(name)).into())
}

// The part of a final name that its temporary names carry.
fn kept_of(name: &OsStr) -> String {
    let name = name.to_string_lossy();
    name[..name.floor_char_boundary(MAX_NAME_IN_TEMP)].to_owned()
}

// The part of a temporary name that the final name gave it; none where the name is no temporary one.
fn stem(temp: &OsStr) -> Option<&str> {
    let (stem, letters) = temp.to_str()?.strip_prefix('.')?.strip_suffix(TEMP_SUFFIX)?.rsplit_once('.')?;
    let random = letters.len() == RANDOM_LETTERS && letters.bytes().all(|b| b.is_ascii_lowercase());
    random.then_some(stem)
}

/// A temporary file that an interrupted program left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Where it is.
    pub path: PathBuf,
    /// Its size, in bytes.
    pub bytes: u64,
}

/// Makes the names in a folder durable.
///
/// # Errors
///
/// [`FileError`] where the folder cannot be opened or synced.
pub fn sync_folder(folder: &Path) -> Result<(), FileError> {
    let synced = os::open_folder(folder).and_then(|open| os::sync_folder(&open));
    synced.map_err(|source| FileError::from_io("sync", folder, source))
}

/// Removes the temporary files in a folder that no running program writes.
///
/// # Errors
///
/// [`FileError`] where the folder cannot be read, or one of them cannot be removed.
pub fn remove_leftovers(folder: &Path) -> Result<(), FileError> {
    for leftover in leftovers(folder)? {
        let removed = std::fs::remove_file(&leftover.path);
        removed.map_err(|source| FileError::from_io("remove", &leftover.path, source))?;
    }
    Ok(())
}

/// Lists the temporary files in a folder that no running program writes, by name; changes nothing.
///
/// # Errors
///
/// [`FileError`] where the folder cannot be read.
pub fn leftovers(folder: &Path) -> Result<Vec<Leftover>, FileError> {
    let fault = |source| FileError::from_io("read", folder, source);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        // One that is gone or replaced by the time it is looked at is no leftover.
        let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file);
        let (Some(_), Some(metadata)) = (stem(&entry.file_name()), metadata) else { continue };
        let in_use = os::open_to_read(&entry.path()).is_ok_and(|file| os::is_in_use(&file));
        if !in_use {
            found.push(Leftover { path: entry.path(), bytes: metadata.len() });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}
