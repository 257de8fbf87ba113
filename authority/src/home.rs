//! The authority's home: one directory, and the names of what lies in it.
//!
//! Not here: opening any of it. The database belongs to `repository`, key files to the key backend.

use std::path::{Path, PathBuf};

/// The directory that holds one authority. Making the value touches nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// Names the home at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Names the platform's place for it: `$XDG_DATA_HOME/chancery`, or `~/.local/share/chancery`.
    ///
    /// `None` where neither variable is set to an absolute path.
    #[must_use]
    pub fn platform_default() -> Option<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
        Some(Self::new(data.join("chancery")))
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The SQLite database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join("authority.db")
    }

    /// The write-ahead log that SQLite keeps beside the database while it is in use.
    #[must_use]
    pub fn write_ahead_log(&self) -> PathBuf {
        self.path.join("authority.db-wal")
    }

    /// The index of the write-ahead log, which processes share while they use the database.
    #[must_use]
    pub fn write_ahead_index(&self) -> PathBuf {
        self.path.join("authority.db-shm")
    }

    /// The space kept free for the end of an operation that began.
    #[must_use]
    pub fn reserve(&self) -> PathBuf {
        self.path.join("reserve")
    }

    /// The copy of the database that a backup works on, in a folder of its own; gone when the backup ends.
    #[must_use]
    pub fn backup_copy(&self) -> PathBuf {
        self.path.join(".backup")
    }

    /// Software keys, one encrypted file each.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// What the ceremony that made the authority has kept.
    #[must_use]
    pub fn ceremony(&self) -> PathBuf {
        self.path.join("ceremony")
    }
}
