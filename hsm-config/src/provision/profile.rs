//! The profile of a device: a TOML file that two people review before anything is made from it.
//!
//! Unknown keys are refused, and so is a login that may do more than its role needs. Not here: secrets; a
//! profile holds none.

use std::collections::BTreeSet;

use chancery_formats::id::is_label;
use chancery_formats::key::Algorithm;
use serde::Deserialize;

use crate::advisory;
use crate::backend::yubihsm::{ALGORITHMS, administer};

/// The longest profile, in bytes.
pub const MAX_PROFILE_BYTES: usize = 64 * 1_024;
/// The longest label of an object, in bytes.
const MAX_LABEL_BYTES: usize = 40;

/// What a YubiHSM 2 is to hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// The kind of device: `yubihsm2`.
    pub device: String,
    /// The oldest firmware that will do, `major.minor.patch`.
    pub minimum_firmware: String,
    /// What the device's own log records.
    pub audit: AuditProfile,
    /// Its authentication keys, each for one role.
    #[serde(rename = "login")]
    pub logins: Vec<LoginProfile>,
    /// Its signing keys.
    #[serde(default, rename = "key")]
    pub keys: Vec<KeyProfile>,
    /// Its wrap keys, for backups.
    #[serde(default, rename = "wrap-key")]
    pub wrap_keys: Vec<WrapKeyProfile>,
}

/// Commands without which nobody can show that a key signed only what was asked for.
const RECORDED: [&str; 9] = [
    "delete-object",
    "export-wrapped",
    "generate-asymmetric-key",
    "import-wrapped",
    "put-asymmetric-key",
    "set-option",
    "sign-attestation-certificate",
    "sign-ecdsa",
    "sign-eddsa",
];

/// What the device's own log records.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AuditProfile {
    /// Whether the device refuses to work when its log is full. It cannot be undone without a reset.
    pub force: bool,
    /// Commands that are recorded, by the names of `yubihsm-shell`. It cannot be undone without a reset.
    pub commands: Vec<String>,
}

/// What a login is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Role {
    /// Makes keys and logins. Its password stays in a safe.
    Administer,
    /// Reads the log, and compares the device with its profile.
    Audit,
    /// Exports and imports keys under wrap.
    Backup,
    /// Signs.
    Sign,
}

impl Role {
    /// Returns the name of the role.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Administer => "administer",
            Self::Audit => "audit",
            Self::Backup => "backup",
            Self::Sign => "sign",
        }
    }

    /// What a login of this role may do at most; nothing where it may do anything.
    fn allowed(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Administer => None,
            Self::Audit => Some(&["get-log-entries", "get-option"]),
            Self::Backup => Some(&["export-wrapped", "import-wrapped"]),
            Self::Sign => Some(&["get-opaque", "sign-attestation-certificate", "sign-ecdsa", "sign-eddsa"]),
        }
    }
}

/// An authentication key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LoginProfile {
    /// Object id, 2 to 65534.
    pub id: u16,
    /// What it is for.
    pub role: Role,
    /// Label, at most 40 bytes.
    pub label: String,
    /// Domains, 1 to 16.
    pub domains: BTreeSet<u8>,
    /// What it may do.
    pub capabilities: BTreeSet<String>,
    /// What objects that it makes may do.
    #[serde(default)]
    pub delegated: BTreeSet<String>,
}

/// A signing key. Its capability is the one to sign; `exportable` adds that it can leave under wrap.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KeyProfile {
    /// Object id, 1 to 65534.
    pub id: u16,
    /// `Ed25519` or `P-256`.
    pub algorithm: String,
    /// Label, at most 40 bytes.
    pub label: String,
    /// Domains, 1 to 16.
    pub domains: BTreeSet<u8>,
    /// Whether it can be backed up under a wrap key.
    #[serde(default)]
    pub exportable: bool,
}

/// A wrap key, AES-256-CCM, made inside the device.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WrapKeyProfile {
    /// Object id, 1 to 65534.
    pub id: u16,
    /// Label, at most 40 bytes.
    pub label: String,
    /// Domains, 1 to 16.
    pub domains: BTreeSet<u8>,
    /// What it may do.
    pub capabilities: BTreeSet<String>,
    /// What objects that it wraps may do.
    pub delegated: BTreeSet<String>,
}

/// Why a text is not a profile.
#[allow(missing_docs)] // the messages document the variants
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    #[error("not a profile: {0}")]
    Syntax(String),
    #[error("the profile is wrong: {0}")]
    Content(String),
}

impl ProfileError {
    /// Returns the stable kebab-case code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "profile-syntax",
            Self::Content(_) => "profile-refused",
        }
    }

    /// Returns the operator's next action.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "correct the profile; hsm-config/profiles/yubihsm2.toml is one to start from"
    }
}

