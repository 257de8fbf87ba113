//! Tokens of real modules, each made in a directory of its own.
//!
//! A [`Kind`] writes the module's configuration, says by which environment the module finds it, starts the
//! device where it is a process, and makes the token. What is not installed fails with the command that
//! installs it. Not here: faults, and the suite that runs on a token (`fixture`).

mod kryoptic;
mod nss;
mod softhsm;
mod tpm;

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Command;

use chancery_formats::key::Algorithm;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

pub use kryoptic::Kryoptic;
pub use nss::Nss;
pub use softhsm::SoftHsm;
pub use tpm::Tpm;

/// The label of every token.
pub const LABEL: &str = "Chancery test";
/// The user's PIN of every token.
pub const PIN: &str = "canary-1234";
const SECURITY_OFFICER_PIN: &str = "12345678";

/// A kind of token: a module and how a token comes to be behind it.
pub trait Kind: Debug {
    /// Returns the name in reports.
    fn name(&self) -> &'static str;

    /// Returns the algorithms of Chancery that the token has.
    fn algorithms(&self) -> Vec<Algorithm> {
        vec![Algorithm::Ed25519, Algorithm::Esp256]
    }

    /// Returns how many wrong PINs in a row lock the token; nothing where none do.
    fn pin_tries(&self) -> Option<u8> {
        None
    }

    /// Returns the path of the module; panics with the command that installs it.
    fn module(&self) -> PathBuf;

    /// Writes the configuration, and returns the environment in which the module finds it.
    fn configure(&self, directory: &Path) -> Vec<(&'static str, String)>;

    /// Returns the command that starts the test program, where it needs one.
    fn launcher(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Starts the device, where it is a process, or starts it again after [`Kind::stop`].
    fn start(&mut self, _directory: &Path) {}

    /// Ends the device as by a power cut, where it is a process; tells whether it is one.
    fn stop(&mut self) -> bool {
        false
    }

    /// Forgets the wrong PINs so far, where a right PIN does not.
    fn forget_wrong_pins(&self) {}

    /// Makes the token, with [`LABEL`] and [`PIN`].
    fn make(&self, module: &Pkcs11) {
        let slots = module.get_slots_with_token().unwrap();
        let is_blank = |slot: &Slot| module.get_token_info(*slot).is_ok_and(|info| !info.token_initialized());
        let blank = slots.into_iter().find(is_blank).expect("no slot has a blank token");
        let officer = AuthPin::from(SECURITY_OFFICER_PIN);
        module.init_token(blank, &officer, LABEL).unwrap();
        let session = module.open_rw_session(slot(module)).unwrap();
        session.login(UserType::So, Some(&officer)).unwrap();
        session.init_pin(&AuthPin::from(PIN)).unwrap();
        session.logout().unwrap();
    }
}

/// Loads a module and initializes it, unless the process has.
#[must_use]
pub fn load(module: &Path) -> Pkcs11 {
    let module = Pkcs11::new(module).unwrap();
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => module,
        Err(error) => panic!("C_Initialize: {error}"),
    }
}

/// Returns the slot of the token with [`LABEL`].
#[must_use]
pub fn slot(module: &Pkcs11) -> Slot {
    let slots = module.get_slots_with_token().unwrap();
    let is_ours = |slot: &Slot| module.get_token_info(*slot).is_ok_and(|info| info.label() == LABEL);
    slots.into_iter().find(is_ours).expect("the token is not there")
}

/// Opens a session on the token and logs in, beside what the backend does in the same process.
#[must_use]
pub fn session(module: &Pkcs11) -> Session {
    session_with(module, PIN)
}

/// Opens a session as [`session`] does, with another PIN.
#[must_use]
pub fn session_with(module: &Pkcs11, pin: &str) -> Session {
    let session = module.open_rw_session(slot(module)).unwrap();
    match session.login(UserType::User, Some(&AuthPin::from(pin))) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => session,
        Err(error) => panic!("C_Login: {error}"),
    }
}

/// Returns the first path that exists.
fn installed(paths: &[&str], install: &str) -> PathBuf {
    let found = paths.iter().map(PathBuf::from).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{} is missing: apt-get install {install}", paths[0]))
}

/// Runs a tool that is not ours, and returns what it prints.
fn tool(program: &str, install: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|_| panic!("{program} is missing: apt-get install {install}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
