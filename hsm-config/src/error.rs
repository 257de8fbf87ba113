//! Why a key operation failed, with a stable code and the operator's next action.
//!
//! Messages never hold a PIN, a passphrase or key bytes. Not here: exit codes and printing, which
//! belong to the programs.

use std::io;
use std::path::PathBuf;

use chancery_formats::id::Thumbprint;
use chancery_formats::key::Algorithm;

use crate::audit::Broken;
pub use crate::reference::ReferenceError;
use crate::reference::{KeyRef, TokenRef};

/// The failure of a library below a backend.
pub type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Why a key operation failed: the message says what, [`HsmError::hint`] what to do.
#[allow(missing_docs)] // the messages document the variants
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HsmError {
    #[error("the audit log of {token} is not what it was: {broken}")]
    AuditBroken { token: Box<TokenRef>, broken: Broken },
    #[error("cannot keep the audit log of {token}")]
    AuditLedger { token: Box<TokenRef>, source: Source },
    #[error("the audit log of {token} is full")]
    AuditLogFull { token: Box<TokenRef> },
    #[error("{scheme} keys are not part of this build")]
    BackendNotBuilt { scheme: &'static str },
    #[error("key {key} made a signature that its public key does not verify")]
    BadSignature { key: Box<KeyRef> },
    #[error("{token} failed")]
    Device { token: Box<TokenRef>, source: Source },
    #[error("cannot {action} {}", path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{count} keys match {key}")]
    KeyAmbiguous { key: Box<KeyRef>, count: usize },
    #[error("key {key} exists already")]
    KeyExists { key: Box<KeyRef> },
    #[error("the token made key {key} so that it can leave the token ({attribute})")]
    KeyExportable { key: Box<KeyRef>, attribute: &'static str },
    #[error("{} is not a key file: {reason}", path.display())]
    KeyFileInvalid { path: PathBuf, reason: &'static str },
    #[error("key {key} does not exist")]
    KeyMissing { key: Box<KeyRef> },
    #[error("{token} has no such login")]
    LoginMissing { token: Box<TokenRef> },
    #[error("a message of {length} bytes is longer than a device signs ({limit} bytes)")]
    MessageTooLong { length: usize, limit: usize },
    #[error("cannot load the PKCS#11 module {}", path.display())]
    ModuleNotLoadable { path: PathBuf, source: Source },
    #[error("no device attests where key {key} was made")]
    NoAttestation { key: Box<KeyRef> },
    #[error("{token} does not permit to {action}")]
    NotPermitted { token: Box<TokenRef>, action: &'static str },
    #[error("the answer was lost: key {key} may or may not have signed")]
    OutcomeUnknown { key: Box<KeyRef>, source: Source },
    #[error("the program that drives {token} failed inside")]
    Panicked { token: Box<TokenRef> },
    #[error("{} can be read or written by others than its owner (mode {mode:03o})", path.display())]
    PermissionsTooOpen { path: PathBuf, mode: u32 },
    #[error("{reason} for {token}")]
    PinInvalid { token: Box<TokenRef>, reason: &'static str },
    #[error("{token} takes one more wrong PIN before it locks")]
    PinLastTry { token: Box<TokenRef> },
    #[error("the PIN of {token} is locked")]
    PinLocked { token: Box<TokenRef> },
    #[error("no PIN or passphrase is given for {token}")]
    PinMissing { token: Box<TokenRef> },
    #[error("cannot read PINs from {origin}")]
    PinUnreadable { origin: String, source: io::Error },
    #[error("key {key} has another public key, {found}")]
    PublicKeyMismatch { key: Box<KeyRef>, found: Thumbprint },
    #[error("key {key} has no public key that Chancery can use: {reason}")]
    PublicKeyUnusable { key: Box<KeyRef>, reason: &'static str },
    #[error("no random bytes from the operating system")]
    Random { source: Source },
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("lost the session with {token}")]
    SessionLost { token: Box<TokenRef>, source: Source },
    #[error("all sessions of {token} are in use")]
    SessionsExhausted { token: Box<TokenRef> },
    #[error("{token} is not there")]
    TokenAbsent { token: Box<TokenRef>, source: Option<Source> },
    #[error("{count} tokens match {token}")]
    TokenAmbiguous { token: Box<TokenRef>, count: usize },
    #[error("{token} waited for a touch that did not come")]
    TouchMissing { token: Box<TokenRef> },
    #[error("{token} does not answer")]
    Unresponsive { token: Box<TokenRef> },
    #[error("{token} cannot do {algorithm}")]
    Unsupported { token: Box<TokenRef>, algorithm: Algorithm },
    #[error("wrong PIN or passphrase for {token}{}", tries(*left))]
    WrongPin { token: Box<TokenRef>, left: Option<u8> },
}

impl HsmError {
    /// Returns the stable kebab-case code, as `--json` prints it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AuditBroken { .. } => "audit-broken",
            Self::AuditLedger { .. } => "audit-ledger-failure",
            Self::AuditLogFull { .. } => "audit-log-full",
            Self::BackendNotBuilt { .. } => "backend-not-built",
            Self::BadSignature { .. } => "bad-signature",
            Self::Device { .. } => "device-failure",
            Self::File { .. } => "file-failure",
            Self::KeyAmbiguous { .. } => "key-ambiguous",
            Self::KeyExists { .. } => "key-exists",
            Self::KeyExportable { .. } => "key-exportable",
            Self::KeyFileInvalid { .. } => "key-file-invalid",
            Self::KeyMissing { .. } => "key-missing",
            Self::LoginMissing { .. } => "login-missing",
            Self::MessageTooLong { .. } => "message-too-long",
            Self::ModuleNotLoadable { .. } => "module-not-loadable",
            Self::NoAttestation { .. } => "no-attestation",
            Self::NotPermitted { .. } => "not-permitted",
            Self::OutcomeUnknown { .. } => "outcome-unknown",
            Self::Panicked { .. } => "backend-panicked",
            Self::PermissionsTooOpen { .. } => "permissions-too-open",
            Self::PinInvalid { .. } => "pin-invalid",
            Self::PinLastTry { .. } => "pin-last-try",
            Self::PinLocked { .. } => "pin-locked",
            Self::PinMissing { .. } => "pin-missing",
            Self::PinUnreadable { .. } => "pin-unreadable",
            Self::PublicKeyMismatch { .. } => "public-key-mismatch",
            Self::PublicKeyUnusable { .. } => "public-key-unusable",
            Self::Random { .. } => "random-failure",
            Self::Reference(error) => error.code(),
            Self::SessionLost { .. } => "session-lost",
            Self::SessionsExhausted { .. } => "sessions-exhausted",
            Self::TokenAbsent { .. } => "token-absent",
            Self::TokenAmbiguous { .. } => "token-ambiguous",
            Self::TouchMissing { .. } => "touch-missing",
            Self::Unresponsive { .. } => "token-unresponsive",
            Self::Unsupported { .. } => "algorithm-unsupported",
            Self::WrongPin { .. } => "wrong-pin",
        }
    }

    /// Returns the operator's next action.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::AuditBroken { .. } => {
                "stop and call the auditor: entries were removed or changed, or the device was reset"
            }
            Self::AuditLedger { .. } => "correct the cause; the device keeps its entries until then",
            Self::AuditLogFull { .. } => {
                "read the log with `chancery key audit`, or name the login that may read it by `audit-id`"
            }
            Self::BackendNotBuilt { scheme: "piv:" } => {
                "use a build with `--features piv`, or reach the YubiKey through its PKCS#11 module"
            }
            Self::BackendNotBuilt { .. } => "use a build that has this backend, or a key of another kind",
            Self::BadSignature { .. } => {
                "do not use this device: it may be broken or tampered with; nothing was handed out"
            }
            Self::Device { .. } => "check the device and its module or connector, then try again",
            Self::File { .. } => "check the path, its permissions and the free space",
            Self::KeyAmbiguous { .. } => "name one of them by its `id`",
            Self::KeyExists { .. } => "choose another name; keys are never overwritten",
            Self::KeyExportable { .. } => {
                "nothing was kept; correct the token's policy for new keys, or use another token"
            }
            Self::KeyFileInvalid { .. } => "name an encrypted PKCS#8 file (PEM), as `chancery` makes it",
            Self::KeyMissing { .. } => {
                "check the reference: the path of a key file, or the keys that the token lists"
            }
            Self::LoginMissing { .. } => {
                "check `auth-id`; a device that was reset has its factory login alone, and none of your keys"
            }
            Self::MessageTooLong { .. } => "sign a digest or a statement instead",
            Self::ModuleNotLoadable { .. } => {
                "install the module, or correct `module-path`; it is a shared library of the token's vendor"
            }
            Self::NoAttestation { .. } => "use a key of a YubiHSM 2 or YubiKey, made inside it",
            Self::NotPermitted { .. } => {
                "use a login of the device that may; keys in a YubiKey are made with its vendor's tools (docs/guide/devices)"
            }
            Self::OutcomeUnknown { .. } => {
                "check the device and run the command again; the log keeps this attempt as one that may have signed"
            }
            Self::Panicked { .. } => {
                "try again; if it fails again, report it with the device's model and firmware"
            }
            Self::PermissionsTooOpen { .. } => "make the file its owner's alone: chmod 600",
            Self::PinInvalid { .. } => {
                "give it on one line, as long as the token takes: a YubiKey's PIN has 6 to 8 characters"
            }
            Self::PinLastTry { .. } => {
                "log in once with the vendor's own tool, which resets the count, or unlock it with its PUK"
            }
            Self::PinLocked { .. } => {
                "unlock the token as its vendor says: PUK, security officer or, for a TPM, tpm2_dictionarylockout"
            }
            Self::PinMissing { .. } => "run on a terminal, or give one line for each token with `--pin-fd`",
            Self::PinUnreadable { .. } => "open the descriptor for reading, as in `--pin-fd 3 3< FILE`",
            Self::PublicKeyMismatch { .. } => {
                "stop: this is not the key that was certified; find out who changed the token or the reference"
            }
            Self::PublicKeyUnusable { .. } => "make a new key, Ed25519 or P-256, on the token",
            Self::Random { .. } => "check the operating system's random number generator",
            Self::Reference(error) => error.hint(),
            Self::SessionLost { .. } => "put the token back, then try again",
            Self::SessionsExhausted { .. } => {
                "close other programs that use it, or wait thirty seconds, then try again"
            }
            Self::TokenAbsent { .. } => "insert or start the token, or correct the reference",
            Self::TokenAmbiguous { .. } => "add the token's `serial` to the reference",
            Self::TouchMissing { .. } => "run the command again and touch the device when it blinks",
            Self::Unresponsive { .. } => {
                "end this program, take the token out and put it back, then run the command again"
            }
            Self::Unsupported { .. } => "choose the other algorithm, Ed25519 or P-256",
            Self::WrongPin { .. } => "stop if unsure: a token locks after a few wrong PINs",
        }
    }
}

fn tries(left: Option<u8>) -> String {
    match left {
        None => String::new(),
        Some(1) => "; 1 try is left".to_owned(),
        Some(left) => format!("; {left} tries are left"),
    }
}
