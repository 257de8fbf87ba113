//! Setting a device up from the reviewed profile, comparing it, and what its attestation proves.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/provisioned.rs"]
mod provisioned;

use std::fs;

use chancery_formats::key::Algorithm;
use chancery_hsm_config::attestation::{self, AttestationError, Expected, Roots, Statement};
use chancery_hsm_config::provision::{Profile, Step, provision, verify_device};
use chancery_hsm_config::{Key, generate, open};
use chancery_yubihsm_simulator::{Config, Defect, Fault, Firmware, Simulator};
use provisioned::{PASSWORDS, PROFILE, Provisioned, device, lines};
use yubihsm::connector::HttpConfig;
use yubihsm::{Capability, Client, Connector, Credentials, Domain, asymmetric, authentication, object};

fn profile() -> Profile {
    Profile::read(PROFILE).unwrap()
}

fn differences(device: &Provisioned) -> Vec<String> {
    let found = verify_device(&profile(), &device.login(3), &mut lines("audit-secret")).unwrap();
    found.iter().map(ToString::to_string).collect()
}

/// A client that is not ours.
fn foreign(port: u16, login: u16, password: &str) -> Client {
    let connector = Connector::http(&HttpConfig { port, ..HttpConfig::default() });
    Client::open(connector, Credentials::from_password(login, password.as_bytes()), false).unwrap()
}

#[test]
fn a_device_made_from_the_profile_is_exactly_as_it_says() {
    let device = Provisioned::new();
    assert_eq!(differences(&device), Vec::<String>::new());
    assert!(matches!(device.steps.last(), Some(Step::Compare)));
    let factory = open(&key_under(&device, 1), &mut lines("password")).unwrap_err();
    assert_eq!(factory.code(), "login-missing", "{factory}");
    for (login, code) in [(3, "not-permitted"), (4, "not-permitted")] {
        let password = if login == 3 { "audit-secret" } else { "backup-secret" };
        let key = open(&key_under(&device, login), &mut lines(password)).unwrap();
        assert_eq!(key.sign(b"not my role").unwrap_err().code(), code);
    }
    let made = generate(&second_key(&device), Algorithm::Ed25519, &mut lines("sign-secret")).unwrap_err();
    assert_eq!(made.code(), "not-permitted", "{made}");
    assert_eq!(device.simulator.operations().sign_eddsa, 0);
}

fn key_under(device: &Provisioned, login: u16) -> chancery_hsm_config::KeyRef {
    let port = device.simulator.port();
    format!("yubihsm:serial=0012345678;id=256;auth-id={login}?connector=http://127.0.0.1:{port}")
        .parse()
        .unwrap()
}

fn second_key(device: &Provisioned) -> chancery_hsm_config::KeyRef {
    let port = device.simulator.port();
    format!("yubihsm:serial=0012345678;id=257;auth-id=2?connector=http://127.0.0.1:{port}").parse().unwrap()
}

/// What a colleague with the factory's password does before the device is provisioned, or a thief after.
#[test]
fn every_change_is_named() {
    let device = Simulator::start(Config::default()).unwrap();
    let port = device.port();
    let factory = foreign(port, 1, "password");
    let wide = Capability::SIGN_EDDSA | Capability::EXPORTABLE_UNDER_WRAP;
    let no = Capability::empty();
    let put = |id, capabilities| {
        let key = authentication::Key::derive_from_password(b"sign-secret");
        let label: object::Label = "chancery sign".parse().unwrap();
        factory.put_authentication_key(
            id,
            label,
            Domain::DOM1,
            capabilities,
            no,
            authentication::Algorithm::YubicoAes,
            key,
        )
    };
    let sign = Capability::GET_OPAQUE
        | Capability::SIGN_ATTESTATION_CERTIFICATE
        | Capability::SIGN_ECDSA
        | Capability::SIGN_EDDSA;
    put(2, sign | Capability::DELETE_ASYMMETRIC_KEY).unwrap();
    put(5, Capability::SIGN_EDDSA).unwrap();
    let label = || "chancery issuing".parse::<object::Label>().unwrap();
    let ed25519 = asymmetric::Algorithm::Ed25519;
    factory.generate_asymmetric_key(256, label(), Domain::DOM1, wide, ed25519).unwrap();
    let found = verify_device(&profile(), &provisioned::device(port, 1), &mut lines("password")).unwrap();
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    for expected in [
        "authentication key 2: it has also the capability delete-asymmetric-key",
        "authentication key 3: missing",
        "authentication key 5: not in the profile (label \"chancery sign\")",
        "authentication key 1: not in the profile (label \"DEFAULT AUTHKEY CHANGE THIS ASAP\")",
        "asymmetric key 256: it can leave the device under wrap",
        "asymmetric key 256: it has also the capability exportable-under-wrap",
        "audit log: the device works on when its log is full",
        "audit log: sign-eddsa is not recorded for good",
    ] {
        assert!(found.iter().any(|line| line == expected), "{expected}\n{found:#?}");
    }
    assert!(!found.iter().any(|line| line.starts_with("firmware")), "{found:#?}");
}

