//! The control file: which faults the module injects, one on a line.
//!
//! A test adds and removes lines while the program under test runs; the module reads the file at each
//! call and strikes out what happens once. Both hold a lock while they change it, and replace the file as
//! a whole, so that a reader never sees half of it. Not here: what a fault does (`module`).

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A fault of a token or its module. Those that happen once are struck out when they do; the others stand
/// until they are removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `always-authenticate`: CKA_ALWAYS_AUTHENTICATE reads as true. Stands.
    AlwaysAuthenticate,
    /// `context-login-accepted`: a login for one operation succeeds without reaching the token. Stands.
    ContextLoginAccepted,
    /// `latency MILLISECONDS`: each call takes that much longer. Stands.
    Latency(u64),
    /// `module-unloaded`: C_Finalize is called behind the program's back, before its next call. Once.
    ModuleUnloaded,
    /// `other-key LABEL OTHER`: what had the label is gone, and the objects labelled `OTHER`, a label of the
    /// same length, are there under it. Stands.
    OtherKey {
        /// The label that the program asks for.
        label: String,
        /// The label of the objects that it is given.
        other: String,
    },
    /// `pin-count-low`: the token's flags tell of a wrong PIN. Stands.
    PinCountLow,
    /// `pin-final-try`: the token's flags tell that one try is left. Stands.
    PinFinalTry,
    /// `pin-incorrect`: each login answers CKR_PIN_INCORRECT. Stands.
    PinIncorrect,
    /// `pin-locked`: each login answers CKR_PIN_LOCKED. Stands.
    PinLocked,
    /// `pin-locked-flag`: the token's flags tell that the PIN is locked. Stands.
    PinLockedFlag,
    /// `reply-lost`: the next signature is made, and CKR_DEVICE_ERROR answered in its place. Once.
    ReplyLost,
    /// `session-limit COUNT`: CKR_SESSION_COUNT where more sessions than that would be open. Stands.
    SessionLimit(usize),
    /// `sessions-lost`: every session ends before the next call, as when the device restarts. Once.
    SessionsLost,
    /// `signature-wrong`: one bit of the next signature is changed. Once.
    SignatureWrong,
    /// `token-blank`: the token was reset: it has no label, no PIN and no object, and every session is over.
    /// Stands.
    TokenBlank,
    /// `token-pulled`: no slot has a token, every session is over, and no call reaches the token. Stands.
    TokenPulled,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlwaysAuthenticate => f.write_str("always-authenticate"),
            Self::ContextLoginAccepted => f.write_str("context-login-accepted"),
            Self::Latency(millis) => write!(f, "latency\t{millis}"),
            Self::ModuleUnloaded => f.write_str("module-unloaded"),
            Self::OtherKey { label, other } => write!(f, "other-key\t{label}\t{other}"),
            Self::PinCountLow => f.write_str("pin-count-low"),
            Self::PinFinalTry => f.write_str("pin-final-try"),
            Self::PinIncorrect => f.write_str("pin-incorrect"),
            Self::PinLocked => f.write_str("pin-locked"),
            Self::PinLockedFlag => f.write_str("pin-locked-flag"),
            Self::ReplyLost => f.write_str("reply-lost"),
            Self::SessionLimit(count) => write!(f, "session-limit\t{count}"),
            Self::SessionsLost => f.write_str("sessions-lost"),
            Self::SignatureWrong => f.write_str("signature-wrong"),
            Self::TokenBlank => f.write_str("token-blank"),
            Self::TokenPulled => f.write_str("token-pulled"),
        }
    }
}

/// The line of a control file that is not a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFault(String);

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a fault: {:?}", self.0)
    }
}

impl std::error::Error for UnknownFault {}

impl FromStr for Fault {
    type Err = UnknownFault;

