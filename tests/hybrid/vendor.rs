//! A hybrid authority from a ceremony with every key on one machine, and an attacker who has all of its Ed25519 keys.

use std::cell::Cell;
use std::io::Cursor;
use std::path::PathBuf;

use chancery_authority::error::CommandError;
use chancery_authority::home::Home;
use chancery_authority::log::verify::verify;
use chancery_authority::repository::{Binding, Customer, KeyRecord, Model, Note, Repository};
use chancery_authority::workflow::ceremony::plan::Plan;
use chancery_authority::workflow::ceremony::{Answer, Outcome, Request, Room, run};
use chancery_authority::workflow::custody;
use chancery_authority::workflow::entitlement::grant::{Order, grant_as, sold};
use chancery_authority::workflow::role::{Added, Addition, Bounds, Place, Vouching, add};
use chancery_authority::workflow::signing::open_key;
use chancery_authority::workflow::{catalog, issue};
use chancery_formats::cose::{Envelope, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, EntitlementId, KeyId};
use chancery_formats::key::Algorithm;
use chancery_formats::seal::{Role, Seal, SealSignature, Signer, Statement};
use chancery_formats::trust::KeyMode;
use chancery_hsm_config::{Key, KeyRef, PinSource};
use chancery_tests::folder::Folder;

/// When the ceremony is, in Unix seconds: 2026-11-23.
pub const NOW: u64 = 1_795_392_000;

const ENTITLEMENT: EntitlementId = EntitlementId([3; 8]);

const CATALOG: &str = "[[product]]\nid = \"pump\"\nname = \"Pump Control\"\n\n[[product.feature]]\nid = \"logging\"\n\n\
                       [[product.edition]]\nid = \"standard\"\nfeatures = { logging = true }\n";

/// The passphrase of every key file here, as often as it may be asked for.
pub fn pins() -> PinSource {
    PinSource::lines(Cursor::new("correct horse battery staple\n".repeat(32)))
}

pub fn code<T>(result: Result<T, CommandError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "ok")
}

pub fn kind_of(document: &[u8]) -> Kind {
    Kind::from_typ(Envelope::decode(document).unwrap().header.typ).unwrap()
}

/// People who agree to everything.
struct People;

impl Room for People {
    fn now(&self) -> Result<u64, CommandError> {
        Ok(NOW)
    }

    fn show(&mut self, _: &str, _: &[(String, String)]) -> Result<(), CommandError> {
        Ok(())
    }

    fn confirm(&mut self, _: &str, _: Answer<'_>) -> Result<bool, CommandError> {
        Ok(true)
    }
}

fn pair(name: &str) -> String {
    format!("key = \"file:keys/{name}.pem\"\npartner = \"file:keys/{name}-partner.pem\"\n")
}

fn plan() -> String {
    let mut plan =
        "name = \"Northwind Controls GmbH\"\noperator = \"Dana Keller\"\nhybrid = true\nthreshold = 1\n\n\
                    [[custodian]]\nname = \"alice\"\n"
            .to_owned();
    plan += &pair("alice");
    for role in ["issuer", "log", "revoker"] {
        plan += &format!("\n[[role]]\nrole = \"{role}\"\nmode = \"seal\"\n{}", pair(role));
    }
    plan
}

/// A hybrid authority with an entitlement of two licenses that are bound to nothing.
pub struct Vendor {
    pub folder: Folder,
    pub repository: Repository,
    pub authority: AuthorityId,
    /// Seconds since the ceremony.
    clock: Cell<u64>,
}

impl Vendor {
    pub fn found() -> Self {
        let folder = Folder::new("hybrid");
        let (home, exchange) = (Home::new(folder.path().join("home")), folder.path().join("exchange"));
        let text = plan();
        let plan = Plan::read(&text, folder.path()).unwrap();
        let request = Request { home: &home, plan: &plan, text: &text, exchange: &exchange };
        let Outcome::Done(done) = run(&request, &mut People, &mut pins()).unwrap() else {
            panic!("nobody is elsewhere")
        };
        let mut repository = Repository::open(&home).unwrap();
        repository.apply_catalog(&catalog::read(CATALOG).unwrap(), CATALOG, NOW).unwrap();
        let customer = Customer { id: "acme".to_owned(), name: "Acme Water".to_owned(), added_at: NOW };
        repository.add_customer(&customer).unwrap();
        let sold = sold(&repository, "pump", "standard", Model::Perpetual, Binding::None).unwrap();
        let order =
            Order { customer: "acme", quantity: 2, site: None, not_before: Some(NOW), not_after: None };
        let note = Note { by: "clerk", reason: "order 1", at: NOW };
        grant_as(&mut repository, ENTITLEMENT, &order, &sold, &note).unwrap();
        Self { folder, repository, authority: done.authority, clock: Cell::new(0) }
    }

    /// The time, a second later than the last.
    pub fn now(&self) -> u64 {
        self.clock.set(self.clock.get() + 1);
        NOW + self.clock.get()
    }

