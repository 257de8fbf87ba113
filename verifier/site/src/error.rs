//! What a failed command tells: every library's error with its code, hint and exit code.
//!
//! The one place that decides how `chancery-site` ends. Not here: the words of the libraries' errors,
//! and how they are printed (`chancery-carriers`).

use std::error::Error;

use chancery_carriers::files::FileError;
use chancery_carriers::load::LoadError;
use chancery_carriers::output::PrintError;
use chancery_carriers::picture::PictureError;
use chancery_carriers::report::{Exit, Report};
use chancery_carriers::terminal::DoesNotFit;
use chancery_hsm_config::HsmError;
use chancery_verifier::{Fact, Reason, Refusal};

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub struct CommandError(Box<Report>);

impl CommandError {
    /// A failure for a reason that is none of the others.
    pub fn failed(code: &'static str, error: impl Into<String>) -> Self {
        Self::with_exit(Exit::Failed, code, error)
    }

    /// A wrong command line.
    pub fn usage(error: impl Into<String>) -> Self {
        Self::with_exit(Exit::Usage, "usage", error)
    }

    /// A refusal by verification or by the decision.
    pub fn refused(code: &'static str, error: impl Into<String>) -> Self {
        Self::with_exit(Exit::Refused, code, error)
    }

    /// A contradiction in what was kept: stop and call the auditor.
    pub fn alarm(code: &'static str, error: impl Into<String>) -> Self {
        Self::with_exit(Exit::Alarm, code, error)
    }

    fn with_exit(exit: Exit, code: &'static str, error: impl Into<String>) -> Self {
        Self(Box::new(Report::new(code, error).exit(exit)))
    }

    fn describe(exit: Exit, code: &'static str, error: &(dyn Error + 'static), hint: &str) -> Self {
        Self(Box::new(Report::from_error(code, error).exit(exit).hint(hint)))
    }

    /// Adds a cause below those that are there.
    pub fn cause(self, cause: impl Into<String>) -> Self {
        Self(Box::new(self.0.cause(cause)))
    }

    /// Names the next action.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self(Box::new(self.0.hint(hint)))
    }

    /// Returns what is printed.
    pub fn report(&self) -> &Report {
        &self.0
    }

    /// A document that is not genuine; `what` names it with its file.
    pub fn not_genuine(what: impl Into<String>, refusal: &Refusal) -> Self {
        let described = match refusal {
            Refusal::AuthorityOther { .. } => Self::alarm(refusal.code(), what),
            refusal if refusal.is_alarm() => Self::alarm(refusal.code(), what),
            _ => Self::refused(refusal.code(), what),
        };
        described.cause(refusal.to_string()).hint(hint_of_refusal(refusal))
    }

    /// A license that is refused; `what` names it with its file.
    pub fn license(what: impl Into<String>, refusal: &Refusal) -> Self {
        let what = what.into();
        if !is_withdrawn(refusal) && !matches!(refusal, Refusal::ListOlder { .. }) {
            return Self::not_genuine(format!("{what} is not a genuine license"), refusal);
        }
        Self::refused(refusal.code(), format!("{what} cannot be relied on"))
            .cause(refusal.to_string())
            .hint(hint_of_refusal(refusal))
    }

    /// A license that is genuine and yet denied; `what` says what it was wanted for.
    pub fn denied(what: impl Into<String>, reason: &Reason) -> Self {
        let hint = match reason {
            Reason::FactUnknown { fact } => format!("tell {fact} with `{}`", option(*fact)),
            _ => hint_of_reason(reason).into(),
        };
        Self::refused(reason.code(), format!("{}: {reason}", what.into())).hint(hint)
    }
}

/// Returns whether a refusal means that the authority took back what it gave: no sign that anybody changed the
/// license.
pub const fn is_withdrawn(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Revoked { .. } | Refusal::KeyCompromised { .. })
}

