//! From the file's shape to a plan: names, references, dates and the files beside it.

use std::ops::Range;
use std::path::Path;

use chancery_carriers::files;
use chancery_formats::id::is_name;
use chancery_formats::key::{Algorithm, Protection, PublicKey};
use chancery_formats::merkle::Hash;
use chancery_formats::seal::Role;
use chancery_formats::trust::KeyMode;
use chancery_formats::trust::transcript::MAX_OBSERVERS;
use chancery_hsm_config::attestation::{Roots, read_pem};
use chancery_hsm_config::provision::Profile;
use chancery_hsm_config::reference::Location;
use chancery_hsm_config::{KeyRef, TokenRef};
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::check::{self, Found, Spans};
use super::file::{
    AlgorithmName, AttestationEntry, DeviceEntry, File, FileEntry, ModeName, PartyEntry, ProtectionName,
    RoleEntry, RoleName,
};
use super::{Attestation, DevicePlan, Holders, Party, Place, Plan, RolePlan};
use crate::output::public_key;
use crate::workflow::attestation::Vendor;
use crate::workflow::role::Bounds;
use crate::workflow::{label, term};

/// What stands in place of a reference for a key on another machine.
const EXCHANGE: &str = "exchange";

/// How many custodians must sign where the plan does not say.
const DEFAULT_THRESHOLD: usize = 3;

/// Most roles and devices of a plan: a step of the transcript tells a few facts of each.
const MAX_ROLES: usize = 32;
const MAX_DEVICES: usize = 16;

/// Largest file that a plan names, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Reads the content. What cannot be read is left out of the plan, and the faults say so.
pub(super) fn plan(file: &File, hash: Hash, folder: &Path, found: &mut Found<'_>) -> Plan {
    let name = person(&file.name, found);
    let operator = person(&file.operator, found);
    let observers = file.observers.iter().filter_map(|observer| person(observer, found)).collect();
    let (custodians, custodian_spans) = parties(&file.custodians, found);
    let (recovery, recovery_spans) = match &file.recovery {
        None => (None, Vec::new()),
        Some(entry) => {
            let (parties, spans) = parties(&entry.custodians, found);
            (Some(Holders { threshold: *entry.threshold.get_ref(), parties }), spans)
        }
    };
    let entries = file.roles.get_ref().iter();
    let (roles, role_spans): (Vec<_>, Vec<_>) =
        entries.filter_map(|entry| Some((role(entry, folder, found)?, entry.role.span()))).unzip();
    let devices = file.devices.iter().filter_map(|entry| device(entry, folder, found)).collect();

    let recovery_entries = file.recovery.as_ref().map_or(0, |entry| entry.custodians.get_ref().len());
    let spans = Spans {
        threshold: file.threshold.as_ref().map_or_else(|| file.custodians.span(), Spanned::span),
        recovery_threshold: file.recovery.as_ref().map_or(0..0, |entry| entry.threshold.span()),
        role_list: file.roles.span(),
        every_custodian: custodian_spans.len() == file.custodians.get_ref().len(),
        every_recovery: recovery_spans.len() == recovery_entries,
        every_role: role_spans.len() == file.roles.get_ref().len(),
        custodians: custodian_spans,
        recovery: recovery_spans,
        roles: role_spans,
    };
    let threshold = file.threshold.as_ref().map_or(DEFAULT_THRESHOLD, |threshold| *threshold.get_ref());
    let mut plan = Plan {
        hash,
        name: name.unwrap_or_default(),
        operator: operator.unwrap_or_default(),
        observers,
        hybrid: file.hybrid,
        custodians: Holders { threshold, parties: custodians },
        recovery,
        roles,
        devices,
        warnings: Vec::new(),
    };
    counts(file, found);
    check::whole(&plan, &spans, found);
    plan.warnings = check::warnings(&plan);
    plan
}

/// Returns those who can be read, and where they stand.
fn parties(entries: &Spanned<Vec<PartyEntry>>, found: &mut Found<'_>) -> (Vec<Party>, Vec<Range<usize>>) {
    let entries = entries.get_ref().iter();
    entries.filter_map(|entry| Some((party(entry, found)?, entry.name.span()))).unzip()
}

/// Refuses more than a transcript can tell.
fn counts(file: &File, found: &mut Found<'_>) {
    let (roles, devices) = (file.roles.get_ref().len(), file.devices.len());
    for (count, most, what) in [
        (roles, MAX_ROLES, "roles"),
        (devices, MAX_DEVICES, "devices"),
        (file.observers.len(), MAX_OBSERVERS, "observers"),
    ] {
        if count > most {
            let message = format!("{count} {what} are more than a ceremony takes, which is {most}");
            found.add(&file.roles.span(), "plan-too-large", message);
        }
    }
}

fn person(name: &Spanned<String>, found: &mut Found<'_>) -> Option<String> {
    match label::check(name.get_ref()) {
        Ok(()) => Some(name.get_ref().clone()),
        Err(error) => {
            found.add(&name.span(), "name-refused", error.to_string());
            None
        }
    }
}

