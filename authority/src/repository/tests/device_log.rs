//! What devices record is kept whole and in order, and what our keys were asked for is counted.

use super::*;
use crate::repository::device_log::ENTRY_BYTES;

const SERIAL: &str = "0001234567";

fn entry(number: u8) -> [u8; ENTRY_BYTES] {
    [number; ENTRY_BYTES]
}

fn positions(repository: &Repository, serial: &str) -> Vec<i64> {
    let sql = "SELECT position FROM device_log_entry WHERE serial = ?1 ORDER BY position";
    let mut statement = repository.connection.prepare(sql).unwrap();
    statement.query_map([serial], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn refusal(repository: &Repository, sql: &str) -> String {
    repository.connection.execute(sql, []).expect_err(sql).to_string()
}

#[test]
fn entries_follow_each_other_and_survive_reopening() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    assert_eq!(repository.newest_device_entry(SERIAL).unwrap(), None);
    assert!(repository.device_entries(SERIAL).unwrap().is_empty());
    // The device's own order, which is not that of the bytes.
    repository.keep_device_entries(SERIAL, &[entry(9), entry(3)], NOW).unwrap();
    drop(repository);

    let mut repository = Repository::open(&folder.home()).unwrap();
    assert_eq!(repository.newest_device_entry(SERIAL).unwrap(), Some(entry(3)));
    repository.keep_device_entries(SERIAL, &[], NOW + 1).unwrap();
    // A device may say the same twice: an entry has its place, not its bytes, for a name.
    repository.keep_device_entries(SERIAL, &[entry(7), entry(9)], NOW + 1).unwrap();
    drop(repository);

    let repository = Repository::open_read_only(&folder.home()).unwrap();
    assert_eq!(repository.device_entries(SERIAL).unwrap(), [entry(9), entry(3), entry(7), entry(9)]);
    assert_eq!(repository.newest_device_entry(SERIAL).unwrap(), Some(entry(9)));
    assert_eq!(positions(&repository, SERIAL), [0, 1, 2, 3]);
}

#[test]
fn each_device_has_a_log_of_its_own() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    repository.keep_device_entries(SERIAL, &[entry(1), entry(2)], NOW).unwrap();
    repository.keep_device_entries("0007654321", &[entry(8)], NOW).unwrap();
    repository.keep_device_entries(SERIAL, &[entry(3)], NOW).unwrap();
    assert_eq!(repository.device_entries(SERIAL).unwrap(), [entry(1), entry(2), entry(3)]);
    assert_eq!(repository.device_entries("0007654321").unwrap(), [entry(8)]);
    assert_eq!(repository.newest_device_entry("0007654321").unwrap(), Some(entry(8)));
    assert_eq!(positions(&repository, "0007654321"), [0]);
    assert_eq!(repository.newest_device_entry("000123456").unwrap(), None);
}

#[test]
fn of_entries_that_cannot_be_kept_none_is() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    repository.keep_device_entries(SERIAL, &[entry(1)], NOW).unwrap();
    // Fails at the second entry, as a full disk would.
    repository
        .connection
        .execute_batch(
            "CREATE TEMP TRIGGER failing BEFORE INSERT ON main.device_log_entry WHEN NEW.position = 2
             BEGIN SELECT RAISE(ABORT, 'no room'); END",
        )
        .unwrap();
    assert!(repository.keep_device_entries(SERIAL, &[entry(2), entry(3)], NOW).is_err());
    assert_eq!(repository.device_entries(SERIAL).unwrap(), [entry(1)]);
}

#[test]
fn entries_are_only_ever_added() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    repository.keep_device_entries(SERIAL, &[entry(1), entry(2)], NOW).unwrap();
    for column in ["serial", "position", "entry", "kept_at"] {
        let update = format!("UPDATE device_log_entry SET {column} = {column}");
        assert_eq!(refusal(&repository, &update), "device_log_entry is append-only", "{update}");
    }
    assert_eq!(refusal(&repository, "DELETE FROM device_log_entry"), "device_log_entry is append-only");
    let numbered = "device_log_entry is numbered without gaps";
    let replace = "INSERT OR REPLACE INTO device_log_entry SELECT * FROM device_log_entry WHERE position = 1";
    assert_eq!(refusal(&repository, replace), numbered);
    let gap = "INSERT INTO device_log_entry SELECT serial, 3, entry, 0 FROM device_log_entry LIMIT 1";
    assert_eq!(refusal(&repository, gap), numbered);
    let other = "INSERT INTO device_log_entry SELECT '0007654321', 1, entry, 0 FROM device_log_entry LIMIT 1";
    assert_eq!(refusal(&repository, other), numbered);
    assert_eq!(repository.device_entries(SERIAL).unwrap(), [entry(1), entry(2)]);
}

#[test]
fn operations_are_counted_by_how_they_ended() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    let other = PublicKey::Ed25519([6; 32]);
    let key = NewKey {
        public_key: other.clone(),
        role: Role::Custodian,
        reference: Some("file:root.pem"),
        protection: Protection::Software,
    };
    repository.add_key(&key, NOW).unwrap();
    let counted = |repository: &Repository, key: PublicKey| {
        let count = repository.operation_count(key.thumbprint()).unwrap();
        (count.signed, count.unknown)
    };
    assert_eq!(counted(&repository, ISSUER), (0, 0));

    let entitlement = grant(&mut repository, 1, 9);
    let signed = begin(&mut repository, &license(entitlement, 1, 1, 1)).unwrap();
    assert_eq!(counted(&repository, ISSUER), (0, 1));
    repository.complete(signed, b"signed", NOW).unwrap();
    assert_eq!(counted(&repository, ISSUER), (1, 0));
    // The device signed, and wrongly: it counts this one too.
    let wrong = begin(&mut repository, &license(entitlement, 2, 2, 1)).unwrap();
    repository.fail(wrong.operation_id, "bad-signature", NOW).unwrap();
    assert_eq!(counted(&repository, ISSUER), (2, 0));
    let refused = begin(&mut repository, &license(entitlement, 3, 3, 1)).unwrap();
    repository.fail(refused.operation_id, "wrong-pin", NOW).unwrap();
    assert_eq!(counted(&repository, ISSUER), (2, 0));
    let open = begin(&mut repository, &license(entitlement, 4, 4, 1)).unwrap();
    assert_eq!(counted(&repository, ISSUER), (2, 1));
    // A retry is an operation of its own, and leaves the end of the first unknown.
    let retry = repository.begin_retry(open.log_index, &operation(), NOW).unwrap();
    assert_eq!(counted(&repository, ISSUER), (2, 2));
    repository.complete(retry, b"signed", NOW).unwrap();
    assert_eq!(counted(&repository, ISSUER), (3, 1));
    assert_eq!(counted(&repository, other), (0, 0));
}
