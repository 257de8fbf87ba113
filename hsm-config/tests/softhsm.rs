//! The PKCS#11 backend on SoftHSM2: the common suite, and what only a PKCS#11 token shows.
//!
//! SoftHSM2 reads its configuration from the environment, so this program makes a token in a directory of
//! its own and starts itself again with `SOFTHSM2_CONF` set. It fails where SoftHSM2 is not installed.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::env;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

use chancery_formats::key::{Algorithm, Protection};
use chancery_hsm_config::backend::conformance::{self, Behaviour, Fault, Fixture, Unavailable};
use chancery_hsm_config::{KeyRef, PinSource, TokenRef, generate, list, open};

const CHILD: &str = "CHANCERY_SOFTHSM_TEST_DIR";
const LABEL: &str = "Chancery test";
const PIN: &str = "canary-1234";
const MODULES: [&str; 4] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];

type Test = fn(&mut SoftHsm);

fn main() {
    match env::var_os(CHILD) {
        Some(directory) => in_child(&PathBuf::from(directory)),
        None => exit(in_parent()),
    }
}

fn in_parent() -> i32 {
    let directory = env::temp_dir().join(format!("chancery-softhsm-{}", std::process::id()));
    let tokens = directory.join("tokens");
    fs::create_dir_all(&tokens).unwrap();
    let configuration = directory.join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    fs::write(&configuration, text).unwrap();
    let status = Command::new(env::current_exe().unwrap())
        .env(CHILD, &directory)
        .env("SOFTHSM2_CONF", &configuration)
        .status()
        .unwrap();
    fs::remove_dir_all(&directory).unwrap();
    status.code().unwrap_or(1)
}

fn in_child(directory: &Path) {
    tool(
        "softhsm2-util",
        "softhsm2",
        &["--init-token", "--free", "--label", LABEL, "--so-pin", "12345678", "--pin", PIN],
    );
    let mut token = SoftHsm::new(directory);
    let tests: [(&str, Test); 8] = [
        ("conforms", conforms),
        ("keys are never exportable", keys_are_never_exportable),
        ("generated keys have both names", generated_keys_have_both_names),
        ("imported keys are told apart", imported_keys_are_told_apart),
        ("other key types are unusable", other_key_types_are_unusable),
        ("tokens of one label are ambiguous", tokens_of_one_label_are_ambiguous),
        ("modules that do not load are told", modules_that_do_not_load_are_told),
        ("secrets are never shown", secrets_are_never_shown),
    ];
    for (name, test) in tests {
        test(&mut token);
        println!("softhsm: {name} ... ok");
    }
    println!("softhsm: {} passed", tests.len());
}

