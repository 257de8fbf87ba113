//! The plan of a ceremony: the one input that people review, read strictly and checked as a whole.
//!
//! Everything that can be known without a key is checked, and every fault is told at once, with its line. Other
//! files that the plan names stand in it with their SHA-256, so that its own hash covers them. Not here: what is
//! done with it (`ceremony`), words for people (`output`).

use std::path::Path;

use chancery_formats::id::Thumbprint;
use chancery_formats::key::{Algorithm, Protection, PublicKey};
use chancery_formats::merkle::Hash;
use chancery_formats::seal::Role;
use chancery_formats::trust::KeyMode;
use chancery_hsm_config::provision::{Profile, ProfileError};
use chancery_hsm_config::{KeyRef, TokenRef};
use sha2::{Digest, Sha256};

use crate::workflow::attestation::Vendor;
use crate::workflow::position;
use crate::workflow::role::{Addition, Bounds, Vouching};

mod check;
mod file;
mod read;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

/// Largest plan, in bytes.
pub const MAX_BYTES: u64 = 256 * 1024;

/// A plan to begin with, with a comment on every line that has to be decided.
pub const EXAMPLE: &str = include_str!("plan/example.toml");

/// A plan without faults.
#[derive(Debug)]
pub struct Plan {
    /// SHA-256 of the file.
    pub hash: Hash,
    /// Name of the authority.
    pub name: String,
    /// Who runs the ceremony.
    pub operator: String,
    /// Who watches.
    pub observers: Vec<String>,
    /// Whether every key has an ML-DSA-87 partner.
    pub hybrid: bool,
    /// Who holds the root.
    pub custodians: Holders,
    /// Who can replace a quorum that is lost.
    pub recovery: Option<Holders>,
    /// The keys that the root is to certify.
    pub roles: Vec<RolePlan>,
    /// The devices that are compared with their profiles.
    pub devices: Vec<DevicePlan>,
    /// What is allowed and should be meant.
    pub warnings: Vec<String>,
}

/// People of whom a number must sign.
#[derive(Debug)]
pub struct Holders {
    /// How many must sign.
    pub threshold: usize,
    /// Who they are.
    pub parties: Vec<Party>,
}

/// Somebody who holds a key.
#[derive(Debug)]
pub struct Party {
    /// Their name, unique in the plan.
    pub name: String,
    /// Where their key is.
    pub place: Place,
    /// The ML-DSA-87 key beside it, where that is on this machine too.
    pub partner: Option<KeyRef>,
    /// Whether they sign root version 1; a threshold of them must.
    pub signs: bool,
}

/// Where a key is.
#[derive(Clone, Debug)]
pub enum Place {
    /// On this machine; made there where it does not exist.
    Here(KeyRef),
    /// On another machine: its holder brings a proof of possession.
    Elsewhere {
        /// The key that it must be, where the plan says so.
        pinned: Option<PublicKey>,
    },
}

/// A key that the root is to certify.
#[derive(Debug)]
pub struct RolePlan {
    /// Its name, unique in the plan.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Where it is.
    pub place: Place,
    /// The ML-DSA-87 key beside it, where that is on this machine too.
    pub partner: Option<KeyRef>,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// How its documents are signed.
    pub mode: Option<KeyMode>,
    /// Roles that must sign beside it.
    pub co_signers: Vec<Role>,
    /// Its bounds.
    pub bounds: Bounds,
    /// Where the private half must be; for a key elsewhere, where it is, as its holder assures.
    pub protection: Option<Protection>,
    /// Whether its device is asked to attest it.
    pub attestation: Attestation,
}

/// Whether a device is asked to attest a key.
#[derive(Debug)]
pub enum Attestation {
    /// By these roots.
    Checked(Vendor),
    /// The device gives none, or none is recorded.
    Without,
}

/// A device that must be as its profile has it.
#[derive(Debug)]
pub struct DevicePlan {
    /// Its name.
    pub name: String,
    /// Where it is, under a login that sees all of it.
    pub device: TokenRef,
    /// What it must hold.
    pub profile: Profile,
    /// SHA-256 of the profile.
    pub profile_hash: Hash,
}

/// Something wrong in a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// Stable kebab-case code.
    pub code: &'static str,
    /// What is wrong there.
    pub message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}: {} [{}]", self.line, self.column, self.message, self.code)
    }
}

/// Returns what is wrong with a profile, in its own words.
fn profile_fault(error: &ProfileError) -> String {
    match error {
        ProfileError::Syntax(reason) | ProfileError::Content(reason) => reason.clone(),
        other => other.to_string(),
    }
}

impl Plan {
    /// Reads a plan; files that it names are looked for in `folder`.
    ///
    /// # Errors
    ///
    /// Every fault, in the order of the file: one of the shape alone, or all of the content.
    pub fn read(text: &str, folder: &Path) -> Result<Self, Vec<Fault>> {
        let file = shape(text)?;
        let mut found = check::Found::new(text);
        let hash = Sha256::digest(text).into();
        let plan = read::plan(&file, hash, folder, &mut found);
        if found.is_empty() { Ok(plan) } else { Err(found.into_sorted()) }
    }

    /// Iterates over everybody who holds a key of a quorum: custodians, then the recovery set.
    pub fn holders(&self) -> impl Iterator<Item = &Party> {
        let recovery = self.recovery.iter().flat_map(|holders| &holders.parties);
        self.custodians.parties.iter().chain(recovery)
    }
}

/// Returns the names of everybody and of every key in a plan, whether it can be carried out or not.
///
/// # Errors
///
/// A fault of the shape.
pub fn names(text: &str) -> Result<Vec<String>, Vec<Fault>> {
    let file = shape(text)?;
    let recovery = file.recovery.iter().flat_map(|recovery| recovery.custodians.get_ref());
    let parties = file.custodians.get_ref().iter().chain(recovery).map(|party| party.name.get_ref().clone());
    let roles = file.roles.get_ref().iter();
    Ok(parties.chain(roles.map(read::name_of)).collect())
}

fn shape(text: &str) -> Result<file::File, Vec<Fault>> {
    toml::from_str(text).map_err(|error| {
        let (line, column) = position::of(text, error.span().map_or(0, |span| span.start));
        let message = error.message().trim().replace('\n', "; ");
        vec![Fault { line, column, code: "plan-malformed", message }]
    })
}

impl Place {
    /// Returns the identity of the key, as far as the plan tells it.
    #[must_use]
    pub fn thumbprint(&self) -> Option<Thumbprint> {
        match self {
            Self::Here(reference) => reference.public_key(),
            Self::Elsewhere { pinned } => pinned.as_ref().map(PublicKey::thumbprint),
        }
    }

    /// Returns where the key is, if that is on this machine.
    #[must_use]
    pub const fn here(&self) -> Option<&KeyRef> {
        match self {
            Self::Here(reference) => Some(reference),
            Self::Elsewhere { .. } => None,
        }
    }
}

impl RolePlan {
    /// Returns what the custodians are asked to certify, but for the key itself.
    #[must_use]
    pub fn addition<'a>(&'a self, place: crate::workflow::role::Place<'a>) -> Addition<'a> {
        Addition {
            role: self.role,
            place,
            mode: self.mode,
            co_signers: self.co_signers.clone(),
            bounds: self.bounds.clone(),
            vouching: match &self.attestation {
                Attestation::Checked(vendor) => Vouching::Checked(vendor),
                Attestation::Without => Vouching::Without,
            },
        }
    }
}