#[test]
fn a_device_that_holds_something_else_is_not_touched() {
    let device = Simulator::start(Config::default()).unwrap();
    let port = device.port();
    let factory = foreign(port, 1, "password");
    let label: object::Label = "somebody's".parse().unwrap();
    let ed25519 = asymmetric::Algorithm::Ed25519;
    factory.generate_asymmetric_key(7, label, Domain::DOM1, Capability::SIGN_EDDSA, ed25519).unwrap();
    let before = factory.list_objects(&[]).unwrap().len();
    let refused = provision(&profile(), &provisioned::device(port, 1), &mut lines(PASSWORDS), &mut |_| {});
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), "device-not-fresh");
    assert!(refused.to_string().contains("asymmetric key 7"), "{refused}");
    assert_eq!(factory.list_objects(&[]).unwrap().len(), before);
}

#[test]
fn what_was_broken_off_goes_on() {
    // The lines end after two logins: the operator went away.
    let device = Simulator::start(Config::default()).unwrap();
    let token = provisioned::device(device.port(), 1);
    let short = "password\nsign-secret\naudit-secret";
    let broken_off = provision(&profile(), &token, &mut lines(short), &mut |_| {}).unwrap_err();
    assert_eq!(broken_off.code(), "pin-missing");
    let other = PASSWORDS.replace("audit-secret", "forgotten").leak();
    let wrong = provision(&profile(), &token, &mut lines(other), &mut |_| {}).unwrap_err();
    assert_eq!(wrong.code(), "wrong-pin");
    provision(&profile(), &token, &mut lines(PASSWORDS), &mut |_| {}).unwrap();
    let found = verify_device(&profile(), &provisioned::device(device.port(), 3), &mut lines("audit-secret"));
    assert_eq!(found.unwrap(), []);
    // The one that the wrong password began ends by itself.
    assert_eq!(device.operations().sessions_open, 1);
}

#[test]
fn affected_firmware_is_refused_before_a_password_is_asked() {
    let config = Config { firmware: Firmware(2, 3, 2), ..Config::default() };
    let simulator = Simulator::start(config).unwrap();
    let refused =
        provision(&profile(), &device(simulator.port(), 1), &mut lines(""), &mut |_| {}).unwrap_err();
    assert_eq!(refused.code(), "firmware-affected");
    assert!(refused.to_string().contains("YSA-2024-03"), "{refused}");
}

#[test]
fn a_login_that_sees_a_part_compares_nothing() {
    let device = Provisioned::new();
    let refused = verify_device(&profile(), &device.login(2), &mut lines("sign-secret")).unwrap_err();
    assert_eq!(refused.code(), "login-too-narrow");
}

/// A provisioned device whose certificates lead to a root on disk.
struct Attested {
    device: Provisioned,
    folder: std::path::PathBuf,
    key: Key,
}

impl Attested {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("chancery-attested-{name}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let device = Provisioned::with(Config { attestation: Some(folder.clone()), ..Config::default() });
        let key = open(&device.key(), &mut lines("sign-secret")).unwrap();
        Self { device, folder, key }
    }

