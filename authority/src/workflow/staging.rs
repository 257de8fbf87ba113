//! A home in the making: a private folder beside the home, which takes the home's name as the last step.
//!
//! So a home is whole or absent. What an interrupted run leaves is that folder, whose name says what made it.
//! A ceremony takes days, so its folder stays where it is and is taken up again. Not here: what is put into it
//! (`init`, `ceremony`, `restore`).

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use chancery_carriers::files::create_private_folder;
use chancery_carriers::text::shown_path;

use super::random;
use crate::error::CommandError;
use crate::home::Home;

/// Bytes of randomness, in hexadecimal, in the name of a folder in which a home is made.
const RANDOM: usize = 6;

/// What makes a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// A new authority, by several people.
    Ceremony,
    /// A new authority.
    Init,
    /// An authority from its backup.
    Restore,
    /// A witness.
    Witness,
}

impl Task {
    const ALL: [Self; 4] = [Self::Ceremony, Self::Init, Self::Restore, Self::Witness];

    /// Returns the command's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ceremony => "ceremony",
            Self::Init => "init",
            Self::Restore => "restore",
            Self::Witness => "witness",
        }
    }
}

/// Refuses a home that holds anything.
///
/// # Errors
///
/// `already-initialized` for an authority, `home-not-empty` for anything else; a folder that cannot be read.
pub fn require_free(home: &Home) -> Result<(), CommandError> {
    let mut entries = match fs::read_dir(home.path()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(home.path(), &error)),
    };
    if home.database().symlink_metadata().is_ok() {
        return Err(CommandError::failed(
            "already-initialized",
            format!("{} holds an authority", shown_path(home.path())),
        )
        .hint("use it, or name another directory with `--home`"));
    }
    if entries.next().is_some() {
        return Err(CommandError::failed(
            "home-not-empty",
            format!("{} is not empty", shown_path(home.path())),
        )
        .hint("name a directory that is empty or does not exist with `--home`"));
    }
    Ok(())
}

/// Returns the folders beside `home` in which a run that did not end was making it, sorted.
#[must_use]
pub fn unpublished(home: &Path) -> Vec<(Task, PathBuf)> {
    let Ok(home) = std::path::absolute(home) else { return Vec::new() };
    let Some(parent) = home.parent() else { return Vec::new() };
    let task_of = |name: &OsStr| {
        Task::ALL.into_iter().find(|task| {
            let tail = name
                .as_encoded_bytes()
                .strip_prefix(prefix(&home, *task).as_encoded_bytes())
                .unwrap_or_default();
            tail.len() == 2 * RANDOM && tail.iter().all(u8::is_ascii_hexdigit)
        })
    };
    // A parent that cannot be read hides the home as well, which is told where the home is opened.
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<_> =
        entries.filter_map(|entry| Some((task_of(&entry.file_name())?, entry.path()))).collect();
    found.sort_by(|one, other| one.1.cmp(&other.1));
    found
}

fn prefix(home: &Path, task: Task) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(home.file_name().unwrap_or_default());
    prefix.push(format!(".{}-", task.name()));
    prefix
}

/// The folder in which a home is made; removed unless it is published, or kept to be taken up again.
#[derive(Debug)]
pub struct Staging {
    home: Home,
    kept: bool,
}

impl Staging {
    /// Makes the folder beside `target`.
    ///
    /// # Errors
    ///
    /// What the operating system refuses.
    pub fn beside(target: &Path, task: Task) -> Result<Self, CommandError> {
        let target = std::path::absolute(target).map_err(|error| unusable(target, &error))?;
        let parent = target.parent().ok_or_else(|| {
            CommandError::usage("the root directory cannot be a home")
                .hint("name a directory with `--home DIR`")
        })?;
        fs::create_dir_all(parent).map_err(|error| unusable(&target, &error))?;
        let tail: String = random::<RANDOM>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut name = prefix(&target, task);
        name.push(tail);
        let path = parent.join(name);
        create_private_folder(&path)?;
        Ok(Self { home: Home::new(path), kept: task == Task::Ceremony })
    }

    /// Takes up the folder beside `target` in which `task` was interrupted, or makes one.
    ///
    /// # Errors
    ///
    /// `staging-several` where there are two, of which nobody knows which counts; what the operating system refuses.
    pub fn resume(target: &Path, task: Task) -> Result<Self, CommandError> {
        let found = unpublished(target).into_iter().filter(|(of, _)| *of == task).map(|(_, path)| path);
        match found.collect::<Vec<_>>().as_slice() {
            [] => Self::beside(target, task),
            [path] => Ok(Self { home: Home::new(path), kept: true }),
            paths => {
                let error = CommandError::failed(
                    "staging-several",
                    format!("{} homes are in the making for {}", paths.len(), shown_path(target)),
                )
                .hint("keep the folder that counts, and move the others away");
                Err(paths.iter().fold(error, |error, path| error.cause(shown_path(path))))
            }
        }
    }

    /// Returns the home in the making.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Gives the folder the home's name. An empty directory of that name is replaced, nothing else is.
    ///
    /// # Errors
    ///
    /// What the operating system refuses.
    pub fn publish(mut self, target: &Path) -> Result<(), CommandError> {
        fs::rename(self.home.path(), target).map_err(|error| unusable(target, &error))?;
        self.kept = true;
        let parent: PathBuf = std::path::absolute(target)
            .ok()
            .and_then(|path| Some(path.parent()?.to_path_buf()))
            .unwrap_or_default();
        fs::File::open(&parent).and_then(|folder| folder.sync_all()).map_err(|error| unusable(target, &error))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing in it is of use without the rest; keys in a device are found by the next run.
            let _ = fs::remove_dir_all(self.home.path());
        }
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::failed("home-unusable", format!("cannot make an authority in {}", shown_path(path)))
        .cause(error.to_string())
        .hint("name a directory that you may write to with `--home`; it must not be a mount point itself")
}
