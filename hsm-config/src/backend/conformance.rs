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
    ///
    /// Where the backend makes no keys, those for the algorithms exist: 1 for the first, 2 for the second.
    fn key(&self, index: u8) -> KeyRef;

    /// Whether the backend makes keys on this device; else its vendor's tools do.
    fn makes_keys(&self) -> bool {
        true
    }

    /// Returns a source that gives the right PIN.
    fn pins(&self) -> PinSource;

    /// Returns a source that gives a wrong PIN.
    fn wrong_pins(&self) -> PinSource;

    /// Returns how many wrong PINs the token takes before it locks; nothing where it never does.
    fn pin_tries(&self) -> Option<u8>;

    /// Returns how many signatures the device has made, by its own count; nothing where none is kept.
    fn signatures(&self) -> Option<u64>;

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

    /// Makes a fault, which stands until [`Fixture::mend`] or, where it says so, for one operation.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] where the device cannot fail so, or cannot be made to.
    fn provoke(&mut self, fault: Fault, key: &KeyRef) -> Result<(), Unavailable>;

    /// Ends every fault; keys that a fault took away come back.
    fn mend(&mut self);
}

/// What a device does that it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Its audit log is full and must not lose entries.
    AuditLogFull,
    /// It was reset: its logins and keys are gone.
    DeviceReset,
    /// Somebody in the process ended the module under its users.
    ModuleUnloaded,
    /// It has another key under the name of this one.
    OtherKey,
    /// It makes the next signature, and its answer is lost.
    ReplyLost,
    /// All of its sessions are in use; those of the backend under test are ended.
    SessionTableFull,
    /// Its next signature is wrong.
    SignatureWrong,
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
    /// ML-DSA-87 signatures over short and longest messages verify.
    SignsMlDsa87 = signs_ml_dsa_87, "signs ML-DSA-87";
    /// An algorithm that the device lacks is refused by name, and no key is made in its place.
    LacksOthers = lacks_others, "refuses what it lacks";
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
    /// Wrong PINs are tried up to one before the lock, and no further.
    PinLimit = pin_limit, "stops before PIN lock";
    /// A wrong signature is not handed on.
    WrongSignature = wrong_signature, "wrong signature";
    /// Another key under the name of this one does not sign.
    OtherKey = other_key, "other key under the name";
    /// A lost answer is told as such: nothing is signed twice, nothing unaccounted.
    ReplyLost = reply_lost, "reply lost after signing";
    /// A full session table is told as such, and a free session used.
    SessionTableFull = session_table_full, "session table full";
    /// A full audit log is told as such.
    AuditLogFull = audit_log_full, "audit log full";
    /// A module that ended under its user is begun again.
    ModuleUnloaded = module_unloaded, "module unloaded";
    /// A device that was reset is told as such, and makes no new key in place of the old.
    DeviceReset = device_reset, "device reset";
    /// The device tells what it is.
    Health = health, "health";
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

/// Writes a line for each behaviour, its parts separated by tabs: `conformance`, backend, behaviour, outcome.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (behaviour, outcome) in &self.outcomes {
            write!(f, "conformance\t{}\t{behaviour}\t", self.backend)?;
            match outcome {
                Outcome::Failed(reason) => writeln!(f, "FAILED: {reason}")?,
                Outcome::Passed => writeln!(f, "passed")?,
                Outcome::Unavailable(reason) => writeln!(f, "unavailable: {reason}")?,
            }
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
