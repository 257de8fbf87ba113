//! Project Wycheproof's Ed25519, P-256 and ML-DSA-87 vectors against our verification function, and the edge cases of
//! Ed25519 on which implementations differ ("Taming the many EdDSAs", Chalkias et al., 2020).
#![allow(clippy::expect_used)]

use chancery_formats::key::{ML_DSA_87_KEY_LEN, PublicKey};
use chancery_tests::key::SecretKey;
use chancery_verifier::signature::VerifyingKey;
use curve25519_dalek::EdwardsPoint;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;
use sha2::{Digest, Sha512};
use wycheproof::{TestResult, ecdsa, eddsa, mldsa_verify};

/// Compares one vector and counts it.
fn check(counts: &mut (usize, usize), id: usize, comment: &str, expected: TestResult, verified: bool) {
    match expected {
        TestResult::Valid => assert!(verified, "refused {id}: {comment}"),
        TestResult::Invalid => assert!(!verified, "accepted {id}: {comment}"),
        TestResult::Acceptable => panic!("{id} leaves it open; decide here what we do: {comment}"),
    }
    *(if verified { &mut counts.0 } else { &mut counts.1 }) += 1;
}

#[test]
fn ed25519_gives_the_answer_of_every_vector() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("the vectors");
    let mut counts = (0, 0);
    for group in &set.test_groups {
        let point = group.key.pk.as_ref().try_into().expect("a key of 32 bytes");
        // No vector has a key that our loading refuses, so there is no list of exceptions.
        let key = VerifyingKey::load(&PublicKey::Ed25519(point)).expect("a good key");
        for test in &group.tests {
            let verified = key.verify(&test.msg, &test.sig).is_ok();
            check(&mut counts, test.tc_id, &test.comment, test.result, verified);
        }
    }
    assert_eq!((counts, set.number_of_tests), ((88, 63), 151));
}

fn p256_key(sec1: &[u8]) -> VerifyingKey {
    assert_eq!((sec1[0], sec1.len()), (4, 65), "uncompressed");
    let (x, y) = sec1[1..].split_at(32);
    let key = PublicKey::P256 { x: x.try_into().expect("32 bytes"), y: y.try_into().expect("32 bytes") };
    VerifyingKey::load(&key).expect("a good key")
}

#[test]
fn p256_gives_the_answer_of_every_vector() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).expect("the vectors");
    let mut counts = (0, 0);
    for group in &set.test_groups {
        let key = p256_key(&group.key.key);
        for test in &group.tests {
            let verified = key.verify(&test.msg, &test.sig).is_ok();
            check(&mut counts, test.tc_id, &test.comment, test.result, verified);
        }
    }
    assert_eq!((counts, set.number_of_tests), ((173, 89), 262));
}

/// COSE carries r ‖ s of fixed length; whatever is DER is no signature to us, good or bad.
#[test]
fn p256_takes_no_signature_in_der() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256).expect("the vectors");
    let mut count = 0;
    for group in &set.test_groups {
        let key = p256_key(&group.key.key);
        for test in &group.tests {
            assert!(key.verify(&test.msg, &test.sig).is_err(), "{}: {}", test.tc_id, test.comment);
            count += 1;
        }
    }
    assert_eq!((count, set.number_of_tests), (484, 484));
}

/// Documents are signed with the empty context (RFC 9964), so a signature over another is as good as none; and a
/// key whose t₁ is zero, for which anybody can sign, is refused before any signature is looked at.
#[test]
fn ml_dsa_87_gives_the_answer_of_every_vector_that_documents_can_meet() {
    let set = mldsa_verify::TestSet::load(mldsa_verify::TestName::MlDsa87Verify).expect("the vectors");
    let (mut counts, mut of_context, mut of_weak_key, mut of_no_key) = ((0, 0), 0, 0, 0);
    for group in &set.test_groups {
        let key = <[u8; ML_DSA_87_KEY_LEN]>::try_from(group.pubkey.as_ref());
        let key = key.map(|key| VerifyingKey::load(&PublicKey::MlDsa87(Box::new(key))));
        for test in &group.tests {
            let has_context = test.ctx.as_ref().is_some_and(|context| !context.is_empty());
            let is_flagged = |flag| test.flags.contains(&flag);
            let Ok(key) = &key else {
                assert!(
                    is_flagged(mldsa_verify::TestFlag::IncorrectPublicKeyLength),
                    "{}: {}",
                    test.tc_id,
                    test.comment
                );
                of_no_key += 1;
                continue;
            };
            assert_eq!(
                key.is_err(),
                is_flagged(mldsa_verify::TestFlag::ZeroPublicKey),
                "{}: {}",
                test.tc_id,
                test.comment
            );
            let Ok(key) = key else {
                of_weak_key += 1;
                continue;
            };
            let verified = key.verify(&test.msg, &test.sig).is_ok();
            if has_context {
                assert!(!verified, "accepted {} over another context: {}", test.tc_id, test.comment);
                of_context += 1;
            } else {
                check(&mut counts, test.tc_id, &test.comment, test.result, verified);
            }
        }
    }
    assert_eq!((counts, of_context, of_weak_key, of_no_key), ((67, 96), 7, 67, 4));
    assert_eq!(set.number_of_tests, 241);
}

