//! What a witness remembers, durable before its key signs: a folder of entries, each a file made once.
//!
//! ```text
//! HOME/identity            who it is
//! HOME/keys/               its key, where it is in software
//! HOME/memory/0000000000   entry 0, of `witness init`; each names the hash of the one before
//! HOME/answers/0000000001  what was answered under that entry
//! ```
//!
//! A file is whole under its name or not there, and no file is changed or removed: of two processes that would
//! write one entry, one finds the name taken. Missing is not fresh: an identity without entries is an alarm. A
//! folder that was put back to an older state, answers and all, cannot be told from inside; the authority's requests
//! tell it. Not
//! here: what may be remembered (`workflow::witness`).

use std::path::{Path, PathBuf};

use chancery_carriers::files::{
    FileError, create_private_folder, private_folder, read_private, write_private,
};
use chancery_carriers::text::shown_path;
use chancery_formats::error::DecodeError;
use chancery_formats::merkle::Hash;
use chancery_formats::witness::{Answer, Exchange};
use sha2::{Digest, Sha256};

use super::{Entry, Identity};
use crate::error::CommandError;
use crate::home::Home;

/// Largest file of the memory, in bytes: an entry with a note, or an answer.
const MAX_FILE: u64 = 64 * 1024;

/// Digits of the name of an entry.
const DIGITS: usize = 10;

const LOST: &str = "this key must not sign again: make a new witness with `chancery witness init` elsewhere, have its \
                    key certified and this one closed";

/// The memory of a witness, opened.
#[derive(Debug)]
pub struct Memory {
    home: Home,
    identity: Identity,
    /// Entry 0 and all after it; never empty.
    entries: Vec<Entry>,
}

impl Memory {
    /// Writes the first entry and the identity into a home that has neither; the identity last.
    ///
    /// # Errors
    ///
    /// [`FileError`] where anything has one of the names.
    pub fn create(home: &Home, identity: &Identity, first: &Entry) -> Result<(), CommandError> {
        for folder in [entries(home), answers(home)] {
            create_private_folder(&folder)?;
        }
        write_private(&entries(home).join(name(0)), &first.encode())?;
        Ok(write_private(&identity_file(home), &identity.encode())?)
    }

    /// Returns whether a home holds a witness, or what is left of one.
    #[must_use]
    pub fn exists(home: &Home) -> bool {
        identity_file(home).symlink_metadata().is_ok()
    }

    /// Opens the memory and checks that it is whole: every entry there, each after the one before.
    ///
    /// # Errors
    ///
    /// `witness-none` where the home holds none; an integrity alarm where an entry is missing or is another than
    /// was written.
    pub fn open(home: &Home) -> Result<Self, CommandError> {
        if !Self::exists(home) {
            let message = format!("no witness in {}", shown_path(home.path()));
            return Err(CommandError::failed("witness-none", message)
                .hint("make one with `chancery witness init`, or name its directory with `--home`"));
        }
        private_folder(home.path())?;
        let bytes = read_private(&identity_file(home), MAX_FILE)?;
        let identity = Identity::decode(&bytes).map_err(|error| damaged(&identity_file(home), &error))?;
        let mut previous = Hash::from(Sha256::digest(&bytes));
        let mut entries = Vec::new();
        for number in 0..count(home)? {
            let path = self::entries(home).join(name(number));
            let bytes = read_private(&path, MAX_FILE).map_err(|error| missing(&path, &error))?;
            let entry = Entry::decode(&bytes).map_err(|error| damaged(&path, &error))?;
            if entry.number != number || entry.previous != previous {
                let message = format!("{} does not follow the entry before it", shown_path(&path));
                return Err(CommandError::alarm("witness-memory-changed", message).hint(LOST));
            }
            previous = Sha256::digest(&bytes).into();
            entries.push(entry);
        }
        if entries.is_empty() {
            let message = "the witness has an identity and no memory";
            return Err(CommandError::alarm("witness-memory-lost", message).hint(LOST));
        }
        Ok(Self { home: home.clone(), identity, entries })
    }

    /// Returns who the witness is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns where it lives.
    #[must_use]
    pub const fn home(&self) -> &Home {
        &self.home
    }

