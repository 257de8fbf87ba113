#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::advisory::{Model, published, version};

const REVIEWED: &str = include_str!("../../profiles/yubihsm2.toml");

fn refusal(text: &str) -> String {
    Profile::read(text).unwrap_err().to_string()
}

#[test]
fn the_reviewed_profile_separates_roles() {
    let profile = Profile::read(REVIEWED).unwrap();
    let roles: Vec<_> = profile.logins.iter().map(|login| login.role).collect();
    assert_eq!(roles, [Role::Sign, Role::Audit, Role::Backup, Role::Administer]);
    assert!(profile.keys.iter().all(|key| !key.exportable));
    assert!(profile.audit.force);
}

#[test]
fn profiles_that_give_too_much_are_refused() {
    let with = |from: &str, to: &str| {
        assert!(REVIEWED.contains(from), "{from}");
        REVIEWED.replacen(from, to, 1)
    };
    let refused = [
        (
            with("capabilities = [\"get-opaque\"", "capabilities = [\"delete-opaque\""),
            "may not have delete-opaque",
        ),
        (
            with("capabilities = [\"get-opaque\"", "capabilities = [\"fly\""),
            "no capability is called \"fly\"",
        ),
        (with("id = 2\n", "id = 1\n"), "the factory's"),
        (with("id = 3\n", "id = 2\n"), "login 2 occurs twice"),
        (with("role = \"audit\"", "role = \"sign\""), "may not have get-log-entries"),
        (with("device = \"yubihsm2\"", "device = \"toaster\""), "toaster"),
        (with("\"sign-eddsa\", \"sign-ecdsa\"", "\"sing\""), "no command that can be recorded"),
        (with("algorithm = \"Ed25519\"", "algorithm = \"RSA\""), "neither Ed25519 nor P-256"),
        (with("algorithm = \"Ed25519\"", "algorithm = \"Ed25519\"\nexportable = true"), "no wrap key"),
        (with("label = \"chancery issuing\"", "label = \"a\\u202eb\""), "visible text"),
        (with("domains = [1]\n", "domains = [17]\n"), "domains are from 1 to 16"),
        (with("force = true", "force = false"), "force has to be true"),
        (with("\"sign-eddsa\", ", ""), "sign-eddsa has to be recorded"),
        (with("\"export-wrapped\", ", ""), "export-wrapped has to be recorded"),
    ];
    for (text, words) in refused {
        let said = refusal(&text);
        assert!(said.contains(words), "{said}");
    }
    let surprised = refusal(&with("id = 2\n", "id = 2\nsurprise = 1\n"));
    let line = REVIEWED.split_once("id = 2\n").unwrap().0.lines().count() + 2;
    assert!(surprised.starts_with(&format!("not a profile: line {line}, column 1: ")), "{surprised}");
    assert!(surprised.contains("surprise"), "{surprised}");
    for text in ["", "device = ", "[", "device = \"yubihsm2\"\ndevice = \"x\"", "x = \"\"\"\n\n"] {
        let said = refusal(text);
        assert!(said.starts_with("not a profile") && said.lines().count() == 1, "{said}");
    }
    assert!(refusal(&"#".repeat(70_000)).contains("64 KiB"));
}

#[test]
fn firmware_with_a_published_weakness_is_known() {
    assert_eq!(version("2.4.0"), Some([2, 4, 0]));
    assert_eq!(version("5.7"), Some([5, 7, 0]));
    assert_eq!(version("2.4.0.1"), None);
    assert_eq!(version("2.+4"), None);
    assert_eq!(published(Model::YubiHsm2, [2, 3, 2]).len(), 1);
    assert!(published(Model::YubiHsm2, [2, 4, 0]).is_empty());
    assert_eq!(published(Model::YubiKey5, [5, 4, 3]).len(), 2);
    assert!(published(Model::YubiKey5, [5, 7, 1]).is_empty());
}
