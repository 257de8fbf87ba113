use chancery_formats::key::PublicKey;

use super::*;
use crate::attestation::error::Role;

mod chains;
mod damage;
mod forge;

use forge::{DEVICE, Key, LEAF, NOW, ROOT, World};

/// Certificates that OpenSSL made.
const ALGORITHMS: &[u8] = include_bytes!("tests/algorithms.pem");

fn public_key(key: &Key) -> PublicKey {
    match key.point() {
        [0x04, point @ ..] if point.len() == 64 => {
            PublicKey::P256 { x: point[..32].try_into().unwrap(), y: point[32..].try_into().unwrap() }
        }
        point => PublicKey::Ed25519(point.try_into().unwrap()),
    }
}

/// A good statement of a YubiHSM key, changed, and what is expected of it.
fn stated(change: fn(&mut Statement)) -> (Statement, Expected) {
    let mut statement = World::hsm(Key::ed25519()).validate().unwrap();
    let expected = Expected {
        public_key: statement.public_key.clone(),
        serial: forge::HSM_SERIAL,
        wrapped_backup: false,
    };
    change(&mut statement);
    (statement, expected)
}

#[test]
fn yubihsm_keys_are_stated() {
    for key in [Key::ed25519(), Key::p256()] {
        let public_key = public_key(&key);
        let statement = World::hsm(key).validate().unwrap();
        let expected = Statement {
            public_key: public_key.clone(),
            serial: forge::HSM_SERIAL,
            firmware: Firmware { major: 2, minor: 4, patch: 0 },
            origin: Origin::Generated,
            exportable: false,
            place: Place::YubiHsm2 {
                id: 0x7e57,
                label: "issuing key".to_owned(),
                domains: 0b101,
                capabilities: 0x180,
            },
        };
        assert_eq!(statement, expected);
        let expected = Expected { public_key, serial: forge::HSM_SERIAL, wrapped_backup: false };
        assert_eq!(statement.check(&expected), Ok(()));
    }
}

#[test]
fn yubikey_slots_are_stated() {
    for key in [Key::ed25519(), Key::p256()] {
        let public_key = public_key(&key);
        let statement = World::piv(key).validate().unwrap();
        let expected = Statement {
            public_key: public_key.clone(),
            serial: forge::PIV_SERIAL,
            firmware: Firmware { major: 5, minor: 7, patch: 4 },
            origin: Origin::Generated,
            exportable: false,
            place: Place::Piv { slot: 0x9c, pin: PinPolicy::Once, touch: TouchPolicy::Cached },
        };
        assert_eq!(statement, expected);
        let expected = Expected { public_key, serial: forge::PIV_SERIAL, wrapped_backup: false };
        assert_eq!(statement.check(&expected), Ok(()));
    }
}

#[test]
fn what_the_device_states_of_a_key_is_read() {
    type Read = fn(&Statement) -> bool;
    let cases: [(u8, &[u8], Read); 9] = [
        (3, &[0x03, 0x02, 0, 0x02], |read| read.origin == Origin::Imported),
        (3, &[0x03, 0x02, 0, 0x11], |read| read.origin == Origin::GeneratedWrapped),
        (3, &[0x03, 0x02, 0, 0x12], |read| read.origin == Origin::ImportedWrapped),
        (5, &[0x03, 0x09, 0, 0, 0, 0, 0, 0, 0x01, 0x00, 0x80], |read| read.exportable),
        // The bytes the other way round would be read as exportable.
        (5, &[0x03, 0x09, 0, 0, 0, 0x01, 0, 0, 0x00, 0x00, 0x80], |read| !read.exportable),
        (6, &[0x02, 0x03, 0, 0xff, 0xfe], |read| matches!(read.place, Place::YubiHsm2 { id: 0xfffe, .. })),
        (9, &[0x0c, 0], |read| matches!(&read.place, Place::YubiHsm2 { label, .. } if label.is_empty())),
        (9, b"\x0c\x03ab\x00", |read| matches!(&read.place, Place::YubiHsm2 { label, .. } if label == "ab")),
        (
            9,
            b"\x0c\x03a\x1bb",
            |read| matches!(&read.place, Place::YubiHsm2 { label, .. } if label.is_empty()),
        ),
    ];
    for (number, value, holds) in cases {
        let mut world = World::hsm(Key::ed25519());
        world.drafts[LEAF].replace(&forge::vendor(4, number), value);
        let statement = world.validate().unwrap();
        assert!(holds(&statement), "{number} {value:02x?} {statement:?}");
    }
}

