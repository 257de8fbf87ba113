//! A new root: other custodians, or another threshold, sealed by the quorums of both.
//!
//! Every key record and closing that is in force is sealed again under the new root, unchanged: the old quorum
//! delegates nothing any more. A quorum that is lost is replaced by the recovery set that was committed to. Not
//! here: asking the custodians (`change`), reading the plan (`roster`).

use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::key::{Protection, PublicKey};
use chancery_formats::merkle::Hash;
use chancery_formats::seal::Role;
use chancery_formats::trust::{self as documents, Root};
use chancery_hsm_config::{Key, PinSource};
use chancery_verifier::signature::VerifyingKey;

use super::change::{self, Paper, Proposed, propose};
use super::custody::{Asked, Custodian, Quorum, newest_root};
use super::roster::Seat;
use super::trust;
use crate::error::CommandError;
use crate::repository::{NewKey, Repository};

/// What is to hold of the next root.
#[derive(Debug)]
pub struct Plan {
    /// Custodians and threshold.
    pub quorum: Quorum,
    /// The recovery set, where it signs in place of the quorum in force.
    pub recovery: Option<Quorum>,
    /// The recovery set to commit to from now on, which only a recovery may change.
    pub next_recovery: Option<Quorum>,
    /// Whether sites are to refuse bundles without manifest from now on; a root that says so is followed by none that
    /// does not.
    pub manifests: bool,
}

/// Makes the next root, or goes on with it where it was begun.
///
/// `seats` say where the keys of this machine are among those that sign, and `opened` are these keys.
///
/// # Errors
///
/// A refusal of a root that is as the one in force, of a key that has another role, and of a recovery set that was
/// not committed to; those of [`propose`] and of the repository. The authority is then as it was.
pub fn rotate(
    repository: &mut Repository,
    plan: &Plan,
    seats: &[Seat],
    opened: Vec<Key>,
    asked: &Asked<'_>,
    pins: &mut PinSource,
    now: u64,
) -> Result<Proposed, CommandError> {
    let authority = repository.authority()?.id;
    let payload = newest_root(repository)?;
    let before = Root::decode(&payload)?;
    check(repository, plan, &before)?;
    let replaced = plan.recovery.clone().unwrap_or_else(|| Quorum::of(&before.quorum));
    let keys = new_keys(plan, seats);
    let hands = change::hands(repository, &[&replaced, &plan.quorum], opened, asked, pins)?;
    let members = trust::members(repository)?;
    let papers = |time| {
        let version = before
            .version
            .checked_add(1)
            .ok_or_else(|| CommandError::refused("root-version", "there is no number for another root"))?;
        let paper = |kind, payloads: Vec<Vec<u8>>, quorums: &[&Quorum]| Paper {
            kind,
            payloads,
            root_version: version,
            quorums: quorums.iter().map(|quorum| (*quorum).clone()).collect(),
        };
        let root = write_root(plan, &before, Root::authority_id(&payload).0, version, time)?;
        let mut papers = vec![paper(Kind::Root, vec![root], &[&replaced, &plan.quorum])];
        for (kind, members) in [(Kind::KeyRecord, &members.records), (Kind::Closing, &members.closings)] {
            if !members.is_empty() {
                papers.push(paper(kind, payloads(members)?, &[&plan.quorum]));
            }
        }
        Ok(papers)
    };
    let change = propose(repository, authority, papers, &keys, &hands, asked, now)?;
    let progress = change.advance(repository, &hands, now)?;
    Ok(Proposed { change, progress })
}

