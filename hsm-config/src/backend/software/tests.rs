use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::*;
use crate::{generate, list, open, open_or_generate};

const PASSPHRASE: &str = "canary battery staple";

/// A directory of its own, removed with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let mut random = [0; 8];
        getrandom::fill(&mut random).unwrap();
        let path =
            std::env::temp_dir().join(format!("chancery-software-{:016x}", u64::from_le_bytes(random)));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn key(&self, name: &str) -> KeyRef {
        KeyRef::file(self.0.join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn pins(lines: &str) -> PinSource {
    PinSource::lines(Cursor::new(lines.to_owned()))
}

fn right() -> PinSource {
    pins(PASSPHRASE)
}

#[test]
fn key_files_open_again() {
    let scratch = Scratch::new();
    for algorithm in Algorithm::ALL {
        let reference = scratch.key(algorithm.name());
        let made = generate(&reference, algorithm, &mut right()).unwrap();
        assert_eq!(made.protection(), Protection::Software);
        let opened = open(made.reference(), &mut right()).unwrap();
        assert_eq!(opened.public_key(), made.public_key());
        assert_eq!(opened.sign(b"a").unwrap().len(), algorithm.signature_len());
        assert_eq!(list(&reference.token(), &mut right()).unwrap()[0].reference, *made.reference());
    }
}

#[test]
fn openssl_reads_key_files() {
    let scratch = Scratch::new();
    for (algorithm, name) in [(Algorithm::Ed25519, "ED25519"), (Algorithm::Esp256, "prime256v1")] {
        let reference = scratch.key(name);
        generate(&reference, algorithm, &mut right()).unwrap();
        let mut openssl = Command::new("openssl")
            .args(["pkey", "-noout", "-text_pub", "-passin", "stdin", "-in"])
            .arg(reference.file_path().unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("openssl is missing: apt-get install openssl");
        writeln!(openssl.stdin.take().unwrap(), "{PASSPHRASE}").unwrap();
        let output = openssl.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains(name), "{text}");
    }
}

#[test]
fn files_are_owner_only_and_never_replaced() {
    let scratch = Scratch::new();
    let reference = scratch.key("a.pem");
    generate(&reference, Algorithm::Ed25519, &mut right()).unwrap();
    let path = reference.file_path().unwrap();
    let bytes = fs::read(path).unwrap();
    assert!(bytes.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(generate(&reference, Algorithm::Ed25519, &mut right()).unwrap_err().code(), "key-exists");
    let again = SoftwareKey::create_unprotected(path, Algorithm::Ed25519).unwrap_err();
    assert_eq!(again.code(), "key-exists");
    assert_eq!(fs::read(path).unwrap(), bytes);
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1, "a temporary file is left");
    for mode in [0o640, 0o604, 0o620, 0o602, 0o660] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(open(&reference, &mut right()).unwrap_err().code(), "permissions-too-open", "{mode:o}");
    }
}

#[test]
fn a_dangling_link_is_not_followed() {
    let scratch = Scratch::new();
    let reference = scratch.key("link.pem");
    std::os::unix::fs::symlink(scratch.0.join("elsewhere"), reference.file_path().unwrap()).unwrap();
    assert_eq!(generate(&reference, Algorithm::Ed25519, &mut right()).unwrap_err().code(), "key-exists");
    let directly = SoftwareKey::create_unprotected(reference.file_path().unwrap(), Algorithm::Ed25519);
    assert_eq!(directly.unwrap_err().code(), "key-exists");
    assert!(!scratch.0.join("elsewhere").exists());
}

#[test]
fn wrong_passphrases_are_refused() {
    let scratch = Scratch::new();
    let reference = scratch.key("a.pem");
    generate(&reference, Algorithm::Ed25519, &mut right()).unwrap();
    let mut source = pins(&format!("wrong\n{PASSPHRASE}\n"));
    assert_eq!(open(&reference, &mut source).unwrap_err().code(), "wrong-pin");
    assert!(open(&reference, &mut source).is_ok(), "the refused passphrase is tried again");
    assert_eq!(open(&reference, &mut PinSource::none()).unwrap_err().code(), "pin-missing");
}

#[test]
fn a_missing_file_is_told_before_anybody_is_asked() {
    let scratch = Scratch::new();
    let reference = scratch.key("a.pem");
    assert_eq!(open(&reference, &mut PinSource::none()).unwrap_err().code(), "key-missing");
    let nowhere = scratch.key("no/such/folder/a.pem");
    assert_eq!(open(&nowhere, &mut PinSource::none()).unwrap_err().code(), "key-missing");
    assert_eq!(generate(&nowhere, Algorithm::Ed25519, &mut right()).unwrap_err().code(), "file-failure");
}

#[test]
fn missing_keys_are_made_unless_pinned() {
    let scratch = Scratch::new();
    let reference = scratch.key("a.pem");
    let pinned = reference.clone().with_public_key(chancery_formats::id::Thumbprint([7; 32]));
    let refused = open_or_generate(&pinned, Algorithm::Ed25519, &mut right()).unwrap_err();
    assert_eq!(refused.code(), "key-missing");
    let mut source = right();
    let first = open_or_generate(&reference, Algorithm::Ed25519, &mut source).unwrap();
    let second = open_or_generate(&reference, Algorithm::Ed25519, &mut source).unwrap();
    assert!(first.generated && !second.generated);
    assert_eq!(first.key.public_key(), second.key.public_key());
}

#[test]
fn other_files_are_refused() {
    let scratch = Scratch::new();
    let reference = scratch.key("a.pem");
    let path = reference.file_path().unwrap();
    SoftwareKey::create_unprotected(path, Algorithm::Ed25519).unwrap();
    assert_eq!(open(&reference, &mut right()).unwrap_err().code(), "key-file-invalid");
    for bytes in [&b""[..], b"\xff\xfe", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n", &[b'a'; 20_000]] {
        fs::write(path, bytes).unwrap();
        assert_eq!(open(&reference, &mut right()).unwrap_err().code(), "key-file-invalid");
        assert_eq!(SoftwareKey::open_unprotected(path).unwrap_err().code(), "key-file-invalid");
    }
    fs::remove_file(path).unwrap();
    fs::create_dir_all(path).unwrap();
    assert_eq!(open(&reference, &mut right()).unwrap_err().code(), "key-file-invalid");
}

#[test]
fn costly_files_are_refused_before_any_work() {
    let scratch = Scratch::new();
    let reference = scratch.key("a.pem");
    let path = reference.file_path().unwrap();
    generate(&reference, Algorithm::Ed25519, &mut right()).unwrap();
    let (_, document) = SecretDocument::from_pem(&fs::read_to_string(path).unwrap()).unwrap();
    // INTEGER 16384, then r = 8: make N larger than a gigabyte allows.
    let mut der = document.as_bytes().to_vec();
    let at = der.windows(7).position(|window| window == [2, 2, 0x40, 0, 2, 1, 8]).unwrap();
    der[at + 6] = 127;
    let pem = SecretDocument::try_from(der).unwrap().to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).unwrap();
    fs::write(path, pem.as_bytes()).unwrap();
    let error = open(&reference, &mut right()).unwrap_err();
    assert_eq!(error.code(), "key-file-invalid", "{error}");
}

