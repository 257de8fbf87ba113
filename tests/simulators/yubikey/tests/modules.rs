//! Chancery's PKCS#11 backend on the virtual YubiKey, through the modules of Yubico and of OpenSC.
//!
//! libpcsclite reads the place of its pcscd from the environment, so this program starts one and runs
//! itself again with it, once for each module.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use chancery_formats::key::Algorithm;
use chancery_hsm_config::backend::conformance::{self, Behaviour, Fault, Fixture, Unavailable};
use chancery_hsm_config::{KeyRef, PinSource};
use chancery_yubikey_simulator::{
    Config, ManagementAlgorithm, NextSignature, Pcscd, SOCKET_VARIABLE, State, YubiKey,
};

const PORT_VARIABLE: &str = "CHANCERY_TEST_READER_PORT";
const MODULE_VARIABLE: &str = "CHANCERY_TEST_MODULE";

/// Modules, with the package that has them, and what each is called in the report.
const MODULES: [(&str, &str, &str); 2] = [
    ("libykcs11.so", "ykcs11", "YubiKey (ykcs11)"),
    ("opensc-pkcs11.so", "opensc-pkcs11", "YubiKey (OpenSC)"),
];

fn main() -> ExitCode {
    if let Some(module) = std::env::var_os(MODULE_VARIABLE) {
        let (_, _, name) = MODULES.iter().find(|(file, ..)| module == *file).unwrap();
        suite(&module_path(module.to_str().unwrap()), name);
        return ExitCode::SUCCESS;
    }
    for (module, package, _) in MODULES {
        assert!(module_path(module).exists(), "{module} is missing: apt-get install {package}");
        let pcscd = Pcscd::start_private().unwrap_or_else(|error| panic!("{error}"));
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.env(SOCKET_VARIABLE, pcscd.socket()).env(PORT_VARIABLE, pcscd.port().to_string());
        if !again.env(MODULE_VARIABLE, module).status().unwrap().success() {
            println!("yubikey-modules: 0 passed, 1 failed");
            return ExitCode::FAILURE;
        }
    }
    println!("yubikey-modules: {} passed", MODULES.len());
    ExitCode::SUCCESS
}

fn module_path(module: &str) -> PathBuf {
    Path::new("/usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH)).join(module)
}

struct Card {
    card: YubiKey,
    name: &'static str,
    module: String,
    /// The token, as the module calls it.
    token: String,
    /// What the card was before a fault.
    before: Option<State>,
    is_out: bool,
}

impl Card {
    /// OpenSC 0.23 waits for its own lock for ever when the card goes away between login and signature.
    fn can_be_pulled(&self) -> Result<(), Unavailable> {
        if self.module.contains("opensc") {
            Err(Unavailable("OpenSC 0.23 hangs in its own lock"))
        } else {
            Ok(())
        }
    }
}

impl Fixture for Card {
    fn name(&self) -> &'static str {
        self.name
    }

    /// Neither module lists Ed25519.
    fn algorithms(&self) -> Vec<Algorithm> {
        vec![Algorithm::Esp256]
    }

    /// Slot 9c has the id 2, and wants the PIN for each signature; 9d has the id 3, and no key.
    fn key(&self, index: u8) -> KeyRef {
        let id = if index == 1 { 2 } else { 3 };
        format!("pkcs11:{};id=%{id:02x}?module-path={}", self.token, self.module).parse().unwrap()
    }

    fn makes_keys(&self) -> bool {
        false
    }

    fn pins(&self) -> PinSource {
        PinSource::lines(Cursor::new("123456"))
    }

    fn wrong_pins(&self) -> PinSource {
        PinSource::lines(Cursor::new("000000"))
    }

    fn pin_tries(&self) -> Option<u8> {
        Some(3)
    }

    fn signatures(&self) -> Option<u64> {
        Some(self.card.operations())
    }

    fn key_on_missing_token(&self) -> Result<KeyRef, Unavailable> {
        Ok(format!("pkcs11:token=nowhere;id=%02?module-path={}", self.module).parse().unwrap())
    }

    fn duplicate(&mut self, _key: &KeyRef) -> Result<(), Unavailable> {
        Err(Unavailable("a slot holds one key"))
    }

    fn remove_token(&mut self) -> Result<(), Unavailable> {
        self.can_be_pulled()?;
        self.card.pull();
        self.is_out = true;
        Ok(())
    }

    fn return_token(&mut self) -> Result<(), Unavailable> {
        self.card.insert().unwrap();
        self.is_out = false;
        Ok(())
    }

    fn provoke(&mut self, fault: Fault, _: &KeyRef) -> Result<(), Unavailable> {
        self.before = Some(self.card.snapshot());
        match fault {
            Fault::DeviceReset => self.card.reset().unwrap(),
            Fault::ReplyLost => {
                self.can_be_pulled()?;
                self.card.set_next_signature(NextSignature::Lost);
                self.is_out = true;
            }
            Fault::SignatureWrong => self.card.set_next_signature(NextSignature::Wrong),
            Fault::OtherKey => return Err(Unavailable("the module shows the certificate, not the key")),
            Fault::AuditLogFull => return Err(Unavailable("a YubiKey keeps no audit log")),
            Fault::ModuleUnloaded => return Err(Unavailable("made through tests/simulators/pkcs11")),
            Fault::SessionTableFull => return Err(Unavailable("the modules bound no sessions")),
            _ => return Err(Unavailable("the simulator cannot make it")),
        }
        Ok(())
    }

    fn mend(&mut self) {
        self.card.set_next_signature(NextSignature::Right);
        let mut state = self.before.take().unwrap_or_else(|| self.card.snapshot());
        state.pin.tries_left = state.pin.tries;
        self.card.restore(&state).unwrap();
        if std::mem::take(&mut self.is_out) {
            self.card.insert().unwrap();
        }
    }
}

