//! What is wrong with a home, told without changing a byte of it.
//!
//! Damage is told apart from neglect: a contradiction in what was kept is an alarm, an exposed or missing
//! file a problem, interrupted work a warning. Not here: repairing, asking keys in devices.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chancery_carriers::files::{Leftover, leftovers, private_folder};
use chancery_carriers::text::shown_path;
use chancery_formats::document::Kind;
use chancery_hsm_config::KeyRef;

use super::restored;
use super::staging::{self, Task};
use crate::home::Home;
use crate::output;
use crate::repository::{BatchRecord, IssuingLock, KeyRecord, Pending, Repository, RepositoryError};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth a look; everything works.
    Warning,
    /// Something does not work or is not safe.
    Problem,
    /// What was kept contradicts itself: stop and call the auditor.
    Alarm,
}

impl Level {
    /// Returns the word that people and JSON see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
            Self::Alarm => "alarm",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// Stable kebab-case code.
    pub code: &'static str,
    /// What was found.
    pub message: String,
    /// The next action, where there is one.
    pub hint: Option<&'static str>,
}

impl Finding {
    fn ok(code: &'static str, message: impl Into<String>) -> Self {
        Self { level: Level::Ok, code, message: message.into(), hint: None }
    }

    fn new(level: Level, code: &'static str, message: impl Into<String>, hint: &'static str) -> Self {
        Self { level, code, message: message.into(), hint: Some(hint) }
    }
}

/// Looks at everything in a home, and in `folders` for what an interrupted command left there.
#[must_use]
pub fn examine(home: &Home, folders: &[PathBuf]) -> Vec<Finding> {
    // A home that is missing has one finding: that nothing is initialized there.
    let mut findings: Vec<_> =
        home.path().symlink_metadata().ok().map(|_| examine_home(home)).into_iter().collect();
    match Repository::open_read_only(home) {
        Ok(repository) => {
            findings.push(Finding::ok("database", format!("{} opens", shown_path(&home.database()))));
            findings.extend(examine_database_file(home));
            let looked = examine_repository(&repository, &mut findings);
            findings.extend(looked.err().map(|error| refused(&error)));
            findings.extend(repository.is_stale().then(stale));
        }
        Err(error) => findings.push(refused(&error)),
    }
    findings.extend(examine_leftovers(home.path()));
    findings.extend(home.keys().is_dir().then(|| examine_leftovers(&home.keys())).flatten());
    findings.extend(folders.iter().filter_map(|folder| examine_folder(folder)));
    findings.extend(home.backup_copy().symlink_metadata().is_ok().then(|| interrupted_backup(home)));
    let unpublished = staging::unpublished(home.path());
    findings.extend(unpublished.iter().map(|(task, path)| interrupted_making(*task, path)));
    findings
}

fn examine_home(home: &Home) -> Finding {
    match private_folder(home.path()) {
        Ok(()) => Finding::ok("home", format!("{} is its owner's alone", shown_path(home.path()))),
        Err(error) => Finding::new(Level::Problem, error.code(), error.to_string(), error.hint()),
    }
}

fn examine_database_file(home: &Home) -> Option<Finding> {
    let exposed = exposed_mode(&home.database().symlink_metadata().ok()?)?;
    let message = format!("{} is open to others: mode {exposed:03o}", shown_path(&home.database()));
    Some(Finding::new(Level::Problem, "database-exposed", message, EXPOSED))
}

