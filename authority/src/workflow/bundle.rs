//! Publishing trust bundles: everything that a site needs, under the next manifest, kept before it is handed out.
//!
//! What is published is what the authority's own verifier takes, also as the successor of the bundle before. The
//! same content is published once. Not here: which documents stand (`trust`), files.

use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::log::Checkpoint;
use chancery_formats::merkle::Hash;
use chancery_formats::seal::Role;
use chancery_formats::trust::{Bundle, Manifest};
use chancery_hsm_config::PinSource;
use chancery_verifier::{Pin, Trust};
use sha2::{Digest, Sha256};

use super::publishing::{Sealed, Sealers};
use super::trust;
use crate::error::CommandError;
use crate::repository::{BundleRecord, Repository, Standing};

/// A bundle that is ready to be handed out.
#[derive(Debug)]
pub struct Published {
    /// The bundle.
    pub bytes: Vec<u8>,
    /// What a site trusts by it.
    pub trust: Trust,
    /// Whether it was published before, so that nothing was signed.
    pub known: bool,
}

/// The manifest before the next one, and what leads to it.
#[derive(Debug)]
struct Before {
    number: u64,
    time: u64,
    /// What the next manifest names as the link before.
    link: Hash,
    /// What the next bundle carries as its trail.
    trail: Vec<Hash>,
}

/// Publishes what stands as the next bundle, durable on return. `now` is Unix seconds.
///
/// The same content again is the bundle that is there, unless `renew` asks for a new number and time. An authority
/// that never had a log key gives a bundle without manifest and number, and signs nothing.
///
/// # Errors
///
/// `key-none` without a log key where sites expect a manifest; `list-withdrawn` where the newest revocation list
/// is of a compromised key; `clock-back`; an integrity alarm where the authority's own verifier refuses.
pub fn publish(
    repository: &mut Repository,
    renew: bool,
    pins: &mut PinSource,
    now: u64,
) -> Result<Published, CommandError> {
    let members = trust::members(repository)?;
    let (plain, draft) = trust::verified(repository, &members)?;
    if members.list.is_none() && repository.newest_revocation_list()?.is_some() {
        return Err(CommandError::refused(
            "list-withdrawn",
            "the newest revocation list is sealed by a key that may be in other hands",
        )
        .hint("certify a revoker key with `chancery role add revoker`, then `chancery revocation publish`"));
    }
    let newest = repository.newest_bundle()?;
    let pin = Pin::Authority(draft.authority());
    let has_log_key = repository.keys()?.iter().any(|key| key.role == Role::Log && key.is_open());
    if !has_log_key
        && newest.is_none()
        && let Ok(trust) = Trust::load(&plain, pin)
    {
        return Ok(Published { bytes: plain, trust, known: false });
    }
    let members = members.in_order();
    let checkpoint = repository.newest_checkpoint()?.map(|record| record.note);
    if let Some(newest) = &newest
        && !renew
        && !repository
            .unsealed(Kind::Manifest)?
            .iter()
            .any(|begun| Manifest::decode(&begun.payload).is_ok_and(|it| it.number == newest.number + 1))
        && is_of(newest, &members, checkpoint.as_deref())?
    {
        let trust = Trust::load(&newest.bytes, pin).map_err(|refusal| trust::does_not_verify(&refusal))?;
        return Ok(Published { bytes: newest.bytes.clone(), trust, known: true });
    }
    let sealers = Sealers::open(repository, Role::Log, pins, now)?;
    let published = publish_next(repository, &sealers, &members, checkpoint.as_deref(), now)?;
    // What was interrupted may not be of what stands now.
    match repository.newest_bundle()? {
        Some(newest) if is_of(&newest, &members, checkpoint.as_deref())? => Ok(published),
        _ => publish_next(repository, &sealers, &members, checkpoint.as_deref(), now),
    }
}

/// Returns the newest bundle where its members are those that stand, whatever checkpoint it carries; publishes the
/// next one otherwise. `now` is Unix seconds.
///
/// # Errors
///
/// As [`publish`].
pub fn in_force(
    repository: &mut Repository,
    pins: &mut PinSource,
    now: u64,
) -> Result<Published, CommandError> {
    let members = trust::members(repository)?.in_order();
    if let Some(newest) = repository.newest_bundle()?
        && Bundle::decode(&newest.bytes)?.members().eq(members.iter().map(Vec::as_slice))
    {
        let pin = Pin::Authority(repository.authority()?.id);
        let trust = Trust::load(&newest.bytes, pin).map_err(|refusal| trust::does_not_verify(&refusal))?;
        return Ok(Published { bytes: newest.bytes, trust, known: true });
    }
    publish(repository, false, pins, now)
}

