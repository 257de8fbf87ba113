//! The extensions by which Yubico's devices state what they hold, and the attested public key.
//!
//! YubiHSM 2: arc 1.3.6.1.4.1.41482.4, each value a DER element. YubiKey PIV: arc 1.3.6.1.4.1.41482.3,
//! where firmware and policies are bare bytes and the slot stands in the subject. Everything that makes
//! up a statement must be there, so that nothing absent counts as a property. Spec:
//! <https://docs.yubico.com/hardware/oid/>. Not here: form factor and FIPS marks, which are passed over.

use chancery_formats::key::{Algorithm, PublicKey};
use x509_cert::der::Decode;
use x509_cert::der::asn1::{BitStringRef, ObjectIdentifier, OctetStringRef, Utf8StringRef};
use x509_cert::der::oid::db::rfc5912::{ID_EC_PUBLIC_KEY, SECP_256_R_1};
use x509_cert::der::oid::db::rfc8410::ID_ED_25519;

use crate::attestation::certificate::Certificate;
use crate::attestation::error::AttestationError;
use crate::attestation::signature;
use crate::attestation::statement::{Firmware, Origin, PinPolicy, Place, Statement, TouchPolicy};
use crate::point;

const HSM_ARC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.4");
const HSM_FIRMWARE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.4.1");
const HSM_SERIAL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.4.2");
const HSM_ORIGIN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.4.3");
const HSM_DOMAINS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.4.4");
const HSM_CAPABILITIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.4.5");
const HSM_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.4.6");
const HSM_LABEL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.4.9");

const PIV_ARC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.3");
const PIV_FIRMWARE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.3.3");
const PIV_SERIAL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.3.7");
const PIV_POLICIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.3.8");

/// The capability `exportable-under-wrap`: bit 16 of the mask.
const EXPORTABLE_UNDER_WRAP: u64 = 1 << 0x10;

/// The common name of a PIV attestation, up to the slot in hexadecimal.
const PIV_SUBJECT: &str = "YubiKey PIV Attestation ";

/// Tells whether a certificate may mark this extension as critical because it is read here.
pub(super) fn is_read(oid: &ObjectIdentifier) -> bool {
    const READ: [ObjectIdentifier; 10] = [
        HSM_FIRMWARE,
        HSM_SERIAL,
        HSM_ORIGIN,
        HSM_DOMAINS,
        HSM_CAPABILITIES,
        HSM_ID,
        HSM_LABEL,
        PIV_FIRMWARE,
        PIV_SERIAL,
        PIV_POLICIES,
    ];
    READ.contains(oid)
}

/// Reads what the key's certificate states; `device` is the certificate that issued it.
pub(super) fn read(key: &Certificate<'_>, device: &Certificate<'_>) -> Result<Statement, AttestationError> {
    let speaks = |arc| key.extensions().iter().any(|extension| extension.extn_id.starts_with(arc));
    let (statement, serial_oid) = match (speaks(HSM_ARC), speaks(PIV_ARC)) {
        (true, false) => (read_hsm(key)?, HSM_SERIAL),
        (false, true) => (read_piv(key)?, PIV_SERIAL),
        (true, true) => return Err(invalid("vendor", "ambiguous")),
        (false, false) => return Err(invalid("vendor", "missing")),
    };
    // The vendor's own word on the serial, which YubiHSM 2 devices bear: a chain of two devices is none.
    if let Some(serial) = device.extension(&serial_oid) {
        let expected = u32::from_der(serial).map_err(|_| invalid("device serial", "malformed"))?;
        if expected != statement.serial {
            return Err(AttestationError::SerialMismatch { expected, found: statement.serial });
        }
    }
    Ok(statement)
}

fn read_hsm(key: &Certificate<'_>) -> Result<Statement, AttestationError> {
    let firmware = element::<&OctetStringRef>(key, &HSM_FIRMWARE, "firmware")?;
    let capabilities = u64::from_be_bytes(bits(key, &HSM_CAPABILITIES, "capabilities")?);
    let origin = match bits(key, &HSM_ORIGIN, "origin")? {
        [0x01] => Origin::Generated,
        [0x02] => Origin::Imported,
        [0x11] => Origin::GeneratedWrapped,
        [0x12] => Origin::ImportedWrapped,
        _ => return Err(invalid("origin", "unknown")),
    };
    let label = element::<Utf8StringRef<'_>>(key, &HSM_LABEL, "label")?;
    let label = label.as_str().trim_end_matches('\0');
    Ok(Statement {
        public_key: public_key(key)?,
        serial: element(key, &HSM_SERIAL, "serial")?,
        firmware: read_firmware(firmware.as_bytes())?,
        origin,
        exportable: capabilities & EXPORTABLE_UNDER_WRAP != 0,
        place: Place::YubiHsm2 {
            id: element(key, &HSM_ID, "object id")?,
            label: if label.chars().any(char::is_control) { String::new() } else { label.to_owned() },
            domains: u16::from_be_bytes(bits(key, &HSM_DOMAINS, "domains")?),
            capabilities,
        },
    })
}

