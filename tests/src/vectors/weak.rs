//! Public keys that no verifier may load.

use chancery_formats::key::PublicKey;
use ed25519_dalek::VerifyingKey;

use crate::hex;
use crate::key::SecretKey;

/// A point of order 8.
const ORDER_8: &str = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";

fn ed25519(digits: &str) -> PublicKey {
    PublicKey::Ed25519(hex::decode(digits).try_into().expect("32 bytes"))
}

/// The least encoding above the field's order that decodes to a point of large order (RFC 8032 §5.1.3
/// forbids it).
fn non_canonical() -> PublicKey {
    let candidates = (0..19).map(|above| {
        let mut bytes = [0xff; 32];
        bytes[0] = 0xed + above;
        bytes[31] = 0x7f;
        bytes
    });
    let strong = |bytes: &[u8; 32]| VerifyingKey::from_bytes(bytes).is_ok_and(|key| !key.is_weak());
    PublicKey::Ed25519(candidates.into_iter().find(strong).expect("some of 19 lie on the curve"))
}

/// A good key with a point of order 8 added: it verifies under some rules and not under others.
fn with_torsion() -> PublicKey {
    let point = |bytes: &[u8]| {
        let bytes = bytes.try_into().expect("32 bytes");
        VerifyingKey::from_bytes(&bytes).expect("a point").to_edwards()
    };
    let PublicKey::Ed25519(good) = SecretKey::ed25519(1).public() else { panic!("an Ed25519 key") };
    PublicKey::Ed25519((point(&good) + point(&hex::decode(ORDER_8))).compress().to_bytes())
}

fn p256(change: impl FnOnce(&mut [u8; 32], &mut [u8; 32])) -> PublicKey {
    let PublicKey::P256 { mut x, mut y } = SecretKey::p256(1).public() else { panic!("a P-256 key") };
    change(&mut x, &mut y);
    PublicKey::P256 { x, y }
}

/// A good key's seed of the matrix, and t₁ = 0: anybody signs for it.
fn ml_dsa_zero() -> PublicKey {
    let PublicKey::MlDsa87(mut key) = SecretKey::ml_dsa_87(1).public() else { panic!("an ML-DSA-87 key") };
    key[32..].fill(0);
    PublicKey::MlDsa87(key)
}

/// Returns each weak or invalid key with what is wrong with it.
pub fn keys() -> Vec<(&'static str, PublicKey)> {
    vec![
        ("neutral element", ed25519(&format!("01{}", "00".repeat(31)))),
        ("order 2", ed25519(&format!("ec{}7f", "ff".repeat(30)))),
        ("order 4", ed25519(&"00".repeat(32))),
        ("order 8", ed25519(ORDER_8)),
        ("neutral element, non-canonical", ed25519(&format!("ee{}7f", "ff".repeat(30)))),
        ("non-canonical", non_canonical()),
        ("torsion component", with_torsion()),
        ("Ed25519 off the curve", ed25519(&format!("02{}", "00".repeat(31)))),
        ("P-256 off the curve", p256(|_, y| y[31] ^= 1)),
        ("P-256 origin", p256(|x, y| (*x, *y) = ([0; 32], [0; 32]))),
        ("P-256 coordinate above the field", p256(|x, _| *x = [0xff; 32])),
        ("ML-DSA-87 with t1 zero", ml_dsa_zero()),
    ]
}

/// The code for a weak key where a key must be able to stand alone, which ML-DSA-87 keys are not.
pub(super) fn alone(key: &PublicKey) -> &'static str {
    if matches!(key, PublicKey::MlDsa87(_)) { "key-invalid" } else { "key-weak" }
}
