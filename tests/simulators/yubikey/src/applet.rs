//! The card itself: bytes of a command in, bytes of an answer out.
//!
//! SP 800-73-4 with Yubico's extensions, as a YubiKey 5 does it: PIN and PUK with counters, management
//! key, P-256 and Ed25519, attestation. Answers that no published page states are the stricter of the
//! plausible ones. Not here: the way the bytes come (`vpcd`), RSA, P-384, X25519, key agreement, moving
//! keys, secure messaging, biometry, and the other applications of a YubiKey beyond being selected.

mod admin;
mod keys;
mod objects;
mod pin;
mod sign;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::apdu::{Command, Status};
use crate::key::SlotKey;
use crate::management::ManagementAlgorithm;
use crate::state::{State, Store};

/// The longest data of a command, in bytes, over all parts of a chain.
pub const MAX_DATA_BYTES: usize = 3_072;

/// The PIV application, whole; selecting takes the beginning of it, from five bytes on.
const PIV: [u8; 11] = [0xa0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00];
/// The management application, which clients select to end a PIV session.
const MANAGEMENT: [u8; 8] = [0xa0, 0x00, 0x00, 0x05, 0x27, 0x47, 0x11, 0x17];

/// What an instruction answers before the status of success, or another status.
type Answer = Result<Vec<u8>, Status>;

/// The version of a card's firmware, by which it has instructions or lacks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Firmware {
    /// The first number.
    pub major: u8,
    /// The second number.
    pub minor: u8,
    /// The third number.
    pub patch: u8,
}

impl Firmware {
    /// The first with Ed25519 and without YSA-2024-03.
    pub const V5_7_1: Self = Self::new(5, 7, 1);

    /// Names a version.
    #[must_use]
    pub const fn new(major: u8, minor: u8, patch: u8) -> Self {
        Self { major, minor, patch }
    }

    /// Returns the cipher of the management key that cards with this firmware are sold with.
    #[must_use]
    pub fn default_management(self) -> ManagementAlgorithm {
        if self >= Self::new(5, 7, 0) { ManagementAlgorithm::Aes192 } else { ManagementAlgorithm::TripleDes }
    }

    fn has_metadata(self) -> bool {
        self >= Self::new(5, 3, 0)
    }

    fn has_ed25519(self) -> bool {
        self >= Self::new(5, 7, 0)
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Firmware {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers: Result<Vec<u8>, _> = text.split('.').map(str::parse).collect();
        match numbers.as_deref() {
            Ok([major, minor, patch]) if *major >= 5 => Ok(Self::new(*major, *minor, *patch)),
            _ => Err("a firmware version is three numbers, from 5.0.0 on"),
        }
    }
}

/// What goes wrong at the next signature, once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NextSignature {
    /// Nothing.
    #[default]
    Right,
    /// The signature does not verify.
    Wrong,
    /// The card is pulled after it signed and before it answers.
    Lost,
}

/// Whether somebody touches the card when it asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Touch {
    /// Always and at once.
    #[default]
    Given,
    /// Never: keys that want it answer 6982 after this time, as for a missing PIN. A YubiKey waits for
    /// fifteen seconds (Yubico/yubico-piv-tool issue 185).
    Missing(Duration),
}

/// What the card does with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It answers.
    Bytes(Vec<u8>),
    /// It is gone before it answers.
    Pulled,
}