impl KeyProfile {
    /// Returns the algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        ALGORITHMS.into_iter().find(|algorithm| algorithm.name() == self.algorithm)
    }
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Syntax`] for what is not TOML of this shape, with its line;
    /// [`ProfileError::Content`] for ids, labels, names and roles that cannot be.
    pub fn read(text: &str) -> Result<Self, ProfileError> {
        if text.len() > MAX_PROFILE_BYTES {
            return Err(ProfileError::Syntax("it is longer than 64 KiB".into()));
        }
        let profile: Self = toml::from_str(text).map_err(|error| syntax(text, &error))?;
        profile.check().map_err(ProfileError::Content)?;
        Ok(profile)
    }

    fn check(&self) -> Result<(), String> {
        if self.device != "yubihsm2" {
            return Err(format!("device {:?} is none that can be provisioned", self.device));
        }
        if advisory::version(&self.minimum_firmware).is_none() {
            return Err("minimum-firmware is not a version".into());
        }
        for name in &self.audit.commands {
            administer::command_number(name).ok_or(format!("{name:?} is no command that can be recorded"))?;
        }
        self.logins.iter().try_for_each(|login| self.check_login(login))?;
        for key in &self.keys {
            check_object("key", key.id, &key.label, &key.domains)?;
            key.algorithm().ok_or(format!("key {}: the algorithm is neither Ed25519 nor P-256", key.id))?;
            if key.exportable && self.wrap_keys.is_empty() {
                return Err(format!("key {}: exportable, and no wrap key to export it under", key.id));
            }
        }
        for key in &self.wrap_keys {
            check_object("wrap-key", key.id, &key.label, &key.domains)?;
            check_capabilities("wrap-key", key.id, &key.capabilities)?;
            check_capabilities("wrap-key", key.id, &key.delegated)?;
        }
        check_unique("login", self.logins.iter().map(|login| login.id))?;
        check_unique("key", self.keys.iter().map(|key| key.id))?;
        check_unique("wrap-key", self.wrap_keys.iter().map(|key| key.id))?;
        let has = |role| self.logins.iter().any(|login| login.role == role);
        if !has(Role::Audit) {
            return Err("no login has the role audit, and so none can compare the device".into());
        }
        if self.keys.is_empty() {
            return Ok(());
        }
        if !self.audit.force {
            return Err(
                "audit: force has to be true where a key signs, or signatures go by without an entry".into(),
            );
        }
        match RECORDED.iter().find(|name| !self.audit.commands.iter().any(|known| known == *name)) {
            Some(missing) => Err(format!("audit: {missing} has to be recorded where a key signs")),
            None => Ok(()),
        }
    }

    fn check_login(&self, login: &LoginProfile) -> Result<(), String> {
        check_object("login", login.id, &login.label, &login.domains)?;
        check_capabilities("login", login.id, &login.capabilities)?;
        check_capabilities("login", login.id, &login.delegated)?;
        if login.id == super::FACTORY_LOGIN {
            return Err("login 1 is the factory's, which is taken away".into());
        }
        if login.role == Role::Audit && login.domains.len() != 16 {
            return Err(format!(
                "login {}: the role audit needs all sixteen domains to see the device",
                login.id
            ));
        }
        let Some(allowed) = login.role.allowed() else { return Ok(()) };
        match login.capabilities.iter().find(|capability| !allowed.contains(&capability.as_str())) {
            Some(more) => {
                Err(format!("login {}: the role {} may not have {more}", login.id, login.role.name()))
            }
            None => Ok(()),
        }
    }
}

/// Says on one line what is wrong and where: `line 3, column 1: unknown field …`.
fn syntax(text: &str, error: &toml::de::Error) -> ProfileError {
    let message = error.message().lines().map(str::trim).collect::<Vec<_>>().join("; ");
    let before = error.span().and_then(|span| text.get(..span.start));
    ProfileError::Syntax(match before {
        Some(before) => {
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            format!("line {}, column {column}: {message}", before.matches('\n').count() + 1)
        }
        None => message,
    })
}

fn check_object(kind: &str, id: u16, label: &str, domains: &BTreeSet<u8>) -> Result<(), String> {
    if id == 0 || id == u16::MAX {
        return Err(format!("{kind} {id}: an id is from 1 to 65534"));
    }
    if !is_label(label) || label.len() > MAX_LABEL_BYTES {
        return Err(format!("{kind} {id}: a label is 1 to {MAX_LABEL_BYTES} bytes of visible text"));
    }
    if domains.is_empty() || domains.iter().any(|domain| !(1..=16).contains(domain)) {
        return Err(format!("{kind} {id}: domains are from 1 to 16, at least one"));
    }
    Ok(())
}

fn check_capabilities(kind: &str, id: u16, names: &BTreeSet<String>) -> Result<(), String> {
    match names.iter().find(|name| administer::capability(name).is_none()) {
        Some(name) => Err(format!("{kind} {id}: no capability is called {name:?}")),
        None => Ok(()),
    }
}

fn check_unique(kind: &str, ids: impl Iterator<Item = u16>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(format!("{kind} {id} occurs twice"));
        }
    }
    Ok(())
}