fn party(entry: &PartyEntry, found: &mut Found<'_>) -> Option<Party> {
    let name = person(&entry.name, found);
    let place = place(&entry.name.span(), entry.key.as_ref(), entry.public_key.as_ref(), found);
    let partner = optional(entry.partner.as_ref(), reference, found)?;
    Some(Party { name: name?, place: place?, partner, signs: entry.signs })
}

/// Reads where a key is: a reference, the word for elsewhere, or the public key that it must be.
fn place(
    owner: &Range<usize>,
    key: Option<&Spanned<String>>,
    public_key: Option<&Spanned<String>>,
    found: &mut Found<'_>,
) -> Option<Place> {
    match (key, public_key) {
        (Some(key), None) if key.get_ref() == EXCHANGE => Some(Place::Elsewhere { pinned: None }),
        (Some(key), None) => reference(key, found).map(Place::Here),
        (None, Some(pem)) => {
            let pinned = pinned(pem, found)?;
            Some(Place::Elsewhere { pinned: Some(pinned) })
        }
        (Some(_), Some(pem)) => {
            let message = "a key is on this machine (`key`) or on another (`public-key`), not both";
            found.add(&pem.span(), "key-place", message);
            None
        }
        (None, None) => {
            let message = "name the key: `key = \"REF\"`, `key = \"exchange\"` or `public-key = \"PEM\"`";
            found.add(owner, "key-place", message);
            None
        }
    }
}

fn pinned(pem: &Spanned<String>, found: &mut Found<'_>) -> Option<PublicKey> {
    match public_key::read(pem.get_ref().trim().as_bytes()) {
        Ok(PublicKey::MlDsa87(_)) => {
            found.add(&pem.span(), "key-algorithm", "an ML-DSA-87 key stands beside another, never alone");
            None
        }
        Ok(key) => Some(key),
        Err(error) => {
            found.add(&pem.span(), error.code(), error.report().error.clone());
            None
        }
    }
}

fn reference(text: &Spanned<String>, found: &mut Found<'_>) -> Option<KeyRef> {
    match text.get_ref().parse::<KeyRef>() {
        Ok(reference) => Some(reference),
        Err(error) => {
            found.add(&text.span(), error.code(), error.to_string());
            None
        }
    }
}

/// Reads what may be left out: none is none, and a fault is a fault.
fn optional<S, T>(
    value: Option<&Spanned<S>>,
    read: impl FnOnce(&Spanned<S>, &mut Found<'_>) -> Option<T>,
    found: &mut Found<'_>,
) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(value) => read(value, found).map(Some),
    }
}

fn role(entry: &RoleEntry, folder: &Path, found: &mut Found<'_>) -> Option<RolePlan> {
    let role = role_of(*entry.role.get_ref());
    let span = entry.role.span();
    let name = match &entry.name {
        Some(name) => person(name, found),
        None => Some(role.name().to_owned()),
    };
    let place = place(&span, entry.key.as_ref(), entry.public_key.as_ref(), found);
    let partner = optional(entry.partner.as_ref(), reference, found);
    let bounds = bounds(entry, found);
    let attestation = attestation(entry, place.as_ref(), folder, found);
    Some(RolePlan {
        name: name?,
        role,
        place: place?,
        partner: partner?,
        algorithm: match entry.algorithm {
            Some(AlgorithmName::P256) => Algorithm::Esp256,
            Some(AlgorithmName::Ed25519) | None => Algorithm::Ed25519,
        },
        mode: entry.mode.as_ref().map(|mode| match mode.get_ref() {
            ModeName::Direct => KeyMode::Direct,
            ModeName::Seal => KeyMode::Seal,
        }),
        co_signers: entry.co_signers.iter().map(|co_signer| role_of(*co_signer.get_ref())).collect(),
        bounds: bounds?,
        protection: entry.protection.map(|protection| match protection {
            ProtectionName::Hardware => Protection::Hardware,
            ProtectionName::Software => Protection::Software,
        }),
        attestation: attestation?,
    })
}

/// Returns the name of a key: its own, or that of its role.
pub(super) fn name_of(entry: &RoleEntry) -> String {
    let role = role_of(*entry.role.get_ref()).name();
    entry.name.as_ref().map_or_else(|| role.to_owned(), |name| name.get_ref().clone())
}

const fn role_of(name: RoleName) -> Role {
    match name {
        RoleName::Issuer => Role::Issuer,
        RoleName::Binder => Role::Binder,
        RoleName::Revoker => Role::Revoker,
        RoleName::Log => Role::Log,
        RoleName::Witness => Role::Witness,
    }
}

