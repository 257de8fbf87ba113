//! The activation request: a device asks for a license, signed by its own key.
//!
//! ```text
//! 1 schema · 2 product · 3 entitlement · 4 device key (COSE_Key) · 5 nonce · 6 site clock
//! 7 {component kind: digest} · 8 [highest terms schema, root version, revocation-list number]
//! ```
//!
//! The first 8 bytes of the nonce are the salt of the digests. Not here: how digests are computed
//! (`chancery-verifier`) and whether the signature is good.
//!
//! Spec: `docs/spec/request.md`.

use alloc::vec::Vec;

use crate::cbor::{MapWriter, Reader, scan};
use crate::error::{DecodeError, Fault};
use crate::id::{EntitlementId, is_name};
use crate::key::PublicKey;
use crate::license::terms::Components;
use crate::license::{text, time};

const SCHEMA: u64 = 1;

/// What a verifier knows already, so that the authority issues nothing it cannot read or would refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minima {
    /// Highest terms schema that the verifier reads.
    pub terms_schema: u64,
    /// Newest root version it trusts; 0 before any.
    pub root_version: u64,
    /// Newest revocation list it holds; 0 before any.
    pub revocation_list: u64,
}

/// The payload of an activation request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Key 2: the product to run.
    pub product: &'a str,
    /// Key 3: the entitlement to draw on.
    pub entitlement: EntitlementId,
    /// Key 4: the key that the device holds and that signs the request: Ed25519 or P-256.
    pub device_key: PublicKey,
    /// Key 5: random, stored by the device until it is answered.
    pub nonce: [u8; 16],
    /// Key 6: what the site's clock shows, in Unix seconds; it is not trusted.
    pub site_clock: u64,
    /// Key 7: salted digests of device components; none where the device has none to offer.
    pub components: Option<Components<'a>>,
    /// Key 8: what the verifier knows.
    pub minima: Minima,
}

impl<'a> Request<'a> {
    /// Decodes the payload of a request.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `missing-field`, `unknown-field`, `schema-unknown`, `wrong-type`,
    /// `wrong-length`, `out-of-range`, `text-forbidden`, `key-invalid`.
    pub fn decode(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = scan(payload, "request")?;
        let entries = reader.map("request")?;
        let (mut schema, mut product, mut entitlement, mut device_key) = (None, None, None, None);
        let (mut nonce, mut site_clock, mut components, mut minima) = (None, None, None, None);
        for _ in 0..entries {
            let at = reader;
            match reader.int("request")? {
                1 if reader.uint("request.schema")? == SCHEMA => schema = Some(()),
                1 => return Err(at.fault(Fault::SchemaUnknown, "request.schema")),
                2 => product = Some(text(&mut reader, "request.product", is_name)?),
                3 => entitlement = Some(EntitlementId(reader.array_of("request.entitlement")?)),
                4 => device_key = Some(read_device_key(&mut reader)?),
                5 => nonce = Some(reader.array_of("request.nonce")?),
                6 => site_clock = Some(time(&mut reader, "request.clock")?),
                7 => components = Some(Components::read(&mut reader, "request.components")?),
                8 => minima = Some(Minima::read(&mut reader)?),
                _ => return Err(at.fault(Fault::UnknownField, "request")),
            }
        }
        let missing = |field| reader.fault(Fault::Missing, field);
        schema.ok_or(missing("request.schema"))?;
        Ok(Self {
            product: product.ok_or(missing("request.product"))?,
            entitlement: entitlement.ok_or(missing("request.entitlement"))?,
            device_key: device_key.ok_or(missing("request.key"))?,
            nonce: nonce.ok_or(missing("request.nonce"))?,
            site_clock: site_clock.ok_or(missing("request.clock"))?,
            components,
            minima: minima.ok_or(missing("request.minima"))?,
        })
    }

    /// Encodes the payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(1).uint(SCHEMA);
        map.entry(2).text(self.product);
        map.entry(3).bytes(&self.entitlement.0);
        map.entry(4).raw(&self.device_key.encode());
        map.entry(5).bytes(&self.nonce);
        map.entry(6).uint(self.site_clock);
        if let Some(components) = &self.components {
            map.entry(7).raw(components.as_bytes());
        }
        let Minima { terms_schema, root_version, revocation_list } = self.minima;
        map.entry(8).array(3).uint(terms_schema).uint(root_version).uint(revocation_list);
        map.finish()
    }

    /// Returns the salt of the component digests.
    #[must_use]
    pub fn salt(&self) -> [u8; 8] {
        core::array::from_fn(|index| self.nonce[index])
    }
}

/// Reads the key of a device. A signature of ML-DSA-87 does not fit where a request must: one QR code.
fn read_device_key(reader: &mut Reader<'_>) -> Result<PublicKey, DecodeError> {
    let start = *reader;
    match PublicKey::read(reader)? {
        key @ (PublicKey::Ed25519(_) | PublicKey::P256 { .. }) => Ok(key),
        PublicKey::MlDsa87(_) => Err(start.fault(Fault::KeyInvalid, "request.key")),
    }
}

impl Minima {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = *reader;
        if reader.array("request.minima")? != 3 {
            return Err(start.fault(Fault::WrongLength, "request.minima"));
        }
        let mut next = || reader.uint("request.minima");
        Ok(Self { terms_schema: next()?, root_version: next()?, revocation_list: next()? })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_encoding() {
        let components = Components::encode(&[(1, [1; 4]), (4, [2; 4])]);
        let mut request = Request {
            product: "pump",
            entitlement: EntitlementId([5; 8]),
            device_key: PublicKey::Ed25519([6; 32]),
            nonce: core::array::from_fn(|index| index as u8),
            site_clock: 1_700_000_000,
            components: Some(Components::decode(&components).unwrap()),
            minima: Minima { terms_schema: 1, root_version: 1, revocation_list: 0 },
        };
        assert_eq!(request.salt(), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(Request::decode(&request.encode()), Ok(request.clone()));
        request.components = None;
        assert_eq!(Request::decode(&request.encode()), Ok(request.clone()));
        request.device_key = PublicKey::MlDsa87(alloc::boxed::Box::new([6; 2_592]));
        assert_eq!(Request::decode(&request.encode()).unwrap_err().code(), "key-invalid");
    }

    #[test]
    fn other_requests_are_refused() {
        let cases: &[(&[u8], &str)] = &[
            (&[0xa0], "missing-field"),
            (&[0xa1, 1, 2], "schema-unknown"),
            (&[0xa1, 9, 2], "unknown-field"),
            (&[0xa1, 0x20, 2], "unknown-field"),
            (&[0xa1, 4, 0xa0], "key-invalid"),
            (&[0xa1, 5, 0x41, 0], "wrong-length"),
            (&[0xa1, 7, 0xa0], "out-of-range"),
            (&[0xa1, 8, 0x81, 1], "wrong-length"),
        ];
        for (bytes, code) in cases {
            assert_eq!(Request::decode(bytes).unwrap_err().code(), *code, "{bytes:02x?}");
        }
    }
}