#[test]
fn every_policy_of_a_slot_is_read() {
    let pins =
        [PinPolicy::Never, PinPolicy::Once, PinPolicy::Always, PinPolicy::MatchOnce, PinPolicy::MatchAlways];
    let touches = [TouchPolicy::Never, TouchPolicy::Always, TouchPolicy::Cached];
    for (pin, touch) in (1..=5).flat_map(|pin| (1..=3).map(move |touch| (pin, touch))) {
        let mut world = World::piv(Key::ed25519());
        world.drafts[LEAF].replace(&forge::vendor(3, 8), &[pin, touch]);
        world.drafts[LEAF].subject = "YubiKey PIV Attestation 9A".to_owned();
        let place = world.validate().unwrap().place;
        let (pin, touch) = (pins[usize::from(pin) - 1], touches[usize::from(touch) - 1]);
        assert_eq!(place, Place::Piv { slot: 0x9a, pin, touch });
    }
}

#[test]
fn statements_are_compared() {
    type Change = fn(&mut Statement);
    let refused: [(Change, &str); 6] = [
        (|read| read.public_key = PublicKey::Ed25519([7; 32]), "attestation-key-mismatch"),
        (|read| read.serial += 1, "attestation-serial-mismatch"),
        (|read| read.origin = Origin::Imported, "attestation-key-imported"),
        (|read| read.origin = Origin::ImportedWrapped, "attestation-key-imported"),
        (|read| read.origin = Origin::GeneratedWrapped, "attestation-key-imported"),
        (|read| read.exportable = true, "attestation-key-exportable"),
    ];
    for (change, code) in refused {
        let (statement, expected) = stated(change);
        assert_eq!(statement.check(&expected).unwrap_err().code(), code);
    }
}

#[test]
fn a_wrapped_backup_allows_no_imported_key() {
    type Change = fn(&mut Statement);
    let cases: [(Change, bool); 4] = [
        (|read| read.exportable = true, true),
        (|read| read.origin = Origin::GeneratedWrapped, true),
        (|read| read.origin = Origin::Imported, false),
        (|read| read.origin = Origin::ImportedWrapped, false),
    ];
    for (change, allowed) in cases {
        let (statement, expected) = stated(change);
        let checked = statement.check(&Expected { wrapped_backup: true, ..expected });
        assert_eq!(checked.is_ok(), allowed, "{statement:?}");
    }
}

#[test]
fn a_device_cannot_attest_for_another_serial() {
    let mut world = World::hsm(Key::ed25519());
    world.drafts[LEAF].replace(&forge::vendor(4, 2), &[0x02, 0x01, 0x07]);
    let mismatch = AttestationError::SerialMismatch { expected: forge::HSM_SERIAL, found: 7 };
    assert_eq!(world.validate(), Err(mismatch));
}

#[test]
fn every_part_of_a_statement_must_be_there_and_well_formed() {
    let hsm: [(u8, &str, &[&[u8]]); 7] = [
        (1, "firmware", &[&[2, 4, 0], &[0x04, 0x02, 2, 4], &[]]),
        (2, "serial", &[&[0x02, 0x05, 1, 0, 0, 0, 0], &[0x02, 0x01, 0x80], &[0x02, 0x02, 0, 1], &[]]),
        (3, "origin", &[&[0x03, 0x02, 0, 0x03], &[0x03, 0x02, 0, 0], &[0x03, 0x02, 1, 0], &[0x02, 0x01, 1]]),
        (4, "domains", &[&[0x03, 0x02, 0, 1], &[0x03, 0x04, 0, 0, 0, 1], &[0x03, 0x03, 1, 0, 0]]),
        (5, "capabilities", &[&[0x03, 0x03, 0, 0, 0x80], &[0x03, 0x01, 0]]),
        (6, "object id", &[&[0x02, 0x03, 1, 0, 0], &[0x02, 0x01, 0xff], &[0x02, 0x01, 1, 0]]),
        (9, "label", &[&[0x0c, 0x01, 0xff], &[0x04, 0x01, b'a']]),
    ];
    let piv: [(u8, &str, &[&[u8]]); 3] = [
        (3, "firmware", &[&[5, 7], &[0x04, 0x03, 5, 7, 4], &[]]),
        (7, "serial", &[&[0x02, 0x01, 0xff], &[1]]),
        (8, "polic", &[&[2], &[0, 1], &[6, 1], &[1, 0], &[1, 4], &[0x04, 0x02, 2, 3]]),
    ];
    let cases = hsm.iter().map(|case| (4, case)).chain(piv.iter().map(|case| (3, case)));
    for (arc, (number, field, values)) in cases {
        let world = || if arc == 4 { World::hsm(Key::ed25519()) } else { World::piv(Key::ed25519()) };
        let oid = forge::vendor(arc, *number);
        let mut missing = world();
        missing.drafts[LEAF].remove(&oid);
        let refused = missing.validate().unwrap_err();
        assert_eq!(refused.code(), "attestation-statement-invalid");
        assert!(refused.to_string().contains(field) && refused.to_string().contains("missing"), "{refused}");
        for value in *values {
            let mut malformed = world();
            malformed.drafts[LEAF].replace(&oid, value);
            let refused = malformed.validate().unwrap_err();
            assert_eq!(refused.code(), "attestation-statement-invalid", "{arc}.{number} {value:02x?}");
            assert!(refused.to_string().contains(field), "{refused}");
        }
    }
}

