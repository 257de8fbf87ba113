//! Tests of the life of entitlements: what they share, and one file a promise.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, EntitlementId, LicenseId, Thumbprint};
use chancery_formats::key::{Protection, PublicKey};
use chancery_formats::seal::Role;

use super::amend::{Amendment, amend};
use super::convert::{Conversion, convert};
use super::grant::{Order, grant, sold};
use super::island::{Split, split};
use super::renew::{Follows, Length, Renewal, Renewed, renew};
use super::standing::{Ended, resume, revoke, suspend};
use super::transfer::{Transferred, transfer};
use super::*;
use crate::home::Home;
use crate::repository::{
    Authority, Binding, Customer, FeatureValue, Model, NewKey, NewLeaf, NewLicense, NewOperation,
    RepositoryError, RevocationTarget, Rules, Sold,
};
use crate::workflow::catalog;

mod changes;
mod random;
mod refusals;
mod sales;

/// 2027-01-15 08:00:00 UTC.
const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;
const ISSUER: PublicKey = PublicKey::Ed25519([7; 32]);

const CATALOG: &str = r#"[[product]]
id = "pump"
name = "Pump Control"

[[product.feature]]
id = "logging"

[[product.feature]]
id = "export"

[[product.feature]]
id = "channels"
kind = "limit"

[[product.edition]]
id = "standard"
features = { logging = true, channels = 16 }

[[product.edition]]
id = "professional"
features = { logging = true, export = true, channels = 64 }

[[product]]
id = "valve"
name = "Valve Control"

[[product.edition]]
id = "standard"
features = {}
"#;

/// An authority in a folder of its own, removed with it.
struct Shop {
    folder: PathBuf,
    repository: Repository,
    licenses: u64,
    now: u64,
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Shop {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("chancery-shop-{}-{number}", std::process::id()));
        let mut repository = Repository::create(&Home::new(&folder)).unwrap();
        let key = NewKey {
            public_key: ISSUER,
            role: Role::Issuer,
            reference: Some("file:issuer.pem"),
            protection: Protection::Software,
        };
        repository.add_key(&key, NOW).unwrap();
        repository.apply_catalog(&catalog::read(CATALOG).unwrap(), CATALOG, NOW).unwrap();
        for id in ["acme", "globex"] {
            let customer = Customer { id: id.to_owned(), name: id.to_owned(), added_at: NOW };
            repository.add_customer(&customer).unwrap();
        }
        let id = AuthorityId([1; 32]);
        let authority = Authority { id, name: "vendor".to_owned(), root_version: 1, created_at: NOW };
        repository.set_authority(&authority).unwrap();
        Self { folder, repository, licenses: 0, now: NOW }
    }

    fn note(&self) -> Note<'static> {
        Note { by: "Dana Keller", reason: "order 4711", at: self.now }
    }

    fn sold(&self, edition: &str, model: Model) -> Sold {
        sold(&self.repository, "pump", edition, model, Binding::Device).unwrap()
    }

    fn grant_of(&mut self, sold: &Sold, order: &Order<'_>) -> Result<Entitlement, CommandError> {
        let note = self.note();
        grant(&mut self.repository, order, sold, &note)
    }

    /// Grants the standard edition to acme, but for a perpetual one until a hundred days from now.
    fn grant(&mut self, model: Model, quantity: u64) -> EntitlementId {
        let not_after = (model != Model::Perpetual).then_some(self.now + 100 * DAY);
        let order = Order { customer: "acme", quantity, site: None, not_before: Some(self.now), not_after };
        self.grant_of(&self.sold("standard", model), &order).unwrap().id
    }

    fn amend(&mut self, id: EntitlementId, amendment: &Amendment) -> Result<Changed, CommandError> {
        let note = self.note();
        amend(&mut self.repository, id, amendment, &note)
    }

    fn quantity(&mut self, id: EntitlementId, quantity: u64) -> Result<Changed, CommandError> {
        self.amend(id, &Amendment { quantity: Some(quantity), ..Amendment::default() })
    }

    fn feature(
        &mut self,
        id: EntitlementId,
        name: &str,
        value: Option<FeatureValue>,
    ) -> Result<Changed, CommandError> {
        self.amend(id, &Amendment { features: [(name.to_owned(), value)].into(), ..Amendment::default() })
    }

    fn renew(&mut self, id: EntitlementId, length: Length) -> Result<Renewed, CommandError> {
        let note = self.note();
        renew(&mut self.repository, id, length, &note)
    }

    fn convert(
        &mut self,
        id: EntitlementId,
        model: Model,
        not_after: Option<u64>,
    ) -> Result<Changed, CommandError> {
        let note = self.note();
        convert(&mut self.repository, id, &Conversion { model, not_after, sold: None }, &note)
    }

    fn split(&mut self, id: EntitlementId, quantity: u64) -> Result<Split, CommandError> {
        let note = self.note();
        split(&mut self.repository, id, "platform", quantity, &note)
    }

    fn transfer(
        &mut self,
        id: EntitlementId,
        customer: Option<&str>,
        site: Option<&str>,
    ) -> Result<Transferred, CommandError> {
        let note = self.note();
        transfer(&mut self.repository, id, customer, site, &note)
    }

    fn suspend(&mut self, id: EntitlementId) -> Result<Changed, CommandError> {
        let note = self.note();
        suspend(&mut self.repository, id, &note)
    }

    fn resume(&mut self, id: EntitlementId) -> Result<Changed, CommandError> {
        let note = self.note();
        resume(&mut self.repository, id, &note)
    }

    fn revoke(&mut self, id: EntitlementId) -> Result<Ended, CommandError> {
        let note = self.note();
        revoke(&mut self.repository, id, &note)
    }

    fn get(&self, id: EntitlementId) -> Entitlement {
        self.repository.entitlement(id).unwrap()
    }

    /// Intends a license for a device, as issuing does, by the grant with this number.
    fn draw_under(
        &mut self,
        id: EntitlementId,
        device: u8,
        grant: u64,
    ) -> Result<LicenseId, RepositoryError> {
        self.licenses += 1;
        let mut number = [0; 16];
        number[8..].copy_from_slice(&self.licenses.to_be_bytes());
        let device = Some(Thumbprint([device; 32]));
        let license = NewLicense {
            id: LicenseId(number),
            entitlement: id,
            device,
            revision: self.repository.next_revision(id, device)?,
            request_hash: None,
            grant,
            activation: None,
        };
        let leaf = NewLeaf { kind: Kind::License, protected: &[0xa0], payload: &number };
        let operation = NewOperation { key: ISSUER.thumbprint(), message_hash: [3; 32], message_bytes: 1 };
        self.repository.begin(&leaf, &operation, Some(&license), self.now)?;
        Ok(license.id)
    }

    fn draw(&mut self, id: EntitlementId, device: u8) -> Result<LicenseId, RepositoryError> {
        let grant = self.get(id).revision;
        self.draw_under(id, device, grant)
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, CommandError>) -> &'static str {
    result.map_or_else(|error| error.code(), |done| panic!("not refused: {done:?}"))
}
