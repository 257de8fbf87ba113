//! Chains that lead to a root, and each way in which one does not.

use super::forge::{self, DEVICE, Key, LEAF, NOT_AFTER, NOW, ROOT, SUB, World};
use super::*;

#[test]
fn the_root_may_end_the_chain_and_any_issuer_may_be_trusted() {
    let world = World::hsm(Key::ed25519());
    let der = world.der();
    let statement = world.validate().unwrap();
    let roots = Roots::from_der(&der[ROOT..]).unwrap();
    assert_eq!(validate(&der, &roots, NOW).as_ref(), Ok(&statement));
    for place in [DEVICE, SUB] {
        let trusted = Roots::from_der(&der[place..=place]).unwrap();
        assert_eq!(validate(&der[..place], &trusted, NOW).as_ref(), Ok(&statement));
        assert_eq!(validate(&der[..=place], &trusted, NOW).as_ref(), Ok(&statement));
    }
}

#[test]
fn intermediates_are_found_by_name() {
    let (world, other) = (World::hsm(Key::ed25519()), World::piv(Key::ed25519()));
    let (der, other) = (world.der(), other.der());
    let pool = [other[SUB].clone(), other[ROOT].clone(), der[ROOT].clone(), der[SUB].clone()];
    let chain = complete(&der[..=DEVICE], &pool).unwrap();
    assert_eq!(chain, der);
    let roots = Roots::from_der(&der[ROOT..]).unwrap();
    assert_eq!(validate(&chain, &roots, NOW), world.validate());
    assert_eq!(complete(&der[..=DEVICE], &other).unwrap(), der[..=DEVICE]);
    assert_eq!(complete(&[], &pool), Err(AttestationError::ChainEmpty));
}

#[test]
fn a_renewed_root_is_used_beside_the_old_one() {
    let mut world = World::hsm(Key::ed25519());
    let renewed = world.der();
    world.drafts[ROOT].not_after = "20200101000000Z";
    let old = world.der();
    let roots = Roots::from_der(&[&old[ROOT], &renewed[ROOT]]).unwrap();
    assert!(validate(&old[..ROOT], &roots, NOW).is_ok());
    let refused = AttestationError::Expired { certificate: Role::Root(1), not_after: 1_577_836_800 };
    assert_eq!(world.validate(), Err(refused));
}

#[test]
fn both_ends_of_the_validity_belong_to_it() {
    let der = World::hsm(Key::ed25519()).der();
    let roots = Roots::from_der(&der[ROOT..]).unwrap();
    let not_before = 1_483_228_800; // 2017-01-01
    for (now, valid) in
        [(0, false), (not_before - 1, false), (not_before, true), (NOT_AFTER, true), (NOT_AFTER + 1, false)]
    {
        assert_eq!(validate(&der[..ROOT], &roots, now).is_ok(), valid, "{now}");
    }
    let error = validate(&der[..ROOT], &roots, NOT_AFTER + 1).unwrap_err();
    assert_eq!(error.to_string(), "root certificate 1 expired at 2071-10-05T00:00:00Z");
}

#[test]
fn each_fault_of_a_path_is_refused_by_name() {
    type Fault = fn(&mut World);
    use AttestationError as E;
    let sub = Role::Intermediate(3);
    let expired = |certificate| E::Expired { certificate, not_after: 1_577_836_800 };
    let early = |certificate| E::NotYetValid { certificate, not_before: 1_893_456_000 };
    let not = |certificate, reason| E::NotAnIssuer { certificate, reason };
    let malformed = |certificate, reason| E::Malformed { certificate, reason };
    let faults: Vec<(Fault, AttestationError)> = vec![
        (|world| world.drafts[LEAF].not_after = "20200101000000Z", expired(Role::Key)),
        (|world| world.drafts[DEVICE].not_after = "20200101000000Z", expired(Role::Device)),
        (|world| world.drafts[SUB].not_after = "200101000000Z", expired(sub)),
        (|world| world.drafts[ROOT].not_after = "20200101000000Z", expired(Role::Root(1))),
        (|world| world.drafts[LEAF].not_before = "300101000000Z", early(Role::Key)),
        (|world| world.drafts[DEVICE].not_before = "20300101000000Z", early(Role::Device)),
        (|world| world.drafts[LEAF].issuer = "Other".into(), E::ChainBroken { certificate: Role::Key }),
        (|world| world.drafts[SUB].subject = "Other".into(), E::ChainBroken { certificate: Role::Device }),
        (|world| world.drafts[ROOT].subject = "Other".into(), E::Untrusted { certificate: sub }),
        (
            |world| world.drafts[DEVICE].remove(&forge::basic_constraints()),
            not(Role::Device, "no basic constraints"),
        ),
        (
            |world| world.drafts[DEVICE].replace(&forge::basic_constraints(), &forge::sequence(&[])),
            not(Role::Device, "not a certificate authority"),
        ),
        (
            |world| world.drafts[SUB].replace(&forge::basic_constraints(), &forge::authority(0)),
            not(sub, "its path length is exceeded"),
        ),
        (
            |world| world.drafts[ROOT].replace(&forge::basic_constraints(), &forge::authority(1)),
            not(Role::Root(1), "its path length is exceeded"),
        ),
        (
            |world| world.drafts[SUB].replace(&forge::key_usage(), &[0x03, 0x02, 0x01, 0x02]),
            not(sub, "its key usage"),
        ),
        (
            |world| world.drafts[SUB].replace(&forge::basic_constraints(), &[0x05, 0x00]),
            malformed(sub, "basic constraints"),
        ),
        (
            |world| {
                world.drafts[LEAF].extensions.push((
                    forge::tlv(0x06, &[&[0x55, 0x1d, 0x24]]),
                    true,
                    vec![5, 0],
                ))
            },
            E::ExtensionUnknown { certificate: Role::Key },
        ),
        (
            |world| world.drafts[SUB].extensions.push((forge::vendor(4, 10), true, vec![5, 0])),
            E::ExtensionUnknown { certificate: sub },
        ),
        (
            |world| {
                let again = world.drafts[LEAF].extensions[2].clone();
                world.drafts[LEAF].extensions.push(again);
            },
            malformed(Role::Key, "an extension twice"),
        ),
        (|world| world.drafts[DEVICE].version = 1, malformed(Role::Device, "not of version 3")),
        (
            |world| {
                let algorithms = [forge::ED25519, forge::ECDSA_SHA256].map(|oid| forge::sequence(&[oid]));
                world.drafts[LEAF].algorithms = Some(algorithms);
            },
            malformed(Role::Key, "two signature algorithms"),
        ),
        (
            // ECDSA has no parameters, not even NULL.
            |world| {
                let algorithm = forge::sequence(&[forge::ECDSA_SHA256, &[0x05, 0x00]]);
                world.drafts[LEAF].algorithms = Some([algorithm.clone(), algorithm]);
            },
            E::AlgorithmUnsupported { certificate: Role::Key },
        ),
        (
            |world| {
                let algorithm = forge::sequence(&[forge::ED25519]);
                world.drafts[LEAF].algorithms = Some([algorithm.clone(), algorithm]);
            },
            E::AlgorithmUnsupported { certificate: Role::Key },
        ),
    ];
    for (index, (fault, error)) in faults.into_iter().enumerate() {
        let mut world = World::hsm(Key::ed25519());
        fault(&mut world);
        assert_eq!(world.validate(), Err(error), "fault {index}");
    }
}

