//! Chancery's PKCS#11 backend on the virtual YubiKey, through the modules of Yubico and of OpenSC.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/card.rs"]
mod card;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use chancery_formats::key::Algorithm;
use chancery_hsm_config::backend::conformance::{self, Behaviour, Fault, Fixture, Unavailable};
use chancery_hsm_config::{KeyRef, PinSource};
use chancery_yubikey_simulator::{Config, ManagementAlgorithm, YubiKey};

use card::{Card, config};

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
        let (_pcscd, mut again) = card::again();
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

/// The card through somebody else's module.
struct Module {
    card: Card,
    name: &'static str,
    module: String,
    /// The token, as the module calls it.
    token: String,
}

impl Module {
    /// OpenSC 0.23 waits for its own lock for ever when the card goes away between login and signature.
    fn can_be_pulled(&self) -> Result<(), Unavailable> {
        if self.module.contains("opensc") {
            Err(Unavailable("OpenSC 0.23 hangs in its own lock"))
        } else {
            Ok(())
        }
    }
}

impl Fixture for Module {
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
        card::right_pins()
    }

    fn wrong_pins(&self) -> PinSource {
        card::wrong_pins()
    }

    fn pin_tries(&self) -> Option<u8> {
        Some(3)
    }

    fn signatures(&self) -> Option<u64> {
        Some(self.card.yubikey.operations())
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
        Ok(())
    }

    fn return_token(&mut self) -> Result<(), Unavailable> {
        self.card.insert();
        Ok(())
    }

    fn provoke(&mut self, fault: Fault, _: &KeyRef) -> Result<(), Unavailable> {
        match fault {
            Fault::OtherKey => Err(Unavailable("the module shows the certificate, not the key")),
            Fault::ModuleUnloaded => Err(Unavailable("made through tests/simulators/pkcs11")),
            Fault::SessionTableFull => Err(Unavailable("the modules bound no sessions")),
            Fault::ReplyLost => self.can_be_pulled().and_then(|()| self.card.provoke(fault)),
            _ => self.card.provoke(fault),
        }
    }

    fn mend(&mut self) {
        self.card.mend();
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
    let management = Some(ManagementAlgorithm::TripleDes);
    let card = YubiKey::start(&Config { management, ..config() }).unwrap();
    make_key(&folder);
    fs::remove_dir_all(&folder).unwrap();
    let module = module.to_str().unwrap().to_owned();
    let token =
        chancery_hsm_config::probe::probe(&format!("pkcs11:?module-path={module}").parse().unwrap(), None);
    let token = &token.tokens.first().expect("the module shows no token").reference;
    let token = token.strip_prefix("pkcs11:").unwrap().split('?').next().unwrap().to_owned();
    let mut fixture = Module { card: Card::new(card), name, module, token };
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
        Behaviour::SignsMlDsa87,
        Behaviour::LacksOthers,
        Behaviour::AmbiguousKey,
        Behaviour::OtherKey,
        Behaviour::SessionTableFull,
        Behaviour::AuditLogFull,
        Behaviour::ModuleUnloaded,
    ];
    assert_eq!(found, unavailable);
}
