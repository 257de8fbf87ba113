//! Roles: a key is certified by the custodians, within bounds that never change.
//!
//! A key is the authority's only once its record is sealed, logged and accepted by the verifier as part of the
//! whole bundle. Not here: asking the custodians (`change`) and the device's vendor (`attestation`), closing keys
//! (`closing`).

use chancery_formats::document::Kind;
use chancery_formats::id::AuthorityId;
use chancery_formats::key::{Algorithm, Protection, PublicKey};
use chancery_formats::license::Names;
use chancery_formats::seal::Role;
use chancery_formats::trust::{KeyMode, KeyRecord, Scope};
use chancery_hsm_config::{HsmError, Key, KeyRef, PinSource, open_or_generate};
use chancery_verifier::signature::VerifyingKey;

use super::approver::require_no_approver;
use super::attestation::{self, Vendor};
use super::change::{self, Paper, Proposed, propose};
use super::custody::{Asked, Custody};
use super::signatory::{is_certified, require_pair};
use super::signing::{DEFAULT_ALGORITHM, resolve};
use crate::error::CommandError;
use crate::home::Home;
use crate::repository::{NewKey, Repository};

/// Media type of typed bindings, which binders sign.
pub const BINDING_TYP: &str = "application/vnd.chancery.binding+cbor";

/// Seconds in a day.
const DAY_SECS: u64 = 86_400;

/// Where a key is that is to be certified.
#[derive(Debug)]
pub enum Place<'a> {
    /// In a device or a file of this machine; made there where it does not exist.
    Here {
        /// The key.
        key: &'a KeyRef,
        /// Its ML-DSA-87 partner, where trust is hybrid.
        partner: Option<&'a KeyRef>,
    },
    /// On another machine.
    Elsewhere {
        /// Its public half.
        public_key: PublicKey,
        /// That of its ML-DSA-87 partner, where trust is hybrid.
        partner: Option<PublicKey>,
        /// Where the private half is, as its keeper says.
        protection: Protection,
    },
}

/// Whether a device's attestation goes into the record.
#[derive(Debug)]
pub enum Vouching<'a> {
    /// Where the device gives one, by these roots.
    Checked(&'a Vendor),
    /// Not asked for.
    Without,
    /// Refused where the device gives one, because nobody could check it.
    Undecided,
}

/// Bounds of a key.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    /// Products that it may sign for; none is all.
    pub products: Vec<String>,
    /// Countries that its licenses may name; none is all.
    pub territories: Vec<String>,
    /// Longest term of a license, in days.
    pub longest_term_days: Option<u64>,
    /// First second of its validity, in Unix seconds; none is now.
    pub not_before: Option<u64>,
    /// Last second in which it may sign, in Unix seconds.
    pub not_after: Option<u64>,
}

/// A key to be certified.
#[derive(Debug)]
pub struct Addition<'a> {
    /// What it is for.
    pub role: Role,
    /// Where it is.
    pub place: Place<'a>,
    /// How its documents are signed; none is the way of its role, or the seal where trust is hybrid.
    pub mode: Option<KeyMode>,
    /// Roles that must sign beside it.
    pub co_signers: Vec<Role>,
    /// Its bounds.
    pub bounds: Bounds,
    /// Whether its device is asked to attest it.
    pub vouching: Vouching<'a>,
}

/// A key whose record the custodians are asked to seal.
#[derive(Debug)]
pub struct Added {
    /// The key.
    pub public_key: PublicKey,
    /// The key that signs beside it, where trust is hybrid.
    pub partner: Option<PublicKey>,
    /// Where its private half is.
    pub protection: Protection,
    /// Where the key backend finds it.
    pub reference: Option<String>,
    /// Whether it was made for this.
    pub generated: bool,
    /// Whether its record carries its device's attestation.
    pub attested: bool,
}

/// What is known of a key before its record is written.
#[derive(Debug)]
pub(super) struct Candidate {
    pub public_key: PublicKey,
    pub partner: Option<PublicKey>,
    pub protection: Protection,
    pub reference: Option<String>,
    pub partner_reference: Option<String>,
    pub generated: bool,
    pub attestation: Option<Vec<u8>>,
}