/// Runs a tool that is not ours, and says what to install where it is missing.
fn tool(program: &str, package: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|_| panic!("{program} is missing: apt-get install {package}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

struct SoftHsm {
    module: &'static str,
    directory: PathBuf,
}

impl SoftHsm {
    fn new(directory: &Path) -> Self {
        let module = MODULES.into_iter().find(|path| Path::new(path).exists());
        let module = module.expect("libsofthsm2.so is missing: apt-get install softhsm2");
        Self { module, directory: directory.to_owned() }
    }

    fn reference(&self, attributes: &str) -> KeyRef {
        format!("pkcs11:token=Chancery%20test;{attributes}?module-path={}", self.module).parse().unwrap()
    }

    fn token(&self) -> TokenRef {
        self.reference("object=any").token()
    }

    fn pkcs11_tool(&self, arguments: &[&str]) -> String {
        let common = ["--module", self.module, "--token-label", LABEL, "--login", "--pin", PIN];
        tool("pkcs11-tool", "opensc", &[&common, arguments].concat())
    }
}

impl Fixture for SoftHsm {
    fn name(&self) -> &'static str {
        "SoftHSM2, bare"
    }

    fn algorithms(&self) -> Vec<Algorithm> {
        vec![Algorithm::Ed25519, Algorithm::Esp256]
    }

    fn key(&self, index: u8) -> KeyRef {
        self.reference(&format!("object=key%20{index}"))
    }

    fn pins(&self) -> PinSource {
        PinSource::lines(Cursor::new(PIN))
    }

    fn wrong_pins(&self) -> PinSource {
        PinSource::lines(Cursor::new("wrong"))
    }

    fn key_on_missing_token(&self) -> Result<KeyRef, Unavailable> {
        Ok(format!("pkcs11:token=nowhere;object=key?module-path={}", self.module).parse().unwrap())
    }

    fn duplicate(&mut self, key: &KeyRef) -> Result<(), Unavailable> {
        assert_eq!(*key, self.key(100));
        self.pkcs11_tool(&[
            "--keypairgen",
            "--key-type",
            "EC:prime256v1",
            "--label",
            "key 100",
            "--id",
            "77",
        ]);
        Ok(())
    }

    fn remove_token(&mut self) -> Result<(), Unavailable> {
        fs::rename(self.directory.join("tokens"), self.directory.join("away")).unwrap();
        fs::create_dir(self.directory.join("tokens")).unwrap();
        Ok(())
    }

    fn return_token(&mut self) -> Result<(), Unavailable> {
        fs::remove_dir_all(self.directory.join("tokens")).unwrap();
        fs::rename(self.directory.join("away"), self.directory.join("tokens")).unwrap();
        Ok(())
    }

    fn pin_tries(&self) -> Option<u8> {
        None
    }

    fn signatures(&self) -> Option<u64> {
        None
    }

    fn provoke(&mut self, _: Fault, _: &KeyRef) -> Result<(), Unavailable> {
        Err(Unavailable("the module does not fail by itself"))
    }

    fn mend(&mut self) {}
}

fn conforms(token: &mut SoftHsm) {
    let report = conformance::run(token);
    println!("{report}");
    assert!(report.failures().is_empty());
    let unavailable: Vec<_> =
        report.unavailable().into_iter().filter(|behaviour| *behaviour < Behaviour::PinLimit).collect();
    assert_eq!(unavailable, [Behaviour::SignsMlDsa87]);
}

/// Asked of the token by another program.
fn keys_are_never_exportable(token: &mut SoftHsm) {
    for algorithm in [Algorithm::Ed25519, Algorithm::Esp256] {
        let label = format!("hidden-{}", algorithm.cose_number().abs());
        let key =
            generate(&token.reference(&format!("object={label}")), algorithm, &mut token.pins()).unwrap();
        assert_eq!(key.protection(), Protection::Hardware);
        assert_eq!((key.info().exportable, key.info().generated_inside), (Some(false), Some(true)));
        let shown = token.pkcs11_tool(&["--list-objects", "--type", "privkey"]);
        let object = shown.split("Private Key Object").find(|object| object.contains(&label)).unwrap();
        let access = object.lines().find(|line| line.contains("Access:")).unwrap();
        for wanted in ["sensitive", "always sensitive", "never extractable", "local"] {
            assert!(access.contains(wanted), "{access}");
        }
        assert!(object.contains("Usage:      sign\n"), "{object}");
    }
}

fn generated_keys_have_both_names(token: &mut SoftHsm) {
    let made = generate(&token.reference("id=%01%02"), Algorithm::Ed25519, &mut token.pins()).unwrap();
    assert_eq!(made.info().label, "chancery");
    let by_id = open(&token.reference("id=%01%02;type=private"), &mut token.pins()).unwrap();
    assert_eq!(by_id.public_key(), made.public_key());
    let taken = generate(&token.reference("object=other;id=%01%02"), Algorithm::Ed25519, &mut token.pins());
    assert_eq!(taken.unwrap_err().code(), "key-exists");
    let neither = open(&token.reference("object=other;id=%01%02"), &mut token.pins());
    assert_eq!(neither.unwrap_err().code(), "key-missing");
}

fn imported_keys_are_told_apart(token: &mut SoftHsm) {
    let file = token.directory.join("imported.pem");
    let file = file.to_str().unwrap();
    tool(
        "openssl",
        "openssl",
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file],
    );
    tool(
        "softhsm2-util",
        "softhsm2",
        &["--import", file, "--token", LABEL, "--label", "imported", "--id", "aa", "--pin", PIN],
    );
    let key = open(&token.reference("object=imported"), &mut token.pins()).unwrap();
    assert_eq!(key.info().generated_inside, Some(false));
    assert!(key.sign(b"imported").is_ok());
}

fn other_key_types_are_unusable(token: &mut SoftHsm) {
    for (kind, label) in [("rsa:2048", "rsa"), ("EC:secp384r1", "p384")] {
        token.pkcs11_tool(&["--keypairgen", "--key-type", kind, "--label", label, "--id", "dead"]);
        let error = open(&token.reference(&format!("object={label}")), &mut token.pins()).unwrap_err();
        assert_eq!(error.code(), "public-key-unusable", "{error}");
    }
    let listed = list(&token.token(), &mut token.pins()).unwrap();
    assert!(!listed.is_empty() && listed.iter().all(|info| info.label != "rsa" && info.label != "p384"));
}

fn tokens_of_one_label_are_ambiguous(token: &mut SoftHsm) {
    let twins = ["--init-token", "--free", "--label", "twin", "--so-pin", "12345678", "--pin", PIN];
    tool("softhsm2-util", "softhsm2", &twins);
    tool("softhsm2-util", "softhsm2", &twins);
    // The module has looked for tokens already; a lost session makes it look again.
    let key = open(&token.key(1), &mut token.pins()).unwrap();
    token.remove_token().unwrap();
    assert!(key.sign(b"away").is_err());
    token.return_token().unwrap();
    key.sign(b"back").unwrap();
    let twin: KeyRef = format!("pkcs11:token=twin;object=key?module-path={}", token.module).parse().unwrap();
    assert_eq!(open(&twin, &mut token.pins()).unwrap_err().code(), "token-ambiguous");
}

fn modules_that_do_not_load_are_told(token: &mut SoftHsm) {
    let not_pkcs11 = env::current_exe().unwrap();
    for path in ["/nowhere/module.so", "/etc/hostname", not_pkcs11.to_str().unwrap()] {
        let key: KeyRef = format!("pkcs11:token=x;object=y?module-path={path}").parse().unwrap();
        assert_eq!(open(&key, &mut token.pins()).unwrap_err().code(), "module-not-loadable", "{path}");
    }
}

fn secrets_are_never_shown(token: &mut SoftHsm) {
    let mut pins = token.pins();
    let wrong = open(&token.key(1), &mut PinSource::lines(Cursor::new("canary-wrong"))).unwrap_err();
    let key = open(&token.key(1), &mut pins).unwrap();
    let shown = format!("{key:?} {pins:?} {:?} {wrong:?} {wrong}", key.info());
    assert!(!shown.contains("canary"), "{shown}");
}
