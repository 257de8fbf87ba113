//! The whole loop in one folder: authority, entitlement, request, license, verification, four attacks.
//!
//! Every step is the one that operators and sites run; only the keys are embedded software keys, and
//! the site is this machine. Not here: what is printed (`commands::demo`).

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use chancery_carriers::files::{create_new, create_private_folder, read_document, write_private};
use chancery_formats::document::{Kind, MAX_DOCUMENT};
use chancery_formats::id::{AuthorityId, LicenseId, Thumbprint};
use chancery_formats::key::Algorithm;
use chancery_hsm_config::{Key, PinSource, SoftwareKey};
use chancery_verifier::device::{Component, collect};
use chancery_verifier::{Context, Decision, Draft, Facts, Pin, Refusal, Trust, decide, verify_license};

use super::entitlement::grant::{Order, grant, sold};
use super::export::{Targets, reserve};
use super::init::{Plan, init};
use super::{catalog, issue, random, trust};
use crate::error::CommandError;
use crate::home::Home;
use crate::repository::{Binding, Customer, Entitlement, Model, Note, Repository};

const CATALOG: &str = r#"[[product]]
id = "pump"
name = "Pump Control"

[[product.feature]]
id = "logging"

[[product.feature]]
id = "channels"
kind = "limit"

[[product.edition]]
id = "standard"
features = { logging = true, channels = 16 }
"#;

/// The feature that the demo asks for.
pub const FEATURE: &str = "logging";

const YEAR_SECS: u64 = 365 * 24 * 60 * 60;

/// The folder of a demo, and what lies in it.
#[derive(Debug)]
pub struct Folder {
    /// The folder itself.
    pub path: PathBuf,
}

impl Folder {
    /// Makes a new folder below the one for temporary files, for its owner alone.
    ///
    /// # Errors
    ///
    /// What the file system refuses.
    pub fn create() -> Result<Self, CommandError> {
        let tail: String = random::<4>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = std::env::temp_dir().join(format!("chancery-demo-{tail}"));
        create_private_folder(&path)?;
        Ok(Self { path })
    }

    /// Returns the home of the authority.
    #[must_use]
    pub fn home(&self) -> Home {
        Home::new(self.path.join("authority"))
    }

    /// Returns the path of a file in the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// An authority of the demo.
#[derive(Debug)]
pub struct Authority {
    /// Its id.
    pub id: AuthorityId,
    repository: Repository,
    passphrase: String,
}

impl Authority {
    /// Makes an authority whose passphrase lies beside its home, as only a demo's may.
    ///
    /// # Errors
    ///
    /// Those of `init`.
    pub fn create(folder: &Folder, home: &Home, name: &str, now: u64) -> Result<Self, CommandError> {
        let passphrase: String = random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut pins = PinSource::lines(Cursor::new(format!("{passphrase}\n")));
        let made = init(home, &Plan { name, root_key: None, issuing_key: None }, &mut pins, now)?;
        if home.path() == folder.home().path() {
            write_private(&folder.file("passphrase"), format!("{passphrase}\n").as_bytes())?;
        }
        Ok(Self { id: made.authority, repository: Repository::open(home)?, passphrase })
    }

    /// Sells one pump license for a year: catalog file, customer, entitlement.
    ///
    /// # Errors
    ///
    /// Those of the file and the repository.
    pub fn sell(&mut self, catalog_file: &Path, now: u64) -> Result<Entitlement, CommandError> {
        if !catalog_file.exists() {
            create_new(catalog_file)?.commit(CATALOG.as_bytes())?;
        }
        let text = String::from_utf8_lossy(&read_document(catalog_file, catalog::MAX_BYTES)?).into_owned();
        let catalog = catalog::read(&text)
            .map_err(|error| CommandError::failed("catalog-invalid", error.to_string()))?;
        self.repository.apply_catalog(&catalog, &text, now)?;
        let customer = Customer { id: "acme".to_owned(), name: "Acme Water".to_owned(), added_at: now };
        self.repository.add_customer(&customer)?;
        let sold = sold(&self.repository, "pump", "standard", Model::Subscription, Binding::Device)?;
        let order = Order {
            customer: "acme",
            quantity: 1,
            site: None,
            not_before: None,
            not_after: Some(now + YEAR_SECS),
        };
        let note = Note { by: "demo", reason: "order 1", at: now };
        grant(&mut self.repository, &order, &sold, &note)
    }

