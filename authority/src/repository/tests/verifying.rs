//! What `log verify` finds, and by which check: a world with some of everything, and homes forged from it.
//!
//! That every single change of every table is found is in `covering`. The home has what a log can hold: documents signed directly and sealed, a batch, licenses, operations that
//! signed, failed and never ended, a checkpoint. Every change is made as another program would make it, past the
//! triggers, and undone by copying the whole home anew.

use super::*;
use crate::error::CommandError;
use crate::log::verify::{Report, verify};
use crate::workflow::checkpoint::make_by;
use crate::workflow::signing::{Sealer, direct_header, seal_one, sign_direct};
use chancery_formats::cose::{Header, Mode, Unsigned};
use chancery_formats::key::Algorithm;
use chancery_formats::license::{Enforcement, Features, License, Terms};
use chancery_formats::seal::{Signer, Statement};
use chancery_hsm_config::{Key, SoftwareKey};
use rusqlite::config::DbConfig;
use rusqlite::types::Value;

/// An authority with keys in memory, and a log with some of everything.
pub(super) struct World {
    pub(super) folder: Folder,
    pub(super) repository: Repository,
    keys: [(Role, Key); 2],
}

fn add(repository: &mut Repository, role: Role) -> Key {
    let key = Key::from_software(SoftwareKey::ephemeral(Algorithm::Ed25519).unwrap()).unwrap();
    let public_key = key.public_key();
    let reference = format!("file:{}.pem", public_key.key_id());
    let new = NewKey { public_key, role, reference: Some(&reference), protection: Protection::Software };
    repository.add_key(&new, NOW).unwrap();
    key
}

/// The payload of a license.
fn terms(id: u8, entitlement: EntitlementId, revision: u64) -> Vec<u8> {
    let features = Features::encode(&[]);
    let terms = Terms {
        entitlement,
        edition: "standard",
        revision,
        features: Features::decode(&features).unwrap(),
        versions: None,
        seats: None,
        device: None,
        territory: None,
        support: None,
        enforcement: Enforcement::default(),
        distribution: None,
        least_revocation_list: None,
        bindings: None,
        users: None,
    };
    let license = License {
        issuer: "vendor",
        subject: "acme",
        product: "pump",
        not_after: None,
        not_before: None,
        issued_at: NOW,
        id: LicenseId([id; 16]),
        device_key: Some(Thumbprint([id; 32])),
        terms,
    };
    license.encode()
}

impl World {
    pub(super) fn new() -> Self {
        let folder = Folder::new();
        let mut repository = Repository::create(&folder.home()).unwrap();
        repository.apply_catalog(&catalog_of(16), "text", NOW).unwrap();
        let customer = Customer { id: "acme".to_owned(), name: "Acme".to_owned(), added_at: NOW };
        repository.add_customer(&customer).unwrap();
        let id = AuthorityId([1; 32]);
        let authority = Authority { id, name: "vendor".to_owned(), root_version: 1, created_at: NOW };
        repository.set_authority(&authority).unwrap();
        let keys = [Role::Custodian, Role::Issuer].map(|role| (role, add(&mut repository, role)));
        let mut world = Self { folder, repository, keys };
        world.fill();
        world
    }

    fn key(&self, role: Role) -> (KeyRecord, usize) {
        let place = self.keys.iter().position(|key| key.0 == role).unwrap();
        let record = self.repository.keys().unwrap().into_iter().find(|key| key.role == role).unwrap();
        (record, place)
    }

    fn fill(&mut self) {
        let entitlement = grant(&mut self.repository, 1, 50);
        let sealer = Sealer {
            key: &self.keys[0].1,
            role: Role::Custodian,
            authority: AuthorityId([1; 32]),
            root_version: 1,
        };
        seal_one(&mut self.repository, &sealer, Kind::Root, vec![0xa0], 0, NOW).unwrap();
        self.direct(entitlement, 1);
        self.batch(entitlement, [2, 3, 4]);
        // One attempt that failed before another, and one that never ended.
        let (issuer, _) = self.key(Role::Issuer);
        let unsigned = Unsigned::new(&direct_header(&issuer, Kind::License), terms(5, entitlement, 1));
        let leaf =
            NewLeaf { kind: Kind::License, protected: unsigned.protected(), payload: unsigned.payload() };
        let message = unsigned.sig_structure();
        let operation = NewOperation {
            key: issuer.public_key.thumbprint(),
            message_hash: Sha256::digest(&message).into(),
            message_bytes: message.len() as u64,
        };
        let new = license(entitlement, 5, 5, 1);
        let intent = self.repository.begin(&leaf, &operation, Some(&new), NOW).unwrap();
        self.repository.fail(intent.operation_id, "wrong-pin", NOW + 1).unwrap();
        self.repository.begin_retry(intent.log_index, &operation, NOW + 2).unwrap();
        self.checkpoint().unwrap();
        self.direct(entitlement, 6);
        let closing = "INSERT INTO key_closing SELECT thumbprint, 3, zeroblob(32), 0, 'lost', 7 FROM key
                       WHERE role = 'custodian'";
        self.repository
            .write(|transaction| {
                transaction.execute(closing, [])?;
                Ok(())
            })
            .unwrap();
    }

