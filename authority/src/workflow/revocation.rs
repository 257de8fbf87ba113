//! Revoking: what is named must be known, and the lists that say so are numbered, chained and sealed.
//!
//! A revocation is decided once and for ever, and counts at a site when a list that holds it gets there. Not here:
//! how it gets there (`bundle`), what a list refuses (`chancery-verifier`).

use chancery_formats::cose::Envelope;
use chancery_formats::document::{Kind, MAX_DOCUMENT};
use chancery_formats::id::{AuthorityId, DeviceId, EntitlementId, KeyId, LicenseId, Thumbprint};
use chancery_formats::license::Names;
use chancery_formats::merkle::{Hash, Head};
use chancery_formats::seal::Role;
use chancery_formats::trust::RevocationList;
use chancery_formats::trust::revocation::{Ids, RevokedKeys};
use chancery_hsm_config::PinSource;

use super::nearest::nearest;
use super::publishing::{Sealed, Sealers};
use super::{label, trust};
use crate::error::CommandError;
use crate::log::LogTree;
use crate::log::shown::require_continued;
use crate::repository::{Repository, RepositoryError, RevocationListRecord, RevocationTarget, Standing};

/// Bytes of a document that its payload leaves to headers and seal, with sixteen signers.
const ENVELOPE_BYTES: usize = 8 * 1024;

/// What is to be revoked, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A license.
    License(LicenseId),
    /// A device by the whole thumbprint of its key.
    Device(Thumbprint),
    /// A device by what people see of it.
    DeviceId(DeviceId),
    /// An entitlement.
    Entitlement(EntitlementId),
    /// A customer.
    Customer(String),
    /// A key, as of a size of the log; none is that of the newest checkpoint.
    Key(KeyId, Option<u64>),
}

/// A list that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its number.
    pub number: u64,
    /// Its place in the log.
    pub log_index: u64,
    /// How much it revokes.
    pub entries: u64,
    /// How much of that the list before did not.
    pub new: u64,
}

/// Adds a revocation as a draft. `now` is Unix seconds.
///
/// # Errors
///
/// What is not known, with the nearest that is; what is revoked; a reason that cannot be shown; a list that would
/// outgrow a document.
pub fn add(
    repository: &mut Repository,
    named: &Named,
    reason: &str,
    now: u64,
) -> Result<RevocationTarget, CommandError> {
    label::check(reason).map_err(|error| {
        CommandError::refused("reason-refused", "the reason cannot be used")
            .cause(error.to_string())
            .hint("give a reason of 1 to 128 bytes of plain text with `--reason`")
    })?;
    let target = resolve(repository, named)?;
    let mut targets: Vec<_> = repository.revocations()?.into_iter().map(|entry| entry.target).collect();
    targets.push(target.clone());
    require_place(repository.authority()?.id, &targets, now)?;
    repository.add_revocation(&target, reason, now)?;
    Ok(target)
}

/// Refuses what the next list, which holds all of `targets`, has no place for. `now` is Unix seconds.
///
/// # Errors
///
/// `list-full`.
pub(super) fn require_place(
    authority: AuthorityId,
    targets: &[RevocationTarget],
    now: u64,
) -> Result<(), CommandError> {
    let whole = encode(authority, u64::MAX, Some([0; 32]), now, targets)?;
    if whole.len() + ENVELOPE_BYTES > MAX_DOCUMENT {
        return Err(CommandError::refused("list-full", "the revocation list has no place for more")
            .hint("revoke what stands above: the entitlement, the customer, or the key that issued"));
    }
    Ok(())
}

fn resolve(repository: &Repository, named: &Named) -> Result<RevocationTarget, CommandError> {
    match named {
        Named::License(id) => match repository.license(*id) {
            Ok(_) => Ok(RevocationTarget::License(*id)),
            Err(error @ RepositoryError::UnknownLicense { .. }) => {
                let known = repository.licenses()?.into_iter().map(|license| license.id.to_string());
                Err(unknown(error.into(), &id.to_string(), &known.collect::<Vec<_>>()))
            }
            Err(error) => Err(error.into()),
        },
        Named::Entitlement(id) => match repository.entitlement(*id) {
            Ok(_) => Ok(RevocationTarget::Entitlement(*id)),
            Err(error @ RepositoryError::UnknownEntitlement { .. }) => {
                let known = repository.entitlements()?.into_iter().map(|one| one.id.to_string());
                Err(unknown(error.into(), &id.to_string(), &known.collect::<Vec<_>>()))
            }
            Err(error) => Err(error.into()),
        },
        Named::Customer(name) => {
            let known: Vec<_> = repository.customers()?.into_iter().map(|customer| customer.id).collect();
            if known.contains(name) {
                return Ok(RevocationTarget::Customer(name.clone()));
            }
            let error = RepositoryError::UnknownCustomer { customer: name.clone() };
            Err(unknown(error.into(), name, &known))
        }
        Named::Device(wanted) => {
            let known = repository.devices()?;
            let found = known.iter().find(|device| *device == wanted);
            found.map(|device| RevocationTarget::Device(*device)).ok_or_else(|| {
                let names: Vec<_> = known.iter().map(Thumbprint::to_string).collect();
                unknown_device(&wanted.to_string(), &names)
            })
        }
        Named::DeviceId(wanted) => {
            let known = repository.devices()?;
            let found = known.iter().find(|device| device.device_id() == *wanted);
            found.map(|device| RevocationTarget::Device(*device)).ok_or_else(|| {
                let names: Vec<_> = known.iter().map(|device| device.device_id().to_string()).collect();
                unknown_device(&wanted.to_string(), &names)
            })
        }
        Named::Key(kid, size) => resolve_key(repository, *kid, *size),
    }
}