    /// Returns every entry, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the newest entry.
    ///
    /// # Errors
    ///
    /// An integrity alarm where there is none, which [`Memory::open`] has ruled out.
    pub fn newest(&self) -> Result<&Entry, CommandError> {
        let lost = || CommandError::alarm("witness-memory-lost", "the witness has no memory").hint(LOST);
        self.entries.last().ok_or_else(lost)
    }

    /// Adds an entry, durable on return.
    ///
    /// # Errors
    ///
    /// `witness-busy` where another process added one meanwhile; nothing may be signed then. Those of the disk.
    pub fn remember(&mut self, entry: Entry) -> Result<(), CommandError> {
        let path = entries(&self.home).join(name(entry.number));
        match write_private(&path, &entry.encode()) {
            Ok(()) => {
                self.entries.push(entry);
                Ok(())
            }
            Err(FileError::AlreadyExists { .. }) => {
                let message = "another process made the witness agree to something else";
                Err(CommandError::failed("witness-busy", message).hint("wait for it, then run this again"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the answer that was given under an entry, encoded; none where its end is unknown.
    ///
    /// # Errors
    ///
    /// An integrity alarm where the file is no answer.
    pub fn answer(&self, number: u64) -> Result<Option<Vec<u8>>, CommandError> {
        let path = answers(&self.home).join(name(number));
        let bytes = match read_private(&path, MAX_FILE) {
            Ok(bytes) => bytes,
            Err(FileError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match Exchange::decode(&bytes) {
            Ok(Exchange::Answer(_)) => Ok(Some(bytes)),
            Ok(Exchange::Request(_)) => Err(CommandError::alarm(
                "witness-memory-changed",
                format!("{} is no answer", shown_path(&path)),
            )
            .hint(LOST)),
            Err(error) => Err(damaged(&path, &error)),
        }
    }

    /// Keeps the answer under an entry, durable on return, and returns the one that stands: where two processes
    /// answered, that of the first.
    ///
    /// # Errors
    ///
    /// Those of the disk and of [`Memory::answer`].
    pub fn keep_answer(&self, number: u64, answer: &Answer<'_>) -> Result<Vec<u8>, CommandError> {
        let bytes = answer.encode();
        match write_private(&answers(&self.home).join(name(number)), &bytes) {
            Ok(()) => Ok(bytes),
            Err(FileError::AlreadyExists { path }) => {
                let vanished = || CommandError::from(FileError::NotFound { path });
                self.answer(number)?.ok_or_else(vanished)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn identity_file(home: &Home) -> PathBuf {
    home.path().join("identity")
}

fn entries(home: &Home) -> PathBuf {
    home.path().join("memory")
}

fn answers(home: &Home) -> PathBuf {
    home.path().join("answers")
}

fn name(number: u64) -> String {
    format!("{number:0DIGITS$}")
}

/// Returns how many entries there must be: one more than the highest number, of an answer as well.
fn count(home: &Home) -> Result<u64, CommandError> {
    Ok(highest(&entries(home))?.max(highest(&answers(home))?))
}

/// Returns one more than the highest number in a folder.
fn highest(folder: &Path) -> Result<u64, CommandError> {
    let unreadable = |error: std::io::Error| {
        let message = format!("the memory of the witness cannot be read: {}", shown_path(folder));
        CommandError::alarm("witness-memory-lost", message).cause(error.to_string()).hint(LOST)
    };
    let mut count = 0;
    for file in std::fs::read_dir(folder).map_err(unreadable)? {
        let file = file.map_err(unreadable)?.file_name();
        let number =
            file.to_str().filter(|name| name.len() == DIGITS).and_then(|name| name.parse::<u64>().ok());
        count = count.max(number.map_or(0, |number| number + 1));
    }
    Ok(count)
}

fn missing(path: &Path, error: &FileError) -> CommandError {
    let message = format!("an entry of the witness's memory cannot be read: {}", shown_path(path));
    CommandError::alarm("witness-memory-lost", message).cause(error.to_string()).hint(LOST)
}

fn damaged(path: &Path, error: &DecodeError) -> CommandError {
    let message = format!("{} is not what the witness wrote", shown_path(path));
    CommandError::alarm("witness-memory-changed", message).cause(error.to_string()).hint(LOST)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