/// What the card knows until it is selected anew or loses power.
#[derive(Debug, Default)]
struct Session {
    selected: Option<Application>,
    /// The PIN was verified.
    pin: bool,
    /// The PIN was verified by the command before this one.
    pin_just_now: bool,
    /// The management key was proven.
    management: bool,
    /// What the other side must make of a challenge to prove the management key.
    challenge: Option<admin::Challenge>,
    /// The parts of a chained command.
    chain: Option<Chain>,
    /// What GET RESPONSE hands out next.
    rest: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Application {
    Management,
    Piv,
}

#[derive(Debug)]
struct Chain {
    header: [u8; 3],
    data: Vec<u8>,
}

/// A card: what it remembers, what it knows in this session, and what is to go wrong.
#[derive(Debug)]
pub struct Applet {
    store: Store,
    firmware: Firmware,
    session: Session,
    /// What goes wrong at the next signature.
    pub next_signature: NextSignature,
    /// Whether somebody touches the card.
    pub touch: Touch,
}

impl Applet {
    /// A card without a session.
    #[must_use]
    pub fn new(store: Store, firmware: Firmware) -> Self {
        Self {
            store,
            firmware,
            session: Session::default(),
            next_signature: NextSignature::default(),
            touch: Touch::default(),
        }
    }

    /// Returns what the card remembers.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Ends the session, as losing power and as a reset of the bus do.
    pub fn power_off(&mut self) {
        self.session = Session::default();
    }

    /// Sets the card back as RESET does, without asking for the blocked PIN and PUK.
    ///
    /// # Errors
    ///
    /// [`Status::MEMORY`] when it cannot be written down.
    pub fn reset(&mut self) -> Result<(), Status> {
        self.power_off();
        self.store.state.reset(self.firmware.default_management());
        self.store.save()
    }

    /// Changes what the card remembers, from outside and without its rules.
    ///
    /// # Errors
    ///
    /// [`Status::MEMORY`] when it cannot be written down.
    pub fn change(&mut self, change: impl FnOnce(&mut State)) -> Result<(), Status> {
        change(&mut self.store.state);
        self.store.save()
    }

    /// Puts another key of the same kind under the same policies into a slot.
    ///
    /// # Errors
    ///
    /// [`Status::REFERENCE_NOT_FOUND`] for an empty slot.
    pub fn replace_key(&mut self, slot: u8) -> Result<(), Status> {
        let key = self.store.state.keys.get_mut(&slot).ok_or(Status::REFERENCE_NOT_FOUND)?;
        *key = SlotKey::generate(key.algorithm, key.pin, key.touch)?;
        self.store.save()
    }

    /// Does what a command says.
    pub fn execute(&mut self, bytes: &[u8]) -> Reply {
        let command = match Command::parse(bytes) {
            Ok(command) => command,
            Err(status) => return Reply::Bytes(status.0.to_be_bytes().to_vec()),
        };
        if command.instruction == 0xc0 && command.class == 0 {
            return self.get_response(&command);
        }
        self.session.rest.clear();
        let data = match self.collect(&command) {
            Ok(Some(data)) => data,
            Ok(None) => return Reply::Bytes(Status::SUCCESS.0.to_be_bytes().to_vec()),
            Err(status) => return Reply::Bytes(status.0.to_be_bytes().to_vec()),
        };
        let command = Command { data: &data, ..command };
        // Whatever comes between the PIN and its use takes the "just now" away.
        let pin_just_now = std::mem::take(&mut self.session.pin_just_now);
        match self.dispatch(&command, pin_just_now) {
            Ok(Some(answer)) => self.deliver(answer, command.longest_answer),
            Ok(None) => Reply::Pulled,
            Err(status) => Reply::Bytes(status.0.to_be_bytes().to_vec()),
        }
    }

    /// Returns the whole data once the last part of a chain is there.
    fn collect(&mut self, command: &Command<'_>) -> Result<Option<Vec<u8>>, Status> {
        let is_last = match command.class {
            0x00 => true,
            0x10 => false,
            _ => return Err(Status::CLASS),
        };
        let header = [command.instruction, command.p1, command.p2];
        // A command that does not go on with the chain ends it.
        let mut data = match self.session.chain.take() {
            Some(chain) if chain.header == header => chain.data,
            _ => Vec::new(),
        };
        if data.len() + command.data.len() > MAX_DATA_BYTES {
            return Err(Status::WRONG_LENGTH);
        }
        data.extend_from_slice(command.data);
        if is_last {
            return Ok(Some(data));
        }
        self.session.chain = Some(Chain { header, data });
        Ok(None)
    }

