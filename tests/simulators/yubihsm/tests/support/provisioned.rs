//! A simulator that was set up from the reviewed profile, for the tests that need one.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::io::Cursor;

use chancery_hsm_config::provision::{Profile, Step, provision};
use chancery_hsm_config::{KeyRef, PinSource, TokenRef};
use chancery_yubihsm_simulator::{Config, Simulator};

pub const PROFILE: &str = include_str!("../../../../../hsm-config/profiles/yubihsm2.toml");

/// The passwords, in the order in which they are asked for: the factory's, then the profile's logins.
pub const PASSWORDS: &str = "password\nsign-secret\naudit-secret\nbackup-secret\nadminister-secret";

pub struct Provisioned {
    pub simulator: Simulator,
    pub steps: Vec<Step>,
    key: KeyRef,
}

pub fn lines(text: &'static str) -> PinSource {
    PinSource::lines(Cursor::new(text))
}

/// A reference to the device under one of its logins.
pub fn device(port: u16, login: u16) -> TokenRef {
    let text = format!("yubihsm:serial=0012345678;auth-id={login}?connector=http://127.0.0.1:{port}");
    text.parse().unwrap()
}

impl Provisioned {
    pub fn new() -> Self {
        Self::with(Config::default())
    }

    pub fn with(config: Config) -> Self {
        let simulator = Simulator::start(config).unwrap();
        let mut steps = Vec::new();
        let profile = Profile::read(PROFILE).unwrap();
        let made = provision(&profile, &device(simulator.port(), 1), &mut lines(PASSWORDS), &mut |step| {
            steps.push(step);
        });
        let [key] = made.unwrap().keys.try_into().unwrap();
        Self { simulator, steps, key }
    }

    /// The one key, under the login that signs and with the login that reads the log.
    pub fn key(&self) -> KeyRef {
        self.key.clone()
    }

    pub fn login(&self, id: u16) -> TokenRef {
        device(self.simulator.port(), id)
    }
}
