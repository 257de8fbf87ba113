//! Opening refuses what is missing, unfinished, newer, foreign, planted or damaged, and says which.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn closed_authority() -> Folder {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    grant(&mut repository, 1, 5);
    folder
}

/// Runs SQL as another program would, without the repository's settings.
fn tamper(home: &Home, sql: &str) {
    Connection::open(home.database()).unwrap().execute_batch(sql).unwrap();
}

fn code(home: &Home) -> &'static str {
    let (writing, reading) = (Repository::open(home), Repository::open_read_only(home));
    let (writing, reading) = (writing.unwrap_err().code(), reading.unwrap_err().code());
    assert_eq!(writing, reading);
    writing
}

#[test]
fn a_missing_database_is_never_made_by_opening() {
    let folder = Folder::new();
    assert_eq!(code(&folder.home()), "not-initialized");
    fs::create_dir(folder.home().path()).unwrap();
    assert_eq!(code(&folder.home()), "not-initialized");
    assert_eq!(content(folder.home().path()), []);
}

#[test]
fn an_interrupted_init_is_unfinished() {
    let folder = Folder::new();
    drop(Repository::create(&folder.home()).unwrap());
    assert_eq!(code(&folder.home()), "init-unfinished");
    assert_eq!(Repository::create(&folder.home()).unwrap_err().code(), "init-unfinished");
    fs::write(folder.home().database(), "").unwrap();
    assert_eq!(code(&folder.home()), "init-unfinished");
}

#[test]
fn creating_overwrites_nothing() {
    let folder = closed_authority();
    let before = content(folder.home().path());
    assert_eq!(Repository::create(&folder.home()).unwrap_err().code(), "already-initialized");
    assert_eq!(content(folder.home().path()), before);
}

#[test]
fn the_home_is_its_owners_alone() {
    let folder = closed_authority();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.home().path()), 0o700);
    assert_eq!(mode(&folder.home().database()), 0o600);

    let open_to_others = Home::new(folder.0.join("other"));
    fs::create_dir(open_to_others.path()).unwrap();
    fs::set_permissions(open_to_others.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(Repository::create(&open_to_others).unwrap_err().code(), "file-exposed");
}

#[test]
fn a_newer_version_is_refused() {
    let folder = closed_authority();
    tamper(&folder.home(), "PRAGMA user_version = 99");
    let error = Repository::open(&folder.home()).unwrap_err();
    assert_eq!(error.to_string(), "the authority database is of version 99; this program knows 8");
    assert_eq!(code(&folder.home()), "database-newer");
}

#[test]
fn the_database_of_another_program_is_refused() {
    let folder = closed_authority();
    tamper(&folder.home(), "PRAGMA application_id = 1");
    assert_eq!(code(&folder.home()), "database-foreign");
    fs::remove_file(folder.home().database()).unwrap();
    tamper(&folder.home(), "CREATE TABLE a (b)");
    assert_eq!(code(&folder.home()), "database-foreign");
}

#[test]
fn planted_and_missing_schema_is_refused() {
    for sql in [
        "CREATE TRIGGER planted AFTER INSERT ON license BEGIN DELETE FROM customer; END",
        "CREATE VIEW planted AS SELECT * FROM license",
        "CREATE TABLE planted (a)",
        "CREATE INDEX planted ON license (device)",
        "DROP TRIGGER license_delete",
        "DROP TRIGGER log_leaf_update; CREATE TRIGGER log_leaf_update BEFORE UPDATE ON log_leaf BEGIN SELECT 1; END",
        "ALTER TABLE customer ADD COLUMN planted TEXT",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, ' >= 1', ' >= 0')",
    ] {
        let folder = closed_authority();
        tamper(&folder.home(), sql);
        assert_eq!(code(&folder.home()), "database-schema-foreign", "{sql}");
    }
}

#[test]
fn damage_is_found() {
    let folder = closed_authority();
    let path = folder.home().database();
    // Pages that hold nothing any more are nobody's loss.
    tamper(&folder.home(), "VACUUM");
    let sound = fs::read(&path).unwrap();

    fs::write(&path, b"not a database, but long enough to have a header".repeat(10)).unwrap();
    assert_eq!(code(&folder.home()), "database-corrupted");

    let pages = sound.len() / 4096;
    assert!(pages > 20, "a database of {pages} pages");
    for page in 1..pages {
        let mut damaged = sound.clone();
        // The head of a page: its kind, and where its cells are.
        damaged[page * 4096..page * 4096 + 8].fill(0x5a);
        fs::write(&path, damaged).unwrap();
        let found = Repository::open_read_only(&folder.home()).and_then(|repository| repository.damage());
        assert!(!matches!(&found, Ok(lines) if lines.is_empty()), "page {page}");
    }
    fs::write(&path, &sound[..sound.len() - 4096]).unwrap();
    let found = Repository::open_read_only(&folder.home()).and_then(|repository| repository.damage());
    assert!(!matches!(&found, Ok(lines) if lines.is_empty()));
}

