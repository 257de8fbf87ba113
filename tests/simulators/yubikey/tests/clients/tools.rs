//! Debian's tools: `yubico-piv-tool` and `pkcs11-tool` over two modules, judged by `openssl`.
//!
//! `yubico-piv-tool` 2.2 knows no management key but triple DES, and with OpenSSL 3 it signs no
//! certificates (its issue 388); a slot gets the attestation statement of its key for a certificate.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chancery_yubikey_simulator::{Config, ManagementAlgorithm, YubiKey, attestation};

use crate::config;

/// A card with a triple-DES management key, and a folder that goes with it.
struct Desk {
    card: YubiKey,
    folder: PathBuf,
}

impl Desk {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("chancery-{name}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let management = Some(ManagementAlgorithm::TripleDes);
        let card =
            YubiKey::start(&Config { management, attestation: Some(folder.clone()), ..config() }).unwrap();
        Self { card, folder }
    }

    fn run(&self, program: &str, package: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder);
        command.output().unwrap_or_else(|error| panic!("{program}: {error}: apt-get install {package}"))
    }

    /// Runs a program that succeeds, and returns what it writes.
    fn right(&self, program: &str, package: &str, arguments: &[&str]) -> String {
        let output = self.run(program, package, arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn piv_tool(&self, arguments: &[&str]) -> String {
        self.right("yubico-piv-tool", "yubico-piv-tool", arguments)
    }

    fn openssl(&self, arguments: &[&str]) -> String {
        self.right("openssl", "openssl", arguments)
    }

    /// Makes a P-256 key with a certificate, as an operator would.
    fn make(&self, slot: &str) {
        let (public, statement) = (format!("{slot}.pub"), format!("{slot}.pem"));
        self.piv_tool(&["-s", slot, "-A", "ECCP256", "-a", "generate", "-o", &public]);
        self.piv_tool(&["-s", slot, "-a", "attest", "-o", &statement]);
        self.piv_tool(&["-s", slot, "-a", "import-certificate", "-i", &statement]);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

pub(crate) fn piv_tool_sets_a_card_up() {
    let desk = Desk::new("piv-tool");
    let status = desk.piv_tool(&["-a", "status"]);
    for line in ["Version:\t5.7.1", "Serial Number:\t12345678", "PIN tries left:\t3"] {
        assert!(status.contains(line), "{status}");
    }
    desk.make("9c");
    desk.piv_tool(&["-a", "set-chuid"]);
    let status = desk.piv_tool(&["-a", "status"]);
    assert!(status.contains("Slot 9c:") && status.contains("ECCP256"), "{status}");
    assert!(!status.contains("CHUID:\tNo data"), "{status}");

    let wrong = desk.run("yubico-piv-tool", "yubico-piv-tool", &["-a", "verify-pin", "-P", "000000"]);
    assert!(!wrong.status.success());
    assert_eq!(desk.card.tries_left(), (2, 3));
    desk.piv_tool(&["-a", "verify-pin", "-P", "123456"]);
    assert_eq!(desk.card.tries_left(), (3, 3));
    desk.piv_tool(&["-a", "change-pin", "-P", "123456", "-N", "654321"]);
    desk.piv_tool(&["-a", "verify-pin", "-P", "654321"]);
    let key = "ffeeddccbbaa99887766554433221100ffeeddccbbaa9988";
    desk.piv_tool(&["-a", "set-mgm-key", "-n", key]);
    let default = desk.run("yubico-piv-tool", "yubico-piv-tool", &["-a", "set-ccc"]);
    assert!(!default.status.success(), "the factory's management key is gone");
    desk.piv_tool(&[&format!("--key={key}"), "-a", "set-ccc"]);
    desk.piv_tool(&[
        &format!("--key={key}"),
        "-a",
        "verify-pin",
        "-P",
        "654321",
        "-a",
        "pin-retries",
        "--pin-retries",
        "5",
        "--puk-retries",
        "4",
    ]);
    assert_eq!(desk.card.tries_left(), (5, 4));
}

pub(crate) fn piv_tool_attests() {
    let desk = Desk::new("attest");
    desk.piv_tool(&["-s", "9a", "-A", "ECCP256", "-a", "generate", "-o", "9a.pub"]);
    desk.piv_tool(&["-s", "9a", "-a", "attest", "-o", "statement.pem"]);
    desk.piv_tool(&["-s", "f9", "-a", "read-certificate", "-o", "card.pem"]);
    let verified =
        desk.openssl(&["verify", "-CAfile", "root.pem", "-untrusted", "card.pem", "statement.pem"]);
    assert!(verified.contains("statement.pem: OK"), "{verified}");
    let attested = desk.openssl(&["x509", "-in", "statement.pem", "-noout", "-pubkey"]);
    assert_eq!(attested, fs::read_to_string(desk.folder.join("9a.pub")).unwrap());
    let other = attestation::pem(&attestation::manufacture().unwrap().root);
    fs::write(desk.folder.join("other.pem"), other).unwrap();
    let wrong = ["verify", "-CAfile", "other.pem", "-untrusted", "card.pem", "statement.pem"];
    assert!(!desk.run("openssl", "openssl", &wrong).status.success(), "another card's root");

    desk.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "own.pem"]);
    desk.piv_tool(&["-s", "9a", "-a", "import-key", "-i", "own.pem"]);
    let refused = desk.run("yubico-piv-tool", "yubico-piv-tool", &["-s", "9a", "-a", "attest"]);
    assert!(!refused.status.success(), "an imported key");
}

pub(crate) fn ykcs11_signs_in_9a_and_9c() {
    signs_in_9a_and_9c("libykcs11.so", "ykcs11");
}

pub(crate) fn opensc_signs_in_9a_and_9c() {
    signs_in_9a_and_9c("opensc-pkcs11.so", "opensc-pkcs11");
}

fn signs_in_9a_and_9c(module: &str, package: &str) {
    let module = module_path(module, package);
    let desk = Desk::new(package);
    desk.make("9a");
    desk.make("9c");
    let tool = |arguments: &[&str]| {
        let start = ["--module", &module];
        desk.right("pkcs11-tool", "opensc", &[&start[..], arguments].concat())
    };
    assert!(tool(&["-L"]).contains("YubiKey"));
    let keys = tool(&["--login", "--pin", "123456", "-O", "--type", "privkey"]);
    assert!(keys.contains("always authenticate"), "{keys}");
    fs::write(desk.folder.join("digest"), [7; 32]).unwrap();
    for (id, slot) in [("01", "9a"), ("02", "9c")] {
        let login = ["--login", "--pin", "123456", "--sign", "-m", "ECDSA", "--id", id];
        tool(&[&login[..], &["-i", "digest", "-o", "signature", "--signature-format", "openssl"]].concat());
        let public = format!("{slot}.pub");
        let verify =
            ["pkeyutl", "-verify", "-pubin", "-inkey", &public, "-in", "digest", "-sigfile", "signature"];
        assert!(desk.openssl(&verify).contains("Verified Successfully"));
    }
    assert_eq!(desk.card.operations(), 2);
    assert_eq!(desk.card.tries_left(), (3, 3));
}

fn module_path(module: &str, package: &str) -> String {
    let path = Path::new("/usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH)).join(module);
    assert!(path.exists(), "{} is missing: apt-get install {package}", path.display());
    path.display().to_string()
}