    /// Runs an instruction; nothing comes back when the card is pulled while it runs.
    fn dispatch(&mut self, command: &Command<'_>, pin_just_now: bool) -> Result<Option<Vec<u8>>, Status> {
        if command.instruction == 0xa4 {
            return self.select(command).map(Some);
        }
        if self.session.selected != Some(Application::Piv) {
            return Err(Status::INSTRUCTION);
        }
        let answer = match command.instruction {
            0x20 => self.verify(command),
            0x24 => self.change_reference(command),
            0x2c => self.reset_retry_counter(command),
            0x47 => self.generate(command),
            0x87 if command.p2 == admin::MANAGEMENT_SLOT => self.authenticate_management(command),
            0x87 => return self.sign(command, pin_just_now),
            0xcb => self.get_data(command),
            0xdb => self.put_data(command),
            0xf7 if self.firmware.has_metadata() => self.metadata(command),
            0xf8 => self.serial(command),
            0xf9 => self.attest(command),
            0xfa => self.set_pin_retries(command),
            0xfb => self.reset_blocked(command),
            0xfd => self.version(command),
            0xfe => self.import(command),
            0xff => self.set_management_key(command),
            _ => Err(Status::INSTRUCTION),
        };
        answer.map(Some)
    }

    fn select(&mut self, command: &Command<'_>) -> Answer {
        if (command.p1, command.p2) != (0x04, 0x00) {
            return Err(Status::WRONG_P1_P2);
        }
        let (application, answer) = if command.data.len() >= 5 && PIV.starts_with(command.data) {
            let template = [
                0x61, 0x11, 0x4f, 0x06, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00, 0x79, 0x07, 0x4f, 0x05, 0xa0,
                0x00, 0x00, 0x03, 0x08,
            ];
            (Application::Piv, template.to_vec())
        } else if command.data == MANAGEMENT {
            let version = format!("Virtual mgr - FW version {}", self.firmware);
            (Application::Management, version.into_bytes())
        } else {
            return Err(Status::NOT_FOUND);
        };
        self.session = Session { selected: Some(application), ..Session::default() };
        Ok(answer)
    }

    fn version(&self, command: &Command<'_>) -> Answer {
        no_parameters(command)?;
        Ok(vec![self.firmware.major, self.firmware.minor, self.firmware.patch])
    }

    fn serial(&self, command: &Command<'_>) -> Answer {
        no_parameters(command)?;
        Ok(self.store.state.serial.to_be_bytes().to_vec())
    }

    /// Hands out as much as the other side takes, and keeps the rest for GET RESPONSE.
    fn deliver(&mut self, mut answer: Vec<u8>, longest: usize) -> Reply {
        let rest = answer.split_off(answer.len().min(longest));
        let status = if rest.is_empty() { Status::SUCCESS } else { Status::more(rest.len()) };
        self.session.rest = rest;
        answer.extend_from_slice(&status.0.to_be_bytes());
        Reply::Bytes(answer)
    }

    fn get_response(&mut self, command: &Command<'_>) -> Reply {
        let rest = std::mem::take(&mut self.session.rest);
        if rest.is_empty() {
            return Reply::Bytes(Status::CONDITIONS.0.to_be_bytes().to_vec());
        }
        self.deliver(rest, command.longest_answer)
    }

    fn require_management(&self) -> Result<(), Status> {
        if self.session.management { Ok(()) } else { Err(Status::SECURITY_STATUS) }
    }
}

/// Refuses parameters and data where an instruction takes none.
fn no_parameters(command: &Command<'_>) -> Result<(), Status> {
    match (command.p1, command.p2, command.data) {
        (0, 0, []) => Ok(()),
        (0, 0, _) => Err(Status::WRONG_LENGTH),
        _ => Err(Status::WRONG_P1_P2),
    }
}

/// Whether a slot holds keys that users make and use.
fn is_key_slot(slot: u8) -> bool {
    matches!(slot, 0x9a | 0x9c | 0x9d | 0x9e | 0x82..=0x95)
}
