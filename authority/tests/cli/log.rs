//! The log as the operator and the auditor meet it: signed, proven, checked, exported, and older than it was.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use chancery_authority::repository::Repository;
use chancery_authority::workflow::signing::key_of_role;
use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::key::PublicKey;
use chancery_formats::log::{Checkpoint, Proof, Record, origin};
use chancery_formats::seal::Role;
use chancery_verifier::signature::VerifyingKey;
use chancery_verifier::{LogKeys, verify_checkpoint, verify_inclusion};
use serde_json::Value;

use crate::desk::{Desk, PASSPHRASE};
use crate::homes::ENTITLEMENT;

/// Has the custodian of a desk certify a log key, and returns it.
pub fn with_log_key(desk: &Desk) -> PublicKey {
    ok(desk, "role add log --key file:home/keys/log.pem");
    key_of_role(&Repository::open(&desk.home()).unwrap(), Role::Log).unwrap().public_key
}

/// Runs the program at the desk, with the passphrase on standard input for as many as two tokens; returns exit code, stdout and stderr.
pub fn run(desk: &Desk, args: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_chancery"))
        .args(args.split_whitespace())
        .args(["--pin-fd", "0"])
        .env("CHANCERY_HOME", desk.home().path())
        .env("TZ", "UTC")
        .current_dir(desk.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that needs no passphrase may have ended already.
    let _ = child.stdin.take().unwrap().write_all(format!("{PASSPHRASE}\n{PASSPHRASE}\n").as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

pub fn ok(desk: &Desk, args: &str) -> Value {
    let (code, stdout, stderr) = run(desk, &format!("{args} --json"));
    assert_eq!(code, 0, "{args}: {stderr}");
    serde_json::from_str(&stdout).unwrap()
}

/// Runs a command that must fail, and returns its code.
pub fn fails(desk: &Desk, args: &str, exit: i32) -> String {
    let (code, _, stderr) = run(desk, &format!("{args} --json"));
    assert_eq!(code, exit, "{args}: {stderr}");
    let report: Value = serde_json::from_str(&stderr).unwrap();
    report["error"]["code"].as_str().unwrap().to_owned()
}

pub fn issue(desk: &Desk) -> String {
    let args = format!("license issue --entitlement {ENTITLEMENT} --request pump.creq -o pump.clic");
    ok(desk, &args)["id"].as_str().unwrap().to_owned()
}

fn key_of(public: &PublicKey) -> [VerifyingKey; 1] {
    [VerifyingKey::load(public).unwrap()]
}

#[test]
fn a_log_without_its_key_is_not_signed() {
    let desk = Desk::new();
    let (code, stdout, stderr) = run(&desk, "log checkpoint -o first.checkpoint");
    let told = "error: authority has no open log key\n\
                hint: add one with `chancery role add log --key REF`\n";
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (1, "", told));
    assert!(!desk.file("first.checkpoint").exists());
    assert_eq!(fails(&desk, "log prove 0 -o x.tlog-proof", 1), "checkpoint-none");
    assert!(!desk.file("x.tlog-proof").exists());
}

#[test]
fn a_checkpoint_is_signed_once_for_each_size() {
    let desk = Desk::new();
    let key = with_log_key(&desk);
    let made = ok(&desk, "log checkpoint -o first.checkpoint");
    assert_eq!((made["size"].as_u64(), made["known_before"].as_bool()), (Some(3), Some(false)));
    let again = ok(&desk, "log checkpoint -o again.checkpoint");
    assert_eq!(again["known_before"].as_bool(), Some(true));
    let note = fs::read(desk.file("first.checkpoint")).unwrap();
    assert_eq!(fs::read(desk.file("again.checkpoint")).unwrap(), note);
    let repository = Repository::open(&desk.home()).unwrap();
    let authority = repository.authority().unwrap().id;
    assert_eq!(Checkpoint::decode(&note).unwrap().origin, origin(authority));
    let keys = key_of(&key);
    let verified = verify_checkpoint(&note, authority, &LogKeys { log: &keys, witnesses: &[] }).unwrap();
    assert_eq!(verified.head().size, 3);
    // One signature, in one operation that is for no document.
    assert_eq!(repository.operation_count(key.thumbprint()).unwrap().signed, 1);
    assert_eq!(fails(&desk, "log checkpoint -o again.checkpoint", 1), "file-exists");
}

#[test]
fn a_license_is_proven_and_the_log_goes_on() {
    let desk = Desk::new();
    let key = with_log_key(&desk);
    ok(&desk, "log checkpoint -o old.checkpoint");
    let license = issue(&desk);
    assert_eq!(fails(&desk, &format!("log prove {license} -o x.tlog-proof"), 1), "checkpoint-older");
    ok(&desk, "log checkpoint -o new.checkpoint");
    let proven = ok(&desk, &format!("log prove {license} -o pump.tlog-proof"));
    assert_eq!((proven["log_index"].as_u64(), proven["size"].as_u64()), (Some(3), Some(4)));
    let proof = fs::read(desk.file("pump.tlog-proof")).unwrap();
    let note = fs::read_to_string(desk.file("new.checkpoint")).unwrap();
    assert_eq!(Proof::decode(&proof).unwrap().note, note);
    let license = fs::read(desk.file("pump.clic")).unwrap();
    let leaf = Envelope::decode_kind(&license, Kind::License).unwrap().leaf_hash();
    let authority = Repository::open(&desk.home()).unwrap().authority().unwrap().id;
    let keys = key_of(&key);
    let keys = LogKeys { log: &keys, witnesses: &[] };
    let (index, newer) = verify_inclusion(&proof, leaf, authority, &keys).unwrap();
    assert_eq!(index, 3);
    // An older document is proven under either checkpoint.
    ok(&desk, "log prove 0 --size 3 -o root.tlog-proof");
    assert_eq!(fails(&desk, "log prove 0 --size 9 -o x.tlog-proof", 1), "checkpoint-none");
    assert_eq!(fails(&desk, "log prove 7 -o x.tlog-proof", 1), "document-unknown");
    assert_eq!(fails(&desk, "log prove pump -o x.tlog-proof", 2), "usage");

    let consistent = ok(&desk, "log consistency old.checkpoint new.checkpoint");
    let hashes: Vec<u8> = consistent["proof"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|hash| hash.as_str().unwrap().as_bytes().chunks(2).map(<[u8]>::to_vec).collect::<Vec<_>>())
        .map(|digits| u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap())
        .collect();
    let old = verify_checkpoint(&fs::read(desk.file("old.checkpoint")).unwrap(), authority, &keys).unwrap();
    assert_eq!(newer.extends(&old, &hashes), Ok(()));
    assert_eq!(ok(&desk, "log consistency old.checkpoint"), consistent);
    assert_eq!(fails(&desk, "log consistency new.checkpoint old.checkpoint", 3), "checkpoint-order");
    assert_eq!(fails(&desk, "log consistency pump.clic", 3), "note-text");
}

#[test]
fn the_whole_log_is_checked_and_exported() {
    let desk = Desk::new();
    with_log_key(&desk);
    let license = issue(&desk);
    ok(&desk, "log checkpoint -o new.checkpoint");
    let report = ok(&desk, "log verify --checkpoint new.checkpoint");
    assert_eq!((report["size"].as_u64(), report["operations"].as_u64()), (Some(4), Some(5)));
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(0));
    let (code, told, _) = run(&desk, "log verify");
    assert_eq!(code, 0);
    assert!(told.starts_with("The log agrees with itself and with everything that was signed\n"), "{told}");

    let counts = ok(&desk, "log export -o vendor.clog");
    assert_eq!(counts["documents"].as_u64(), Some(4));
    let bytes = fs::read(desk.file("vendor.clog")).unwrap();
    let mut rest = &bytes[..];
    let mut kinds = String::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (record, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        match Record::decode(record).unwrap() {
            Record::Start { .. } => kinds.push('s'),
            Record::Checkpoint { note } => {
                assert_eq!(note.as_bytes(), fs::read(desk.file("new.checkpoint")).unwrap());
                kinds.push('c');
            }
            Record::Leaf { index, protected, payload, signature, .. } => {
                let document =
                    chancery_formats::cose::Unsigned::from_parts(protected.to_vec(), payload.to_vec());
                let document = document.sign(signature.unwrap());
                if index == 3 {
                    assert_eq!(document, fs::read(desk.file("pump.clic")).unwrap(), "{license}");
                }
                kinds.push('l');
            }
            Record::Operation(operation) => {
                assert_eq!(operation.first_index.is_none(), operation.id == 4);
                kinds.push('o');
            }
            Record::End { leaves, operations, checkpoints } => {
                assert_eq!((leaves, operations, checkpoints), (4, 5, 1));
                kinds.push('e');
            }
        }
        rest = after;
    }
    assert_eq!((kinds.as_str(), rest.len()), ("sclllloooooe", 0));
}

#[test]
fn a_log_that_is_older_than_it_was_is_an_alarm() {
    let desk = Desk::new();
    with_log_key(&desk);
    ok(&desk, "log checkpoint -o old.checkpoint");
    let older = fs::read(desk.home().database()).unwrap();
    issue(&desk);
    ok(&desk, "log checkpoint -o new.checkpoint");
    fs::write(desk.home().database(), older).unwrap();
    for file in ["-wal", "-shm"] {
        let _ = fs::remove_file(desk.home().path().join(format!("authority.db{file}"))); // it may be gone
    }
    // What is here agrees with itself, and not with what was signed.
    assert_eq!(ok(&desk, "log verify --checkpoint old.checkpoint")["size"].as_u64(), Some(3));
    let (code, told, stderr) = run(&desk, "log verify --checkpoint new.checkpoint");
    assert_eq!(code, 5, "{stderr}");
    assert!(
        told.starts_with("alarm    log-older: the log here has 3 documents, and had 4 before\n"),
        "{told}"
    );
    assert!(stderr.starts_with("error: the log has 1 contradiction\n"), "{stderr}");
    assert_eq!(fails(&desk, "log consistency old.checkpoint new.checkpoint", 5), "log-older");
    assert_eq!(fails(&desk, "log verify --checkpoint new.checkpoint", 5), "log-damaged");
    // It grows again to the size that was signed, and is another log: no checkpoint of it is taken for the first.
    issue_again(&desk);
    assert_eq!(fails(&desk, "log consistency old.checkpoint new.checkpoint", 5), "log-forked");
}

/// Issues a license of another id into the log.
fn issue_again(desk: &Desk) {
    let _ = fs::remove_file(desk.file("pump.clic"));
    issue(desk);
}
