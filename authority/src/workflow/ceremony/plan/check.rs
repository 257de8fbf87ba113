//! What must hold of a plan as a whole: thresholds that can be met, and one key for one purpose.

use std::ops::Range;

use chancery_formats::document::MAX_DOCUMENT;
use chancery_formats::key::{Algorithm, ML_DSA_87_KEY_LEN, Protection};
use chancery_formats::seal::{MAX_SIGNERS, Role};
use chancery_formats::trust::KeyMode;
use chancery_hsm_config::reference::Location;

use super::{Attestation, Fault, Holders, Party, Place, Plan, RolePlan};
use crate::workflow::position;
use crate::workflow::role::{self, usual_mode};

/// Faults as they are found, each with the place in the file.
pub(super) struct Found<'t> {
    text: &'t str,
    faults: Vec<(usize, Fault)>,
}

impl<'t> Found<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, faults: Vec::new() }
    }

    pub(super) fn add(&mut self, span: &Range<usize>, code: &'static str, message: impl Into<String>) {
        let (line, column) = position::of(self.text, span.start);
        self.faults.push((span.start, Fault { line, column, code, message: message.into() }));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    pub(super) fn into_sorted(mut self) -> Vec<Fault> {
        self.faults.sort_by_key(|(start, _)| *start);
        self.faults.into_iter().map(|(_, fault)| fault).collect()
    }
}

/// Where the parts of a plan stand in its file.
pub(super) struct Spans {
    /// The threshold of the custodians, or their list where the plan has none.
    pub threshold: Range<usize>,
    pub custodians: Vec<Range<usize>>,
    pub recovery_threshold: Range<usize>,
    pub recovery: Vec<Range<usize>>,
    pub roles: Vec<Range<usize>>,
    /// The list of roles.
    pub role_list: Range<usize>,
    /// Whether every custodian could be read, so that they can be counted.
    pub every_custodian: bool,
    pub every_recovery: bool,
    pub every_role: bool,
}

/// Checks a plan as a whole.
pub(super) fn whole(plan: &Plan, spans: &Spans, found: &mut Found<'_>) {
    if spans.every_custodian {
        quorum(&plan.custodians, plan.hybrid, &spans.threshold, "custodians", found);
    }
    if let Some(recovery) = plan.recovery.as_ref().filter(|_| spans.every_recovery) {
        quorum(recovery, plan.hybrid, &spans.recovery_threshold, "recovery custodians", found);
    }
    let size = root_size(plan);
    if size > MAX_DOCUMENT {
        let message = format!("root version 1 would have about {size} bytes, and may have {MAX_DOCUMENT}");
        found.add(&spans.threshold, "root-too-large", message + ": let fewer custodians sign");
    }
    partners(plan, spans, found);
    distinct(plan, spans, found);
    roles(plan, spans, found);
    if spans.every_role {
        log_key(plan, spans, found);
    }
}

fn quorum(holders: &Holders, hybrid: bool, span: &Range<usize>, who: &'static str, found: &mut Found<'_>) {
    let (threshold, count) = (holders.threshold, holders.parties.len());
    if threshold == 0 || threshold > count || count > MAX_SIGNERS {
        let message = format!("{threshold} of {count} {who} cannot be asked for: name 1 to {MAX_SIGNERS}");
        found.add(span, "threshold-unmet", message);
        return;
    }
    let signing = holders.parties.iter().filter(|party| party.signs).count();
    if signing < threshold {
        let message = format!("{signing} of the {who} sign root version 1, and {threshold} must");
        found.add(span, "quorum-short", message);
    }
    if signing * (1 + usize::from(hybrid)) > MAX_SIGNERS {
        let message = format!("a statement holds at most {MAX_SIGNERS} signatures: let fewer {who} sign");
        found.add(span, "signers-many", message);
    }
}

/// Returns about how large root version 1 becomes, in bytes.
fn root_size(plan: &Plan) -> usize {
    const ENVELOPE: usize = 512;
    let partner = if plan.hybrid { ML_DSA_87_KEY_LEN + 16 } else { 0 };
    let partner_signature = if plan.hybrid { Algorithm::MlDsa87.signature_len() + 24 } else { 0 };
    let signing = plan.custodians.parties.iter().filter(|party| party.signs).count();
    ENVELOPE + plan.custodians.parties.len() * (80 + partner) + signing * (96 + partner_signature)
}

