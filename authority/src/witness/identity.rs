//! Who a witness is: the authority that it is pinned to, and its one key. Written once, by `witness init`.
//!
//! `{1: schema, 2: authority id, 3: key reference, 4: public key, 5: made}`. Not here: the private key.

use chancery_formats::cbor::{MapWriter, scan};
use chancery_formats::error::{DecodeError, Fault};
use chancery_formats::id::{AuthorityId, is_label};
use chancery_formats::key::PublicKey;

const SCHEMA: u64 = 1;

/// Longest reference to a key, in bytes.
const MAX_REFERENCE: usize = 2_048;

/// Who a witness is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The one authority that it witnesses.
    pub authority: AuthorityId,
    /// Where the key backend finds its key; a path is relative to the home.
    pub reference: String,
    /// The public half, as the device gave it.
    pub public_key: PublicKey,
    /// When it was made, in Unix seconds.
    pub made_at: u64,
}

impl Identity {
    /// Decodes what [`Identity::encode`] wrote.
    ///
    /// # Errors
    ///
    /// Any fault of the scan; `missing-field`, `unknown-field`, `schema-unknown`, `wrong-type`, `wrong-length`,
    /// `out-of-range`, `key-invalid`.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = scan(bytes, "identity")?;
        let entries = reader.map("identity")?;
        let (mut schema, mut authority, mut reference, mut public_key, mut made_at) =
            (None, None, None, None, None);
        for _ in 0..entries {
            let at = reader;
            match reader.int("identity")? {
                1 if reader.uint("identity.schema")? == SCHEMA => schema = Some(()),
                1 => return Err(at.fault(Fault::SchemaUnknown, "identity.schema")),
                2 => authority = Some(AuthorityId(reader.array_of("identity.authority")?)),
                3 => {
                    let text = reader.text("identity.reference")?;
                    let plain = text.chars().all(|c| is_label(c.encode_utf8(&mut [0; 4])) || c == ' ');
                    if !plain || !(1..=MAX_REFERENCE).contains(&text.len()) {
                        return Err(at.fault(Fault::OutOfRange, "identity.reference"));
                    }
                    reference = Some(text.to_owned());
                }
                4 => {
                    let key = PublicKey::decode(reader.bytes("identity.key")?);
                    public_key = Some(key.map_err(|_| at.fault(Fault::KeyInvalid, "identity.key"))?);
                }
                5 => made_at = Some(reader.uint("identity.made")?),
                _ => return Err(at.fault(Fault::UnknownField, "identity")),
            }
        }
        let missing = |field| reader.fault(Fault::Missing, field);
        schema.ok_or(missing("identity.schema"))?;
        Ok(Self {
            authority: authority.ok_or(missing("identity.authority"))?,
            reference: reference.ok_or(missing("identity.reference"))?,
            public_key: public_key.ok_or(missing("identity.key"))?,
            made_at: made_at.ok_or(missing("identity.made"))?,
        })
    }

    /// Encodes the identity.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut map = MapWriter::new();
        map.entry(1).uint(SCHEMA);
        map.entry(2).bytes(&self.authority.0);
        map.entry(3).text(&self.reference);
        map.entry(4).bytes(&self.public_key.encode());
        map.entry(5).uint(self.made_at);
        map.finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn identities_survive_encoding_and_nothing_else_is_one() {
        let identity = Identity {
            authority: AuthorityId([1; 32]),
            reference: "pkcs11:token=my%20witness;object=w".to_owned(),
            public_key: PublicKey::Ed25519([2; 32]),
            made_at: 1_800_000_000,
        };
        let good = identity.encode();
        assert_eq!(Identity::decode(&good), Ok(identity.clone()));
        let code = |bytes: &[u8]| Identity::decode(bytes).unwrap_err().code();
        assert_eq!(code(&good[..good.len() - 1]), "truncated");
        assert_eq!(code(&[0xa0]), "missing-field");
        assert_eq!(code(&[0xa1, 6, 0]), "unknown-field");
        assert_eq!(code(&[0xa1, 1, 2]), "schema-unknown");
        assert_eq!(
            code(&Identity { reference: "a\u{1b}b".to_owned(), ..identity.clone() }.encode()),
            "out-of-range"
        );
        assert_eq!(code(&Identity { reference: String::new(), ..identity }.encode()), "out-of-range");
    }
}
