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
        assert_eq!(repository.entitlement(licenses[0].entitlement).unwrap().used, 1);
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
        assert_eq!(count(&repository, "SELECT user_version FROM pragma_user_version"), 4);
        assert_eq!(count(&repository, "PRAGMA foreign_keys"), 1);
    }
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