#[test]
fn other_certificates_are_no_attestation() {
    let invalid = |field, problem| Err(AttestationError::StatementInvalid { field, problem });
    let mut world = World::hsm(Key::ed25519());
    world.drafts[LEAF].extensions.push((forge::vendor(3, 8), false, vec![2, 3]));
    assert_eq!(world.validate(), invalid("vendor", "ambiguous"));
    world.drafts[LEAF].extensions.clear();
    world.drafts[LEAF].extensions.push((forge::key_usage(), true, vec![0x03, 0x02, 0x07, 0x80]));
    assert_eq!(world.validate(), invalid("vendor", "missing"));
    for subject in ["YubiKey PIV Attestation +9", "YubiKey PIV Attestation 9", "YubiKey PIV Attestation 19c"]
    {
        let mut world = World::piv(Key::ed25519());
        world.drafts[LEAF].subject = subject.to_owned();
        assert_eq!(world.validate(), invalid("slot", "malformed"), "{subject}");
    }
    // The device's own certificate states no key.
    let der = World::hsm(Key::ed25519()).der();
    let roots = Roots::from_der(&der[ROOT..]).unwrap();
    assert_eq!(validate(&der[DEVICE..ROOT], &roots, NOW), invalid("capabilities", "missing"));
}

#[test]
fn keys_of_other_algorithms_are_refused() {
    let refused = World::hsm(Key::p384()).validate();
    assert_eq!(refused, Err(AttestationError::KeyUnsupported { reason: "its algorithm is another" }));
}

#[test]
fn sizes_are_bounded_before_anything_is_read() {
    let der = World::hsm(Key::ed25519()).der();
    let roots = Roots::from_der(&der[ROOT..]).unwrap();
    let nothing: [&[u8]; 0] = [];
    assert_eq!(validate(&nothing, &roots, NOW), Err(AttestationError::ChainEmpty));
    let refused = validate(&[&der[LEAF]; 6], &roots, NOW);
    assert_eq!(refused, Err(AttestationError::ChainTooLong { count: 6, limit: 5 }));
    let long = vec![0x30; MAX_CERTIFICATE_BYTES + 1];
    let refused =
        AttestationError::TooLarge { certificate: Role::Key, length: 16_385, limit: MAX_CERTIFICATE_BYTES };
    assert_eq!(validate(&[&long], &roots, NOW), Err(refused));
    let refused = Roots::from_der(&[&der[ROOT]; 33]);
    assert_eq!(refused, Err(AttestationError::TooManyRoots { count: 33, limit: 32 }));
}

#[test]
fn roots_are_read_from_pem_files_with_other_text() {
    let roots = Roots::from_pem(ALGORITHMS).unwrap();
    assert_eq!(roots, Roots::from_der(&read_pem(ALGORITHMS).unwrap()).unwrap());
    let invalid = |reason| Err(AttestationError::PemInvalid { reason });
    assert_eq!(read_pem(b"no certificate here"), invalid("no certificate"));
    assert_eq!(read_pem(b"-----BEGIN CERTIFICATE-----\nAAAA\n"), invalid("an end is missing"));
    let damaged = b"-----BEGIN CERTIFICATE-----\nAA*A\n-----END CERTIFICATE-----\n";
    assert_eq!(read_pem(damaged), invalid("a certificate is not Base64"));
    let long =
        [&b"-----BEGIN CERTIFICATE-----\n"[..], &[b'A'; 40_000], b"\n-----END CERTIFICATE-----\n"].concat();
    assert_eq!(read_pem(&long), invalid("a certificate is too long"));
    let empty = &b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"[..];
    assert_eq!(read_pem(&empty.repeat(32)).unwrap().len(), 32);
    let refused = AttestationError::TooManyRoots { count: 33, limit: 32 };
    assert_eq!(read_pem(&empty.repeat(33)), Err(refused));
    assert_eq!(Roots::from_pem(empty).unwrap_err().code(), "attestation-malformed");
}
