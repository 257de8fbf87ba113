//! What every command is given: where the home is, how to print, where PINs come from, what time it is.
//!
//! Nothing is opened until a command asks for it. Not here: arguments of single commands.

use std::time::{SystemTime, UNIX_EPOCH};

use chancery_carriers::output::Printer;
use chancery_hsm_config::{HsmError, PinSource};

use super::Globals;
use crate::error::CommandError;
use crate::home::Home;
use crate::repository::Repository;

/// The start of 2026, in Unix seconds. A clock before it has lost its battery, not its zone.
const EARLIEST_NOW: u64 = 1_767_225_600;

/// What every command is given.
#[derive(Debug)]
pub struct Context {
    globals: Globals,
}

impl Context {
    pub(super) fn new(globals: Globals) -> Self {
        Self { globals }
    }

    /// Returns whether `--json` was asked for.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.globals.json
    }

    /// Returns where the authority's home is; it may not exist.
    ///
    /// # Errors
    ///
    /// A usage error when neither `--home` nor the environment names one.
    pub fn home(&self) -> Result<Home, CommandError> {
        self.globals.home.as_ref().map(Home::new).or_else(Home::platform_default).ok_or_else(|| {
            CommandError::usage("no home for the authority is named")
                .hint("name its directory with `--home DIR`")
        })
    }

    /// Opens the authority's repository to read and write.
    ///
    /// # Errors
    ///
    /// Those of [`Repository::open`].
    pub fn repository(&self) -> Result<Repository, CommandError> {
        Ok(Repository::open(&self.home()?)?)
    }

    /// Reads from the authority's repository without touching a file of the home, as `doctor` does: it
    /// starts faster, and works on a disk that is full or read-only.
    ///
    /// Where that cannot be done, or a writer came in between, reads again beside the writer.
    ///
    /// # Errors
    ///
    /// Those of [`Repository::open`] and of `work`.
    pub fn read<T>(&self, work: impl Fn(&Repository) -> Result<T, CommandError>) -> Result<T, CommandError> {
        let home = self.home()?;
        if let Ok(repository) = Repository::open_read_only(&home)
            && let Ok(found) = work(&repository)
            && !repository.is_stale()
        {
            return Ok(found);
        }
        // Reading does no harm, whoever holds the lease.
        work(&Repository::open_unleased(&home)?)
    }

    /// Returns what prints the result on stdout.
    #[must_use]
    pub fn printer(&self) -> Printer {
        Printer::new(self.is_json())
    }

    /// Returns where PINs and passphrases come from: `--pin-fd`, or the terminal.
    ///
    /// # Errors
    ///
    /// When the descriptor cannot be read.
    pub fn pins(&self) -> Result<PinSource, HsmError> {
        self.globals.pin_fd.map_or_else(|| Ok(PinSource::terminal()), PinSource::fd)
    }

    /// Returns the time in Unix seconds.
    ///
    /// # Errors
    ///
    /// When the clock shows a year before 2026: what is recorded under such a date misleads for ever.
    pub fn now(&self) -> Result<u64, CommandError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        if now < EARLIEST_NOW {
            return Err(CommandError::failed(
                "clock-wrong",
                "the clock of this machine shows a year before 2026",
            )
            .hint("set the clock, then run the command again"));
        }
        Ok(now)
    }
}