impl Candidate {
    /// Returns the rows of the keys' table: the key, and its partner.
    fn rows(&self, role: Role) -> Vec<NewKey<'_>> {
        let halves = std::iter::once((&self.public_key, &self.reference))
            .chain(self.partner.iter().map(|partner| (partner, &self.partner_reference)));
        halves
            .map(|(public_key, reference)| NewKey {
                public_key: public_key.clone(),
                role,
                reference: reference.as_deref(),
                protection: self.protection,
            })
            .collect()
    }
}

/// Has a key certified for a role: once the custodians have signed, it is the authority's.
///
/// The same call goes on with what an earlier one began.
///
/// # Errors
///
/// A refusal of what no key may be certified for, of a key that the authority has, and of an attestation that
/// does not hold; those of [`propose`], of the keys and of the repository. The authority is then as it was.
pub fn add(
    repository: &mut Repository,
    wanted: &Addition<'_>,
    asked: &Asked<'_>,
    pins: &mut PinSource,
    now: u64,
) -> Result<(Added, Proposed), CommandError> {
    let mode = check_shape(wanted)?;
    let custody = Custody::of(repository)?;
    let mode = check_pair(wanted, mode, custody.quorum.is_hybrid())?;
    let hands = change::hands(repository, &[&custody.quorum], Vec::new(), asked, pins)?;
    let candidate = candidate(repository.home(), wanted, pins, now)?;
    check_partner(repository, wanted.role, &candidate)?;
    check_candidate(repository, wanted.role, &candidate.public_key)?;
    let papers = |time| {
        Ok(vec![Paper {
            kind: Kind::KeyRecord,
            payloads: vec![write_record(wanted, mode, custody.authority, &candidate, time)?],
            root_version: custody.root_version,
            quorums: vec![custody.quorum.clone()],
        }])
    };
    let keys = candidate.rows(wanted.role);
    let change = propose(repository, custody.authority, papers, &keys, &hands, asked, now)?;
    let progress = change.advance(repository, &hands, now)?;
    let added = Added {
        public_key: candidate.public_key,
        partner: candidate.partner,
        protection: candidate.protection,
        reference: candidate.reference,
        generated: candidate.generated,
        attested: candidate.attestation.is_some(),
    };
    Ok((added, Proposed { change, progress }))
}

/// Returns how documents of a role are signed unless said otherwise.
pub(super) const fn usual_mode(role: Role) -> KeyMode {
    match role {
        Role::Issuer | Role::Binder => KeyMode::Direct,
        _ => KeyMode::Seal,
    }
}

/// Returns the media types of what keys of a role sign, ascending.
#[must_use]
pub fn typs_of(role: Role) -> Vec<&'static str> {
    match role {
        Role::Custodian => Vec::new(), // never in a record
        Role::Issuer | Role::Witness => vec![Kind::License.typ()],
        Role::Binder => vec![BINDING_TYP],
        Role::Revoker => vec![Kind::RevocationList.typ()],
        Role::Log => vec![Kind::Manifest.typ(), Kind::Transcript.typ()],
    }
}

/// Refuses what can be seen to be wrong without any key, and returns the mode.
pub(super) fn check_shape(wanted: &Addition<'_>) -> Result<KeyMode, CommandError> {
    let role = wanted.role;
    let mode = wanted.mode.unwrap_or(usual_mode(role));
    let refuse = |code, message: String, hint: &str| Err(CommandError::refused(code, message).hint(hint));
    if role == Role::Custodian {
        let hint = "custodians change with `chancery root rotate`";
        return refuse("role-of-root", "custodians have no key record".to_owned(), hint);
    }
    if mode == KeyMode::Direct && usual_mode(role) == KeyMode::Seal {
        let message = format!("{} keys sign statements over batches, never single documents", role.name());
        return refuse("mode-of-role", message, "leave `--mode` out");
    }
    if mode == KeyMode::Direct && !wanted.co_signers.is_empty() {
        let message = "a document that one key signs directly has no place for other signatures".to_owned();
        return refuse("co-signer-of-direct", message, "add `--mode seal`, or leave `--co-signer` out");
    }
    if wanted.co_signers.iter().any(|other| *other == role || *other == Role::Custodian) {
        let message = format!("{} keys cannot have this co-signer", role.name());
        return refuse("co-signer-role", message, "name other roles with `--co-signer`");
    }
    let bounds = &wanted.bounds;
    let scoped =
        !bounds.products.is_empty() || !bounds.territories.is_empty() || bounds.longest_term_days.is_some();
    if scoped && matches!(role, Role::Revoker | Role::Log) {
        let message = format!("{} keys sign no licenses, whose bounds these are", role.name());
        let hint = "leave `--product`, `--territory` and `--longest-term` out";
        return refuse("bounds-without-licenses", message, hint);
    }
    Ok(mode)
}