fn examine_repository(repository: &Repository, findings: &mut Vec<Finding>) -> Result<(), RepositoryError> {
    let damage = repository.damage()?;
    if damage.is_empty() {
        findings.push(Finding::ok("integrity", "the database passes SQLite's check of every page"));
    }
    findings.extend(
        damage.into_iter().map(|line| Finding::new(Level::Alarm, "database-corrupted", line, DAMAGED)),
    );
    let authority = repository.authority()?;
    findings.push(Finding::ok("authority", format!("{} is {}", authority.name, authority.id)));
    findings.push(match repository.require_lease() {
        Ok(()) => Finding::ok("lease", "the home is the one that holds the lease"),
        Err(error) => refused(&error),
    });
    findings.extend(repository.issuing_locks()?.iter().map(locked));
    for key in repository.keys()? {
        findings.push(examine_key(repository.home(), &key));
    }
    findings.push(if repository.ballast().is_present() {
        Finding::ok("reserve", "space for the end of an operation is reserved")
    } else {
        let message = "no space is reserved for the end of an operation";
        Finding::new(Level::Warning, "reserve-missing", message, "the next `license issue` reserves it")
    });
    let pending = repository.pending()?;
    let waiting: Vec<_> =
        repository.batches()?.into_iter().filter(|batch| batch.sealed_at.is_none()).collect();
    if pending.is_empty() && waiting.is_empty() {
        findings.push(Finding::ok("log", "every document of the log is signed"));
    }
    findings.extend(pending.iter().map(interrupted));
    findings.extend(waiting.iter().map(unsealed));
    Ok(())
}

fn locked(lock: &IssuingLock) -> Finding {
    let message = format!("issuing is locked since {}: {}", output::time(lock.locked_at), lock.detail);
    if restored::is_ours(lock) {
        let hint =
            "compare the log with the newest checkpoint: `chancery restore --reconcile --checkpoint FILE`";
        Finding::new(Level::Problem, "issuing-locked", message, hint)
    } else {
        let hint =
            "call the auditor; `chancery log reconcile` shows what differs, and its --release ends the lock";
        Finding::new(Level::Alarm, "issuing-locked", message, hint)
    }
}

fn examine_key(home: &Home, key: &KeyRecord) -> Finding {
    let name = format!("{} key {}", key.role.name(), key.public_key.key_id());
    let Some(written) = &key.reference else {
        return Finding::ok("key", format!("{name} is on another machine"));
    };
    let Ok(reference) = written.parse::<KeyRef>() else {
        let message = format!("{name} has a reference that cannot be read: {written}");
        return Finding::new(Level::Problem, "key-reference-invalid", message, DAMAGED);
    };
    let Some(path) = reference.file_path() else {
        return Finding::ok("key", format!("{name} is in a device, which was not asked: {written}"));
    };
    // A relative path counts from the home, wherever the command is run.
    let path = home.path().join(path);
    match path.symlink_metadata() {
        Ok(found) if !found.is_file() => {
            let message = format!("{name}: {} is not a regular file", shown_path(&path));
            Finding::new(Level::Problem, "key-file-invalid", message, LOST)
        }
        Ok(found) => match exposed_mode(&found) {
            None => Finding::ok("key", format!("{name} is in {}", shown_path(&path))),
            Some(mode) => {
                let message = format!("{name}: {} is open to others: mode {mode:03o}", shown_path(&path));
                Finding::new(Level::Problem, "key-exposed", message, EXPOSED)
            }
        },
        Err(error) => {
            let message = format!("{name}: cannot look at {}: {error}", shown_path(&path));
            Finding::new(Level::Problem, "key-missing", message, LOST)
        }
    }
}

fn interrupted(pending: &Pending) -> Finding {
    let what = match &pending.license {
        Some((license, entitlement)) => format!("license {license} of entitlement {entitlement}"),
        None => format!("{} at log index {}", pending.kind.name(), pending.log_index),
    };
    let end = match (&pending.last_failure, pending.open_operations.len()) {
        (Some(failure), 0) => format!("the last attempt failed: {failure}"),
        (None, 0) => "no attempt was made".to_owned(),
        (_, 1) => "the key may have signed once".to_owned(),
        (_, times) => format!("the key may have signed {times} times"),
    };
    let message =
        format!("{what} was begun at {} and is not signed; {end}", output::time(pending.recorded_at));
    let hint = match (&pending.license, pending.kind) {
        (Some(_), _) => "run `chancery license issue` again with the same request",
        (None, Kind::Root | Kind::KeyRecord | Kind::Closing) => {
            "see with `chancery root show` who has not signed; bring answers in with `chancery root collect`"
        }
        (None, _) => "run the command again that was interrupted",
    };
    Finding::new(Level::Warning, "interrupted", message, hint)
}