/// Makes the key in 9c with its certificate, as an operator does.
fn make_key(folder: &Path) {
    for arguments in [
        "-s 9c -A ECCP256 -a generate -o 9c.pub",
        "-s 9c -a attest -o 9c.pem",
        "-s 9c -a import-certificate -i 9c.pem",
    ] {
        let output = Command::new("yubico-piv-tool").args(arguments.split(' ')).current_dir(folder).output();
        let output = output.expect("yubico-piv-tool is missing: apt-get install yubico-piv-tool");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn suite(module: &Path, name: &'static str) {
    let folder = std::env::temp_dir().join(format!("chancery-modules-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let config = Config::new(std::env::var(PORT_VARIABLE).unwrap().parse().unwrap());
    let management = Some(ManagementAlgorithm::TripleDes);
    let card = YubiKey::start(&Config { management, ..config }).unwrap();
    make_key(&folder);
    fs::remove_dir_all(&folder).unwrap();
    let module = module.to_str().unwrap().to_owned();
    let token =
        chancery_hsm_config::probe::probe(&format!("pkcs11:?module-path={module}").parse().unwrap(), None);
    let token = &token.tokens.first().expect("the module shows no token").reference;
    let token = token.strip_prefix("pkcs11:").unwrap().split('?').next().unwrap().to_owned();
    let mut fixture = Card { card, name, module, token, before: None, is_out: false };
    let report = conformance::run(&mut fixture);
    print!("{report}");
    assert_eq!(report.failures(), []);
    let pulled = [Behaviour::SessionLost, Behaviour::SessionRecovered, Behaviour::ReplyLost];
    let mut found = report.unavailable();
    if fixture.can_be_pulled().is_err() {
        assert!(pulled.iter().all(|behaviour| found.contains(behaviour)), "{found:?}");
        found.retain(|behaviour| !pulled.contains(behaviour));
    }
    let unavailable = [
        Behaviour::Generates,
        Behaviour::SignsEd25519,
        Behaviour::AmbiguousKey,
        Behaviour::OtherKey,
        Behaviour::SessionTableFull,
        Behaviour::AuditLogFull,
        Behaviour::ModuleUnloaded,
    ];
    assert_eq!(found, unavailable);
}