    /// Issues the license that answers a request, as files.
    ///
    /// # Errors
    ///
    /// Those of `license issue`.
    pub fn issue(
        &mut self,
        entitlement: &Entitlement,
        request: &[u8],
        targets: &Targets<'_>,
        now: u64,
    ) -> Result<(LicenseId, Vec<u8>), CommandError> {
        let mut pins = PinSource::lines(Cursor::new(format!("{}\n", self.passphrase)));
        let prepared = issue::prepare(&self.repository, entitlement.id, Some(request), now)?;
        let (id, reserved) = (prepared.id, reserve(targets, prepared.document_len())?);
        let license = prepared.sign(&mut self.repository, Some(request), &mut pins, now)?;
        reserved.write(Kind::License, &license)?;
        Ok((id, license))
    }

    /// Publishes the trust bundle and returns it.
    ///
    /// # Errors
    ///
    /// Those of `bundle publish`.
    pub fn publish(&self, path: &Path) -> Result<Vec<u8>, CommandError> {
        let (bundle, _) = trust::bundle(&self.repository)?;
        create_new(path)?.commit(&bundle)?;
        Ok(bundle)
    }
}

/// The site: this machine, with a device key made for the demo.
#[derive(Debug)]
pub struct Site {
    key: Key,
    /// What this machine is made of.
    pub components: Vec<Component>,
}

impl Site {
    /// Makes the device key and reads the components of this machine.
    ///
    /// # Errors
    ///
    /// Those of the key.
    pub fn here() -> Result<Self, CommandError> {
        let key = Key::from_software(SoftwareKey::ephemeral(Algorithm::Ed25519)?)?;
        Ok(Self { key, components: collect::components() })
    }

    /// Returns the identity of the device key.
    #[must_use]
    pub fn device(&self) -> Thumbprint {
        self.key.public_key().thumbprint()
    }

    /// Asks for a license and writes the request.
    ///
    /// # Errors
    ///
    /// Those of the key and the file.
    pub fn request(&self, entitlement: &Entitlement, path: &Path, now: u64) -> Result<Vec<u8>, CommandError> {
        let draft = Draft {
            product: &entitlement.product,
            entitlement: entitlement.id,
            device_key: self.key.public_key(),
            nonce: random()?,
            site_clock: now,
            components: &self.components,
            root_version: 0,
            revocation_list: 0,
        };
        let unsigned = draft.prepare().map_err(refused)?;
        let request = unsigned.sign(&self.key.sign(&unsigned.sig_structure())?);
        create_new(path)?.commit(&request)?;
        Ok(request)
    }

    /// Judges a license file as the product at this site would, at the time `now`.
    ///
    /// # Errors
    ///
    /// The reason why the license is not genuine; a decision otherwise.
    pub fn check(
        &self,
        license: &Path,
        bundle: &[u8],
        pin: AuthorityId,
        now: u64,
    ) -> Result<Result<Decision, Refusal>, CommandError> {
        let bytes = read_document(license, MAX_DOCUMENT as u64)?;
        let judged = Trust::load(bundle, Pin::Authority(pin)).and_then(|trust| {
            let verified = verify_license(&bytes, &trust)?;
            let context = Context {
                now,
                product: "pump",
                device_key: Some(self.device()),
                components: &self.components,
                facts: Facts::default(),
            };
            Ok(decide(&verified, &context, Some(FEATURE)))
        });
        Ok(judged)
    }
}

/// Writes a copy of a license with one bit changed.
///
/// # Errors
///
/// What the file system refuses.
pub fn flip_a_bit(license: &[u8], path: &Path) -> Result<(), CommandError> {
    let mut changed = license.to_vec();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    create_new(path)?.commit(&changed)?;
    Ok(())
}

/// Removes the folder of an authority that the demo made only to attack with.
///
/// # Errors
///
/// What the file system refuses.
pub fn remove(home: &Home) -> Result<(), CommandError> {
    fs::remove_dir_all(home.path()).map_err(|error| CommandError::failed("demo", error.to_string()))
}

fn refused(refusal: Refusal) -> CommandError {
    CommandError::refused(refusal.code(), refusal.to_string())
}
