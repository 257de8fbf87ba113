//! Whose turn it is to use a key: one process of a home at a time, from the intent to the device's answer.
//!
//! A device's own log and our operations are compared in order, so that no process may begin an operation and have
//! its key sign while another is between the two. The turn is a lock on the home's folder, which the operating
//! system gives back when its holder ends. Not here: the database's own locks, which are as short as a transaction.

use std::fs::{File, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Repository, RepositoryError};
use crate::home::Home;

/// How long a command waits for its turn: a person may have to touch a device first.
const WAIT: Duration = Duration::from_secs(60);

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(20);

/// The turn of this process, until it is dropped. A process that takes a second one waits for itself.
#[derive(Debug)]
pub struct Turn(#[allow(dead_code, reason = "the open file holds the lock")] File);

impl Repository {
    /// Waits until no other process of this home uses a key or reads a device's log to compare it, at most a
    /// minute.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Busy`] when the other does not end; [`RepositoryError::Io`] for a file system without
    /// locks.
    pub fn turn(&self) -> Result<Turn, RepositoryError> {
        turn_within(&self.home, WAIT)
    }
}

fn turn_within(home: &Home, wait: Duration) -> Result<Turn, RepositoryError> {
    let unusable = |source| RepositoryError::Io { path: home.path().into(), source };
    let folder = File::open(home.path()).map_err(unusable)?;
    let deadline = Instant::now() + wait;
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(Turn(folder)),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(INTERVAL),
            Err(TryLockError::WouldBlock) => return Err(RepositoryError::Busy),
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_has_the_turn_and_the_other_waits_for_its_end() {
        let folder = std::env::temp_dir().join(format!("chancery-turn-{}", std::process::id()));
        let home = Home::new(&folder);
        let repository = Repository::create(&home).unwrap();
        let none = Duration::ZERO;
        let turn = repository.turn().unwrap();
        let refused = turn_within(&home, none).unwrap_err();
        assert_eq!(refused.code(), "database-busy");
        let waiting = thread::scope(|scope| {
            let waiting = scope.spawn(|| turn_within(&home, WAIT));
            thread::sleep(5 * INTERVAL);
            assert!(!waiting.is_finished());
            drop(turn);
            waiting.join().unwrap()
        });
        drop(waiting.unwrap());
        drop(turn_within(&home, none).unwrap());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
