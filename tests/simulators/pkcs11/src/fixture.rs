//! A token behind the fault module, as the conformance suite wants it, and the program that runs tests on it.
//!
//! Modules read the environment, so a test program makes a directory, writes the configuration and starts
//! itself again with the environment set ([`main`]). Not here: what is tested.

use std::cell::Cell;
use std::ffi::OsString;
use std::io::Cursor;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, fs};

use chancery_formats::key::Algorithm;
use chancery_hsm_config::backend::conformance::{self, Fixture, Unavailable};
use chancery_hsm_config::reference::Location;
use chancery_hsm_config::{KeyRef, PinSource};
use cryptoki::context::Pkcs11;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectHandle};

use crate::control::{Control, Fault};
use crate::module::{CONTROL_VARIABLE, MODULE_VARIABLE, SIGNATURES_VARIABLE};
use crate::tokens::{Kind, LABEL, PIN, load, session};

const CHILD: &str = "CHANCERY_TOKEN_TEST_DIR";
const CHILD_KIND: &str = "CHANCERY_TOKEN_TEST_KIND";
const LIBRARY: &str = "libchancery_pkcs11_faults.so";
/// CKA_EC_PARAMS of Ed25519.
const EDWARDS25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
/// CKA_EC_PARAMS of P-256.
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// A test of a token.
pub type Test<K> = (&'static str, fn(&mut Token<K>));

/// A token behind the fault module.
#[derive(Debug)]
pub struct Token<K> {
    /// What kind of token it is.
    pub kind: K,
    /// The faults of the moment.
    pub control: Control,
    directory: PathBuf,
    /// The fault module.
    module: PathBuf,
    /// Wrong PINs may have been given that a right one does not take back.
    wrong_pin_given: Cell<bool>,
}

/// Runs tests on a token: in a process of its own, in a directory that is removed afterwards.
///
/// Prints one line for each test, and the count. A program that calls it for several kinds runs each.
#[must_use]
pub fn main<K: Kind>(kind: K, tests: &[Test<K>]) -> ExitCode {
    match env::var_os(CHILD) {
        Some(_) if env::var(CHILD_KIND).as_deref() != Ok(kind.name()) => ExitCode::SUCCESS,
        Some(directory) => run(kind, Path::new(&directory), tests),
        None => start_again(&kind),
    }
}

/// Makes a token for a command, and returns the command's exit code.
///
/// The command finds the path of the fault module in `CHANCERY_TOKEN_MODULE`.
#[must_use]
pub fn lend<K: Kind>(kind: K, command: &[OsString]) -> ExitCode {
    let Some(directory) = env::var_os(CHILD) else { return start_again(&kind) };
    let token = Token::make(kind, Path::new(&directory));
    let status =
        Command::new(&command[0]).args(&command[1..]).env("CHANCERY_TOKEN_MODULE", &token.module).status();
    let code = status.expect("the command does not start").code();
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

fn start_again(kind: &impl Kind) -> ExitCode {
    let directory = env::temp_dir().join(format!(
        "chancery-{}-{}",
        kind.name().to_lowercase().replace(' ', "-"),
        std::process::id()
    ));
    fs::create_dir_all(&directory).unwrap();
    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        let mut command = kind.launcher().into_iter().map(OsString::from).collect::<Vec<_>>();
        command.push(env::current_exe().unwrap().into());
        Command::new(&command[0])
            .args(&command[1..])
            .args(env::args_os().skip(1))
            .env(MODULE_VARIABLE, kind.module())
            .env(CONTROL_VARIABLE, directory.join("faults"))
            .env(SIGNATURES_VARIABLE, directory.join("signatures"))
            .envs(kind.configure(&directory))
            .env(CHILD, &directory)
            .env(CHILD_KIND, kind.name())
            .status()
            .unwrap()
    }));
    fs::remove_dir_all(&directory).unwrap();
    let code = result.ok().and_then(|status| status.code());
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