fn read_piv(key: &Certificate<'_>) -> Result<Statement, AttestationError> {
    let (pin, touch) = match *required(key, &PIV_POLICIES, "policies")? {
        [pin, touch] => (pin_policy(pin)?, touch_policy(touch)?),
        _ => return Err(invalid("policies", "malformed")),
    };
    Ok(Statement {
        public_key: public_key(key)?,
        serial: element(key, &PIV_SERIAL, "serial")?,
        firmware: read_firmware(required(key, &PIV_FIRMWARE, "firmware")?)?,
        // A YubiKey attests no other keys, and exports none.
        origin: Origin::Generated,
        exportable: false,
        place: Place::Piv { slot: slot(key)?, pin, touch },
    })
}

fn pin_policy(byte: u8) -> Result<PinPolicy, AttestationError> {
    Ok(match byte {
        1 => PinPolicy::Never,
        2 => PinPolicy::Once,
        3 => PinPolicy::Always,
        4 => PinPolicy::MatchOnce,
        5 => PinPolicy::MatchAlways,
        _ => return Err(invalid("PIN policy", "unknown")),
    })
}

fn touch_policy(byte: u8) -> Result<TouchPolicy, AttestationError> {
    Ok(match byte {
        1 => TouchPolicy::Never,
        2 => TouchPolicy::Always,
        3 => TouchPolicy::Cached,
        _ => return Err(invalid("touch policy", "unknown")),
    })
}

fn slot(key: &Certificate<'_>) -> Result<u8, AttestationError> {
    let name = key.subject().common_name().ok().flatten().ok_or(invalid("slot", "missing"))?;
    let name = name.value();
    let digits = name.strip_prefix(PIV_SUBJECT).ok_or(invalid("slot", "missing"))?;
    // Two digits, of which neither is the sign that a number may begin with.
    match digits.bytes().all(|digit| digit.is_ascii_hexdigit()) && digits.len() == 2 {
        true => u8::from_str_radix(digits, 16).map_err(|_| invalid("slot", "malformed")),
        false => Err(invalid("slot", "malformed")),
    }
}

fn read_firmware(bytes: &[u8]) -> Result<Firmware, AttestationError> {
    match *bytes {
        [major, minor, patch] => Ok(Firmware { major, minor, patch }),
        _ => Err(invalid("firmware", "malformed")),
    }
}

/// Takes the attested public key, which is Ed25519 or P-256 (RFC 8410 §4, RFC 5480 §2).
fn public_key(key: &Certificate<'_>) -> Result<PublicKey, AttestationError> {
    let unsupported = |reason| AttestationError::KeyUnsupported { reason };
    let info = key.public_key();
    let algorithm = match (info.algorithm.oid, signature::curve(info)) {
        (ID_ED_25519, None) => Algorithm::Ed25519,
        (ID_EC_PUBLIC_KEY, Some(SECP_256_R_1)) => Algorithm::Esp256,
        _ => return Err(unsupported("its algorithm is another")),
    };
    let point = info.subject_public_key.as_bytes().ok_or(unsupported("a point of unexpected length"))?;
    point::public_key(algorithm, point).map_err(unsupported)
}

/// Decodes an extension that is one DER element.
fn element<'c, T: Decode<'c>>(
    key: &'c Certificate<'_>,
    oid: &ObjectIdentifier,
    field: &'static str,
) -> Result<T, AttestationError> {
    T::from_der(required(key, oid, field)?).map_err(|_| invalid(field, "malformed"))
}

/// Decodes an extension that is a BIT STRING of whole bytes, a number in big-endian order.
fn bits<const N: usize>(
    key: &Certificate<'_>,
    oid: &ObjectIdentifier,
    field: &'static str,
) -> Result<[u8; N], AttestationError> {
    let bits: BitStringRef<'_> = element(key, oid, field)?;
    bits.as_bytes().and_then(|bytes| bytes.try_into().ok()).ok_or(invalid(field, "malformed"))
}

fn required<'c>(
    key: &'c Certificate<'_>,
    oid: &ObjectIdentifier,
    field: &'static str,
) -> Result<&'c [u8], AttestationError> {
    key.extension(oid).ok_or(invalid(field, "missing"))
}

fn invalid(field: &'static str, problem: &'static str) -> AttestationError {
    AttestationError::StatementInvalid { field, problem }
}