fn payloads(documents: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, CommandError> {
    documents.iter().map(|bytes| Ok(Envelope::decode(bytes)?.payload.to_vec())).collect()
}

fn write_root(
    plan: &Plan,
    before: &Root<'_>,
    previous: Hash,
    version: u32,
    made_at: u64,
) -> Result<Vec<u8>, CommandError> {
    let recovery = plan.next_recovery.as_ref().map(Quorum::commitment).transpose()?;
    let write = |quorum: documents::Quorum<'_>, revealed: Option<documents::Quorum<'_>>| {
        Root {
            name: before.name,
            version,
            previous: Some(previous),
            quorum,
            made_at,
            recovery,
            revealed,
            manifests: before.manifests || plan.manifests,
        }
        .encode()
    };
    let root = match &plan.recovery {
        Some(set) => plan.quorum.lend(|quorum| set.lend(|set| write(quorum, Some(set))))??,
        None => plan.quorum.lend(|quorum| write(quorum, None))?,
    };
    // What readers would refuse is not signed.
    Root::decode(&root)?;
    Ok(root)
}

/// Refuses what could not stand, or would change nothing.
fn check(repository: &Repository, plan: &Plan, before: &Root<'_>) -> Result<(), CommandError> {
    let in_force = Quorum::of(&before.quorum);
    let demands_more = plan.manifests && !before.manifests;
    if plan.quorum == in_force && plan.next_recovery.is_none() && !demands_more {
        return Err(CommandError::refused("root-unchanged", "the root in force says all of this already")
            .hint("see it with `chancery root show`"));
    }
    if plan.quorum.is_hybrid() != in_force.is_hybrid() {
        let message = "custodians have ML-DSA-87 partners from the first root on, or never";
        return Err(CommandError::refused("hybrid-floor", message)
            .hint("give every new custodian what the others have"));
    }
    let keys = repository.keys()?;
    if demands_more && !keys.iter().any(|key| key.role == Role::Log && key.is_open()) {
        return Err(CommandError::refused(
            "log-key-none",
            "no log key is open, which seals what numbers a bundle",
        )
        .hint("certify one first with `chancery role add log --key REF`"));
    }
    for custodian in plan.quorum.custodians.iter().chain(plan.recovery.iter().flat_map(|set| &set.custodians))
    {
        for key in custodian.keys() {
            VerifyingKey::load(key)
                .map_err(|refusal| CommandError::refused(refusal.code(), refusal.to_string()))?;
            let other = keys.iter().find(|known| known.public_key == *key && known.role != Role::Custodian);
            if let Some(other) = other {
                let message = format!("key {} is the authority's {} key", key.key_id(), other.role.name());
                return Err(CommandError::refused("key-of-two-roles", message)
                    .hint("use another key: one key never fills two roles"));
            }
        }
    }
    if plan.next_recovery.is_some() && plan.recovery.is_none() {
        return Err(CommandError::refused(
            "recovery-wrong",
            "only the recovery set itself can be replaced by another",
        )
        .hint("name the set in force with `--recovery FILE`"));
    }
    let Some(set) = &plan.recovery else { return Ok(()) };
    if commitment_in_force(repository)? == Some(set.commitment()?) {
        return Ok(());
    }
    Err(CommandError::refused("recovery-wrong", "this recovery set is not the one that was committed to")
        .hint("name the custodians and the threshold of the set exactly as they were agreed on"))
}

/// Returns the commitment of the newest root that has one.
///
/// # Errors
///
/// Those of the repository and of a root that cannot be read.
pub fn commitment_in_force(repository: &Repository) -> Result<Option<Hash>, CommandError> {
    let mut found = None;
    for (_, bytes) in repository.documents_of_kind(Kind::Root)? {
        found = Root::decode(Envelope::decode(&bytes)?.payload)?.recovery.or(found);
    }
    Ok(found)
}

/// Returns the keys of everybody who may sign, with where those of this machine are.
fn new_keys<'a>(plan: &'a Plan, seats: &'a [Seat]) -> Vec<NewKey<'a>> {
    let quorums = std::iter::once(&plan.quorum).chain(&plan.recovery);
    let new = |key: &'a PublicKey| {
        let seat = seats.iter().find(|seat| seat.public_key == *key);
        NewKey {
            public_key: key.clone(),
            role: Role::Custodian,
            reference: seat.map(|seat| seat.reference.as_str()),
            // Of a key elsewhere nothing is known, and the least is assumed.
            protection: seat.map_or(Protection::Software, |seat| seat.protection),
        }
    };
    quorums.flat_map(|quorum| &quorum.custodians).flat_map(Custodian::keys).map(new).collect()
}
