//! The device profiles: their references read, their pages quote them, and SoftHSM2's commands run.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chancery_formats::key::Algorithm;
use chancery_hsm_config::KeyRef;
use chancery_hsm_config::reference::Location;

const PROFILES: [&str; 3] = ["softhsm2", "yubihsm2", "yubikey-piv"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles")
}

fn page(name: &str) -> String {
    fs::read_to_string(folder().join(format!("{name}.md"))).unwrap()
}

#[test]
fn every_profile_holds_what_its_page_says() {
    let mut names: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected: Vec<_> =
        PROFILES.iter().flat_map(|name| [format!("{name}.md"), format!("{name}.toml")]).collect();
    assert_eq!(names, expected);
    for name in PROFILES {
        let text = fs::read_to_string(folder().join(format!("{name}.toml"))).unwrap();
        let profile: toml::Table = text.parse().unwrap();
        let string = |key: &str| profile[key].as_str().unwrap().to_owned();
        let reference: KeyRef = string("reference").parse().unwrap();
        let backend = match reference.location() {
            Location::Pkcs11(..) => "pkcs11",
            Location::YubiHsm(..) => "yubihsm",
            other => panic!("{other:?}"),
        };
        assert_eq!(string("backend"), backend);
        assert_eq!(string("secret"), reference.token().secret_name());
        assert_eq!(string("setup"), format!("{name}.md"));
        assert!(page(name).contains(&format!("--issuing-key '{}'", string("reference"))), "{name}");
        let known = |value: &toml::Value| {
            Algorithm::ALL.iter().any(|algorithm| Some(algorithm.name()) == value.as_str())
        };
        assert!(profile["algorithms"].as_array().unwrap().iter().all(known), "{name}");
        assert!(profile["generates"].is_bool());
    }
}

/// The `sh` blocks of the page, with the PINs that a person would type.
#[test]
fn the_softhsm2_page_works() {
    let page = page("softhsm2");
    let blocks: Vec<&str> =
        page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 3);
    let script =
        blocks.concat().replace("--label chancery\n", "--label chancery --so-pin 12345678 --pin 1234\n");
    let script = script.replace("--login", "--login --pin 1234");
    let home = env::temp_dir().join(format!("chancery-profile-{}", std::process::id()));
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
