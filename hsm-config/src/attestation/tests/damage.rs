//! Certificates with changed, missing and random bytes.

use proptest::prelude::*;

use super::forge::{self, DEVICE, Key, LEAF, NOW, ROOT, World};
use super::*;

/// Changes every byte of one certificate of a good chain, and cuts it short at every length.
fn damage_everywhere(place: usize) {
    for world in [World::hsm(Key::ed25519()), World::piv(Key::p256())] {
        let mut der = world.der();
        let good = der[place].clone();
        let roots = Roots::from_der(&der[ROOT..]).unwrap();
        for (at, flip) in (0..good.len()).flat_map(|at| [(at, 0x01), (at, 0x80)]) {
            der[place] = good.clone();
            der[place][at] ^= flip;
            assert!(validate(&der[..ROOT], &roots, NOW).is_err(), "byte {at} ^ {flip:#04x}");
        }
        for length in 0..good.len() {
            der[place] = good[..length].to_vec();
            let refused = validate(&der[..ROOT], &roots, NOW).unwrap_err();
            assert_eq!(refused.code(), "attestation-malformed", "{length} bytes");
        }
        der[place] = [&good[..], &[0]].concat();
        assert_eq!(validate(&der[..ROOT], &roots, NOW).unwrap_err().code(), "attestation-malformed");
    }
}

#[test]
fn a_damaged_leaf_is_refused() {
    damage_everywhere(LEAF);
}

#[test]
fn a_damaged_device_certificate_is_refused() {
    damage_everywhere(DEVICE);
}

/// An ECDSA signature (r, s) has a twin (r, n - s), which anybody can make. It changes no statement.
#[test]
fn the_twin_of_an_ecdsa_signature_states_the_same() {
    let world = World::hsm(Key::ed25519());
    let mut der = world.der();
    let fields = {
        use x509_cert::der::Decode;
        x509_cert::Certificate::from_der(&der[LEAF]).unwrap()
    };
    let old = fields.signature().as_bytes().unwrap();
    let (r, s) = p256::ecdsa::Signature::from_der(old).unwrap().split_scalars();
    let twin = p256::ecdsa::Signature::from_scalars(r, -*s).unwrap().to_der();
    let body_len = 4 + usize::from(u16::from_be_bytes([der[LEAF][6], der[LEAF][7]]));
    let algorithm_len = 12;
    let signed = der[LEAF][4..4 + body_len + algorithm_len].to_vec();
    let changed = forge::sequence(&[&signed, &forge::tlv(0x03, &[&[0], twin.as_bytes()])]);
    assert_ne!(changed, der[LEAF]);
    der[LEAF] = changed;
    let roots = Roots::from_der(&der[ROOT..]).unwrap();
    assert_eq!(validate(&der[..ROOT], &roots, NOW), world.validate());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let roots = Roots::from_pem(ALGORITHMS).unwrap();
        prop_assert!(validate(&[&bytes], &roots, NOW).is_err());
        prop_assert!(Roots::from_der(&[&bytes]).is_err());
        let _ = read_pem(&bytes);
    }

    #[test]
    fn no_change_of_a_certificate_panics(
        place in LEAF..ROOT,
        at in any::<prop::sample::Index>(),
        cut in 0_usize..8,
        bytes in proptest::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut der = World::hsm(Key::ed25519()).der();
        let roots = Roots::from_der(&der[ROOT..]).unwrap();
        let good = der[place].clone();
        let start = at.index(good.len());
        let end = usize::min(start + cut, good.len());
        der[place].splice(start..end, bytes);
        let changed = der[place] != good;
        prop_assert_eq!(validate(&der[..ROOT], &roots, NOW).is_err(), changed);
    }
}