    /// Reads one line; fields are separated by a tab.
    fn from_str(line: &str) -> Result<Self, UnknownFault> {
        let unknown = || UnknownFault(line.to_owned());
        let fields: Vec<&str> = line.split('\t').collect();
        Ok(match fields[..] {
            ["always-authenticate"] => Self::AlwaysAuthenticate,
            ["context-login-accepted"] => Self::ContextLoginAccepted,
            ["latency", millis] => Self::Latency(millis.parse().map_err(|_| unknown())?),
            ["module-unloaded"] => Self::ModuleUnloaded,
            ["other-key", label, other] if label.len() == other.len() => {
                Self::OtherKey { label: label.to_owned(), other: other.to_owned() }
            }
            ["pin-count-low"] => Self::PinCountLow,
            ["pin-final-try"] => Self::PinFinalTry,
            ["pin-incorrect"] => Self::PinIncorrect,
            ["pin-locked"] => Self::PinLocked,
            ["pin-locked-flag"] => Self::PinLockedFlag,
            ["reply-lost"] => Self::ReplyLost,
            ["session-limit", count] => Self::SessionLimit(count.parse().map_err(|_| unknown())?),
            ["sessions-lost"] => Self::SessionsLost,
            ["signature-wrong"] => Self::SignatureWrong,
            ["token-blank"] => Self::TokenBlank,
            ["token-pulled"] => Self::TokenPulled,
            _ => return Err(unknown()),
        })
    }
}

/// A control file. One that does not exist holds no fault.
#[derive(Clone, Debug)]
pub struct Control {
    path: PathBuf,
}

impl Control {
    /// Names the file; beside it lie its lock and, for moments, its next version.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the faults of the moment, in the order in which they were added.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or has a line that is no fault.
    pub fn faults(&self) -> io::Result<Vec<Fault>> {
        let text = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        text.lines().map(|line| line.parse().map_err(io::Error::other)).collect()
    }

    /// Adds a fault.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn add(&self, fault: Fault) -> io::Result<()> {
        self.change(|faults| faults.push(fault))
    }

    /// Removes the first fault that equals `fault`; tells whether there was one.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn take(&self, fault: &Fault) -> io::Result<bool> {
        // Most calls find nothing to take, and need no lock.
        if !self.faults()?.contains(fault) {
            return Ok(false);
        }
        self.change(|faults| {
            let place = faults.iter().position(|other| other == fault);
            place.map(|place| faults.remove(place)).is_some()
        })
    }

    /// Removes every fault.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn clear(&self) -> io::Result<()> {
        self.change(Vec::clear)
    }

    fn change<T>(&self, edit: impl FnOnce(&mut Vec<Fault>) -> T) -> io::Result<T> {
        let lock = File::create(self.path.with_extension("lock"))?;
        lock.lock()?;
        let mut faults = self.faults()?;
        let result = edit(&mut faults);
        let next = self.path.with_extension("next");
        fs::write(&next, faults.iter().map(|fault| format!("{fault}\n")).collect::<String>())?;
        fs::rename(&next, &self.path)?;
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_as_they_are_written() {
        let other_key = Fault::OtherKey { label: "key 1".into(), other: "other".into() };
        let faults = [
            Fault::AlwaysAuthenticate,
            Fault::ContextLoginAccepted,
            Fault::Latency(250),
            Fault::ModuleUnloaded,
            other_key,
            Fault::PinCountLow,
            Fault::PinFinalTry,
            Fault::PinIncorrect,
            Fault::PinLocked,
            Fault::PinLockedFlag,
            Fault::ReplyLost,
            Fault::SessionLimit(3),
            Fault::SessionsLost,
            Fault::SignatureWrong,
            Fault::TokenBlank,
            Fault::TokenPulled,
        ];
        for fault in faults {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        for line in ["", "signature-wrong ", "latency", "latency\tlong", "other-key\tkey 1\tanother"] {
            assert!(line.parse::<Fault>().is_err(), "{line:?}");
        }
    }

    #[test]
    fn faults_that_happen_once_are_struck_out_once() {
        let directory = std::env::temp_dir().join(format!("chancery-control-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let control = Control::new(directory.join("faults"));
        assert!(!control.take(&Fault::ReplyLost).unwrap(), "a file that is not there");
        for fault in [Fault::ReplyLost, Fault::TokenPulled, Fault::ReplyLost] {
            control.add(fault).unwrap();
        }
        assert!(control.take(&Fault::ReplyLost).unwrap());
        assert_eq!(control.faults().unwrap(), [Fault::TokenPulled, Fault::ReplyLost]);
        let taken: usize = std::thread::scope(|scope| {
            let take = || usize::from(control.take(&Fault::ReplyLost).unwrap());
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 1);
        control.clear().unwrap();
        assert_eq!(control.faults().unwrap(), []);
        fs::write(control.path(), "no fault\n").unwrap();
        assert!(control.faults().is_err());
        fs::remove_dir_all(&directory).unwrap();
    }
}
