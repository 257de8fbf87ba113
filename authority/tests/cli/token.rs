//! Issuing with the key on a token that is absent, locked behind another PIN, or without the key.
//!
//! On SoftHSM2, which each run configures for itself; fails where SoftHSM2 is not installed. Not here: the
//! backend's own suite (`hsm-config`), the whole loop on a token (package `chancery-tests`).

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::desk::{Desk, PASSPHRASE};
use crate::homes::Folder;

const PIN: &str = "739104";

const MODULES: [&str; 4] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];

/// SoftHSM2 with its tokens in a folder.
struct SoftHsm {
    configuration: PathBuf,
}

impl SoftHsm {
    /// Configures a folder without tokens.
    fn new(folder: &Path) -> Self {
        let tokens = folder.join("tokens");
        fs::create_dir_all(&tokens).unwrap();
        let configuration = folder.join("softhsm2.conf");
        let text = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        fs::write(&configuration, text).unwrap();
        Self { configuration }
    }

    /// Adds a token with this label, and no key on it.
    fn with_token(folder: &Path, label: &str) -> Self {
        let softhsm = Self::new(folder);
        let arguments = ["--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN];
        let output = Command::new("softhsm2-util")
            .args(arguments)
            .env("SOFTHSM2_CONF", &softhsm.configuration)
            .output()
            .expect("softhsm2-util is missing: apt-get install softhsm2");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        softhsm
    }
}

/// Makes a desk whose issuing key is on the token `vendor`.
fn desk(softhsm: &SoftHsm) -> Desk {
    let module = MODULES.into_iter().find(|path| Path::new(path).exists());
    let module = module.expect("libsofthsm2.so is missing: apt-get install softhsm2");
    Desk::with_home(|home| {
        let mut init = Command::new(env!("CARGO_BIN_EXE_chancery"))
            .args(["init", "--name", "vendor", "--pin-fd", "0", "--home", home.path().to_str().unwrap()])
            .args(["--issuing-key", &format!("pkcs11:token=vendor;object=issuing?module-path={module}")])
            .env("SOFTHSM2_CONF", &softhsm.configuration)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let lines = format!("{PASSPHRASE}\n{PIN}\n");
        init.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        assert!(init.wait().unwrap().success());
    })
}

/// One desk, and the same reference met by three states of the machine.
#[test]
fn what_is_wrong_with_a_token_is_told() {
    let folder = Folder::new();
    let whole = SoftHsm::with_token(&folder.path().join("whole"), "vendor");
    let without_key = SoftHsm::with_token(&folder.path().join("without-key"), "vendor");
    let without_token = SoftHsm::with_token(&folder.path().join("without-token"), "another");
    let desk = desk(&whole);
    let before = desk.content();
    // A wrong PIN has SoftHSM2 rewrite the token's file in place, where a case beside it may find no token.
    for (group, softhsm) in [
        ("token", &whole),
        ("token-wrong-pin", &whole),
        ("token-without-key", &without_key),
        ("token-absent", &without_token),
    ] {
        desk.run(&format!("cmd/{group}"), &[("SOFTHSM2_CONF", &softhsm.configuration)]);
    }
    assert_eq!(desk.content(), before);
    desk.run("cmd/token-issue", &[("SOFTHSM2_CONF", &whole.configuration)]);
}
