//! Tests of the repository: what they share, and one file a promise.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, EntitlementId, LicenseId, Thumbprint};
use chancery_formats::key::{Protection, PublicKey};
use chancery_formats::seal::Role;
use sha2::{Digest, Sha256};

use super::catalog::Features;
use super::*;
use crate::workflow::entitlement::grant::{Order, grant_as, sold};

mod append_only;
mod approvals;
mod catalog;
mod covering;
mod device_log;
mod disk;
mod issuing;
mod opening;
mod selling;
pub(crate) mod tampering;
mod upgrading;
mod verifying;

const NOW: u64 = 1_800_000_000;
const ISSUER: PublicKey = PublicKey::Ed25519([7; 32]);

/// A directory of its own for a test, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("chancery-repository-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn home(&self) -> Home {
        Home::new(self.0.join("home"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An authority with an issuing key, a catalog and a customer.
fn authority(home: &Home) -> Repository {
    let mut repository = Repository::create(home).unwrap();
    let key = NewKey {
        public_key: ISSUER,
        role: Role::Issuer,
        reference: Some("file:issuer.pem"),
        protection: Protection::Software,
    };
    repository.add_key(&key, NOW).unwrap();
    repository.apply_catalog(&catalog_of(16), "text", NOW).unwrap();
    let customer = Customer { id: "acme".to_owned(), name: "Acme".to_owned(), added_at: NOW };
    repository.add_customer(&customer).unwrap();
    let authority =
        Authority { id: AuthorityId([1; 32]), name: "vendor".to_owned(), root_version: 1, created_at: NOW };
    repository.set_authority(&authority).unwrap();
    repository
}

fn catalog_of(channels: u64) -> Catalog {
    let mut product = Product { name: "Pump".to_owned(), ..Product::default() };
    product.features.insert("logging".to_owned(), FeatureKind::Switch);
    product.features.insert("channels".to_owned(), FeatureKind::Limit);
    let standard = product.editions.entry("standard".to_owned()).or_default();
    standard.insert("logging".to_owned(), FeatureValue::On);
    standard.insert("channels".to_owned(), FeatureValue::Limit(channels));
    product.editions.insert("empty".to_owned(), Features::new());
    Catalog { products: [("pump".to_owned(), product)].into(), ..Catalog::default() }
}

const NOTE: Note<'static> = Note { by: "clerk", reason: "order 1", at: NOW };

fn grant(repository: &mut Repository, number: u8, quantity: u64) -> EntitlementId {
    let id = EntitlementId([number; 8]);
    let sold = sold(repository, "pump", "standard", Model::Perpetual, Binding::Device).unwrap();
    let order = Order { customer: "acme", quantity, site: None, not_before: Some(NOW), not_after: None };
    grant_as(repository, id, &order, &sold, &NOTE).unwrap();
    id
}

/// A license for a device whose request is the `number`th of the test.
fn license(entitlement: EntitlementId, device: u8, number: u8, revision: u64) -> NewLicense {
    NewLicense {
        id: LicenseId([number; 16]),
        entitlement,
        device: Some(Thumbprint([device; 32])),
        revision,
        request_hash: Some([number; 32]),
        grant: 1,
        activation: None,
    }
}

fn operation() -> NewOperation {
    NewOperation { key: ISSUER.thumbprint(), message_hash: [3; 32], message_bytes: 100 }
}

fn begin(repository: &mut Repository, new: &NewLicense) -> Result<Intent, RepositoryError> {
    let payload = new.id.0;
    let leaf = NewLeaf { kind: Kind::License, protected: &[0xa0], payload: &payload };
    repository.begin(&leaf, &operation(), Some(new), NOW)
}

fn count(repository: &Repository, sql: &str) -> i64 {
    repository.connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Every file of a folder with the hash of its bytes.
fn content(folder: &Path) -> Vec<(PathBuf, String)> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let hashed = |path: PathBuf| {
        let hash = Sha256::digest(std::fs::read(&path).unwrap());
        (path, hash.iter().map(|byte| format!("{byte:02x}")).collect())
    };
    let mut files: Vec<_> = paths.map(hashed).collect();
    files.sort();
    files
}
