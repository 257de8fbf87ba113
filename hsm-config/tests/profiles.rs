//! The devices' pages and the reviewed profile: references read, the profile reads, and SoftHSM2's commands run.
//!
//! Not here: what a profile may hold (`provision`), and that a device is made from it (the YubiHSM simulator).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chancery_hsm_config::provision::{Profile, Role};
use chancery_hsm_config::reference::Partial;
use chancery_hsm_config::{KeyRef, TokenRef};

const PAGES: [&str; 6] =
    ["README.md", "other-tokens.md", "softhsm2.md", "tpm.md", "yubihsm2.md", "yubikey.md"];
const SCHEMES: [&str; 4] = ["file:", "piv:", "pkcs11:", "yubihsm:"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs/guide/devices").join(name)).unwrap()
}

/// What stands between blanks and quotes and begins as a reference does; a scheme by itself is named, not used.
fn references(line: &str) -> Vec<&str> {
    let words = line.split(|c: char| c.is_whitespace() || "'`\"".contains(c));
    words.filter(|word| SCHEMES.iter().any(|scheme| word.starts_with(scheme) && word != scheme)).collect()
}

#[test]
fn every_reference_on_the_pages_reads() {
    assert_eq!(names(&root().join("docs/guide/devices")), PAGES);
    for name in PAGES {
        let mut of_keys = 0;
        for line in page(name).lines() {
            for reference in references(line) {
                let (key, token) = (reference.parse::<KeyRef>(), reference.parse::<TokenRef>());
                of_keys += usize::from(key.is_ok());
                // What is looked for may leave out more than what is named.
                let is_looked_for = line.contains("key probe") && reference.parse::<Partial>().is_ok();
                assert!(key.is_ok() || token.is_ok() || is_looked_for, "{name}: {reference}: {key:?}");
            }
        }
        assert!(of_keys >= 3, "{name} shows {of_keys} references of keys");
    }
}

#[test]
fn every_page_tells_what_goes_wrong() {
    for name in PAGES.into_iter().filter(|name| *name != "README.md") {
        let text = page(name);
        let (_, wrong) = text.split_once("\n## What goes wrong\n").expect(name);
        let errors = wrong.matches("\nerror: ").count();
        assert!(errors >= 4, "{name} shows {errors} errors");
        assert!(errors <= wrong.matches("\nhint: ").count(), "{name}: an error without its hint");
        assert!(page("README.md").contains(&format!("({name})")), "{name} is not in the index");
    }
}

#[test]
fn reviewed_profiles_read_and_are_what_their_page_shows() {
    let page = page("yubihsm2.md");
    let files = ["yubihsm2-backed-up.toml", "yubihsm2-backup.py", "yubihsm2.toml"];
    assert_eq!(names(&root().join("hsm-config/profiles")), files);
    let read = |name: &str| {
        assert!(page.contains(&format!("hsm-config/profiles/{name}")), "the page does not show {name}");
        let text = fs::read_to_string(root().join("hsm-config/profiles").join(name)).unwrap();
        Profile::read(&text).unwrap()
    };
    read("yubihsm2-backed-up.toml");
    let profile = read("yubihsm2.toml");
    for login in &profile.logins {
        let row = format!("| {} | {} | ", login.id, login.role.name());
        assert!(page.contains(&row), "the page lacks {row}");
    }
    let login = |role| profile.logins.iter().find(|login| login.role == role).unwrap().id;
    let [key] = &profile.keys[..] else { panic!("the page shows one key") };
    let used = format!(
        "--issuing-key 'yubihsm:serial=0001234567;id={:#06x};auth-id={};audit-id={}?",
        key.id,
        login(Role::Sign),
        login(Role::Audit)
    );
    assert!(page.contains(&used), "the page lacks {used}");
}

/// The `sh` blocks of the page, with the PINs that a person would type.
#[test]
fn the_softhsm2_page_works() {
    let page = page("softhsm2.md");
    let blocks: Vec<&str> =
        page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 3);
    let script =
        blocks.concat().replace("--label chancery\n", "--label chancery --so-pin 12345678 --pin 1234\n");
    let script = script.replace("--login", "--login --pin 1234");
    let home = env::temp_dir().join(format!("chancery-pages-{}", std::process::id()));
    fs::create_dir(&home).unwrap();
    let output = Command::new("bash")
        .args(["-euc", &script])
        .env("HOME", &home)
        .env_remove("SOFTHSM2_CONF")
        .output()
        .expect("bash is missing");
    fs::remove_dir_all(&home).unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "apt-get install softhsm2 opensc\n{stdout}{stderr}");
    assert!(stdout.contains("The token has been initialized"), "{stdout}{stderr}");
}