    fn direct(&mut self, entitlement: EntitlementId, number: u8) {
        let (issuer, place) = self.key(Role::Issuer);
        let header = direct_header(&issuer, Kind::License);
        let unsigned = Unsigned::new(&header, terms(number, entitlement, 1));
        let new = license(entitlement, number, number, 1);
        let key = &self.keys[place].1;
        sign_direct(&mut self.repository, key, Kind::License, &unsigned, Some(&new), NOW).unwrap();
    }

    /// Licenses under one statement, as a batch leaves them: the seal is put together when they are handed out.
    fn batch(&mut self, entitlement: EntitlementId, numbers: [u8; 3]) {
        let (issuer, place) = self.key(Role::Issuer);
        let thumbprint = issuer.public_key.thumbprint();
        let header = Header { mode: Mode::Seal, kid: thumbprint.key_id(), typ: Kind::License.typ() }.encode();
        let signers = [Signer { role: Role::Issuer, thumbprint, algorithm: Algorithm::Ed25519 }];
        let mut message = Vec::new();
        let fill = |writer: &mut LicenseWriter<'_>| {
            numbers.iter().try_for_each(|number| {
                let new = license(entitlement, *number, *number, 1);
                writer.push(&header, &terms(*number, entitlement, 1), &new)
            })
        };
        let conclude = |shape: &BatchShape| {
            let statement = Statement {
                authority: AuthorityId([1; 32]),
                root_version: 1,
                leaf_typ: Kind::License.typ(),
                size: shape.size,
                root: shape.root,
                first_index: Some(shape.first_index),
                time: NOW,
                signers: &signers,
            };
            message = statement.to_sign(&signers[0]).sig_structure();
            let operation = NewOperation {
                key: thumbprint,
                message_hash: Sha256::digest(&message).into(),
                message_bytes: message.len() as u64,
            };
            (statement.encode(), vec![operation])
        };
        let intent = self.repository.begin_licenses(Some(&[8; 32]), NOW, fill, conclude).unwrap();
        let signature = self.keys[place].1.sign(&message).unwrap();
        let (first, operation) = (intent.first_index, intent.operations[0]);
        self.repository.keep_batch_signature(first, thumbprint, &signature, Some(operation), NOW).unwrap();
        self.repository.seal_batch(first, NOW).unwrap();
    }

    /// Makes a checkpoint by a log key of its own.
    fn checkpoint(&mut self) -> Result<CheckpointRecord, CommandError> {
        let key = add(&mut self.repository, Role::Log);
        let keys = self.repository.keys().unwrap();
        let record = keys.into_iter().find(|record| record.public_key == key.public_key()).unwrap();
        Ok(make_by(&mut self.repository, &record, |_| Ok(key), NOW + 3)?.record)
    }

    fn close(self) -> (Folder, CheckpointRecord) {
        let newest = self.repository.newest_checkpoint().unwrap().unwrap();
        (self.folder, newest)
    }
}

pub(super) fn check(home: &Home, shown: Option<&str>) -> Result<Report, CommandError> {
    verify(&Repository::open_unleased(home)?, shown.map(str::as_bytes), |_, _| {})
}

/// Codes of what is found; an error that keeps the database from being used counts as well.
pub(super) fn found(home: &Home, shown: Option<&str>) -> Vec<String> {
    match check(home, shown) {
        Ok(report) => report.findings.iter().map(|finding| finding.code.to_owned()).collect(),
        Err(error) => vec![error.code().to_owned()],
    }
}

/// A copy of a home, and changes to it that no trigger and no constraint keeps another program from.
pub(super) struct Forged(pub(super) Folder);

impl Forged {
    pub(super) fn of(original: &Home) -> Self {
        let folder = Folder::new();
        std::fs::create_dir(folder.home().path()).unwrap();
        std::fs::copy(original.database(), folder.home().database()).unwrap();
        Self(folder)
    }

    /// Returns whether the table takes this value at all.
    pub(super) fn change(&self, sql: &str, values: &[Value]) -> bool {
        let connection = Connection::open(self.0.home().database()).unwrap();
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
        connection
            .execute_batch(
                "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF",
            )
            .unwrap();
        match connection.execute(sql, rusqlite::params_from_iter(values)) {
            Ok(changed) => assert_eq!(changed, 1, "{sql}"),
            Err(error) => {
                // Another type than the column's, or a name that another row has: no file can hold that.
                let is_constraint =
                    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation);
                assert!(is_constraint, "{sql}: {error}");
                return false;
            }
        }
        true
    }
}

#[test]
fn an_untouched_log_agrees_with_itself() {
    let (folder, checkpoint) = World::new().close();
    let report = check(&folder.home(), Some(&checkpoint.note)).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.head.size, report.operations, report.checkpoints), (7, 7, 1));
}

