//! Chancery's YubiHSM backend on the simulator: the common suite, with every fault that the device can have.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::Cursor;
use std::path::PathBuf;

use chancery_formats::key::Algorithm;
use chancery_hsm_config::backend::conformance::{Behaviour, Fault, Fixture, Unavailable, run};
use chancery_hsm_config::{KeyRef, PinSource};
use chancery_yubihsm_simulator::{Config, Fault as DeviceFault, PASSWORD, Simulator};
use yubihsm::audit::AuditOption;
use yubihsm::connector::HttpConfig;
use yubihsm::{Client, Connector, Credentials, command};

const FIRST_ID: u16 = 0x0100;

/// A simulator that keeps its state in a file, so that what a fault takes away can be brought back.
struct Device {
    simulator: Option<Simulator>,
    folder: PathBuf,
    port: u16,
}

impl Device {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("chancery-yubihsm-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let mut device = Self { simulator: None, folder, port: 0 };
        device.start();
        device
    }

    fn start(&mut self) {
        let state = Some(self.folder.join("state"));
        let simulator = Simulator::start(Config { port: self.port, state, ..Config::default() }).unwrap();
        self.port = simulator.port();
        self.simulator = Some(simulator);
    }

    fn simulator(&self) -> &Simulator {
        self.simulator.as_ref().unwrap()
    }

    fn save(&self) {
        fs::copy(self.folder.join("state"), self.folder.join("saved")).unwrap();
    }

    /// A client that is not ours, under the factory's login.
    fn foreign(&self) -> Client {
        let connector = Connector::http(&HttpConfig { port: self.port, ..HttpConfig::default() });
        Client::open(connector, Credentials::from_password(1, PASSWORD.as_bytes()), false).unwrap()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.simulator = None;
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Fixture for Device {
    fn name(&self) -> &'static str {
        "YubiHSM 2 simulator"
    }

    fn algorithms(&self) -> Vec<Algorithm> {
        vec![Algorithm::Ed25519, Algorithm::Esp256]
    }

    fn key(&self, index: u8) -> KeyRef {
        let id = FIRST_ID + u16::from(index);
        let text = format!("yubihsm:serial=0012345678;id={id}?connector=http://127.0.0.1:{}", self.port);
        text.parse().unwrap()
    }

    fn pins(&self) -> PinSource {
        PinSource::lines(Cursor::new(PASSWORD))
    }

    fn wrong_pins(&self) -> PinSource {
        PinSource::lines(Cursor::new("wrong"))
    }

    fn pin_tries(&self) -> Option<u8> {
        None
    }

    fn signatures(&self) -> Option<u64> {
        let operations = self.simulator().operations();
        Some(operations.sign_eddsa + operations.sign_ecdsa)
    }

    fn key_on_missing_token(&self) -> Result<KeyRef, Unavailable> {
        let text = format!("yubihsm:serial=0000000001;id=1?connector=http://127.0.0.1:{}", self.port);
        Ok(text.parse().unwrap())
    }

    fn duplicate(&mut self, _: &KeyRef) -> Result<(), Unavailable> {
        Err(Unavailable("object ids are unique"))
    }

    fn remove_token(&mut self) -> Result<(), Unavailable> {
        self.simulator().inject(&DeviceFault::Unplug).unwrap();
        Ok(())
    }

    fn return_token(&mut self) -> Result<(), Unavailable> {
        self.simulator().mend().unwrap();
        Ok(())
    }

    fn provoke(&mut self, fault: Fault, key: &KeyRef) -> Result<(), Unavailable> {
        self.save();
        let inject = |fault| self.simulator().inject(&fault).unwrap();
        match fault {
            Fault::AuditLogFull => {
                let client = self.foreign();
                for signing in [command::Code::SignEddsa, command::Code::SignEcdsa] {
                    client.set_command_audit_option(signing, AuditOption::On).unwrap();
                }
                client.set_force_audit_option(AuditOption::On).unwrap();
                inject(DeviceFault::FillLog);
            }
            Fault::DeviceReset => inject(DeviceFault::Reset),
            Fault::OtherKey => {
                assert_eq!(*key, self.key(1));
                inject(DeviceFault::ReplaceKey(FIRST_ID + 1));
            }
            Fault::ReplyLost => inject(DeviceFault::DropReply),
            Fault::SessionTableFull => {
                inject(DeviceFault::PowerCycle);
                inject(DeviceFault::FillSessions);
            }
            Fault::SignatureWrong => inject(DeviceFault::CorruptSignature),
            Fault::ModuleUnloaded => return Err(Unavailable("there is no module")),
            _ => return Err(Unavailable("not known to this fixture")),
        }
        Ok(())
    }

    fn mend(&mut self) {
        if fs::rename(self.folder.join("saved"), self.folder.join("state-to-be")).is_ok() {
            self.simulator = None;
            fs::rename(self.folder.join("state-to-be"), self.folder.join("state")).unwrap();
            self.start();
        }
    }
}

#[test]
fn conforms() {
    let report = run(&mut Device::new());
    println!("{report}");
    assert!(report.failures().is_empty(), "\n{report}");
    let expected =
        [Behaviour::SignsMlDsa87, Behaviour::AmbiguousKey, Behaviour::PinLimit, Behaviour::ModuleUnloaded];
    assert_eq!(report.unavailable(), expected, "\n{report}");
}