fn unknown_device(wanted: &str, known: &[String]) -> CommandError {
    let error = CommandError::failed("device-unknown", format!("no license is bound to device {wanted}"))
        .hint("list licenses and their devices with `chancery license list`");
    unknown(error, wanted, known)
}

/// Names what may have been meant.
fn unknown(error: CommandError, wanted: &str, known: &[String]) -> CommandError {
    match nearest(wanted, known.iter().map(String::as_str)) {
        Some(near) => error.cause(format!("the nearest that is known is {near}")),
        None => error,
    }
}

/// Finds a key that licenses hang from, and the size of the log below which they stand.
fn resolve_key(
    repository: &Repository,
    kid: KeyId,
    size: Option<u64>,
) -> Result<RevocationTarget, CommandError> {
    let keys = repository.keys()?;
    let certified = || keys.iter().filter(|key| key.record_index.is_some());
    let Some(key) = certified().find(|key| key.public_key.key_id() == kid) else {
        let error = CommandError::failed("key-unknown", format!("no certified key has the id {kid}"))
            .hint("list keys with `chancery role list`");
        let known: Vec<_> = certified().map(|key| key.public_key.key_id().to_string()).collect();
        return Err(unknown(error, &kid.to_string(), &known));
    };
    if !matches!(key.role, Role::Issuer | Role::Binder | Role::Witness) {
        let message = format!("{} keys are not revoked by a list", key.role.name());
        return Err(CommandError::refused("role-not-revocable", message)
            .hint("have the custodians close it with `chancery role close`"));
    }
    let head = compromised_at(repository, size)?;
    Ok(RevocationTarget::Key { thumbprint: key.public_key.thumbprint(), head })
}

/// Returns the size and root of the log below which documents of a stolen key stand. A checkpoint of that size is
/// there, so that each of them can be proven.
fn compromised_at(repository: &Repository, size: Option<u64>) -> Result<Head, CommandError> {
    let checkpoint = match size {
        Some(size) => repository.checkpoint(size)?,
        None => repository.newest_checkpoint()?,
    };
    let checkpoint = checkpoint.ok_or_else(|| {
        let message = match size {
            Some(size) => format!("no checkpoint says what the log of {size} documents was"),
            None => "no checkpoint says what the log was".to_owned(),
        };
        CommandError::refused("checkpoint-none", message)
            .hint("make one with `chancery log checkpoint`, before anything else is issued")
    })?;
    let head = *require_continued(repository, checkpoint.note.as_bytes())?.head();
    let later = LogTree::open(repository)?.size().saturating_sub(head.size);
    if size.is_none() && later > 0 {
        let message = format!("{later} documents are newer than the newest checkpoint, and would not stand");
        return Err(CommandError::refused("checkpoint-older", message).hint(format!(
            "make one with `chancery log checkpoint` if they are genuine, or say `--at-size {}`",
            head.size
        )));
    }
    Ok(head)
}

/// Publishes the next list: every revocation there is, sealed by the revoker's key and durable on return.
///
/// A list that was begun and interrupted is finished first. `renew` publishes one although nothing is new.
///
/// # Errors
///
/// `revocation-nothing-new`; `key-none` without a revoker key; an integrity alarm where the authority's own
/// verifier refuses the list; those of the key and the repository.
pub fn publish(
    repository: &mut Repository,
    renew: bool,
    pins: &mut PinSource,
    now: u64,
) -> Result<Published, CommandError> {
    let newest = repository.newest_revocation_list()?;
    let withdrawn = newest.is_some() && trust::members(repository)?.list.is_none();
    let number = newest.map_or(1, |list| list.number + 1);
    let interrupted =
        repository.unsealed(Kind::RevocationList)?.iter().any(|begun| is_list(&begun.payload, number));
    if drafts(repository)? == 0 && !(renew || withdrawn || interrupted) {
        let said = match newest {
            Some(list) => format!("list {} says all that is revoked", list.number),
            None => "nothing is revoked".to_owned(),
        };
        return Err(CommandError::refused("revocation-nothing-new", said)
            .hint("revoke with `chancery revocation add`, or publish a list all the same with `--empty`"));
    }
    let sealers = Sealers::open(repository, Role::Revoker, pins, now)?;
    let mut published = publish_next(repository, &sealers, now)?;
    // What was interrupted may not hold what was decided since.
    while drafts(repository)? > 0 {
        published = publish_next(repository, &sealers, now)?;
    }
    Ok(published)
}