fn bounds(entry: &RoleEntry, found: &mut Found<'_>) -> Option<Bounds> {
    let mut sound = true;
    let mut refuse = |span: &Range<usize>, message: String| {
        found.add(span, "bounds-invalid", message);
        sound = false;
    };
    for product in entry.products.iter().filter(|product| !is_name(product.get_ref())) {
        refuse(&product.span(), format!("`{}` is not the id of a product", product.get_ref()));
    }
    let is_country = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    for territory in entry.territories.iter().filter(|territory| !is_country(territory.get_ref())) {
        refuse(
            &territory.span(),
            format!("`{}` is not two capital letters, such as DE", territory.get_ref()),
        );
    }
    let days = entry.longest_term_days.as_ref();
    if let Some(days) = days.filter(|days| !(1..=36_525).contains(days.get_ref())) {
        refuse(&days.span(), "a longest term is 1 to 36525 days".to_owned());
    }
    let mut date = |text: Option<&Spanned<String>>, read: fn(&str) -> Result<u64, term::TermError>| {
        let text = text?;
        read(text.get_ref()).map_err(|error| refuse(&text.span(), error.to_string())).ok()
    };
    let not_before = date(entry.from.as_ref(), term::start);
    let not_after = date(entry.until.as_ref(), term::end);
    let names = |names: &[Spanned<String>]| names.iter().map(|name| name.get_ref().clone()).collect();
    let bounds = Bounds {
        products: names(&entry.products),
        territories: names(&entry.territories),
        longest_term_days: days.map(|days| *days.get_ref()),
        not_before,
        not_after,
    };
    sound.then_some(bounds)
}

/// Reads how an attestation is checked. Where a device gives one, the plan decides about it.
fn attestation(
    entry: &RoleEntry,
    place: Option<&Place>,
    folder: &Path,
    found: &mut Found<'_>,
) -> Option<Attestation> {
    let span = entry.role.span();
    let gives_one = place
        .and_then(Place::here)
        .is_some_and(|reference| matches!(reference.location(), Location::Piv(..) | Location::YubiHsm(..)));
    match &entry.attestation {
        None if gives_one => {
            let message =
                "the device attests its keys: write `attestation = { roots = … }` or `{ none = true }`";
            found.add(&span, "attestation-undecided", message);
            None
        }
        None => Some(Attestation::Without),
        Some(AttestationEntry { none: true, roots: None, intermediates: None, .. }) => {
            Some(Attestation::Without)
        }
        Some(AttestationEntry { none: false, roots: Some(roots), intermediates, wrapped_backup }) => {
            let pem = beside(roots, folder, found)?;
            let roots = Roots::from_pem(&pem)
                .map_err(|error| found.add(&roots.span(), error.code(), error.to_string()))
                .ok()?;
            let intermediates = optional(
                intermediates.as_ref(),
                |file, found| {
                    let pem = beside(file, folder, found)?;
                    read_pem(&pem)
                        .map_err(|error| found.add(&file.span(), error.code(), error.to_string()))
                        .ok()
                },
                found,
            )?;
            let intermediates = intermediates.unwrap_or_default();
            Some(Attestation::Checked(Vendor { roots, intermediates, wrapped_backup: *wrapped_backup }))
        }
        Some(_) => {
            found.add(
                &span,
                "attestation-undecided",
                "attestation is by `roots`, or `none = true`, not both",
            );
            None
        }
    }
}

fn device(entry: &DeviceEntry, folder: &Path, found: &mut Found<'_>) -> Option<DevicePlan> {
    let name = person(&entry.name, found);
    let device = match entry.device.get_ref().parse::<TokenRef>() {
        Ok(device @ TokenRef::YubiHsm(_)) => Some(device),
        Ok(_) => {
            let message = "only a YubiHSM 2 can be compared with a profile: write yubihsm:…";
            found.add(&entry.device.span(), "device-unsupported", message);
            None
        }
        Err(error) => {
            found.add(&entry.device.span(), error.code(), error.to_string());
            None
        }
    };
    let bytes = beside(&entry.profile, folder, found)?;
    let read = std::str::from_utf8(&bytes).map_err(|error| ("profile-malformed", error.to_string()));
    let read = read
        .and_then(|text| Profile::read(text).map_err(|error| (error.code(), super::profile_fault(&error))));
    let profile = match read {
        Ok(profile) => profile,
        Err((code, message)) => {
            found.add(&entry.profile.span(), code, message);
            return None;
        }
    };
    if entry.force_audit && !profile.audit.force {
        let message = "the profile lets the device work on when its log is full: set `audit.force`, or say `force-audit = false`";
        found.add(&entry.profile.span(), "audit-not-forced", message);
    }
    Some(DevicePlan { name: name?, device: device?, profile, profile_hash: Sha256::digest(&bytes).into() })
}

/// Reads a file beside the plan; it must be the one that the plan means.
fn beside(file: &Spanned<FileEntry>, folder: &Path, found: &mut Found<'_>) -> Option<Vec<u8>> {
    let entry = file.get_ref();
    let bytes = match files::read_document(&folder.join(&entry.file), MAX_FILE) {
        Ok(bytes) => bytes,
        Err(error) => {
            found.add(&file.span(), error.code(), error.to_string());
            return None;
        }
    };
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if !digest.eq_ignore_ascii_case(&entry.sha256) {
        let message = format!("{} has another SHA-256: {digest}", entry.file);
        found.add(&file.span(), "file-changed", message);
        return None;
    }
    Some(bytes)
}
