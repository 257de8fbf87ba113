//! Issuing as the operator meets it: what refuses changes nothing, and what is issued is issued once.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::desk::{Desk, PASSPHRASE};
use crate::homes::ENTITLEMENT;

#[test]
fn what_is_refused_changes_nothing() {
    let desk = Desk::laid_out();
    let before = desk.content();
    desk.run("cmd/refused", &[]);
    assert_eq!(desk.content(), before);
}

#[test]
fn a_missing_key_file_is_told() {
    let desk = Desk::new();
    fs::remove_file(desk.home().keys().join("issuing.pem")).unwrap();
    let before = desk.content();
    desk.run("cmd/key-missing", &[]);
    assert_eq!(desk.content(), before);
}

#[test]
fn documents_are_inspected_with_their_authority() {
    let desk = Desk::laid_out();
    let before = desk.content();
    desk.run("cmd/inspect", &[]);
    assert_eq!(desk.content(), before);
}

#[test]
fn documents_are_inspected_without_an_authority() {
    let desk = Desk::laid_out();
    fs::remove_dir_all(desk.home().path()).unwrap();
    let before = desk.content();
    desk.run("cmd/inspect-alone", &[]);
    for name in ["old.clic", "old.png", "old.txt", "root.bin", "key-record.bin", "vendor.ctrust"] {
        let value = json(&desk, &["inspect", name]);
        assert_eq!(value["verified"].as_bool(), Some(false), "{name}");
        assert!(value["signature"].as_str().unwrap().starts_with("not verified: "), "{name}");
    }
    assert_eq!(desk.content(), before);
}

#[test]
fn documents_are_inspected_beside_a_damaged_authority() {
    let desk = Desk::laid_out();
    fs::write(desk.home().database(), "this is no database\n".repeat(512)).unwrap();
    let before = desk.content();
    desk.run("cmd/inspect-damaged", &[]);
    assert_eq!(desk.content(), before);
}

#[test]
fn the_same_request_gives_the_same_license() {
    let desk = Desk::laid_out();
    desk.run("cmd/issue", &[]);
    let first = fs::read(desk.file("first.clic")).unwrap();
    assert!(!desk.file("again.clic").exists());
    desk.run("cmd/issue-again", &[]);
    for name in ["again.clic", "picture.clic", "armor.clic", "json.clic"] {
        assert_eq!(fs::read(desk.file(name)).unwrap(), first, "{name}");
    }
}

/// Runs the program at the desk and returns its standard output; the passphrase is on its standard input.
fn succeed(desk: &Desk, args: &[&str]) -> Vec<u8> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_chancery"))
        .args(args)
        .env("CHANCERY_HOME", desk.home().path())
        .env("TZ", "UTC")
        .current_dir(desk.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that needs no passphrase may have ended already.
    let _ = child.stdin.take().unwrap().write_all(format!("{PASSPHRASE}\n").as_bytes());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{args:?}");
    output.stdout
}

fn json(desk: &Desk, args: &[&str]) -> Value {
    serde_json::from_slice(&succeed(desk, &[args, &["--json"]].concat())).unwrap()
}

#[test]
fn what_was_issued_is_shown_and_exported_under_its_id() {
    let desk = Desk::new();
    let entitlement = ENTITLEMENT.to_string();
    let asked =
        ["--entitlement", &entitlement, "--request", "pump.creq", "-o", "first.clic", "--pin-fd", "0"];
    let issued = json(&desk, &[&["license", "issue"], &asked[..]].concat());
    let id = issued["id"].as_str().unwrap();
    let (shown, inspected) = (json(&desk, &["license", "show", id]), json(&desk, &["inspect", "first.clic"]));
    assert_eq!(shown["license"], inspected["content"]);
    assert_eq!(shown["license"]["id"].as_str(), Some(id));
    let text = String::from_utf8(succeed(&desk, &["license", "show", id])).unwrap();
    assert!(text.starts_with(&format!("license:     {id}\n")), "{text}");

    let exported = json(&desk, &["license", "export", id, "-o", "again.clic"]);
    assert_eq!((exported["id"].as_str(), exported["files"][0].as_str()), (Some(id), Some("again.clic")));
    assert_eq!(fs::read(desk.file("again.clic")).unwrap(), fs::read(desk.file("first.clic")).unwrap());
}

#[test]
fn a_public_key_is_exported_once_under_a_name() {
    let desk = Desk::new();
    let keys = json(&desk, &["key", "list"]);
    let kid = keys[1]["kid"].as_str().unwrap();
    succeed(&desk, &["key", "export", kid, "--format", "pem", "-o", "issuing.pem"]);
    let pem = fs::read(desk.file("issuing.pem")).unwrap();
    assert!(pem.starts_with(b"-----BEGIN PUBLIC KEY-----\n"));
    assert_eq!(succeed(&desk, &["key", "export", kid, "--format", "pem"]), pem);
    let before = desk.content();
    let again = Command::new(env!("CARGO_BIN_EXE_chancery"))
        .args(["key", "export", kid, "--format", "pem", "-o", "issuing.pem"])
        .env("CHANCERY_HOME", desk.home().path())
        .current_dir(desk.path())
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(again.stderr).unwrap(),
        "error: issuing.pem already exists\n\
         hint: choose another name, or move the existing file away; nothing is overwritten\n"
    );
    assert_eq!(desk.content(), before);
}
