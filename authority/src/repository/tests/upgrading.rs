//! Databases of every earlier version open, hold what they held, and gain what is new.

use super::*;
use chancery_formats::cose::Envelope;
use rusqlite_migration::{M, Migrations};

const FIRST: &str = include_str!("../../../migrations/0001_initial.sql");
const SECOND: &str = include_str!("../../../migrations/0002_device_log.sql");
/// Rows that a release wrote; both old versions have the tables.
const ROWS: &str = include_str!("version_2.sql");

/// Makes a home whose database is of an old version.
fn old_home(version: usize) -> Folder {
    let folder = Folder::new();
    drop(Repository::create(&folder.home()).unwrap());
    std::fs::remove_file(folder.home().database()).unwrap();
    let mut connection = Connection::open(folder.home().database()).unwrap();
    connection.pragma_update(None, "application_id", 0x4348_4e43).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    Migrations::from_slice(&[M::up(FIRST), M::up(SECOND)]).to_version(&mut connection, version).unwrap();
    connection.execute_batch(ROWS).unwrap();
    folder
}

#[test]
fn an_old_database_keeps_what_it_holds() {
    for version in [1, 2] {
        let folder = old_home(version);
        let repository = Repository::open(&folder.home()).unwrap();
        assert!(repository.damage_in_depth().unwrap().is_empty());
        assert_eq!(repository.changed_tables().unwrap(), [""; 0]);
        let keys = repository.keys().unwrap();
        let roles: Vec<_> = keys.iter().map(|key| (key.role, key.reference.as_deref().unwrap())).collect();
        assert_eq!(roles, [(Role::Custodian, "file:keys/root.pem"), (Role::Issuer, "file:keys/issuing.pem")]);
        assert_eq!(keys[1].record_index, Some(1));
        let licenses = repository.licenses().unwrap();
        assert_eq!(licenses.len(), 1);
        assert!(licenses[0].signed_at.is_some());
        let entitlement = repository.entitlement(licenses[0].entitlement).unwrap();
        assert_eq!((entitlement.used, entitlement.quantity, entitlement.revision), (1, 3, 1));
        assert_eq!((entitlement.customer.as_str(), entitlement.edition.as_str()), ("acme", "standard"));
        assert_eq!((entitlement.not_before, entitlement.not_after), (1_795_392_000, Some(4_102_444_799)));
        assert_eq!((entitlement.model, entitlement.binding), (Model::Subscription, Binding::Device));
        assert_eq!(entitlement.features["channels"], FeatureValue::Limit(16));
        assert_eq!(entitlement.features["logging"], FeatureValue::On);
        let grants = repository.grants(entitlement.id).unwrap();
        assert_eq!((grants.len(), grants[0].at), (1, entitlement.granted_at));
        assert_eq!(repository.entitlements_off_their_grant().unwrap(), []);
        assert_eq!(repository.held_licenses(entitlement.id).unwrap()[0].grant, 1);
        assert!(repository.pending().unwrap().is_empty());
        let kinds = [Kind::Root, Kind::KeyRecord, Kind::License];
        for (log_index, kind) in (0..).zip(kinds) {
            let leaf = repository.leaf(log_index).unwrap();
            let document = repository.signed_document(log_index).unwrap().unwrap();
            let hash = Envelope::decode_kind(&document, kind).unwrap().leaf_hash();
            assert_eq!((leaf.kind, leaf.leaf_hash), (kind, hash));
        }
        let operations = "SELECT count(*) FROM operation WHERE message_bytes IS NULL AND leaf_count = 1";
        assert_eq!(count(&repository, operations), 3);
        assert_eq!(count(&repository, "SELECT user_version FROM pragma_user_version"), 8);
        assert_eq!(count(&repository, "PRAGMA foreign_keys"), 1);
    }
}