/// Refuses a key without partner where trust is hybrid, a partner where it is not, and the way of signing that has no
/// place for two signatures. Returns the mode.
fn check_pair(wanted: &Addition<'_>, mode: KeyMode, is_hybrid: bool) -> Result<KeyMode, CommandError> {
    let has_partner = match &wanted.place {
        Place::Here { partner, .. } => partner.is_some(),
        Place::Elsewhere { partner, .. } => partner.is_some(),
    };
    match (is_hybrid, has_partner) {
        (false, false) => Ok(mode),
        (false, true) => {
            let message = "trust is not hybrid: keys of this authority have no ML-DSA-87 partner";
            Err(CommandError::refused("partner-surplus", message).hint(
                "leave the partner out; trust becomes hybrid with custodians who have partners, in a ceremony",
            ))
        }
        (true, false) => {
            let message = "trust is hybrid: a key is certified together with its ML-DSA-87 partner";
            Err(CommandError::refused("partner-missing", message).hint(
                "name it with `--partner-key REF`, or with `--partner-public-key FILE` on another machine",
            ))
        }
        (true, true) if wanted.mode == Some(KeyMode::Direct) => {
            let message =
                "a document that one key signs directly has no place for the signature of its partner";
            Err(CommandError::refused("hybrid-direct", message).hint("leave `--mode` out"))
        }
        (true, true) => Ok(KeyMode::Seal),
    }
}

fn candidate(
    home: &Home,
    wanted: &Addition<'_>,
    pins: &mut PinSource,
    now: u64,
) -> Result<Candidate, CommandError> {
    match &wanted.place {
        Place::Here { key, partner } => {
            let reference = portable(home, key);
            let opened = open_or_generate(&resolve(home, &reference), DEFAULT_ALGORITHM, pins)?;
            let attestation = attestation_of(&opened.key, &wanted.vouching, now)?;
            let partner_reference = partner.map(|partner| portable(home, partner));
            let partner = match &partner_reference {
                Some(partner) => {
                    let opened = open_or_generate(&resolve(home, partner), Algorithm::MlDsa87, pins)?;
                    Some(opened.key.public_key())
                }
                None => None,
            };
            Ok(Candidate {
                public_key: opened.key.public_key(),
                partner,
                protection: opened.key.protection(),
                reference: Some(reference.to_string()),
                partner_reference: partner_reference.map(|partner| partner.to_string()),
                generated: opened.generated,
                attestation,
            })
        }
        Place::Elsewhere { public_key, partner, protection } => Ok(Candidate {
            public_key: public_key.clone(),
            partner: partner.clone(),
            protection: *protection,
            reference: None,
            partner_reference: None,
            generated: false,
            attestation: None,
        }),
    }
}

/// Names a key file inside the home relative to it, so that a home can be moved, and any other in full.
#[must_use]
pub fn portable(home: &Home, named: &KeyRef) -> KeyRef {
    let Some(Ok(path)) = named.file_path().map(std::path::absolute) else { return named.clone() };
    let inside =
        std::path::absolute(home.path()).ok().and_then(|home| Some(path.strip_prefix(home).ok()?.to_owned()));
    KeyRef::file(inside.unwrap_or(path))
}

