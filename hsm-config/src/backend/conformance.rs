//! One suite that every backend passes, whatever device stands behind it.
//!
//! A [`Fixture`] provides the device and its faults; [`run`] returns a [`Report`] of every behaviour, so
//! that one which a fixture cannot provoke is seen and not skipped. For tests: it leaves keys behind.
//! Not here: what only one kind of device does.

mod behaviours;

use std::fmt;

use chancery_formats::key::Algorithm;

use crate::reference::KeyRef;
use crate::secret::PinSource;

/// A device to test, and the faults that can be provoked on it.
pub trait Fixture {
    /// Returns the backend's name in the report.
    fn name(&self) -> &'static str;

    /// Returns the algorithms that the device has.
    fn algorithms(&self) -> Vec<Algorithm>;

    /// Returns a reference for key number `index`, which does not exist yet; another for each number.
    fn key(&self, index: u8) -> KeyRef;

    /// Returns a source that gives the right PIN.
    fn pins(&self) -> PinSource;

    /// Returns a source that gives a wrong PIN.
    fn wrong_pins(&self) -> PinSource;

    /// Returns a reference to a key on a token that is not there.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] where tokens cannot be absent.
    fn key_on_missing_token(&self) -> Result<KeyRef, Unavailable>;

    /// Makes another key of the same name, by other means than the backend.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] where names are unique.
    fn duplicate(&mut self, key: &KeyRef) -> Result<(), Unavailable>;

    /// Takes the token away under an open key.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] where there is no session to lose.
    fn remove_token(&mut self) -> Result<(), Unavailable>;

    /// Brings the token back, with its keys.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] where the keys do not come back with it.
    fn return_token(&mut self) -> Result<(), Unavailable>;
}

/// Why a fixture cannot provoke a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable(pub &'static str);

macro_rules! behaviours {
    ($($(#[$doc:meta])* $name:ident = $function:ident, $text:literal;)*) => {
        /// What every backend does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Behaviour { $($(#[$doc])* $name,)* }

        impl Behaviour {
            /// Every behaviour, in the order in which [`run`] tries them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            fn check(self, fixture: &mut dyn Fixture) -> behaviours::Checked {
                match self { $(Self::$name => behaviours::$function(fixture),)* }
            }
        }

        impl fmt::Display for Behaviour {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$name => $text,)* })
            }
        }
    };
}

behaviours! {
    /// A new key is made under its reference and never replaces one.
    Generates = generates, "generates";
    /// A key that exists is found again, and listed with a reference that opens it.
    Finds = finds, "finds";
    /// The public key comes from the device; a reference that pins another one is refused.
    PublicKey = public_key, "public key from device";
    /// Ed25519 signatures over short and longest messages verify.
    SignsEd25519 = signs_ed25519, "signs Ed25519";
    /// P-256 signatures over short and longest messages verify.
    SignsP256 = signs_p256, "signs P-256";
    /// A wrong PIN is told as such, and not kept.
    WrongPin = wrong_pin, "wrong PIN";
    /// Without a PIN nothing is opened.
    NoPin = no_pin, "no PIN";
    /// An absent token is told as such.
    MissingToken = missing_token, "missing token";
    /// A missing key is told as such.
    MissingKey = missing_key, "missing key";
    /// Two keys of one name are told as such; none signs.
    AmbiguousKey = ambiguous_key, "ambiguous key";
    /// A message over the limit is refused, and the key signs on.
    LongMessage = long_message, "message too long";
    /// Four threads sign with one key, while others open their own.
    ConcurrentUse = concurrent_use, "concurrent use";
    /// A token taken away is told as such, without a signature.
    SessionLost = session_lost, "session lost";
    /// A token that is back signs again, with the same key.
    SessionRecovered = session_recovered, "session recovered";
}

/// How a behaviour came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did otherwise.
    Failed(String),
    /// It did as every backend does.
    Passed,
    /// The fixture cannot provoke it.
    Unavailable(&'static str),
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The backend's name.
    pub backend: &'static str,
    /// Every behaviour with its outcome, none left out.
    pub outcomes: Vec<(Behaviour, Outcome)>,
}

impl Report {
    /// Returns the behaviours that failed, each with what it did instead.
    #[must_use]
    pub fn failures(&self) -> Vec<(Behaviour, String)> {
        let failure = |(behaviour, outcome): &(Behaviour, Outcome)| match outcome {
            Outcome::Failed(reason) => Some((*behaviour, reason.clone())),
            _ => None,
        };
        self.outcomes.iter().filter_map(failure).collect()
    }

    /// Returns the behaviours that the fixture could not provoke: a test states which it expects.
    #[must_use]
    pub fn unavailable(&self) -> Vec<Behaviour> {
        let is_unavailable = |outcome: &Outcome| matches!(outcome, Outcome::Unavailable(_));
        self.outcomes
            .iter()
            .filter(|(_, outcome)| is_unavailable(outcome))
            .map(|(behaviour, _)| *behaviour)
            .collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (behaviour, outcome) in &self.outcomes {
            let outcome = match outcome {
                Outcome::Failed(reason) => format!("FAILED: {reason}"),
                Outcome::Passed => "passed".to_owned(),
                Outcome::Unavailable(reason) => format!("unavailable: {reason}"),
            };
            writeln!(f, "{:12} {behaviour:24} {outcome}", self.backend)?;
        }
        Ok(())
    }
}

/// Tries every behaviour.
pub fn run(fixture: &mut dyn Fixture) -> Report {
    let mut outcomes = Vec::new();
    for behaviour in Behaviour::ALL {
        let outcome = match behaviour.check(fixture) {
            Ok(()) => Outcome::Passed,
            Err(behaviours::Stop::Failed(reason)) => Outcome::Failed(reason),
            Err(behaviours::Stop::Unavailable(Unavailable(reason))) => Outcome::Unavailable(reason),
        };
        outcomes.push((*behaviour, outcome));
    }
    Report { backend: fixture.name(), outcomes }
}
