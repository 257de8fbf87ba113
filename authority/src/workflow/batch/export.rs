//! A batch as files: `CUSTOMER/SITE/LICENSE.clic`, each new, whole and synced, and run again until all are there.
//!
//! A file that is there and holds its license is passed over; one that holds something else is never touched, and
//! is an error. Every license goes through the verifier before it is written. Not here: pictures and armor, which
//! `license export` makes of single licenses.

use std::collections::HashSet;
use std::fs::DirBuilder;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use chancery_carriers::files::{
    FileError, create_new, portable_name, read_document, remove_leftovers, sync_folder,
};
use chancery_carriers::text::ShownPath;
use chancery_formats::document::MAX_DOCUMENT;
use chancery_formats::grant::State;
use chancery_formats::license::License;
use chancery_verifier::{Refusal, Trust, verify_license};

use super::Known;
use crate::error::CommandError;
use crate::log::SealedBatch;
use crate::repository::batch::BatchLicense;
use crate::repository::{BatchRecord, Repository};
use crate::workflow::approval::recheck::Vouching;
use crate::workflow::{batch, trust};

/// What an export did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Files that are new.
    pub written: u64,
    /// Files that were there.
    pub passed_over: u64,
    /// Licenses that are revoked, or of an entitlement that is, of which no file is written.
    pub revoked: u64,
    /// Licenses of entitlements that are suspended, of which no file is written now.
    pub suspended: u64,
}

/// Writes the licenses of a sealed batch under `out`, which is made where it is missing; `progress` is told how many
/// of how many are done.
///
/// # Errors
///
/// `signature-missing` for a batch that waits; `file-other` where a file of the name holds something else; an
/// integrity alarm where the verifier refuses a license; `approval-missing` and the alarms of [`Vouching::require`];
/// what the file system refuses. Running it again goes on.
pub fn export(
    repository: &Repository,
    record: &BatchRecord,
    out: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Exported, CommandError> {
    let (_, trust) = trust::bundle(repository)?;
    let sealed = SealedBatch::open(repository, record)?.filter(|_| record.sealed_at.is_some());
    let sealed = sealed.ok_or_else(|| waits(record))?;
    let mut folders = Folders::open(out)?;
    let mut exported = Exported::default();
    let mut known = Known::default();
    let (mut vouching, mut vouched) = (Vouching::load(repository)?, None);
    let mut done = 0;
    repository.each_license(record, |license| {
        let entitlement = License::decode(&license.payload)?.terms.entitlement;
        if vouched != Some(entitlement) {
            vouching.require(repository, entitlement)?;
            vouched = Some(entitlement);
        }
        match standing(repository, &mut known, &license)? {
            State::Active => write(&mut folders, &sealed, &trust, license, &mut exported)?,
            State::Revoked => exported.revoked += 1,
            State::Suspended => exported.suspended += 1,
        }
        done += 1;
        progress(done, record.leaf_count);
        Ok::<(), CommandError>(())
    })?;
    folders.close()?;
    Ok(exported)
}

/// Returns whether the entitlement of a license is in force.
fn standing(
    repository: &Repository,
    known: &mut Known,
    license: &BatchLicense,
) -> Result<State, CommandError> {
    let claims = License::decode(&license.payload)?;
    Ok(known.entitlement(claims.terms.entitlement, |id| repository.entitlement(id))?.standing())
}

fn waits(record: &BatchRecord) -> CommandError {
    let message = format!("batch {} is not sealed: a signature is missing", record.first_index);
    CommandError::failed("signature-missing", message).hint(batch::how_to_go_on(record))
}

fn write(
    folders: &mut Folders,
    sealed: &SealedBatch,
    trust: &Trust,
    license: BatchLicense,
    exported: &mut Exported,
) -> Result<(), CommandError> {
    let BatchLicense { log_index, id, protected, payload } = license;
    let claims = License::decode(&payload)?;
    let (customer, site) = (portable_name(claims.customer()), claims.site().map(portable_name));
    let document = sealed.document(log_index, protected, payload);
    match verify_license(&document, trust) {
        Ok(_) => {}
        Err(Refusal::Revoked { .. }) => {
            exported.revoked += 1;
            return Ok(());
        }
        Err(refusal) => {
            let message = format!("license {id} does not do what it was issued for");
            return Err(CommandError::alarm(refusal.code(), message)
                .cause(refusal.to_string())
                .hint("hand out none of this batch; keep the home as it is, and call the auditor"));
        }
    }
    let path = folders.enter(&customer, site.as_deref())?.join(format!("{id}.clic"));
    match create_new(&path).and_then(|output| output.commit_of_many(&document)) {
        Ok(()) => exported.written += 1,
        Err(FileError::AlreadyExists { .. }) => {
            require_same(&path, &document)?;
            exported.passed_over += 1;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Refuses a file that holds something else than a document.
pub(in crate::workflow) fn require_same(path: &Path, document: &[u8]) -> Result<(), CommandError> {
    match read_document(path, MAX_DOCUMENT as u64) {
        Ok(found) if found == document => Ok(()),
        Err(error @ (FileError::Io { .. } | FileError::Permission { .. })) => Err(error.into()),
        _ => {
            let message = format!("{} holds something else than this license", ShownPath(path));
            Err(CommandError::failed("file-other", message).hint(
                "find out who wrote it and move it away, or name another folder; nothing is overwritten",
            ))
        }
    }
}

/// The folders of an export. Names in a folder are synced when the next one is entered, all of them by the end.
struct Folders {
    out: PathBuf,
    current: Option<PathBuf>,
    /// Hashes of the folders that were entered: only the first time is looked for what a killed run left.
    entered: HashSet<u64>,
    hasher: RandomState,
}

impl Folders {
    fn open(out: &Path) -> Result<Self, CommandError> {
        ensure(out)?;
        Ok(Self { out: out.into(), current: None, entered: HashSet::new(), hasher: RandomState::new() })
    }

    fn enter(&mut self, customer: &str, site: Option<&str>) -> Result<&Path, CommandError> {
        let customer = self.out.join(customer);
        let folder = site.map_or_else(|| customer.clone(), |site| customer.join(site));
        if self.current.as_ref() != Some(&folder) {
            if let Some(left) = self.current.take() {
                sync_folder(&left)?;
            }
            ensure(&customer)?;
            if site.is_some() {
                ensure(&folder)?;
            }
            if self.entered.insert(self.hasher.hash_one(&folder)) {
                remove_leftovers(&folder)?;
            }
        }
        Ok(self.current.insert(folder))
    }

    fn close(self) -> Result<(), CommandError> {
        Ok(self.current.as_deref().map_or(Ok(()), sync_folder)?)
    }
}

/// Makes a folder where it is missing, and refuses anything else that has its name, a link among them.
pub(in crate::workflow) fn ensure(path: &Path) -> Result<(), CommandError> {
    match DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            Ok(sync_folder(parent.unwrap_or(Path::new(".")))?)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let found = path.symlink_metadata().map(|found| found.is_dir());
            if found.is_ok_and(|is_folder| is_folder) {
                return Ok(());
            }
            Err(FileError::NotFolder { path: path.into() }.into())
        }
        Err(source) => Err(FileError::from_io("create", path, source).into()),
    }
}