fn run<K: Kind>(kind: K, directory: &Path, tests: &[Test<K>]) -> ExitCode {
    let name = kind.name();
    let mut token = Token::make(kind, directory);
    let mut failed = 0;
    for (test, function) in tests {
        let begun = Instant::now();
        let passed = panic::catch_unwind(AssertUnwindSafe(|| function(&mut token))).is_ok();
        let outcome = if passed { "ok" } else { "FAILED" };
        println!("{name}: {test} ... {outcome} ({:.1} s)", begun.elapsed().as_secs_f32());
        failed += usize::from(!passed);
        token.control.clear().unwrap();
    }
    println!("{name}: {} passed, {failed} failed", tests.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl<K: Kind> Token<K> {
    fn make(mut kind: K, directory: &Path) -> Self {
        kind.start(directory);
        // The library lies beside the programs that cargo builds of the same package, or below them.
        let program = env::current_exe().unwrap();
        let below = program.with_file_name("deps").join(LIBRARY);
        let module = if below.exists() { below } else { program.with_file_name(LIBRARY) };
        let token = Self {
            kind,
            control: Control::new(directory.join("faults")),
            directory: directory.to_owned(),
            module,
            wrong_pin_given: Cell::new(false),
        };
        let module = token.load();
        token.kind.make(&module);
        module.finalize().unwrap();
        token
    }

    /// Returns the fault module, initialized, for what the backend does not do.
    #[must_use]
    pub fn load(&self) -> Pkcs11 {
        load(&self.module)
    }

    /// Returns the path of the fault module.
    #[must_use]
    pub fn module(&self) -> &Path {
        &self.module
    }

    /// Returns a reference to a key of the token.
    #[must_use]
    pub fn reference(&self, attributes: &str) -> KeyRef {
        let token = LABEL.replace(' ', "%20");
        format!("pkcs11:token={token};{attributes}?module-path={}", self.module.display()).parse().unwrap()
    }

    /// Injects a fault.
    pub fn inject(&self, fault: Fault) {
        self.control.add(fault).unwrap();
    }

    /// Takes the device's power away under the module; tells whether it is a process that has any.
    pub fn power_off(&mut self) -> bool {
        self.kind.stop()
    }

    /// Gives the device power again.
    pub fn power_on(&mut self) {
        self.kind.start(&self.directory);
    }

    /// Makes a key pair by direct calls; returns its private key.
    pub fn generate(&self, label: &str, id: &[u8], algorithm: Algorithm) -> ObjectHandle {
        self.generate_with(label, id, algorithm, &[])
    }

    /// Makes a key pair by direct calls, with further attributes of the private key, which it returns.
    pub fn generate_with(
        &self,
        label: &str,
        id: &[u8],
        algorithm: Algorithm,
        further: &[Attribute],
    ) -> ObjectHandle {
        let (mechanism, curve) = match algorithm {
            Algorithm::Esp256 => (Mechanism::EccKeyPairGen, P256),
            _ => (Mechanism::EccEdwardsKeyPairGen, EDWARDS25519),
        };
        let name = [Attribute::Token(true), Attribute::Label(label.into()), Attribute::Id(id.into())];
        let public = [Attribute::EcParams(curve.to_vec()), Attribute::Private(false)];
        let private = [Attribute::Private(true), Attribute::Sensitive(true), Attribute::Sign(true)];
        let session = session(&self.load());
        let (public, private) = ([&name[..], &public].concat(), [&name[..], &private, further].concat());
        session.generate_key_pair(&mechanism, &public, &private).unwrap().1
    }

    /// Lets another key take the place of the one that `key` names; makes it at the first time.
    pub fn replace_key(&self, key: &KeyRef) {
        let Location::Pkcs11(_, object) = key.location() else { panic!("a key of another backend") };
        let label = object.object.clone().expect("the key is named by its label");
        let other = format!("{:x<length$.length$}", "other", length = label.len());
        let first = self.kind.algorithms()[0];
        let is_there = !session(&self.load())
            .find_objects(&[Attribute::Label(other.clone().into_bytes())])
            .unwrap()
            .is_empty();
        if !is_there {
            self.generate(&other, &[0x0f, label.len() as u8], first);
        }
        self.inject(Fault::OtherKey { label, other });
    }

    /// Returns a source that gives the right PIN, as often as it is asked, and the wrong ones before.
    #[must_use]
    pub fn pins_after(&self, wrong: &str) -> PinSource {
        PinSource::lines(Cursor::new(format!("{wrong}{PIN}\n")))
    }

    /// Takes wrong PINs back, where the token counts them and a right one does not take them back.
    fn forget_wrong_pins(&self) {
        if self.wrong_pin_given.take() {
            self.kind.forget_wrong_pins();
        }
    }
}

impl<K: Kind> Fixture for Token<K> {
    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn algorithms(&self) -> Vec<Algorithm> {
        self.kind.algorithms()
    }

    fn key(&self, index: u8) -> KeyRef {
        self.reference(&format!("object=key%20{index}"))
    }

    fn pins(&self) -> PinSource {
        self.forget_wrong_pins();
        PinSource::lines(Cursor::new(PIN))
    }

    fn wrong_pins(&self) -> PinSource {
        self.wrong_pin_given.set(true);
        PinSource::lines(Cursor::new("wrong-4711"))
    }

    fn pin_tries(&self) -> Option<u8> {
        self.kind.pin_tries()
    }

    fn signatures(&self) -> Option<u64> {
        Some(fs::metadata(self.directory.join("signatures")).map_or(0, |file| file.len()))
    }

    fn key_on_missing_token(&self) -> Result<KeyRef, Unavailable> {
        Ok(format!("pkcs11:token=nowhere;object=key?module-path={}", self.module.display()).parse().unwrap())
    }

    fn duplicate(&mut self, key: &KeyRef) -> Result<(), Unavailable> {
        assert_eq!(*key, self.key(100));
        let _ = self.generate("key 100", b"w", self.kind.algorithms()[0]);
        Ok(())
    }

    fn remove_token(&mut self) -> Result<(), Unavailable> {
        self.inject(Fault::TokenPulled);
        Ok(())
    }

    fn return_token(&mut self) -> Result<(), Unavailable> {
        assert!(self.control.take(&Fault::TokenPulled).unwrap(), "the token is not away");
        Ok(())
    }

    fn provoke(&mut self, fault: conformance::Fault, key: &KeyRef) -> Result<(), Unavailable> {
        match fault {
            conformance::Fault::AuditLogFull => return Err(Unavailable("PKCS#11 has no audit log")),
            conformance::Fault::DeviceReset => self.inject(Fault::TokenBlank),
            conformance::Fault::ModuleUnloaded => self.inject(Fault::ModuleUnloaded),
            conformance::Fault::OtherKey => self.replace_key(key),
            conformance::Fault::ReplyLost => self.inject(Fault::ReplyLost),
            conformance::Fault::SessionTableFull => {
                self.inject(Fault::SessionsLost);
                self.inject(Fault::SessionLimit(0));
            }
            conformance::Fault::SignatureWrong => self.inject(Fault::SignatureWrong),
            _ => return Err(Unavailable("the fault module cannot make it")),
        }
        Ok(())
    }

    fn mend(&mut self) {
        self.control.clear().unwrap();
        self.forget_wrong_pins();
    }
}