fn unsealed(batch: &BatchRecord) -> Finding {
    let BatchRecord { first_index, leaf_count, made_at, .. } = batch;
    let message = format!(
        "batch {first_index} of {leaf_count} licenses was begun at {} and is not sealed",
        output::time(*made_at)
    );
    let hint = match batch.input_hash {
        Some(_) => "run `chancery batch issue` again with the same input, or see `chancery batch list`",
        None => "run `chancery license issue` again with the same request, or see `chancery batch list`",
    };
    Finding::new(Level::Warning, "batch-unsealed", message, hint)
}

fn examine_leftovers(folder: &Path) -> Option<Finding> {
    // A folder that cannot be read has a finding of its own.
    leftover(&leftovers(folder).ok()?)
}

fn examine_folder(folder: &Path) -> Option<Finding> {
    match leftovers(folder) {
        Ok(found) => leftover(&found),
        Err(error) => Some(Finding::new(Level::Problem, error.code(), error.to_string(), error.hint())),
    }
}

fn leftover(found: &[Leftover]) -> Option<Finding> {
    let names: Vec<_> = found.iter().map(|leftover| shown_path(&leftover.path)).collect();
    let message = format!("an interrupted command left {}", names.join(", "));
    let hint = "remove it: a file of that name was never handed out";
    (!found.is_empty()).then(|| Finding::new(Level::Warning, "leftover", message, hint))
}

fn interrupted_making(task: Task, path: &Path) -> Finding {
    let remove = "remove it when no such command runs: no home uses what is in it";
    let (code, what, hint) = match task {
        Task::Ceremony => (
            "ceremony-unfinished",
            "a `ceremony run`",
            "go on with it: `chancery ceremony run PLAN.toml`, with the same plan and home",
        ),
        Task::Init => ("init-interrupted", "an `init`", remove),
        Task::Restore => ("restore-interrupted", "a `restore`", remove),
        Task::Witness => ("witness-interrupted", "a `witness init`", remove),
    };
    let message = format!("{what} that was interrupted, or still runs, left {}", shown_path(path));
    Finding::new(Level::Warning, code, message, hint)
}

fn interrupted_backup(home: &Home) -> Finding {
    let path = shown_path(&home.backup_copy());
    let message = format!("a `backup` that was interrupted, or still runs, left {path}");
    Finding::new(
        Level::Warning,
        "backup-interrupted",
        message,
        "run `chancery backup` again, which removes it",
    )
}

fn refused(error: &RepositoryError) -> Finding {
    let (level, detail) = match error {
        RepositoryError::Corrupted { detail } => (Level::Alarm, Some(detail.clone())),
        RepositoryError::ForeignSchema
        | RepositoryError::HomeCopied { .. }
        | RepositoryError::LeaseMissing { .. } => (Level::Alarm, None),
        other => (Level::Problem, std::error::Error::source(other).map(ToString::to_string)),
    };
    let message = detail.map_or_else(|| error.to_string(), |detail| format!("{error}: {detail}"));
    Finding::new(level, error.code(), message, error.hint())
}

fn stale() -> Finding {
    let message = "another command wrote while this one looked";
    Finding::new(Level::Warning, "database-in-use", message, "run `chancery doctor` again when it has ended")
}

fn exposed_mode(found: &Metadata) -> Option<u32> {
    let mode = found.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

const DAMAGED: &str = "stop issuing, keep the home as it is, and restore the last backup";
const EXPOSED: &str = "take the rights of group and others away with `chmod go=`, and ask who had them";
const LOST: &str = "put the key file back from its backup; without it nothing is signed";