/// Hybrid trust covers every key, or it covers none.
fn partners(plan: &Plan, spans: &Spans, found: &mut Found<'_>) {
    let recovery = plan.recovery.iter().flat_map(|holders| &holders.parties).zip(&spans.recovery);
    let parties = plan.custodians.parties.iter().zip(&spans.custodians).chain(recovery);
    let parties = parties.map(|(party, span)| (&party.name, &party.place, &party.partner, span));
    let roles = plan.roles.iter().zip(&spans.roles);
    let roles = roles.map(|(role, span)| (&role.name, &role.place, &role.partner, span));
    for (name, place, partner, span) in parties.chain(roles) {
        match (plan.hybrid, place, partner) {
            (false, _, Some(_)) => {
                let message = format!("{name} has a partner key, and the plan is not hybrid");
                found.add(span, "partner-surplus", message);
            }
            (true, Place::Here(_), None) => {
                let message = format!("{name} needs an ML-DSA-87 key: name it with `partner`");
                found.add(span, "partner-missing", message);
            }
            (true, Place::Elsewhere { .. }, Some(_)) => {
                let message = format!("the partner of {name} comes with their proof: leave `partner` out");
                found.add(span, "partner-surplus", message);
            }
            _ => {}
        }
    }
}

/// What a name in the plan stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Custodian,
    Recovery,
    Role,
}

/// A key is for one purpose, and a name for one key.
fn distinct(plan: &Plan, spans: &Spans, found: &mut Found<'_>) {
    let party = |part| {
        move |(party, span): (&'_ Party, &'_ Range<usize>)| {
            (part, party.name.clone(), party.place.clone(), party.partner.clone(), span.clone())
        }
    };
    let recovery = plan.recovery.iter().flat_map(|holders| &holders.parties).zip(&spans.recovery);
    let custodians = plan.custodians.parties.iter().zip(&spans.custodians).map(party(Part::Custodian));
    let roles = plan.roles.iter().zip(&spans.roles);
    let roles = roles.map(|(role, span)| {
        (Part::Role, role.name.clone(), role.place.clone(), role.partner.clone(), span.clone())
    });
    let all: Vec<_> = custodians.chain(recovery.map(party(Part::Recovery))).chain(roles).collect();
    for (index, (part, name, place, partner, span)) in all.iter().enumerate() {
        for (other_part, other_name, other_place, other_partner, _) in all.iter().take(index) {
            if name == other_name {
                found.add(span, "name-twice", format!("`{name}` is the name of two keys"));
            }
            let places = [Some(place.clone()), partner.clone().map(Place::Here)];
            let others = [Some(other_place.clone()), other_partner.clone().map(Place::Here)];
            let shared = places.iter().flatten().any(|one| others.iter().flatten().any(|two| same(one, two)));
            if shared {
                let (code, what) = match (part, other_part) {
                    (Part::Custodian, Part::Custodian) | (Part::Recovery, Part::Recovery) => {
                        ("custodian-twice", "a custodian is one key")
                    }
                    (Part::Recovery, Part::Custodian) => {
                        ("recovery-key-of-custodian", "who recovers a lost quorum must not be lost with it")
                    }
                    _ => ("key-of-two-roles", "one key never fills two roles"),
                };
                found.add(span, code, format!("{name} and {other_name} have the same key: {what}"));
            }
        }
        if let (Some(one), Some(two)) = (place.here(), partner)
            && one.location() == two.location()
        {
            found.add(span, "key-of-two-roles", format!("{name} has one key as both halves of a pair"));
        }
    }
}

/// Returns whether two places hold one key, as far as the plan tells.
fn same(one: &Place, other: &Place) -> bool {
    let here = one.here().zip(other.here()).is_some_and(|(one, other)| one.location() == other.location());
    here || one.thumbprint().is_some_and(|thumbprint| Some(thumbprint) == other.thumbprint())
}

fn roles(plan: &Plan, spans: &Spans, found: &mut Found<'_>) {
    for (role, span) in plan.roles.iter().zip(&spans.roles) {
        let (name, kind) = (&role.name, role.role.name());
        // The place matters to none of these.
        let nowhere = chancery_hsm_config::KeyRef::file("");
        if let Err(error) =
            role::check_shape(&role.addition(role::Place::Here { key: &nowhere, partner: None }))
        {
            found.add(span, error.code(), format!("{name}: {}", error.report().error));
        }
        for co_signer in role.co_signers.iter().filter(|co_signer| **co_signer != role.role) {
            if spans.every_role && plan.roles.iter().all(|other| other.role != *co_signer) {
                let message = format!("{name} needs a {} beside it, and the plan has none", co_signer.name());
                found.add(span, "co-signer-none", message);
            }
        }
        if plan.hybrid && role.mode.unwrap_or(usual_mode(role.role)) == KeyMode::Direct {
            let message = format!("{name} signs directly, which has no place for two signatures");
            found.add(span, "hybrid-direct", message + ": give it `mode = \"seal\"`");
        }
        if role.bounds.not_before.zip(role.bounds.not_after).is_some_and(|(from, until)| until < from) {
            found.add(span, "validity-empty", format!("{name} is valid until a time before it is valid"));
        }
        protection(role, kind, span, found);
    }
}