fn is_list(payload: &[u8], number: u64) -> bool {
    RevocationList::decode(payload).is_ok_and(|list| list.number == number)
}

fn drafts(repository: &Repository) -> Result<usize, CommandError> {
    Ok(repository.revocations()?.iter().filter(|entry| entry.list.is_none()).count())
}

fn publish_next(repository: &mut Repository, sealers: &Sealers, now: u64) -> Result<Published, CommandError> {
    let before = repository.newest_revocation_list()?;
    let number = before.map_or(1, |list| list.number + 1);
    let is_next = |payload: &[u8]| is_list(payload, number);
    let sealed = sealers.seal_next(
        repository,
        Kind::RevocationList,
        is_next,
        |repository| next_payload(repository, before, now),
        now,
    )?;
    let entries = stand(repository, number, &sealed, now)?;
    let known = before.and_then(|list| list.last_revocation).unwrap_or(0);
    Ok(Published { number, log_index: sealed.log_index, entries, new: entries.saturating_sub(known) })
}

fn next_payload(
    repository: &Repository,
    before: Option<RevocationListRecord>,
    now: u64,
) -> Result<Vec<u8>, CommandError> {
    let targets: Vec<_> = repository.revocations()?.into_iter().map(|entry| entry.target).collect();
    let (number, previous) = match before {
        None => (1, None),
        Some(list) => {
            (list.number + 1, Some(RevocationList::hash(&repository.leaf(list.log_index)?.payload)))
        }
    };
    encode(repository.authority()?.id, number, previous, now, &targets)
}

/// Judges a sealed list as part of the whole bundle and as what follows the list before, and lets it stand.
/// Returns how much it revokes.
fn stand(repository: &mut Repository, number: u64, sealed: &Sealed, now: u64) -> Result<u64, CommandError> {
    let mut members = trust::members(repository)?;
    let (_, before) = trust::verified(repository, &members)?;
    members.list = Some(sealed.bytes.clone());
    let (_, after) = trust::verified(repository, &members)?;
    after.check_minima(&before.minima(None)).map_err(|refusal| trust::does_not_verify(&refusal))?;
    let list = RevocationList::decode(Envelope::decode(&sealed.bytes)?.payload)?;
    let entries = list.licenses.iter().count()
        + list.devices.iter().count()
        + list.entitlements.iter().count()
        + list.customers.map_or(0, |names| names.iter().count())
        + list.keys.iter().count();
    // Revocations are numbered without gaps and each is in the list once.
    let entries = entries as u64;
    let record = RevocationListRecord {
        number,
        log_index: sealed.log_index,
        last_revocation: (entries > 0).then_some(entries),
    };
    let change = Standing {
        batches: vec![sealed.log_index],
        documents: vec![(sealed.log_index, sealed.bytes.clone())],
        list: Some(record),
        ..Standing::default()
    };
    repository.stand(&change, now)?;
    Ok(entries)
}

fn encode(
    authority: AuthorityId,
    number: u64,
    previous: Option<Hash>,
    time: u64,
    targets: &[RevocationTarget],
) -> Result<Vec<u8>, CommandError> {
    let (mut licenses, mut devices, mut entitlements) = (Vec::new(), Vec::new(), Vec::new());
    let (mut customers, mut keys) = (Vec::new(), Vec::new());
    for target in targets {
        match target {
            RevocationTarget::License(id) => licenses.push(id.0),
            RevocationTarget::Device(thumbprint) => devices.push(thumbprint.0),
            RevocationTarget::Entitlement(id) => entitlements.push(id.0),
            RevocationTarget::Customer(name) => customers.push(name.as_str()),
            RevocationTarget::Key { thumbprint, head } => {
                keys.push((*thumbprint, *head));
            }
        }
    }
    let internal = || CommandError::failed("internal", "ids that were just joined are not sorted");
    let (licenses, devices) = (Ids::encode(&licenses), Ids::encode(&devices));
    let (entitlements, names) = (Ids::encode(&entitlements), Names::encode(&customers));
    let revoked = RevokedKeys::encode(&keys);
    let list = RevocationList {
        authority,
        number,
        previous,
        time,
        licenses: Ids::decode(&licenses).ok_or_else(internal)?,
        devices: Ids::decode(&devices).ok_or_else(internal)?,
        entitlements: Ids::decode(&entitlements).ok_or_else(internal)?,
        customers: if customers.is_empty() { None } else { Some(Names::decode(&names, false)?) },
        keys: if keys.is_empty() { RevokedKeys::NONE } else { RevokedKeys::decode(&revoked)? },
    };
    Ok(list.encode())
}
