//! Public keys as devices give them, checked and brought to the one form of the formats.
//!
//! Not here: signatures.

use chancery_formats::key::{Algorithm, ML_DSA_87_KEY_LEN, PublicKey};

/// Length of ρ, which stands before t₁ in an ML-DSA-87 key, in bytes.
const RHO_LEN: usize = 32;

/// Brings a public key to its canonical form: a point raw, or wrapped as DER OCTET STRING or BIT STRING; an
/// ML-DSA-87 key, which all give raw, as it is, unless its t₁ is zero.
///
/// PKCS#11 modules disagree on the wrapping, so the length decides. The point is checked: it lies on the
/// curve, is canonical, and an Ed25519 point is not of low order.
pub(crate) fn public_key(algorithm: Algorithm, bytes: &[u8]) -> Result<PublicKey, &'static str> {
    match algorithm {
        Algorithm::Ed25519 => {
            let point: [u8; 32] = unwrap(bytes, 32)?;
            let key =
                ed25519_dalek::VerifyingKey::from_bytes(&point).map_err(|_| "not a point of the curve")?;
            if key.is_weak() || !is_canonical(&point) {
                return Err("a point of low order or not in canonical form");
            }
            Ok(PublicKey::Ed25519(point))
        }
        Algorithm::Esp256 => {
            // The YubiHSM leaves out the 0x04 that says "uncompressed".
            let coordinates: [u8; 64] = match bytes.len() {
                64 => bytes.try_into().map_err(|_| "a point of unexpected length")?,
                _ => match unwrap::<65>(bytes, 65)? {
                    [0x04, rest @ ..] => rest,
                    _ => return Err("a point that is not uncompressed"),
                },
            };
            let (x, y) = coordinates.split_at(32);
            let coordinate = |half: &[u8]| half.try_into().map_err(|_| "a point of unexpected length");
            let (x, y): ([u8; 32], [u8; 32]) = (coordinate(x)?, coordinate(y)?);
            let point = p256::Sec1Point::from_affine_coordinates(&x.into(), &y.into(), false);
            p256::ecdsa::VerifyingKey::from_sec1_point(&point).map_err(|_| "not a point of the curve")?;
            Ok(PublicKey::P256 { x, y })
        }
        Algorithm::MlDsa87 => {
            let key: [u8; ML_DSA_87_KEY_LEN] =
                bytes.try_into().map_err(|_| "an ML-DSA-87 key of unexpected length")?;
            let (_, t1) = key.split_at(RHO_LEN);
            if t1.iter().all(|byte| *byte == 0) {
                return Err("an ML-DSA-87 key that is zero");
            }
            Ok(PublicKey::MlDsa87(Box::new(key)))
        }
        _ => Err("another algorithm"),
    }
}

/// Takes `length` bytes bare, or behind `04 len` (OCTET STRING) or `03 len+1 00` (BIT STRING).
fn unwrap<const N: usize>(bytes: &[u8], length: u8) -> Result<[u8; N], &'static str> {
    let inner = match bytes {
        [0x04, l, rest @ ..] if bytes.len() == N + 2 && *l == length => rest,
        [0x03, l, 0x00, rest @ ..] if bytes.len() == N + 3 && *l == length + 1 => rest,
        _ => bytes,
    };
    inner.try_into().map_err(|_| "a point of unexpected length")
}

/// Whether the y-coordinate is below 2^255 - 19 (RFC 8032 §5.1.3).
fn is_canonical(point: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = point;
    !(*first >= 0xed && middle.iter().all(|byte| *byte == 0xff) && last & 0x7f == 0x7f)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    /// RFC 8032 §7.1, test 1.
    const ED25519: [u8; 32] = [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e,
        0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
    ];

    fn generator() -> [u8; 65] {
        let point = p256::AffinePoint::GENERATOR;
        let point: p256::Sec1Point = p256::elliptic_curve::sec1::ToSec1Point::to_sec1_point(&point, false);
        point.as_bytes().try_into().unwrap()
    }

    fn wrapped(prefix: &[u8], point: &[u8]) -> Vec<u8> {
        [prefix, point].concat()
    }

    #[test]
    fn points_are_read_in_every_wrapping() {
        let expected = Ok(PublicKey::Ed25519(ED25519));
        for prefix in [&[][..], &[0x04, 32], &[0x03, 33, 0]] {
            assert_eq!(public_key(Algorithm::Ed25519, &wrapped(prefix, &ED25519)), expected);
        }
        let point = generator();
        let expected = public_key(Algorithm::Esp256, &point);
        for prefix in [&[0x04, 65][..], &[0x03, 66, 0]] {
            assert_eq!(public_key(Algorithm::Esp256, &wrapped(prefix, &point)), expected);
        }
        assert_eq!(public_key(Algorithm::Esp256, &point[1..]), expected);
        assert!(expected.is_ok());
    }

    #[test]
    fn other_points_are_refused() {
        let mut low_order = [0; 32];
        low_order[0] = 1;
        let mut not_canonical = [0xff; 32];
        not_canonical[0] = 0xf0; // 2^255 - 19 + 3: y = 3, written with the modulus added
        not_canonical[31] = 0x7f;
        let off_curve = wrapped(&[0x04], &[1; 64]);
        let zero = [vec![7; 32], vec![0; 2_560]].concat();
        let refused: [(Algorithm, Vec<u8>); 12] = [
            (Algorithm::Ed25519, vec![]),
            (Algorithm::Ed25519, ED25519[1..].to_vec()),
            (Algorithm::Ed25519, wrapped(&[0x04, 31], &ED25519)),
            (Algorithm::Ed25519, wrapped(&[0x03, 33, 1], &ED25519)),
            (Algorithm::Ed25519, low_order.to_vec()),
            (Algorithm::Ed25519, not_canonical.to_vec()),
            (Algorithm::Esp256, off_curve),
            (Algorithm::Esp256, generator()[..33].to_vec()),
            (Algorithm::Esp256, wrapped(&[0x02], &[1; 64])),
            (Algorithm::MlDsa87, zero),
            (Algorithm::MlDsa87, vec![7; 2_591]),
            (Algorithm::MlDsa87, vec![7; 2_593]),
        ];
        for (algorithm, bytes) in refused {
            assert!(public_key(algorithm, &bytes).is_err(), "{bytes:02x?}");
        }
    }
}