    pub fn keys(&self) -> PathBuf {
        self.repository.home().keys()
    }

    /// Has a key certified under a seal, beside `co_signers`.
    pub fn add(
        &mut self,
        role: Role,
        place: Place<'_>,
        mode: Option<KeyMode>,
        co_signers: &[Role],
    ) -> Result<Added, CommandError> {
        let wanted = Addition {
            role,
            place,
            mode,
            co_signers: co_signers.to_vec(),
            bounds: Bounds::default(),
            vouching: Vouching::Undecided,
        };
        let now = self.now();
        add(&mut self.repository, &wanted, &custody::Asked::default(), &mut pins(), now)
            .map(|(added, _)| added)
    }

    /// Has a pair of this machine certified.
    pub fn certify(&mut self, role: Role, name: &str) -> Result<KeyId, CommandError> {
        let [key, partner] = ["", "-partner"].map(|half| self.keys().join(format!("{name}{half}.pem")));
        let (key, partner) = (KeyRef::file(key), KeyRef::file(partner));
        let place = Place::Here { key: &key, partner: Some(&partner) };
        Ok(self.add(role, place, None, &[])?.public_key.key_id())
    }

    /// Issues a license that is bound to nothing.
    pub fn issue(&mut self) -> Result<Vec<u8>, CommandError> {
        let now = self.now();
        let prepared = issue::prepare(&self.repository, ENTITLEMENT, None, now)?;
        prepared.sign(&mut self.repository, None, &mut pins(), now)
    }

    /// What `log verify` finds.
    pub fn findings(&self) -> Vec<String> {
        let report = verify(&self.repository, None, |_, _| {}).unwrap();
        report.findings.iter().map(|finding| format!("{finding:?}")).collect()
    }

    /// The document as somebody seals it who has every Ed25519 key of the authority and no other.
    pub fn halve(&self, document: &[u8]) -> Vec<u8> {
        let (envelope, seal) = decoded(document);
        let unsigned = Unsigned::from_parts(envelope.protected.to_vec(), envelope.payload.to_vec());
        let mut signing: Vec<(Signer, Key)> = kept(&seal)
            .map(|signature| {
                let record = self.record(signature.kid);
                let key = open_key(self.repository.home(), &record, &mut pins()).unwrap();
                (signer(&record, signature.algorithm), key)
            })
            .collect();
        signing.sort_by_key(|(signer, _)| *signer);
        let signers: Vec<Signer> = signing.iter().map(|(signer, _)| *signer).collect();
        let statement = Statement {
            authority: self.authority,
            root_version: seal.root_version,
            leaf_typ: envelope.header.typ,
            size: 1,
            root: unsigned.leaf_hash(),
            first_index: seal.log_index(),
            time: seal.time,
            signers: &signers,
        };
        let sign =
            |(signer, key): &(Signer, Key)| key.sign(&statement.to_sign(signer).sig_structure()).unwrap();
        let signatures: Vec<_> = signing.iter().map(sign).collect();
        unsigned.sign(&Seal::encode(&statement, 0, &[], &signatures))
    }

    /// The document with the signatures of ML-DSA-87 cut off, and nothing signed anew.
    pub fn cut(&self, document: &[u8]) -> Vec<u8> {
        let (envelope, seal) = decoded(document);
        assert!(kept(&seal).count() < seal.signatures().count(), "there was such a half");
        let signers: Vec<Signer> =
            kept(&seal).map(|signature| signer(&self.record(signature.kid), signature.algorithm)).collect();
        let statement = Statement {
            authority: self.authority,
            root_version: seal.root_version,
            leaf_typ: envelope.header.typ,
            size: seal.size,
            root: [0; 32],
            first_index: seal.first_index,
            time: seal.time,
            signers: &signers,
        };
        let signatures: Vec<_> = kept(&seal).map(|signature| signature.signature.to_vec()).collect();
        let unsigned = Unsigned::from_parts(envelope.protected.to_vec(), envelope.payload.to_vec());
        unsigned.sign(&Seal::encode(&statement, seal.leaf_index, seal.path, &signatures))
    }

    fn record(&self, kid: KeyId) -> KeyRecord {
        let keys = self.repository.keys().unwrap();
        keys.into_iter().find(|key| key.public_key.key_id() == kid).unwrap()
    }
}

fn kept<'a>(seal: &Seal<'a>) -> impl Iterator<Item = SealSignature<'a>> {
    seal.signatures().filter(|signature| signature.algorithm != Algorithm::MlDsa87)
}

fn signer(record: &KeyRecord, algorithm: Algorithm) -> Signer {
    Signer { role: record.role, thumbprint: record.public_key.thumbprint(), algorithm }
}

fn decoded(document: &[u8]) -> (Envelope<'_>, Seal<'_>) {
    let envelope = Envelope::decode(document).unwrap();
    (envelope, Seal::decode(envelope.signature).unwrap())
}
