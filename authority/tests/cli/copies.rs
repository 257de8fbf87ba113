//! Copies of a home: one of two signs, and a restored one only when it is shown to hold all that was signed.

use std::fs;
use std::path::Path;

use chancery_authority::home::Home;
use chancery_authority::repository::Repository;
use rusqlite::config::DbConfig;

use crate::backup::Vault;
use crate::desk::Desk;
use crate::homes;
use crate::log::{fails, issue, ok, with_log_key};

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, from.metadata().unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Asks for a license, from the home of a name, for a device that has none.
fn issue_from(desk: &Desk, home: &str) -> String {
    let entitlement = desk.request_as(&format!("{home}.creq"));
    format!("license issue --entitlement {entitlement} --request {home}.creq -o {home}.clic --home {home}")
}

#[test]
fn the_second_of_two_clones_is_refused() {
    let desk = Desk::new();
    with_log_key(&desk);
    let ask = issue_from(&desk, "clone");
    copy(desk.home().path(), &desk.file("clone"));
    let before = homes::content(&desk.file("clone"));
    assert_eq!(fails(&desk, &ask, 5), "home-copied");
    assert_eq!(fails(&desk, "log checkpoint -o x.checkpoint --home clone", 5), "home-copied");
    assert_eq!(fails(&desk, "customer add other --name Other --home clone", 5), "home-copied");
    // It can be read, and its doctor names what it is.
    ok(&desk, "license list --home clone");
    assert_eq!(homes::content(&desk.file("clone")), before);
    issue(&desk);

    // Renamed on its file system, a home stays the home.
    fs::rename(desk.home().path(), desk.file("moved")).unwrap();
    ok(&desk, "log checkpoint -o newest.checkpoint --home moved");
    // Moved away and copied back, it is a copy.
    copy(&desk.file("moved"), desk.home().path());
    assert_eq!(fails(&desk, "log checkpoint -o x.checkpoint", 5), "home-copied");
}

#[test]
fn a_clone_that_is_taken_over_signs_after_it_is_compared() {
    let desk = Desk::new();
    with_log_key(&desk);
    copy(desk.home().path(), &desk.file("old"));
    issue(&desk);
    ok(&desk, "log checkpoint -o newest.checkpoint");
    copy(desk.home().path(), &desk.file("clone"));
    assert_eq!(fails(&desk, "restore --adopt", 3), "lease-held");
    assert_eq!(ok(&desk, "restore --adopt --home clone")["epoch"].as_u64(), Some(2));
    assert_eq!(fails(&desk, "restore --adopt --home clone", 3), "lease-held");
    let ask = issue_from(&desk, "clone");
    assert_eq!(fails(&desk, &ask, 3), "issuing-locked");
    assert_eq!(fails(&desk, "role add log --key file:clone/keys/x.pem --home clone", 3), "issuing-locked");
    ok(&desk, "restore --reconcile --checkpoint newest.checkpoint --nothing-signed-since --home clone");
    ok(&desk, "role add log --key file:clone/keys/x.pem --home clone");

    // The older copy lacks a license. Its end is not known to itself, and no word of the operator's helps it.
    ok(&desk, "restore --adopt --home old");
    let reconcile = "restore --reconcile --checkpoint newest.checkpoint --nothing-signed-since --home old";
    assert_eq!(fails(&desk, reconcile, 5), "log-older");
    assert_eq!(fails(&desk, "log checkpoint -o own.checkpoint --home old", 3), "issuing-locked");
    assert!(!desk.file("own.checkpoint").exists());
}

#[test]
fn a_home_without_a_lease_is_refused() {
    let desk = Desk::new();
    let database = desk.home().database();
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
    connection.execute("DELETE FROM lease", []).unwrap();
    drop(connection);
    assert_eq!(fails(&desk, "customer add other --name Other", 5), "lease-missing");
}

#[test]
fn a_restored_home_signs_when_it_holds_all_that_was_signed() {
    let vault = Vault::new();
    let desk = &vault.desk;
    ok(desk, "log checkpoint -o old.checkpoint");
    vault.backup("old.age");
    issue(desk);
    ok(desk, "log checkpoint -o newest.checkpoint");
    vault.backup("new.age");
    vault.restore("old.age", "old");
    vault.restore("new.age", "new");
    let foreign = Desk::new();
    with_log_key(&foreign);
    ok(&foreign, "log checkpoint -o foreign.checkpoint");
    fs::copy(foreign.file("foreign.checkpoint"), desk.file("foreign.checkpoint")).unwrap();

    let reconcile = |checkpoint: &str, home: &str, more: &str| {
        format!("restore --reconcile --checkpoint {checkpoint}.checkpoint --home {home} {more}")
    };
    let word = "--nothing-signed-since";
    // One license was signed after the old backup, and its index would be given to another.
    assert_eq!(fails(desk, &reconcile("newest", "old", word), 5), "log-older");
    // A checkpoint that is not the newest hides that, where nothing else shows it: the operator answers for it.
    assert_eq!(fails(desk, &reconcile("old", "old", ""), 3), "signatures-uncounted");
    assert_eq!(fails(desk, &reconcile("old", "new", word), 3), "checkpoint-not-newest");
    assert_eq!(fails(desk, &reconcile("foreign", "new", word), 3), "checkpoint-origin-other");
    assert_eq!(fails(desk, &reconcile("newest", "new", ""), 3), "signatures-uncounted");
    assert_eq!(
        fails(desk, &reconcile("newest", "new", "--device file:new/keys/root.pem"), 3),
        "no-audit-log"
    );
    // The key files were not in the backup.
    for name in ["issuing.pem", "log.pem", "root.pem"] {
        fs::copy(desk.home().keys().join(name), desk.file("new/keys").join(name)).unwrap();
    }
    let ask = "role add log --key file:new/keys/x.pem --home new";
    assert_eq!(fails(desk, ask, 3), "issuing-locked");
    let released = ok(desk, &reconcile("newest", "new", word));
    assert_eq!(released["locks_released"], serde_json::json!(["restored"]));
    assert_eq!(released["keys_stated"].as_array().unwrap().len(), 3);
    assert_eq!(fails(desk, &reconcile("newest", "new", word), 3), "lock-none");
    ok(desk, ask);
    // No index of the log stands for two documents: what the restored home signs comes after all that was signed.
    let new = Repository::open(&Home::new(desk.file("new"))).unwrap();
    let original = Repository::open(&desk.home()).unwrap();
    let size = original.log_size().unwrap();
    assert!(new.log_size().unwrap() > size);
    for index in 0..size {
        assert_eq!(new.leaf(index).unwrap().leaf_hash, original.leaf(index).unwrap().leaf_hash);
    }
}

#[test]
fn a_copy_is_named_by_doctor() {
    let desk = Desk::new();
    copy(desk.home().path(), &desk.file("clone"));
    let (code, told, _) = crate::log::run(&desk, "doctor --home clone");
    assert_eq!(code, 5, "{told}");
    assert!(told.contains("alarm    ") && told.contains("is a copy of a home"), "{told}");
}
