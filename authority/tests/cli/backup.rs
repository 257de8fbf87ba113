//! Backups as the operator meets them: restored whole, and refused where anything about them is wrong.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use chancery_authority::home::Home;
use chancery_authority::repository::Repository;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use sha2::{Digest, Sha256};

use crate::desk::Desk;
use crate::homes;
use crate::log::{fails, issue, ok, run, with_log_key};

/// Bytes of a piece of an age file: 64 KiB and its tag.
const PIECE: usize = 64 * 1024 + 16;

/// A desk with a key for its log, and the file of an identity that opens its backups.
pub struct Vault {
    pub desk: Desk,
    identity: Identity,
}

impl Vault {
    pub fn new() -> Self {
        let desk = Desk::new();
        with_log_key(&desk);
        let identity = Identity::generate();
        let vault = Self { desk, identity };
        vault.private("identity.txt", vault.identity.to_string().expose_secret().as_bytes());
        vault.private("stranger.txt", Identity::generate().to_string().expose_secret().as_bytes());
        vault
    }

    fn private(&self, name: &str, bytes: &[u8]) {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.desk.file(name))
            .unwrap();
        file.write_all(bytes).unwrap();
    }

    pub fn recipient(&self) -> String {
        self.identity.to_public().to_string()
    }

    /// Makes a backup under a name, and returns what the command tells.
    pub fn backup(&self, name: &str) -> serde_json::Value {
        ok(&self.desk, &format!("backup -o {name} --recipient {}", self.recipient()))
    }

    pub fn restore(&self, name: &str, home: &str) -> serde_json::Value {
        ok(&self.desk, &format!("restore {name} --home {home} --identity identity.txt"))
    }

    /// Restores what must be refused, and checks that nothing is left of it.
    fn refused(&self, name: &str, more: &str, exit: i32) -> String {
        let before = self.desk.names();
        let code =
            fails(&self.desk, &format!("restore {name} --home new --identity identity.txt {more}"), exit);
        assert_eq!(self.desk.names(), before, "{code} leaves something behind");
        code
    }

    /// Decrypts a backup as any program of the age format does.
    fn open(&self, name: &str) -> Vec<u8> {
        let file = fs::read(self.desk.file(name)).unwrap();
        let mut plain = Vec::new();
        age::Decryptor::new(&file[..])
            .unwrap()
            .decrypt(std::iter::once(&self.identity as _))
            .unwrap()
            .read_to_end(&mut plain)
            .unwrap();
        plain
    }

    /// Encrypts anything to the recipient, who is known to everybody.
    fn seal(&self, name: &str, plain: &[u8]) {
        let mut sealed = Vec::new();
        let recipient = self.identity.to_public();
        let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
        let mut writer = encryptor.wrap_output(&mut sealed).unwrap();
        writer.write_all(plain).unwrap();
        writer.finish().unwrap();
        fs::write(self.desk.file(name), sealed).unwrap();
    }

    /// Makes a backup whose database somebody changed, with a list that says so.
    fn forge(&self, name: &str, change: impl FnOnce(&Path)) {
        let plain = self.open("sound.age");
        let end = plain.windows(2).position(|two| two == b"\n\n").unwrap() + 2;
        let list = String::from_utf8(plain[..end].to_vec()).unwrap();
        let path = self.desk.file("forged.db");
        fs::write(&path, &plain[end..]).unwrap();
        change(&path);
        let forged = fs::read(&path).unwrap();
        let hash: String = Sha256::digest(&forged).iter().map(|byte| format!("{byte:02x}")).collect();
        let at = list.find("file authority.db").unwrap();
        let list = format!("{}file authority.db {} {hash}\n\n", &list[..at], forged.len());
        self.seal(name, &[list.as_bytes(), &forged].concat());
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_backup_is_restored_whole_and_signs_nothing() {
    let vault = Vault::new();
    let desk = &vault.desk;
    let license = issue(desk);
    ok(desk, "log checkpoint -o newest.checkpoint");
    let made = ok(desk, &format!("backup -o a.age --recipient {} --with-keys", vault.recipient()));
    let keys = ["keys/issuing.pem", "keys/log.pem", "keys/root.pem"];
    assert_eq!(made["key_files"], serde_json::json!(keys));
    assert_eq!((made["opened_by_owner"].as_bool(), made["log_size"].as_u64()), (Some(false), Some(4)));
    assert!(!desk.home().backup_copy().exists());
    let mode = desk.file("a.age").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let restored = ok(
        desk,
        &format!(
            "restore a.age --home new --identity identity.txt --authority {} --sha256 {}",
            made["authority_id"].as_str().unwrap(),
            made["sha256"].as_str().unwrap()
        ),
    );
    assert_eq!((restored["epoch"].as_u64(), restored["issuing"].as_str()), (Some(2), Some("locked")));
    assert_eq!(restored["log_root"], made["log_root"]);
    for name in keys {
        let read = |home: &str| fs::read(desk.file(home).join(name)).unwrap();
        assert_eq!(read("new"), read("home"), "{name}");
    }
    // What it holds agrees; no key of it signs, neither a document nor a checkpoint.
    assert_eq!(ok(desk, "log verify --home new --checkpoint newest.checkpoint")["size"].as_u64(), Some(4));
    let again =
        format!("license issue --entitlement {} --request pump.creq -o again.clic", homes::ENTITLEMENT);
    assert_eq!(ok(desk, &format!("{again} --home new"))["id"], license.as_str());
    let other = desk.request_as("other.creq");
    let other = format!("license issue --entitlement {other} --request other.creq -o other.clic --home new");
    assert_eq!(fails(desk, &other, 3), "issuing-locked");
    assert_eq!(fails(desk, "role add log --key file:new/keys/log2.pem --home new", 3), "issuing-locked");
    let mut new = Repository::open(&Home::new(desk.file("new"))).unwrap();
    let operation = chancery_authority::repository::NewOperation {
        key: new.keys().unwrap()[0].public_key.thumbprint(),
        message_hash: [1; 32],
        message_bytes: 1,
    };
    assert_eq!(new.begin_checkpoint(&operation, homes::NOW).unwrap_err().code(), "issuing-locked");
}

#[test]
fn key_files_stay_behind_and_are_named() {
    let vault = Vault::new();
    let made = vault.backup("a.age");
    assert_eq!(made["key_files"], serde_json::json!([]));
    assert_eq!(made["keys_left"].as_array().unwrap().len(), 3);
    let restored = vault.restore("a.age", "new");
    let missing: Vec<_> =
        restored["keys_missing"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert_eq!(missing, ["keys/issuing.pem", "keys/log.pem", "keys/root.pem"]);
    let (code, told, _) = run(&vault.desk, &format!("backup -o b.age --recipient {}", vault.recipient()));
    assert_eq!(code, 0);
    assert!(told.contains("Not in it, keep their own copies: "), "{told}");
}

#[test]
fn a_backup_under_a_passphrase_opens_with_it_alone() {
    let vault = Vault::new();
    let made = ok(&vault.desk, "backup -o a.age --passphrase");
    assert_eq!(made["opened_by_owner"].as_bool(), Some(true));
    assert_eq!(vault.refused("a.age", "", 3), "backup-wrong-key");
    ok(&vault.desk, "restore a.age --home new --passphrase");
}

#[test]
fn what_was_done_to_a_file_on_its_way_is_refused() {
    let vault = Vault::new();
    vault.backup("sound.age");
    let sound = fs::read(vault.desk.file("sound.age")).unwrap();
    let header = sound.windows(5).position(|five| five == b"\n--- ").unwrap() + 5 + 43 + 1;
    assert!(sound.len() > header + 16 + 2 * PIECE, "too small to swap pieces");
    let put = |bytes: &[u8]| fs::write(vault.desk.file("a.age"), bytes).unwrap();
    let cut = |end: usize| put(&sound[..end]);
    for (end, code) in [
        (0, "backup-not-encrypted"),
        (10, "backup-not-encrypted"),
        (header - 50, "backup-not-encrypted"),
        (header + 8, "backup-damaged"),
        (header + 16, "backup-damaged"),
        (header + 16 + PIECE, "backup-damaged"),
        (header + 16 + PIECE + 7, "backup-damaged"),
        (sound.len() - 1, "backup-damaged"),
    ] {
        cut(end);
        assert_eq!(vault.refused("a.age", "", 3), code, "cut at {end}");
    }
    let changed = |at: usize| {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        put(&bytes);
    };
    // The stanza of the first recipient, the code over the header, the nonce, the first piece, the last byte.
    for at in [40, header - 3, header + 2, header + 16, header + 16 + PIECE + 1, sound.len() - 1] {
        changed(at);
        let code = vault.refused("a.age", "", 3);
        assert!(["backup-wrong-key", "backup-damaged"].contains(&code.as_str()), "byte {at}: {code}");
    }
    let piece = |number: usize| header + 16 + number * PIECE..header + 16 + (number + 1) * PIECE;
    let mut swapped = sound.clone();
    let (first, second) = (sound[piece(0)].to_vec(), sound[piece(1)].to_vec());
    swapped[piece(0)].copy_from_slice(&second);
    swapped[piece(1)].copy_from_slice(&first);
    put(&swapped);
    assert_eq!(vault.refused("a.age", "", 3), "backup-damaged");
    put(&[&sound[..piece(0).end], &sound[piece(1).end..]].concat());
    assert_eq!(vault.refused("a.age", "", 3), "backup-damaged");
    put(&[&sound[..], b"and more"].concat());
    assert_eq!(vault.refused("a.age", "", 3), "backup-damaged");
    // What is left of it is sound.
    put(&sound);
    vault.restore("a.age", "new");
}

#[test]
fn another_backup_than_the_one_asked_for_is_refused() {
    let vault = Vault::new();
    let made = vault.backup("sound.age");
    let desk = &vault.desk;
    let wrong = "restore sound.age --home new --identity stranger.txt";
    assert_eq!(fails(desk, wrong, 3), "backup-wrong-key");
    assert_eq!(
        vault.refused("sound.age", &format!("--authority {}", "11".repeat(32)), 3),
        "backup-foreign-authority"
    );
    assert_eq!(vault.refused("sound.age", &format!("--sha256 {}", "11".repeat(32)), 3), "backup-other");
    assert_eq!(vault.refused("pump.creq", "", 3), "backup-not-encrypted");
    assert_eq!(vault.refused("none.age", "", 1), "file-not-found");
    assert_eq!(
        fails(desk, "restore sound.age --home home --identity identity.txt", 1),
        "already-initialized"
    );
    fs::create_dir(desk.file("used")).unwrap();
    fs::write(desk.file("used/file"), "").unwrap();
    assert_eq!(fails(desk, "restore sound.age --home used --identity identity.txt", 1), "home-not-empty");
    fs::set_permissions(desk.file("identity.txt"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(vault.refused("sound.age", "", 1), "file-exposed");
    fs::set_permissions(desk.file("identity.txt"), fs::Permissions::from_mode(0o600)).unwrap();
    // A backup is never written over, and one that nobody could open is not made.
    assert_eq!(
        fails(desk, &format!("backup -o sound.age --recipient {}", vault.recipient()), 1),
        "file-exists"
    );
    let foreign = format!("backup -o b.age --recipient {} --identity stranger.txt", vault.recipient());
    assert_eq!(fails(desk, &foreign, 3), "identity-foreign");
    assert_eq!(fails(desk, "backup -o b.age --recipient age1wrong", 2), "usage");
    assert!(!desk.file("b.age").exists());
    assert_eq!(made["recipients"].as_u64(), Some(1));
}

#[test]
fn what_anybody_can_encrypt_to_the_recipient_is_checked_to_the_last_row() {
    let vault = Vault::new();
    issue(&vault.desk);
    vault.backup("sound.age");
    let sql = |sql: &'static str| {
        move |path: &Path| {
            let connection = Connection::open(path).unwrap();
            // Whoever forges takes the guards away first, and puts them back.
            let guards: Vec<(String, String)> = {
                let list = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'";
                let mut statement = connection.prepare(list).unwrap();
                statement
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
                    .unwrap()
                    .map(Result::unwrap)
                    .collect()
            };
            for (name, _) in &guards {
                connection.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
            }
            connection.execute_batch(sql).unwrap();
            for (_, sql) in &guards {
                connection.execute_batch(sql).unwrap();
            }
            connection
                .execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE")
                .unwrap();
        }
    };
    for (change, exit, code) in [
        ("CREATE VIEW planted AS SELECT 1", 5, "database-schema-foreign"),
        (
            "CREATE TRIGGER planted AFTER INSERT ON license BEGIN DELETE FROM customer; END",
            5,
            "database-schema-foreign",
        ),
        ("UPDATE license SET revision = 9", 5, "log-damaged"),
        ("UPDATE signed_document SET bytes = zeroblob(64) WHERE log_index = 3", 5, "log-damaged"),
        ("UPDATE log_leaf SET payload = x'a0' WHERE log_index = 3", 5, "log-damaged"),
        ("UPDATE operation_outcome SET ended_at = 1 WHERE operation_id = 1", 5, "log-damaged"),
        ("UPDATE authority SET authority_id = zeroblob(32)", 3, "backup-damaged"),
        ("DELETE FROM authority", 3, "backup-damaged"),
    ] {
        vault.forge("forged.age", sql(change));
        assert_eq!(vault.refused("forged.age", "", exit), code, "{change}");
    }
    vault.forge("forged.age", |path| fs::write(path, "no database").unwrap());
    assert_eq!(vault.refused("forged.age", "", 5), "database-corrupted");
    // A list that says other things than the file holds, and files with names that lead elsewhere.
    let plain = vault.open("sound.age");
    let text = String::from_utf8_lossy(&plain[..400]).into_owned();
    let size = text.lines().find(|line| line.starts_with("log ")).unwrap().to_owned();
    let other = size.replacen("log 4", "log 3", 1);
    for (from, to) in [
        (size.as_str(), other.as_str()),
        ("file authority.db", "file ../authority.db"),
        ("chancery-backup 1", "chancery-backup 2"),
    ] {
        let at = text.find(from).unwrap();
        let forged = [&plain[..at], to.as_bytes(), &plain[at + from.len()..]].concat();
        vault.seal("forged.age", &forged);
        assert_eq!(vault.refused("forged.age", "", 3), "backup-damaged", "{to}");
    }
    vault.seal("forged.age", &[&plain[..], b"x"].concat());
    assert_eq!(vault.refused("forged.age", "", 3), "backup-damaged");
    vault.seal("forged.age", &plain);
    vault.restore("forged.age", "new");
}

#[test]
fn a_home_that_contradicts_itself_is_not_backed_up() {
    let vault = Vault::new();
    issue(&vault.desk);
    let database = vault.desk.home().database();
    let connection = Connection::open(&database).unwrap();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
    connection.execute("UPDATE license SET revision = 7", []).unwrap();
    drop(connection);
    let before = vault.desk.names();
    assert_eq!(
        fails(&vault.desk, &format!("backup -o a.age --recipient {}", vault.recipient()), 5),
        "log-damaged"
    );
    assert_eq!(vault.desk.names(), before);
    assert!(!vault.desk.home().backup_copy().exists());
}

impl Desk {
    /// The names in the desk's folder, sorted.
    pub fn names(&self) -> Vec<PathBuf> {
        let mut names: Vec<_> =
            fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    }
}
