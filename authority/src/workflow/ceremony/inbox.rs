//! The files that came from other machines: told apart by their content, never by their names.

use std::path::{Path, PathBuf};

use chancery_carriers::files;
use chancery_carriers::text::shown_path;
use chancery_formats::document::{Kind, MAX_CEREMONY};
use chancery_formats::trust::{Exchange, Possession};

use crate::error::CommandError;

/// Most files that are looked at.
const MAX_FILES: usize = 1_024;

/// What lies in the folder, in the order of the names.
#[derive(Default)]
pub(super) struct Inbox {
    /// Proofs of possession.
    pub proofs: Vec<(PathBuf, Vec<u8>)>,
    /// Answers of custodians.
    pub answers: Vec<(PathBuf, Vec<u8>)>,
}

impl Inbox {
    /// Reads every `.ccer` and `.cpos` file of a folder; one that does not exist is empty.
    pub(super) fn open(folder: &Path) -> Result<Self, CommandError> {
        let unreadable = |error: std::io::Error| {
            CommandError::failed("exchange-unreadable", format!("cannot list {}", shown_path(folder)))
                .cause(error.to_string())
                .hint("name the folder of the exchanged files with `--exchange DIR`")
        };
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unreadable(error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|ending| ending == "ccer" || ending == "cpos") {
                paths.push(path);
            }
            if paths.len() > MAX_FILES {
                return Err(CommandError::refused("exchange-full", "the folder holds too many files")
                    .hint("use a folder that holds the files of this ceremony alone"));
            }
        }
        paths.sort();
        let mut inbox = Self::default();
        for path in paths {
            inbox.add(path)?;
        }
        Ok(inbox)
    }

    fn add(&mut self, path: PathBuf) -> Result<(), CommandError> {
        let bytes = files::read_document(&path, MAX_CEREMONY as u64)?;
        if Possession::looks_like(&bytes) && bytes.len() <= Kind::Possession.max_bytes() {
            self.proofs.push((path, bytes));
        } else if Exchange::looks_like(&bytes) {
            // What went out is there as well.
            if let Exchange::Answer(_) = Exchange::decode(&bytes).map_err(|error| of(&path, error.into()))? {
                self.answers.push((path, bytes));
            }
        } else {
            let message = "a file is neither a proof of possession nor a custodian's answer";
            return Err(of(
                &path,
                CommandError::refused("exchange-foreign", message)
                    .hint("copy it again from where it came, or take it out of the folder"),
            ));
        }
        Ok(())
    }
}

/// Names the file that an error is about.
pub(super) fn of(path: &Path, error: CommandError) -> CommandError {
    error.cause(format!("in {}", shown_path(path)))
}
