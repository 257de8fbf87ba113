//! Updates: new licenses for whoever holds one of an entitlement that was changed since, without a new request.
//!
//! Each goes on with the activation, the device key and the components of the license before it, and says what the
//! newest grant says. What is signed already is not signed again: a license knows the grant that it was issued under,
//! so that an update which was interrupted goes on where it was. Not here: what a license says (`terms`).

use std::path::{Path, PathBuf};

use chancery_carriers::files::{FileError, create_new, remove_leftovers, sync_folder};
use chancery_formats::cose::Unsigned;
use chancery_formats::document::Kind;
use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use chancery_formats::license::License;
use chancery_formats::trust::KeyMode;
use chancery_hsm_config::PinSource;

use super::approval::recheck::Vouching;
use super::batch::export::{ensure, require_same};
use super::issuer::Issuer;
use super::revoked::Revoked;
use super::signing::{open_key, sign_direct};
use super::terms::{Bound, One};
use super::{batch, issue, random, terms};
use crate::error::CommandError;
use crate::repository::{Entitlement, HeldLicense, NewLicense, Repository};

/// One license of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Updated {
    /// The license.
    pub id: LicenseId,
    /// Its device; none for a license bound to none.
    pub device: Option<Thumbprint>,
    /// Its file.
    pub file: PathBuf,
}

/// What an update did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The entitlement.
    pub entitlement: Entitlement,
    /// The folder with the files of this update.
    pub folder: PathBuf,
    /// Every license that holds now, by activation.
    pub licenses: Vec<Updated>,
    /// How many of these are new.
    pub new: u64,
    /// Activations that were passed over, because their license or device is revoked.
    pub revoked: u64,
}

/// Issues what the newest grant of an entitlement changes, and writes the files below `out`, in a folder named for the
/// entitlement and the grant: `DEVICE-ID.clic`, or `LICENSE-ID.clic` for licenses bound to no device.
///
/// # Errors
///
/// `update-nobody` where nobody holds a license; `entitlement-suspended`, `entitlement-revoked`, `entitlement-ended`;
/// those of issuing and of the files, after which the same command goes on.
pub fn update(
    repository: &mut Repository,
    id: EntitlementId,
    out: &Path,
    pins: &mut PinSource,
    now: u64,
) -> Result<Update, CommandError> {
    let entitlement = repository.entitlement(id)?;
    require_updatable(&entitlement, now)?;
    Vouching::load(repository)?.require(repository, id)?;
    let revoked = Revoked::load(repository)?;
    revoked.refuse(None, None, id, &entitlement.customer)?;
    let held = newest_of_each(repository.held_licenses(id)?);
    let (held, withdrawn): (Vec<_>, Vec<_>) = held.into_iter().partition(|license| {
        revoked.refuse(Some(license.id), license.device, id, &entitlement.customer).is_ok()
    });
    if held.is_empty() {
        return Err(CommandError::refused(
            "update-nobody",
            format!("nobody holds a license of entitlement {id}"),
        )
        .hint("issue one with `chancery license issue`"));
    }
    let older: Vec<_> = held.iter().filter(|license| license.grant < entitlement.revision).collect();
    let new = older.len() as u64;
    if !older.is_empty() {
        issue_all(repository, &entitlement, &older, &revoked, pins, now)?;
    }
    let folder = out.join(format!("{id}-{}", entitlement.revision));
    ensure(out)?;
    ensure(&folder)?;
    remove_leftovers(&folder)?;
    let mut licenses = Vec::new();
    for license in newest_of_each(repository.held_licenses(id)?) {
        if held.iter().all(|known| known.activation != license.activation) {
            continue;
        }
        let document = issue::again(repository, license.log_index)?.sign(repository, None, pins, now)?;
        licenses.push(Updated {
            id: license.id,
            device: license.device,
            file: write(&folder, &license, &document)?,
        });
    }
    sync_folder(&folder)?;
    Ok(Update { entitlement, folder, licenses, new, revoked: withdrawn.len() as u64 })
}

fn require_updatable(entitlement: &Entitlement, now: u64) -> Result<(), CommandError> {
    entitlement.require_active()?;
    if entitlement.not_after.is_some_and(|end| end < now) {
        let message = format!("entitlement {} has ended", entitlement.id);
        return Err(CommandError::refused("entitlement-ended", message)
            .hint("renew it with `chancery entitlement renew`, or grant a new one"));
    }
    Ok(())
}

/// Returns the newest license of each activation, from licenses by activation and revision.
fn newest_of_each(held: Vec<HeldLicense>) -> Vec<HeldLicense> {
    let mut newest: Vec<HeldLicense> = Vec::new();
    for license in held {
        match newest.last_mut() {
            Some(last) if last.activation == license.activation => *last = license,
            _ => newest.push(license),
        }
    }
    newest
}

/// Issues the license that follows each of `older`.
fn issue_all(
    repository: &mut Repository,
    entitlement: &Entitlement,
    older: &[&HeldLicense],
    revoked: &Revoked,
    pins: &mut PinSource,
    now: u64,
) -> Result<(), CommandError> {
    let issuer = Issuer::in_force(repository, now)?;
    issuer.require_scope(entitlement)?;
    let name = repository.authority()?.name;
    let header = issuer.header();
    let mut following = Vec::new();
    let mut revision_of_none = repository.next_revision(entitlement.id, None)?;
    for before in older {
        let revision = match before.device {
            Some(device) => repository.next_revision(entitlement.id, Some(device))?,
            None => revision_of_none,
        };
        revision_of_none += u64::from(before.device.is_none());
        let payload = repository.leaf(before.log_index)?.payload;
        let license = License::decode(&payload)?;
        let one = One {
            id: LicenseId(random()?),
            revision,
            bound: Bound::as_before(&license),
            least_revocation_list: revoked.least_list_after(license.terms.least_revocation_list),
        };
        let unsigned = Unsigned::new(&header, terms::encode(&name, entitlement, &one, now)?);
        let new = NewLicense {
            id: one.id,
            entitlement: entitlement.id,
            device: before.device,
            revision,
            request_hash: None,
            grant: entitlement.revision,
            activation: before.device.is_none().then_some(before.activation),
        };
        following.push((unsigned, new));
    }
    match issuer.mode {
        KeyMode::Direct => {
            let key = open_key(&repository.home().clone(), &issuer.key, pins)?;
            for (unsigned, new) in &following {
                sign_direct(repository, &key, Kind::License, unsigned, Some(new), now)?;
            }
        }
        KeyMode::Seal => {
            let keys = issuer.open_keys(repository, pins)?;
            let first = batch::begin(repository, &issuer, &keys, None, now, |writer| {
                following.iter().try_for_each(|(unsigned, new)| {
                    Ok(writer.push(unsigned.protected(), unsigned.payload(), new)?)
                })
            })?;
            let record = repository.batch(first)?;
            batch::settle(repository, &record, &keys, now)?;
        }
    }
    Ok(())
}

/// Writes a license, or finds it written.
fn write(folder: &Path, license: &HeldLicense, document: &[u8]) -> Result<PathBuf, CommandError> {
    let name = license.device.map_or_else(|| license.id.to_string(), |device| device.device_id().to_string());
    let path = folder.join(format!("{name}.clic"));
    match create_new(&path).and_then(|output| output.commit_of_many(document)) {
        Ok(()) => {}
        Err(FileError::AlreadyExists { .. }) => require_same(&path, document)?,
        Err(error) => return Err(error.into()),
    }
    Ok(path)
}