#[test]
fn what_was_refused_leaves_no_trace_in_the_digests() {
    let mut world = World::new();
    let entitlement = grant(&mut world.repository, 9, 1);
    world.direct(entitlement, 20);
    // The document is in the transaction when the entitlement refuses it.
    let error = begin(&mut world.repository, &license(entitlement, 21, 21, 1)).unwrap_err();
    assert_eq!(error.code(), "entitlement-exhausted");
    assert_eq!(world.repository.changed_tables().unwrap(), [""; 0]);
    world.direct(EntitlementId([1; 8]), 22);
    assert_eq!(world.repository.changed_tables().unwrap(), [""; 0]);
}

#[test]
fn other_programs_cannot_add_rows_of_history() {
    let (folder, _) = World::new().close();
    let connection = Connection::open(folder.home().database()).unwrap();
    let insert = "INSERT INTO operation_outcome VALUES (5, 'signed', NULL, 1)";
    let error = connection.execute(insert, []).unwrap_err();
    assert!(error.to_string().contains("no such function: digest_row"), "{error}");
}

#[test]
fn what_signatures_and_the_tree_cover_is_found_without_digests() {
    let (folder, _) = World::new().close();
    for (sql, code) in [
        ("UPDATE log_leaf SET payload = x'a1' WHERE log_index = 1", "tile-hash"),
        ("UPDATE log_leaf SET kind = 2 WHERE log_index = 1", "document-kind"),
        ("UPDATE log_tile SET hashes = substr(hashes, 1, 192) WHERE level = 0", "tile-length"),
        ("UPDATE log_tile SET level = 1 WHERE level = 0", "tile-missing"),
        ("UPDATE license SET revision = 9 WHERE log_index = 2", "license-other"),
        ("UPDATE license SET device = x'' WHERE log_index = 2", "license-other"),
        ("DELETE FROM license WHERE log_index = 2", "license-missing"),
        ("DELETE FROM signed_document WHERE log_index = 1", "document-unsigned"),
        ("UPDATE signed_document SET bytes = zeroblob(9) WHERE log_index = 1", "document-malformed"),
        (
            "UPDATE signed_document SET bytes = (SELECT bytes FROM signed_document WHERE log_index = 6)
             WHERE log_index = 1",
            "document-other",
        ),
        ("UPDATE operation SET message_hash = zeroblob(32) WHERE operation_id = 1", "operation-message"),
        ("UPDATE operation SET message_bytes = 9 WHERE operation_id = 2", "operation-message"),
        ("UPDATE operation SET leaf_count = 99 WHERE operation_id = 2", "operation-range"),
        ("UPDATE operation_outcome SET detail = 'x' WHERE operation_id = 1", "operation-outcome"),
        ("DELETE FROM operation_outcome WHERE operation_id = 1", "operation-missing"),
        ("UPDATE batch SET leaf_count = 2", "batch-statement"),
        ("UPDATE batch SET statement = x'80'", "batch-statement"),
        ("UPDATE batch_signature SET signature = zeroblob(64)", "batch-signature"),
        ("DELETE FROM batch_signature", "batch-signature"),
        ("UPDATE checkpoint SET tree_size = 5", "checkpoint-size-other"),
        ("UPDATE checkpoint SET note = replace(note, 'vnd', 'xnd')", "checkpoint-origin-other"),
        ("UPDATE key SET record_index = 1 WHERE role = 'log'", "rows-changed"),
    ] {
        let forged = Forged::of(&folder.home());
        assert!(forged.change(sql, &[]));
        let found = found(&forged.0.home(), None);
        assert!(found.iter().any(|one| one == code), "{sql}: {found:?}");
    }
}

#[test]
fn a_tail_that_was_dropped_is_found_by_the_checkpoint_that_was_kept() {
    let World { folder, repository, keys } = World::new();
    drop(repository);
    let older = Forged::of(&folder.home());
    let mut world = World { repository: Repository::open(&folder.home()).unwrap(), folder, keys };
    world.direct(EntitlementId([1; 8]), 7);
    let newer = world.checkpoint().unwrap();
    // An older state of the whole database agrees with itself, and only with checkpoints up to its own.
    assert_eq!(found(&older.0.home(), None), Vec::<String>::new());
    let shown = |home: &Home| {
        // The key that signed the newer checkpoint is one of the older state as well where it was certified before.
        let mut repository = Repository::open_unleased(home).unwrap();
        for key in world.repository.keys().unwrap() {
            let new = NewKey {
                public_key: key.public_key,
                role: key.role,
                reference: key.reference.as_deref(),
                protection: key.protection,
            };
            let _ = repository.add_key(&new, NOW); // it may know the key
        }
        drop(repository);
        found(home, Some(&newer.note))
    };
    assert_eq!(shown(&older.0.home()), ["log-older"]);
    assert_eq!(shown(&world.folder.home()), Vec::<String>::new());
    // So does a log that went on otherwise.
    let mut fork = Repository::open_unleased(&older.0.home()).unwrap();
    let operation = NewOperation { key: fork.keys().unwrap()[0].public_key.thumbprint(), ..operation() };
    for _ in 0..3 {
        let leaf = NewLeaf { kind: Kind::Root, protected: &[0xa0], payload: &[1] };
        fork.begin(&leaf, &operation, None, NOW).unwrap();
    }
    drop(fork);
    assert!(shown(&older.0.home()).contains(&"log-forked".to_owned()));
}