const MESSAGE: &[u8] = b"the message of every case";

fn challenge(r: &[u8; 32], key: &[u8; 32]) -> Scalar {
    let hash = Sha512::new().chain_update(r).chain_update(key).chain_update(MESSAGE).finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

/// A secret scalar with its public point, and the key loaded as documents would.
fn good_key() -> (Scalar, EdwardsPoint, VerifyingKey) {
    let key = SecretKey::ed25519(7);
    let SecretKey::Ed25519(secret) = &key else { panic!("an Ed25519 key") };
    let point = secret.verifying_key().to_edwards();
    (secret.to_scalar(), point, VerifyingKey::load(&key.public()).expect("a good key"))
}

/// Signs with a nonce of our choice, adding `torsion` to R.
fn sign(torsion: EdwardsPoint, nonce: Scalar) -> ([u8; 32], Scalar) {
    let (secret, point, _) = good_key();
    let r = (EdwardsPoint::mul_base(&nonce) + torsion).compress().to_bytes();
    (r, nonce + challenge(&r, point.compress().as_bytes()) * secret)
}

fn verifies(r: &[u8], s: &[u8]) -> bool {
    good_key().2.verify(MESSAGE, &[r, s].concat()).is_ok()
}

#[test]
fn a_signature_made_by_hand_is_good() {
    let (r, s) = sign(EdwardsPoint::identity(), Scalar::from(99_u8));
    assert!(verifies(&r, s.as_bytes()));
}

#[test]
fn r_with_a_torsion_component_is_refused() {
    for torsion in &EIGHT_TORSION[1..] {
        let (r, s) = sign(*torsion, Scalar::from(99_u8));
        assert!(!verifies(&r, s.as_bytes()), "the cofactored equation would take this");
    }
}

/// With nonce 0 the equation without cofactor holds for the neutral R: only strict checking refuses it.
#[test]
fn r_of_low_order_is_refused() {
    for torsion in EIGHT_TORSION {
        let (r, s) = sign(torsion, Scalar::ZERO);
        assert!(!verifies(&r, s.as_bytes()), "{r:02x?}");
    }
}

#[test]
fn r_that_is_not_canonical_is_refused() {
    let (_, point, _) = good_key();
    // y = p + 1 is the neutral element, written above the field's order.
    let mut r = [0xff; 32];
    (r[0], r[31]) = (0xee, 0x7f);
    let s = challenge(&r, point.compress().as_bytes()) * good_key().0;
    assert!(!verifies(&r, s.as_bytes()));
    r[31] = 0xff; // and x = 0 with its sign set
    let s = challenge(&r, point.compress().as_bytes()) * good_key().0;
    assert!(!verifies(&r, s.as_bytes()));
}

#[test]
fn s_at_or_above_the_order_is_refused() {
    let (r, s) = sign(EdwardsPoint::identity(), Scalar::from(99_u8));
    let order = (-Scalar::ONE).to_bytes();
    let mut s = s.to_bytes();
    let mut carry = 1; // the order is one more than the greatest scalar
    for (byte, addend) in s.iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(addend) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    assert!(!verifies(&r, &s));
    let mut at_order = order;
    at_order[0] += 1;
    assert!(!verifies(&r, &at_order));
    assert!(!verifies(&r, &[0xff; 32]));
}

#[test]
fn keys_of_low_order_or_with_torsion_are_not_loaded() {
    let (_, point, _) = good_key();
    let load = |point: EdwardsPoint| VerifyingKey::load(&PublicKey::Ed25519(point.compress().to_bytes()));
    for torsion in EIGHT_TORSION {
        assert!(load(torsion).is_err());
    }
    for torsion in &EIGHT_TORSION[1..] {
        assert!(load(point + torsion).is_err());
    }
    assert!(load(point).is_ok());
}

#[test]
fn keys_that_are_not_canonical_are_not_loaded() {
    for above in 0..19 {
        for sign in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (0xed + above, sign);
            assert!(VerifyingKey::load(&PublicKey::Ed25519(bytes)).is_err(), "p + {above}");
        }
    }
}