/// Returns the attestation certificate that goes into the record.
pub(super) fn attestation_of(
    key: &Key,
    vouching: &Vouching<'_>,
    now: u64,
) -> Result<Option<Vec<u8>>, CommandError> {
    match vouching {
        Vouching::Without => Ok(None),
        Vouching::Checked(vendor) => Ok(attestation::check(key, vendor, now)?.chain.into_iter().next()),
        Vouching::Undecided => match key.attestation() {
            Err(HsmError::NoAttestation { .. }) => Ok(None),
            Err(error) => Err(CommandError::from(error).hint(DECIDE)),
            Ok(_) => {
                let message = "the device attests its keys, and nothing is given to check that with";
                Err(CommandError::refused("attestation-unchecked", message).hint(DECIDE))
            }
        },
    }
}

const DECIDE: &str =
    "name the vendor's roots with `--attestation-roots FILE`, or add `--without-attestation`";

/// Refuses a partner that is none, before anything is recorded or signed.
fn check_partner(repository: &Repository, role: Role, candidate: &Candidate) -> Result<(), CommandError> {
    let hint = "name the Ed25519 key with `--key` and the ML-DSA-87 key with `--partner-key`";
    require_pair(&candidate.public_key, candidate.partner.as_ref(), hint)?;
    candidate.partner.as_ref().map_or(Ok(()), |partner| check_known(repository, role, partner))
}

/// Refuses a key that cannot be certified, before anything is recorded or signed.
fn check_candidate(repository: &Repository, role: Role, public_key: &PublicKey) -> Result<(), CommandError> {
    if role == Role::Log && public_key.algorithm() != Algorithm::Ed25519 {
        return Err(CommandError::refused(
            "log-key-algorithm",
            "checkpoints of the log are signed with Ed25519",
        )
        .hint("use an Ed25519 key"));
    }
    check_known(repository, role, public_key)
}

/// Refuses a key that is weak, a custodian's, of another role, or certified already.
fn check_known(repository: &Repository, role: Role, key: &PublicKey) -> Result<(), CommandError> {
    let kid = key.key_id();
    VerifyingKey::load(key).map_err(|refusal| CommandError::refused(refusal.code(), refusal.to_string()))?;
    if Custody::every_custodian(repository)?.contains(key) {
        return Err(two_roles(format!("key {kid} is a custodian's")));
    }
    require_no_approver(repository, key)?;
    let keys = repository.keys()?;
    let known = keys.iter().find(|known| known.public_key == *key);
    // A key whose certification was begun and not ended may go on, in the same role.
    match known {
        Some(known) if known.role != role || is_certified(repository, &keys, known)? => {
            Err(two_roles(format!("key {kid} is the authority's {} key", known.role.name())))
        }
        _ => Ok(()),
    }
}

fn two_roles(message: String) -> CommandError {
    CommandError::refused("key-of-two-roles", message)
        .hint("use another key: one key never fills two roles, and a closed key stays closed")
}

pub(super) fn write_record(
    wanted: &Addition<'_>,
    mode: KeyMode,
    authority: AuthorityId,
    candidate: &Candidate,
    now: u64,
) -> Result<Vec<u8>, CommandError> {
    let bounds = &wanted.bounds;
    let encode = |names: &[String]| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        (!names.is_empty()).then(|| Names::encode(&names))
    };
    let (products, territories) = (encode(&bounds.products), encode(&bounds.territories));
    let scope = Scope {
        products: products.as_deref().map(|bytes| Names::decode(bytes, false)).transpose()?,
        territories: territories.as_deref().map(|bytes| Names::decode(bytes, true)).transpose()?,
        longest_term_secs: bounds.longest_term_days.map(|days| days.saturating_mul(DAY_SECS)),
    };
    let mut co_signers = wanted.co_signers.clone();
    co_signers.sort_unstable();
    co_signers.dedup();
    let record = KeyRecord {
        authority,
        role: wanted.role,
        key: candidate.public_key.clone(),
        mode,
        co_signers,
        typs: typs_of(wanted.role),
        scope,
        not_before: bounds.not_before.unwrap_or(now),
        not_after: bounds.not_after,
        protection: candidate.protection,
        attestation: candidate.attestation.as_deref(),
        partner: candidate.partner.clone(),
    };
    let payload = record.encode();
    // What readers would refuse is not signed.
    KeyRecord::decode(&payload).map_err(|error| {
        CommandError::usage("the bounds of the key cannot be written").cause(error.to_string())
    })?;
    Ok(payload)
}
