//! Homes for the cases: an authority with a catalog, a customer, entitlements and an interrupted license.
//!
//! Made through the repository, because `init` draws random keys and identifiers.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use chancery_authority::home::Home;
use chancery_authority::repository::{
    Authority, Binding, Customer, Model, NewKey, NewLeaf, NewLicense, NewOperation, Note, Repository,
};
use chancery_authority::workflow::catalog;
use chancery_authority::workflow::entitlement::grant::{Order, grant_as, sold};
use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, EntitlementId, LicenseId, Thumbprint};
use chancery_formats::key::{Protection, PublicKey};
use chancery_formats::seal::Role;
use sha2::{Digest, Sha256};

/// 2026-11-01 12:00:00 UTC.
pub const NOW: u64 = 1_793_534_400;

/// An entitlement with two activations, one of them used.
pub const ENTITLEMENT: EntitlementId = EntitlementId([1; 8]);

/// Who grants what these homes hold.
pub const NOTE: Note<'static> = Note { by: "Dana Keller", reason: "order 1", at: NOW };

const ISSUER: PublicKey = PublicKey::Ed25519([7; 32]);
const ROOT: PublicKey = PublicKey::Ed25519([8; 32]);

/// A directory of its own for a test, removed with it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("chancery-cli-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn home(&self) -> Home {
        Home::new(self.0.join("home"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes an authority and closes it.
pub fn authority(home: &Home) {
    drop(open_authority(home));
}

/// Makes an authority with software keys and everything but signed licenses.
pub fn open_authority(home: &Home) -> Repository {
    let mut repository = Repository::create(home).unwrap();
    add_keys(&mut repository);
    let text = include_str!("pump.toml");
    repository.apply_catalog(&catalog::read(text).unwrap(), text, NOW).unwrap();
    let customer = Customer { id: "acme".to_owned(), name: "Müller & Søn".to_owned(), added_at: NOW };
    repository.add_customer(&customer).unwrap();
    grant(&mut repository, ENTITLEMENT, 2, None);
    repository.ballast().ensure().unwrap();
    let authority =
        Authority { id: AuthorityId([1; 32]), name: "vendor".to_owned(), root_version: 1, created_at: NOW };
    repository.set_authority(&authority).unwrap();
    repository
}

/// Grants the standard edition of `pump` to `acme` until the end of June 2027, bound to devices or to a site.
pub fn grant(repository: &mut Repository, id: EntitlementId, quantity: u64, site: Option<&str>) {
    let binding = if site.is_some() { Binding::Site } else { Binding::Device };
    let sold = sold(repository, "pump", "standard", Model::Subscription, binding).unwrap();
    let not_after = Some(1_814_399_999);
    let order = Order { customer: "acme", quantity, site, not_before: Some(NOW), not_after };
    grant_as(repository, id, &order, &sold, &NOTE).unwrap();
}

fn add_keys(repository: &mut Repository) {
    let keys = repository.home().keys();
    std::fs::create_dir(&keys).unwrap();
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o700)).unwrap();
    for (public_key, role, name) in [(ROOT, Role::Custodian, "root"), (ISSUER, Role::Issuer, "issuer")] {
        let path = keys.join(name);
        std::fs::write(&path, "an encrypted key").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let reference = format!("file:{}", path.to_str().unwrap());
        let key = NewKey { public_key, role, reference: Some(&reference), protection: Protection::Software };
        repository.add_key(&key, NOW).unwrap();
    }
}

/// Begins a license and ends there, as a process that is killed does.
pub fn interrupt(repository: &mut Repository) {
    interrupt_by(repository, ISSUER.thumbprint(), ENTITLEMENT);
}

/// Begins a license that draws on `entitlement` and that the key `issuer` is to sign, and ends there.
pub fn interrupt_by(repository: &mut Repository, issuer: Thumbprint, entitlement: EntitlementId) {
    let leaf = NewLeaf { kind: Kind::License, protected: &[0xa0], payload: &[0xa0] };
    let operation = NewOperation { key: issuer, message_hash: [5; 32], message_bytes: 100 };
    let license = NewLicense {
        id: LicenseId([6; 16]),
        entitlement,
        device: Some(Thumbprint([7; 32])),
        revision: 1,
        request_hash: Some([8; 32]),
        grant: 1,
        activation: None,
    };
    repository.begin(&leaf, &operation, Some(&license), NOW).unwrap();
}

/// Runs SQL as another program would, without the repository's settings.
pub fn tamper(home: &Home, sql: &str) {
    rusqlite::Connection::open(home.database()).unwrap().execute_batch(sql).unwrap();
}

/// Whether a file is a write-ahead log without an entry, or the index of one.
///
/// Cases run side by side, and one that opens the database to write may find nothing to write. Where a reader of
/// another case ends after it, such a log stays.
fn is_empty_log(path: &Path) -> bool {
    let name = path.to_string_lossy();
    let Some(database) = name.strip_suffix("-wal").or(name.strip_suffix("-shm")) else { return false };
    std::fs::metadata(format!("{database}-wal")).is_ok_and(|found| found.len() == 0)
}

/// Every file below a folder, with its mode and bytes in hexadecimal digits of their SHA-256.
pub fn content(folder: &Path) -> Vec<(PathBuf, u32, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(content(&path));
        } else if !is_empty_log(&path) {
            let hash = Sha256::digest(std::fs::read(&path).unwrap());
            let mode = path.metadata().unwrap().permissions().mode();
            found.push((path, mode, hash.iter().map(|byte| format!("{byte:02x}")).collect()));
        }
    }
    found.sort();
    found
}