/// Returns whether a bundle is of these members and this checkpoint.
fn is_of(bundle: &BundleRecord, members: &[Vec<u8>], checkpoint: Option<&str>) -> Result<bool, CommandError> {
    let decoded = Bundle::decode(&bundle.bytes)?;
    let Some(manifest) = decoded.manifest() else { return Ok(false) };
    let manifest = Manifest::decode(Envelope::decode(manifest)?.payload)?;
    Ok(decoded.members().eq(members.iter().map(Vec::as_slice)) && manifest.checkpoint == checkpoint)
}

fn publish_next(
    repository: &mut Repository,
    sealers: &Sealers,
    members: &[Vec<u8>],
    checkpoint: Option<&str>,
    now: u64,
) -> Result<Published, CommandError> {
    let newest = repository.newest_bundle()?;
    let before = before(repository, newest.as_ref())?;
    if now < before.time {
        return Err(CommandError::failed(
            "clock-back",
            "the clock shows a time before that of the last bundle",
        )
        .hint("set the clock of this machine, then run the command again"));
    }
    let number = before.number + 1;
    let hashes: Vec<Hash> = members.iter().map(|member| Sha256::digest(member).into()).collect();
    let authority = repository.authority()?.id;
    let is_next = |payload: &[u8]| {
        let manifest = Manifest::decode(payload);
        manifest.is_ok_and(|manifest| manifest.number == number && manifest.previous == before.link)
    };
    let payload = |_: &Repository| {
        let manifest =
            Manifest { authority, number, previous: before.link, members: &hashes, time: now, checkpoint };
        Ok(manifest.encode())
    };
    let sealed = sealers.seal_next(repository, Kind::Manifest, is_next, payload, now)?;
    let members = members_of(repository, &sealed, members)?;
    let bytes = Bundle::encode_with(&members, Some(&sealed.bytes), &before.trail);
    let pin = Pin::Authority(authority);
    let verified = Trust::load(&bytes, pin).and_then(|trust| {
        let known = newest.as_ref().map(|newest| Trust::load(&newest.bytes, pin)).transpose()?;
        known.map_or(Ok(()), |known| trust.check_minima(&known.minima(None)))?;
        Ok(trust)
    });
    let trust = verified.map_err(|refusal| trust::does_not_verify(&refusal))?;
    let change = Standing {
        batches: vec![sealed.log_index],
        documents: vec![(sealed.log_index, sealed.bytes)],
        bundle: Some(BundleRecord { number, log_index: sealed.log_index, bytes: bytes.clone() }),
        ..Standing::default()
    };
    repository.stand(&change, now)?;
    Ok(Published { bytes, trust, known: false })
}

fn before(repository: &Repository, newest: Option<&BundleRecord>) -> Result<Before, CommandError> {
    let Some(newest) = newest else {
        return Ok(Before { number: 0, time: 0, link: repository.authority()?.id.0, trail: Vec::new() });
    };
    let leaf = repository.leaf(newest.log_index)?;
    let manifest = Manifest::decode(&leaf.payload)?;
    let hash = Manifest::hash(&leaf.payload);
    let mut trail = Bundle::decode(&newest.bytes)?.trail().to_vec();
    trail.push(hash);
    Ok(Before {
        number: newest.number,
        time: manifest.time,
        link: Manifest::link(&manifest.previous, &hash),
        trail,
    })
}

/// Returns the members that a sealed manifest lists: those of `current`, or, where it was begun earlier, those
/// that stood then.
fn members_of(
    repository: &Repository,
    sealed: &Sealed,
    current: &[Vec<u8>],
) -> Result<Vec<Vec<u8>>, CommandError> {
    let manifest = Manifest::decode(Envelope::decode(&sealed.bytes)?.payload)?;
    let mut known = current.to_vec();
    let hash = |member: &Vec<u8>| Hash::from(Sha256::digest(member));
    if !manifest.members.iter().copied().eq(known.iter().map(hash)) {
        for kind in [Kind::Root, Kind::KeyRecord, Kind::Closing, Kind::RevocationList] {
            known.extend(repository.documents_of_kind(kind)?.into_iter().map(|(_, bytes)| bytes));
        }
    }
    let find = |wanted: &Hash| {
        known.iter().find(|member| hash(member) == *wanted).cloned().ok_or_else(|| {
            CommandError::alarm("document-unknown", "a manifest lists a document that is not in the log")
                .hint("stop issuing, keep the home as it is, and call the auditor")
        })
    };
    manifest.members.iter().map(find).collect()
}

/// Returns the size of the log that the checkpoint of a bundle is of.
#[must_use]
pub fn checkpoint_size(trust: &Trust) -> Option<u64> {
    let note = trust.checkpoint()?;
    Checkpoint::decode(note.as_bytes()).ok().map(|checkpoint| checkpoint.head.size)
}