#[test]
fn device_keys_open_again() {
    let scratch = Scratch::new();
    for algorithm in Algorithm::ALL {
        let path = scratch.0.join(algorithm.name());
        let made = SoftwareKey::create_unprotected(&path, algorithm).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let opened = SoftwareKey::open_unprotected(&path).unwrap();
        assert_eq!(opened.public_key(), made.public_key());
        let key = crate::Key::from_software(opened).unwrap();
        assert!(key.sign(b"request").is_ok());
    }
    let nothing = SoftwareKey::open_unprotected(&scratch.0.join("nothing")).unwrap_err();
    assert_eq!(nothing.code(), "key-missing");
}

#[test]
fn debug_shows_no_secret() {
    let scratch = Scratch::new();
    let key = SoftwareKey::ephemeral(Algorithm::Ed25519).unwrap();
    let Secret::Ed25519(secret) = &key.0 else { unreachable!() };
    let bytes = format!("{:?}", secret.as_bytes());
    let reference = scratch.key("a.pem");
    let mut backend =
        SoftwareBackend::open(reference.file_path().unwrap(), Purpose::Generate, &mut right()).unwrap();
    let before = format!("{backend:?}");
    backend.key = Some(key);
    let opened = crate::Key::new(&reference, Box::new(connect_again(&scratch))).unwrap();
    let shown = format!("{before} {backend:?} {backend:#?} {opened:?}");
    assert!(!shown.contains("canary") && !shown.contains(&bytes), "{shown}");
}

fn connect_again(scratch: &Scratch) -> SoftwareBackend {
    let path = scratch.0.join("a.pem");
    let mut backend = SoftwareBackend::open(&path, Purpose::Generate, &mut right()).unwrap();
    backend.generate(&KeyRef::file(path), Algorithm::Ed25519).unwrap();
    backend
}
