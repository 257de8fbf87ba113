//! New files: whole under their final name, or not there at all.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};

use super::{FileError, os, split};

const TEMP_SUFFIX: &str = ".chancery-tmp";
const RANDOM_LETTERS: usize = 6;
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
    pub fn commit(mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.write(bytes)?;
        os::publish(&self.folder, &self.temp, &self.name).map_err(|source| self.fault("create", source))?;
        self.finish()?;
        self.remove_leftovers();
        Ok(())
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

    fn fault(&self, action: &'static str, source: std::io::Error) -> FileError {
        FileError::from_io(action, &self.path, source)
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

fn temp_name(name: &OsStr) -> std::io::Result<OsString> {
    let mut random = [0; RANDOM_LETTERS];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
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