#[test]
fn looking_changes_no_byte_of_a_closed_home() {
    let folder = closed_authority();
    let before = content(folder.home().path());
    let repository = Repository::open_read_only(&folder.home()).unwrap();
    assert_eq!(repository.entitlements().unwrap().len(), 1);
    assert_eq!(repository.damage().unwrap(), [""; 0]);
    assert!(!repository.is_stale());
    drop(repository);
    assert_eq!(content(folder.home().path()), before);
}

#[test]
fn looking_changes_no_byte_after_a_crash_and_sees_what_was_committed() {
    let folder = closed_authority();
    let mut writer = Repository::open(&folder.home()).unwrap();
    grant(&mut writer, 2, 1);
    // What a process killed here leaves: the database, its log and the log's index.
    let crashed = Home::new(folder.0.join("crashed"));
    fs::create_dir(crashed.path()).unwrap();
    for (path, _) in content(folder.home().path()) {
        fs::copy(&path, crashed.path().join(path.file_name().unwrap())).unwrap();
    }
    let before = content(crashed.path());
    let repository = Repository::open_read_only(&crashed).unwrap();
    assert_eq!(repository.entitlements().unwrap().len(), 2);
    drop(repository);
    assert_eq!(content(crashed.path()), before);
    assert_eq!(Repository::open_unleased(&crashed).unwrap().entitlements().unwrap().len(), 2);
}

#[test]
fn looking_needs_no_index_that_matches_the_log() {
    let folder = closed_authority();
    let mut writer = Repository::open(&folder.home()).unwrap();
    grant(&mut writer, 2, 1);
    // What a process leaves that is killed when it begins the log anew: the index knows another log.
    let crashed = Home::new(folder.0.join("crashed"));
    fs::create_dir(crashed.path()).unwrap();
    for (path, _) in content(folder.home().path()) {
        fs::copy(&path, crashed.path().join(path.file_name().unwrap())).unwrap();
    }
    let mut log = fs::read(crashed.write_ahead_log()).unwrap();
    log.truncate(32);
    log[16..24].fill(7);
    fs::write(crashed.write_ahead_log(), &log).unwrap();
    let before = content(crashed.path());
    let repository = Repository::open_read_only(&crashed).unwrap();
    assert_eq!(repository.entitlements().unwrap().len(), 1);
    drop(repository);
    assert_eq!(content(crashed.path()), before);
}

#[test]
fn looking_needs_no_index_of_the_log() {
    let folder = closed_authority();
    let mut writer = Repository::open(&folder.home()).unwrap();
    grant(&mut writer, 2, 1);
    // What a process leaves that is killed between removing the index and the log, or a power cut: the
    // index is never synced.
    let crashed = Home::new(folder.0.join("crashed"));
    fs::create_dir(crashed.path()).unwrap();
    for name in ["authority.db", "authority.db-wal"] {
        fs::copy(folder.home().path().join(name), crashed.path().join(name)).unwrap();
    }
    let before = content(crashed.path());
    let repository = Repository::open_read_only(&crashed).unwrap();
    assert_eq!(repository.entitlements().unwrap().len(), 2);
    assert!(!repository.is_stale());
    drop(repository);
    assert_eq!(content(crashed.path()), before);
    let mut writer = Repository::open_unleased(&crashed).unwrap();
    grant(&mut writer, 3, 1);
    assert_eq!(writer.entitlements().unwrap().len(), 3);
}

#[test]
fn a_writer_that_came_meanwhile_is_noticed() {
    let folder = closed_authority();
    let repository = Repository::open_read_only(&folder.home()).unwrap();
    let mut writer = Repository::open(&folder.home()).unwrap();
    assert!(repository.is_stale());
    grant(&mut writer, 2, 1);
    drop(writer);
    assert!(repository.is_stale());
}

#[test]
fn a_path_with_signs_that_mean_something_in_a_uri_is_opened() {
    let folder = Folder::new();
    let home = Home::new(folder.0.join("a ?mode=rwc&b=%2e#ü"));
    drop(authority(&home));
    assert_eq!(Repository::open_read_only(&home).unwrap().authority().unwrap().name, "vendor");
}

#[test]
fn a_second_writer_waits_and_then_says_who_is_in_the_way() {
    let folder = closed_authority();
    let blocker = Connection::open(folder.home().database()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut repository = Repository::open(&folder.home()).unwrap();
    repository.connection.busy_timeout(std::time::Duration::from_millis(20)).unwrap();
    let customer = Customer { id: "b".to_owned(), name: "B".to_owned(), added_at: NOW };
    assert_eq!(repository.add_customer(&customer).unwrap_err().code(), "database-busy");
    blocker.execute_batch("ROLLBACK").unwrap();
    repository.add_customer(&customer).unwrap();
}