    fn check(&self, roots: &str, expected: &Expected) -> Result<Statement, AttestationError> {
        let read = |name: &str| fs::read(self.folder.join(name)).unwrap();
        let roots = Roots::from_pem(&read(roots))?;
        let pool = attestation::read_pem(&read("intermediate.pem"))?;
        let chain = attestation::complete(&self.key.attestation().unwrap(), &pool)?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let statement = attestation::validate(&chain, &roots, now)?;
        statement.check(expected)?;
        Ok(statement)
    }

    fn expected(&self) -> Expected {
        Expected { public_key: self.key.public_key(), serial: 12_345_678, wrapped_backup: false }
    }
}

impl Drop for Attested {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn an_attested_key_was_made_inside() {
    let attested = Attested::new("good");
    let statement = attested.check("root.pem", &attested.expected()).unwrap();
    assert_eq!(statement.firmware.to_string(), "2.4.0");
    assert_eq!(statement.public_key, attested.key.public_key());
}

#[test]
fn other_attestations_are_refused_by_name() {
    let attested = Attested::new("bad");
    let refused = |roots: &str, expected: &Expected| attested.check(roots, expected).unwrap_err().code();
    let expected = attested.expected();
    assert_eq!(refused("other-root.pem", &expected), "attestation-untrusted");
    let other_key = open(&attested.device.key(), &mut lines("sign-secret")).unwrap();
    drop(other_key);
    let serial = Expected { serial: 1, ..attested.expected() };
    assert_eq!(refused("root.pem", &serial), "attestation-serial-mismatch");
    let software = chancery_hsm_config::SoftwareKey::ephemeral(Algorithm::Ed25519).unwrap();
    let key = Expected { public_key: software.public_key(), ..attested.expected() };
    assert_eq!(refused("root.pem", &key), "attestation-key-mismatch");
    for (defect, codes) in [
        (Defect::Expired, ["attestation-expired"].as_slice()),
        (Defect::Mismatched, &["attestation-signature-wrong"]),
        (Defect::WrongRoot, &["attestation-untrusted", "attestation-signature-wrong"]),
    ] {
        attested.device.simulator.inject(&Fault::Attestation(defect)).unwrap();
        let code = refused("root.pem", &expected);
        assert!(codes.contains(&code), "{defect:?}: {code}");
    }
    attested.device.simulator.inject(&Fault::Attestation(Defect::None)).unwrap();
    assert!(attested.check("root.pem", &expected).is_ok());
}

#[test]
fn an_imported_key_is_refused_by_name() {
    let folder = std::env::temp_dir().join(format!("chancery-imported-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let config = Config { attestation: Some(folder.clone()), ..Config::default() };
    let simulator = Simulator::start(config).unwrap();
    let factory = foreign(simulator.port(), 1, "password");
    let label: object::Label = "imported".parse().unwrap();
    let ed25519 = asymmetric::Algorithm::Ed25519;
    factory.put_asymmetric_key(300, label, Domain::DOM1, Capability::SIGN_EDDSA, ed25519, [9; 32]).unwrap();
    let text = format!("yubihsm:serial=0012345678;id=300?connector=http://127.0.0.1:{}", simulator.port());
    let key = open(&text.parse().unwrap(), &mut lines("password")).unwrap();
    assert_eq!(key.info().generated_inside, Some(false));
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let pool = attestation::read_pem(&read("intermediate.pem")).unwrap();
    let chain = attestation::complete(&key.attestation().unwrap(), &pool).unwrap();
    let roots = Roots::from_pem(&read("root.pem")).unwrap();
    let statement = attestation::validate(&chain, &roots, 1_800_000_000).unwrap();
    let expected = Expected { public_key: key.public_key(), serial: 12_345_678, wrapped_backup: true };
    assert_eq!(statement.check(&expected).unwrap_err().code(), "attestation-key-imported");
    fs::remove_dir_all(&folder).unwrap();
}
