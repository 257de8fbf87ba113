//! A virtual YubiKey under the suite of all backends: faults and their end, and a pcscd of its own.
//!
//! libpcsclite reads the place of its pcscd from the environment, so a program starts one and runs itself again
//! with it. Not here: which keys a backend finds on the card.

use std::io::Cursor;
use std::process::Command;

use chancery_hsm_config::PinSource;
use chancery_hsm_config::backend::conformance::{Fault, Unavailable};
use chancery_yubikey_simulator::{Config, NextSignature, Pcscd, SOCKET_VARIABLE, State, YubiKey};

const PORT_VARIABLE: &str = "CHANCERY_TEST_READER_PORT";

/// The PIN of a card as it leaves the factory, and one that it is not.
pub const PIN: &str = "123456";
const WRONG_PIN: &str = "000000";

/// Returns a command that runs this program again beside a pcscd of its own, which ends with it.
pub fn again() -> (Pcscd, Command) {
    let pcscd = Pcscd::start_private().unwrap_or_else(|error| panic!("{error}"));
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.env(SOCKET_VARIABLE, pcscd.socket()).env(PORT_VARIABLE, pcscd.port().to_string());
    (pcscd, again)
}

/// Returns a card for the reader of the pcscd beside which this program runs.
pub fn config() -> Config {
    Config::new(std::env::var(PORT_VARIABLE).unwrap().parse().unwrap())
}

/// Returns what gives this PIN, once.
pub fn pins(pin: &'static str) -> PinSource {
    PinSource::lines(Cursor::new(pin))
}

pub fn right_pins() -> PinSource {
    pins(PIN)
}

pub fn wrong_pins() -> PinSource {
    pins(WRONG_PIN)
}

/// A card, and what a test did to it.
pub struct Card {
    pub yubikey: YubiKey,
    /// What the card was before a fault.
    before: Option<State>,
    is_out: bool,
}

impl Card {
    pub fn new(yubikey: YubiKey) -> Self {
        Self { yubikey, before: None, is_out: false }
    }

    pub fn pull(&mut self) {
        self.yubikey.pull();
        self.is_out = true;
    }

    pub fn insert(&mut self) {
        self.yubikey.insert().unwrap();
        self.is_out = false;
    }

    pub fn provoke(&mut self, fault: Fault) -> Result<(), Unavailable> {
        self.before = Some(self.yubikey.snapshot());
        match fault {
            Fault::DeviceReset => self.yubikey.reset().unwrap(),
            Fault::ReplyLost => {
                // The card goes away after it signed.
                self.yubikey.set_next_signature(NextSignature::Lost);
                self.is_out = true;
            }
            Fault::SignatureWrong => self.yubikey.set_next_signature(NextSignature::Wrong),
            Fault::AuditLogFull => return Err(Unavailable("a YubiKey keeps no audit log")),
            _ => return Err(Unavailable("the simulator cannot make it")),
        }
        Ok(())
    }

    pub fn mend(&mut self) {
        self.yubikey.set_next_signature(NextSignature::Right);
        let mut state = self.before.take().unwrap_or_else(|| self.yubikey.snapshot());
        state.pin.tries_left = state.pin.tries;
        self.yubikey.restore(&state).unwrap();
        if self.is_out {
            self.insert();
        }
    }
}