/// Refuses what a key cannot be where it is.
fn protection(role: &RolePlan, kind: &str, span: &Range<usize>, found: &mut Found<'_>) {
    let name = &role.name;
    let Place::Here(reference) = &role.place else {
        if matches!(role.attestation, Attestation::Checked(_)) {
            let message = format!("{name} is on another machine, whose device cannot be asked here");
            found.add(span, "attestation-elsewhere", message);
        }
        return;
    };
    let is_file = matches!(reference.location(), Location::File(_));
    if is_file && role.protection == Some(Protection::Hardware) {
        let message = format!("{name} must be in hardware, and its {kind} key is a file");
        found.add(span, "software-key", message);
    }
    if is_file && matches!(role.attestation, Attestation::Checked(_)) {
        found.add(span, "attestation-of-file", format!("{name} is a file, which no device vouches for"));
    }
    if !is_file && role.protection == Some(Protection::Software) {
        let message = format!("{name} is to be in software, and its reference names a device");
        found.add(span, "protection-contradicts", message);
    }
}

/// The log key signs the first checkpoint and the transcript, so it must be here.
fn log_key(plan: &Plan, spans: &Spans, found: &mut Found<'_>) {
    let logs: Vec<_> =
        plan.roles.iter().zip(&spans.roles).filter(|(role, _)| role.role == Role::Log).collect();
    match logs.as_slice() {
        [] => {
            let message = "no log key: it signs the first checkpoint and the transcript";
            found.add(&spans.role_list, "log-key-none", message);
        }
        [(role, span)] => {
            if role.place.here().is_none() {
                let message =
                    format!("{} must be on this machine: it signs what the ceremony makes", role.name);
                found.add(span, "log-key-elsewhere", message);
            }
            if role.algorithm != Algorithm::Ed25519 {
                let message = format!("{}: checkpoints of the log are signed with Ed25519", role.name);
                found.add(span, "log-key-algorithm", message);
            }
        }
        [_, rest @ ..] => {
            for (role, span) in rest {
                let message = format!("{} is a second log key: one log has one", role.name);
                found.add(span, "log-key-twice", message);
            }
        }
    }
}

/// Returns what is allowed and should be meant.
pub(super) fn warnings(plan: &Plan) -> Vec<String> {
    let mut warnings = Vec::new();
    let Holders { threshold, parties } = &plan.custodians;
    if *threshold == 1 {
        warnings.push("one custodian alone can replace the root".to_owned());
    }
    if *threshold == parties.len() && parties.len() > 1 {
        warnings
            .push("every custodian must sign: with one key lost, only the recovery set can go on".to_owned());
    }
    if plan.recovery.is_none() {
        warnings.push("no recovery set: a quorum that is lost is lost for ever".to_owned());
    }
    let has = |role| plan.roles.iter().any(|planned| planned.role == role);
    if !has(Role::Issuer) {
        warnings.push("no issuing key: no license can be issued yet".to_owned());
    }
    if !has(Role::Witness) {
        warnings.push("no witness: a stolen issuing key can back-date licenses".to_owned());
    }
    let is_file = |place: &Place| place.here().is_some_and(|reference| reference.file_path().is_some());
    let files: Vec<_> =
        plan.roles.iter().filter(|role| is_file(&role.place)).map(|role| role.name.as_str()).collect();
    if !files.is_empty() {
        warnings.push(format!("software keys, which the machine's owner can copy: {}", files.join(", ")));
    }
    let custodians: Vec<_> =
        plan.holders().filter(|party| is_file(&party.place)).map(|party| party.name.as_str()).collect();
    if !custodians.is_empty() {
        warnings.push(format!("custodians with a key file on this machine: {}", custodians.join(", ")));
    }
    let on_yubihsm = |role: &RolePlan| {
        role.place.here().is_some_and(|reference| matches!(reference.location(), Location::YubiHsm(..)))
    };
    if plan.devices.is_empty() && plan.roles.iter().any(on_yubihsm) {
        warnings.push("a YubiHSM 2 holds keys, and none is compared with its profile".to_owned());
    }
    warnings
}
