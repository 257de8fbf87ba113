//! What a failed command tells: every library's error with its code, hint and exit code.
//!
//! The one place that decides how `chancery` ends. Not here: the words of the libraries' errors, and
//! how they are printed (`chancery-carriers`).

use std::error::Error;

use chancery_carriers::files::FileError;
use chancery_carriers::load::LoadError;
use chancery_carriers::output::PrintError;
use chancery_carriers::picture::PictureError;
use chancery_carriers::report::{Exit, Report};
use chancery_formats::DecodeError;
use chancery_hsm_config::{HsmError, ReferenceError};

use crate::repository::RepositoryError;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub struct CommandError(Box<Report>);

impl CommandError {
    /// A failure for a reason that is none of the others.
    #[must_use]
    pub fn failed(code: &'static str, error: impl Into<String>) -> Self {
        Self::with_exit(Exit::Failed, code, error)
    }

    /// A wrong command line.
    #[must_use]
    pub fn usage(error: impl Into<String>) -> Self {
        Self::with_exit(Exit::Usage, "usage", error)
    }

    /// A refusal by policy or verification.
    #[must_use]
    pub fn refused(code: &'static str, error: impl Into<String>) -> Self {
        Self::with_exit(Exit::Refused, code, error)
    }

    /// A contradiction in what was kept: stop and call the auditor.
    #[must_use]
    pub fn alarm(code: &'static str, error: impl Into<String>) -> Self {
        Self::with_exit(Exit::Alarm, code, error)
    }

    /// Describes an error and its sources.
    #[must_use]
    pub fn from_error(exit: Exit, code: &'static str, error: &(dyn Error + 'static)) -> Self {
        Self(Box::new(Report::from_error(code, error).exit(exit)))
    }

    fn with_exit(exit: Exit, code: &'static str, error: impl Into<String>) -> Self {
        Self(Box::new(Report::new(code, error).exit(exit)))
    }

    /// Adds a cause below those that are there.
    #[must_use]
    pub fn cause(self, cause: impl Into<String>) -> Self {
        Self(Box::new(self.0.cause(cause)))
    }

    /// Names the next action.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self(Box::new(self.0.hint(hint)))
    }

    /// Returns the stable kebab-case code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// Returns what is printed.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.0
    }
}

impl From<RepositoryError> for CommandError {
    fn from(error: RepositoryError) -> Self {
        let exit = match &error {
            RepositoryError::Corrupted { .. }
            | RepositoryError::DeviceEntryDiffers { .. }
            | RepositoryError::ForeignSchema
            | RepositoryError::HomeCopied { .. }
            | RepositoryError::LeaseMissing { .. } => Exit::Alarm,
            RepositoryError::EntitlementExhausted { .. }
            | RepositoryError::EntitlementRevoked { .. }
            | RepositoryError::EntitlementSuspended { .. }
            | RepositoryError::GrantRefused { .. }
            | RepositoryError::TrialUsed { .. }
            | RepositoryError::IssuingLocked { .. }
            | RepositoryError::RequestKnown { .. }
            | RepositoryError::RevocationExists { .. } => Exit::Refused,
            _ => Exit::Failed,
        };
        let described = Self::from_error(exit, error.code(), &error);
        let described = match &error {
            RepositoryError::Corrupted { detail } | RepositoryError::IssuingLocked { detail, .. } => {
                described.cause(detail)
            }
            _ => described,
        };
        described.hint(error.hint())
    }
}

impl From<HsmError> for CommandError {
    fn from(error: HsmError) -> Self {
        let exit = match &error {
            HsmError::AuditBroken { .. } => Exit::Alarm,
            HsmError::AuditLedger { source, .. } if is_broken(source.as_ref()) => Exit::Alarm,
            HsmError::Reference(_) => Exit::Usage,
            _ => Exit::Hsm,
        };
        Self::from_error(exit, error.code(), &error).hint(error.hint())
    }
}

/// Whether a device's entries could not be kept because they contradict those that are.
fn is_broken(source: &(dyn Error + Send + Sync + 'static)) -> bool {
    matches!(source.downcast_ref(), Some(RepositoryError::DeviceEntryDiffers { .. }))
}

impl From<ReferenceError> for CommandError {
    fn from(error: ReferenceError) -> Self {
        HsmError::from(error).into()
    }
}

impl From<FileError> for CommandError {
    fn from(error: FileError) -> Self {
        Self::from_error(Exit::Failed, error.code(), &error).hint(error.hint())
    }
}

impl From<LoadError> for CommandError {
    fn from(error: LoadError) -> Self {
        let exit = match &error {
            LoadError::File(_) => Exit::Failed,
            _ => Exit::Refused,
        };
        Self::from_error(exit, error.code(), &error).hint(error.hint())
    }
}

impl From<DecodeError> for CommandError {
    fn from(error: DecodeError) -> Self {
        Self::refused(error.code(), "the document is malformed")
            .cause(error.to_string())
            .hint("check that it is the right file, and that it was copied whole")
    }
}

impl From<PrintError> for CommandError {
    fn from(error: PrintError) -> Self {
        Self::from_error(Exit::Failed, error.code(), &error).hint(error.hint())
    }
}

impl From<PictureError> for CommandError {
    fn from(error: PictureError) -> Self {
        Self::from_error(Exit::Failed, error.code(), &error).hint(error.hint())
    }
}