#[test]
fn a_wrong_root_is_refused() {
    let world = World::hsm(Key::ed25519());
    let der = world.der();
    // Another vendor's; one of the same name with another key; none.
    let same_name = World::hsm(Key::ed25519()).der();
    let untrusted = Err(AttestationError::Untrusted { certificate: Role::Intermediate(3) });
    for roots in [&World::piv(Key::ed25519()).der()[ROOT..], &same_name[ROOT..], &[]] {
        let roots = Roots::from_der(roots).unwrap();
        assert_eq!(validate(&der[..ROOT], &roots, NOW), untrusted);
    }
    // A root that the chain brings along is no more trusted for it.
    let own = Roots::from_der(&same_name[ROOT..]).unwrap();
    let untrusted = AttestationError::Untrusted { certificate: Role::Intermediate(4) };
    assert_eq!(validate(&der, &own, NOW), Err(untrusted));
}

#[test]
fn certificates_of_another_device_are_refused() {
    let (one, other) = (World::hsm(Key::ed25519()), World::hsm(Key::ed25519()));
    let (der, other) = (one.der(), other.der());
    let roots = Roots::from_der(&[&der[ROOT], &other[ROOT]]).unwrap();
    let wrong = |certificate| Err(AttestationError::SignatureWrong { certificate });
    let chain = [&other[LEAF], &der[DEVICE], &der[SUB]];
    assert_eq!(validate(&chain, &roots, NOW), wrong(Role::Key));
    let chain = [&other[LEAF], &other[DEVICE], &der[SUB]];
    assert_eq!(validate(&chain, &roots, NOW), wrong(Role::Device));
    let chain = [&der[DEVICE], &der[LEAF], &der[SUB]];
    let broken = AttestationError::ChainBroken { certificate: Role::Key };
    assert_eq!(validate(&chain, &roots, NOW), Err(broken));
}

#[test]
fn an_attested_key_cannot_issue() {
    // The key of slot 9c signs an attestation of a key that was never in the device.
    let world = World::piv(Key::p256());
    let der = world.der();
    let mut forged = World::piv(Key::ed25519());
    forged.drafts[LEAF].issuer = world.drafts[LEAF].subject.clone();
    forged.keys[DEVICE] = world.keys.into_iter().next().unwrap();
    let chain = [&forged.der()[LEAF], &der[LEAF], &der[DEVICE], &der[SUB]];
    let roots = Roots::from_der(&der[ROOT..]).unwrap();
    let refused = validate(&chain, &roots, NOW).unwrap_err();
    assert_eq!(refused.code(), "attestation-not-an-issuer");
}

#[test]
fn every_algorithm_is_checked_against_openssl() {
    let certificates = read_pem(ALGORITHMS).unwrap();
    assert_eq!(certificates.len(), 10);
    let checked = |der: &[u8]| {
        let certificate = Certificate::parse(Role::Root(1), der).unwrap();
        certificate.check_signature(&certificate)
    };
    let wrong = Err(AttestationError::SignatureWrong { certificate: Role::Root(1) });
    for der in &certificates[..8] {
        assert_eq!(checked(der), Ok(()));
        for place in [der.iter().position(|byte| *byte == b'T').unwrap(), der.len() - 1] {
            let mut changed = der.clone();
            changed[place] ^= 1;
            assert_eq!(checked(&changed), wrong);
        }
    }
    assert_eq!(checked(&certificates[8]), wrong, "RSA of 1,024 bits");
    let unsupported = AttestationError::AlgorithmUnsupported { certificate: Role::Root(1) };
    assert_eq!(checked(&certificates[9]), Err(unsupported), "SHA-1");
}