#[test]
fn an_old_catalog_is_the_one_that_stands() {
    for version in [1, 2] {
        let folder = old_home(version);
        let connection = Connection::open(folder.home().database()).unwrap();
        // A file before the last one, and a product that the last one does not name.
        connection
            .execute_batch(
                "INSERT INTO catalog_change SELECT 2, sha256, replace(text, '16', '32'), 8 FROM catalog_change;
                 UPDATE edition_feature SET limit_value = 32 WHERE feature_id = 'channels';
                 INSERT INTO product VALUES ('valve', 'Valve \"2\"');
                 INSERT INTO edition VALUES ('valve', 'empty');",
            )
            .unwrap();
        drop(connection);
        let repository = Repository::open(&folder.home()).unwrap();
        let state = repository.catalog_state().unwrap();
        assert_eq!((state.newest, state.number, state.pilot.as_ref()), (2, 2, None));
        let pump = &state.catalog.products["pump"];
        assert_eq!((pump.name.as_str(), pump.features["logging"]), ("Pump Control", FeatureKind::Switch));
        assert_eq!(pump.features["channels"], FeatureKind::Limit);
        assert_eq!(pump.editions["standard"]["channels"], FeatureValue::Limit(32));
        assert_eq!(pump.editions["standard"]["logging"], FeatureValue::On);
        let valve = &state.catalog.products["valve"];
        assert_eq!(
            (valve.name.as_str(), valve.editions["empty"].len(), valve.features.len()),
            ("Valve \"2\"", 0, 0)
        );
        // The first file was kept without the catalog that it made, and is read again.
        assert_eq!(repository.catalog_of(1).unwrap(), None);
        let first = crate::workflow::catalog::change::at(&repository, 1).unwrap();
        assert_eq!(first.products["pump"].editions["standard"]["channels"], FeatureValue::Limit(16));
        assert!(!first.products.contains_key("valve"));
        assert_eq!(repository.changed_tables().unwrap(), [""; 0]);
    }
}

#[test]
fn a_database_with_digests_keeps_them_right() {
    for version in [3, 4] {
        let folder = old_home(2);
        let mut connection = Connection::open(folder.home().database()).unwrap();
        let digests = digest::Digests::register(&connection).unwrap();
        schema::upgrade_to(&mut connection, version);
        assert_eq!(count_in(&connection, "SELECT count(*) FROM edition_feature"), 2);
        drop((connection, digests));
        let mut repository = Repository::open_unleased(&folder.home()).unwrap();
        assert_eq!(repository.changed_tables().unwrap(), [""; 0], "version {version}");
        assert!(repository.damage_in_depth().unwrap().is_empty());
        let pump = repository.product("pump").unwrap();
        assert_eq!(pump.editions["standard"]["channels"], FeatureValue::Limit(16));
        // What is written from now on counts as well.
        repository.apply_catalog(&catalog_of(64), "text", NOW).unwrap();
        assert_eq!(repository.changed_tables().unwrap(), [""; 0], "version {version}");
        assert_eq!(repository.catalog_changes().unwrap().len(), 2);
    }
}

fn count_in(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn looking_leaves_an_old_database_as_it_is() {
    let folder = old_home(2);
    let before = content(folder.home().path());
    let error = Repository::open_read_only(&folder.home()).unwrap_err();
    assert_eq!(error.code(), "database-older");
    assert_eq!(content(folder.home().path()), before);
}

#[test]
fn an_old_database_with_something_else_is_refused() {
    for table in ["device_log_entry", "log_tile"] {
        let folder = old_home(1);
        let connection = Connection::open(folder.home().database()).unwrap();
        connection.execute_batch(&format!("CREATE TABLE {table} (serial TEXT)")).unwrap();
        drop(connection);
        assert!(matches!(Repository::open(&folder.home()), Err(RepositoryError::ForeignSchema)));
    }
}

#[test]
fn what_a_failed_upgrade_leaves_is_the_old_database() {
    let folder = old_home(2);
    let connection = Connection::open(folder.home().database()).unwrap();
    // A row that the new tables refuse.
    connection
        .execute_batch(
            "DROP TRIGGER log_leaf_update; UPDATE log_leaf SET typ = 'other' WHERE log_index = 2;
             CREATE TRIGGER log_leaf_update BEFORE UPDATE ON log_leaf
             BEGIN SELECT RAISE(ABORT, 'log_leaf is append-only'); END",
        )
        .unwrap();
    drop(connection);
    assert!(Repository::open(&folder.home()).is_err());
    let connection = Connection::open(folder.home().database()).unwrap();
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 2);
    let leaves: i64 =
        connection.query_row("SELECT count(leaf_hash) FROM log_leaf", [], |row| row.get(0)).unwrap();
    assert_eq!(leaves, 3);
}
