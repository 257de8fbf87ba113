//! The shape of a plan's file. Unknown keys are refused: a misspelt one would silently decide something else.

use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub name: Spanned<String>,
    pub operator: Spanned<String>,
    #[serde(default)]
    pub observers: Vec<Spanned<String>>,
    #[serde(default)]
    pub hybrid: bool,
    pub threshold: Option<Spanned<usize>>,
    #[serde(rename = "custodian")]
    pub custodians: Spanned<Vec<PartyEntry>>,
    pub recovery: Option<RecoveryEntry>,
    #[serde(rename = "role")]
    pub roles: Spanned<Vec<RoleEntry>>,
    #[serde(default, rename = "device")]
    pub devices: Vec<DeviceEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PartyEntry {
    pub name: Spanned<String>,
    pub key: Option<Spanned<String>>,
    pub public_key: Option<Spanned<String>>,
    pub partner: Option<Spanned<String>>,
    #[serde(default = "yes")]
    pub signs: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RecoveryEntry {
    pub threshold: Spanned<usize>,
    #[serde(rename = "custodian")]
    pub custodians: Spanned<Vec<PartyEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RoleEntry {
    pub role: Spanned<RoleName>,
    pub name: Option<Spanned<String>>,
    pub key: Option<Spanned<String>>,
    pub public_key: Option<Spanned<String>>,
    pub partner: Option<Spanned<String>>,
    pub algorithm: Option<AlgorithmName>,
    pub mode: Option<Spanned<ModeName>>,
    #[serde(default)]
    pub co_signers: Vec<Spanned<RoleName>>,
    #[serde(default)]
    pub products: Vec<Spanned<String>>,
    #[serde(default)]
    pub territories: Vec<Spanned<String>>,
    pub longest_term_days: Option<Spanned<u64>>,
    pub from: Option<Spanned<String>>,
    pub until: Option<Spanned<String>>,
    pub protection: Option<ProtectionName>,
    pub attestation: Option<AttestationEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DeviceEntry {
    pub name: Spanned<String>,
    pub device: Spanned<String>,
    pub profile: Spanned<FileEntry>,
    #[serde(default = "yes")]
    pub force_audit: bool,
}

/// Another file, with its SHA-256 in hexadecimal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileEntry {
    pub file: String,
    pub sha256: String,
}

/// How a device's attestation is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AttestationEntry {
    pub roots: Option<Spanned<FileEntry>>,
    pub intermediates: Option<Spanned<FileEntry>>,
    #[serde(default)]
    pub wrapped_backup: bool,
    #[serde(default)]
    pub none: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RoleName {
    Issuer,
    Binder,
    Revoker,
    Log,
    Witness,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AlgorithmName {
    Ed25519,
    #[serde(rename = "p256")]
    P256,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ModeName {
    Direct,
    Seal,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ProtectionName {
    Hardware,
    Software,
}

const fn yes() -> bool {
    true
}