/// Returns the site administrator's next action when a document is not genuine.
fn hint_of_refusal(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::AuthorityOther { .. } => {
            "stop: this is not the authority that this site trusts; ask the vendor over another channel"
        }
        Refusal::Malformed(_) => "check that it is the right file, and that it was copied whole",
        Refusal::Revoked { .. } => "ask the vendor why, and for a license that counts",
        Refusal::KeyCompromised { .. } => {
            "ask the vendor for the license's proof, and install both with --proof; or for a new license"
        }
        Refusal::ListOlder { .. }
        | Refusal::RootOlder { .. }
        | Refusal::BundleOlder { .. }
        | Refusal::BundleGap { .. }
        | Refusal::ManifestMissing => "get the newest trust bundle from the vendor",
        Refusal::ListForked { .. } | Refusal::RootForked { .. } | Refusal::BundleForked { .. } => {
            "stop: the vendor's keys signed two of what there may be one of; keep the file, and ask over another channel"
        }
        Refusal::KeyUnknown { .. } | Refusal::RootVersion { .. } => {
            "use the trust bundle that the vendor sent with this license"
        }
        _ => "do not use this copy; get it again from the vendor",
    }
}

/// Returns the option of `check` that tells a fact.
const fn option(fact: Fact) -> &'static str {
    match fact {
        Fact::Binding => "--binding",
        Fact::Channel => "--channel",
        Fact::Groups => "--group",
        Fact::Installs => "--installed-on",
        Fact::Release => "--released",
        Fact::Seat => "--seats-in-use",
        Fact::Territory => "--territory",
        Fact::Used => "--used",
        Fact::User => "--user",
        Fact::Version => "--version",
    }
}

/// Returns the site administrator's next action when a license denies.
fn hint_of_reason(reason: &Reason) -> &'static str {
    match reason {
        Reason::DeviceComponents { .. } => {
            "if hardware was exchanged, or another user ran `chancery-site request`, make a new request"
        }
        Reason::DeviceKeyMissing => {
            "make a request here with `chancery-site request`, or name the state that made it with --state"
        }
        Reason::DeviceOther { .. } => {
            "install it on the device that it is for, or make a request here with `chancery-site request`"
        }
        Reason::Expired => "ask the vendor for a renewal; if the clock of this machine is wrong, correct it",
        Reason::FeatureNotGranted => {
            "see what is granted with `chancery-site status`; the vendor can amend it"
        }
        Reason::NotYetValid => {
            "wait until the term begins; if the clock of this machine is wrong, correct it"
        }
        Reason::ProductOther => "name the product that the license is for with --product",
        Reason::QuotaExhausted { .. } => {
            "ask the vendor for more units; `--explain` tells how many are missing"
        }
        Reason::ReleaseLater { .. } | Reason::VersionNewer { .. } => {
            "go on with the version that the license covers, or ask the vendor to extend maintenance"
        }
        Reason::SeatsExhausted { .. } => "wait until somebody gives a seat back, or ask the vendor for more",
        Reason::BindingBeyond { .. }
        | Reason::ChannelOther
        | Reason::InstallsExceeded { .. }
        | Reason::TerritoryOther
        | Reason::UserOther
        | Reason::VersionOlder { .. } => "see what the license covers with `check --explain`",
        _ => "see `chancery-site status`",
    }
}

impl From<FileError> for CommandError {
    fn from(error: FileError) -> Self {
        Self::describe(Exit::Failed, error.code(), &error, error.hint())
    }
}

impl From<LoadError> for CommandError {
    fn from(error: LoadError) -> Self {
        let exit = if matches!(error, LoadError::File(_)) { Exit::Failed } else { Exit::Refused };
        Self::describe(exit, error.code(), &error, error.hint())
    }
}

impl From<HsmError> for CommandError {
    fn from(error: HsmError) -> Self {
        Self::describe(Exit::Failed, error.code(), &error, error.hint())
    }
}

impl From<PictureError> for CommandError {
    fn from(error: PictureError) -> Self {
        let exit = if matches!(error, PictureError::NameEnding) { Exit::Usage } else { Exit::Failed };
        Self::describe(exit, error.code(), &error, error.hint())
    }
}

impl From<DoesNotFit> for CommandError {
    fn from(error: DoesNotFit) -> Self {
        Self::describe(Exit::Failed, error.code(), &error, error.hint())
    }
}

impl From<PrintError> for CommandError {
    fn from(error: PrintError) -> Self {
        Self::describe(Exit::Failed, error.code(), &error, error.hint())
    }
}
