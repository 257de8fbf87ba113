//! The documents that the pages under `docs/spec/` show: one authority, one device, fixed keys.
//!
//! The keys are **for tests only**: each seed is 32 times one byte. No product pins this authority.

use chancery_formats::cose::{Envelope, Header, Mode, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, EntitlementId, LicenseId};
use chancery_formats::key::{Algorithm, Protection, PublicKey};
use chancery_formats::license::terms::Components;
use chancery_formats::license::*;
use chancery_formats::merkle::{Tree, leaf_hash};
use chancery_formats::request::{Minima, Request};
use chancery_formats::seal::{Role, Seal, Signer, Statement};
use chancery_formats::trust::root::Custodians;
use chancery_formats::trust::{Bundle, KeyMode, KeyRecord, Root, Scope};
use ed25519_dalek::{Signer as _, SigningKey};

/// 2026-11-23T00:00:00Z.
pub const MADE_AT: u64 = 1_795_392_000;
const ONE_YEAR: u64 = 365 * 86_400;
const LEAF_OF_ANOTHER: &str = "the leaf hash of another license in the batch";

/// The bytes of every example.
pub struct Examples {
    pub authority: AuthorityId,
    pub root: Vec<u8>,
    pub key_record: Vec<u8>,
    pub bundle: Vec<u8>,
    pub license: Vec<u8>,
    pub sealed_license: Vec<u8>,
    pub statement: Vec<u8>,
    pub all_claims: Vec<u8>,
    pub request: Vec<u8>,
    pub device_key: PublicKey,
    pub p256_key: PublicKey,
}

impl Examples {
    /// Makes them all.
    pub fn new() -> Self {
        let root_payload = root_payload();
        let authority = Root::authority_id(&root_payload);
        let custodians = [1, 2].map(|seed| (Role::Custodian, test_key(seed)));
        let root = seal_alone(Kind::Root, root_payload, authority, &custodians);
        let key_record = seal_alone(Kind::KeyRecord, key_record(authority).encode(), authority, &custodians);
        let bundle = Bundle::encode(&[root.clone(), key_record.clone()]);

        let issuing = test_key(4);
        let claims = with_claims(|license| license.encode());
        let license = sign(Kind::License, claims.clone(), &issuing);
        let signers = [(Role::Issuer, issuing), (Role::Witness, test_key(6))];
        let (sealed_license, statement) = seal_in_batch(claims, authority, &signers);
        Self {
            authority,
            root,
            key_record,
            bundle,
            license,
            sealed_license,
            statement,
            all_claims: with_claims(|license| with_all_terms(license).encode()),
            request: sign(Kind::Request, request(&components()).encode(), &test_key(5)),
            device_key: public(&test_key(5)),
            p256_key: rfc_9679_key(),
        }
    }

    /// Returns the signature field of the sealed license.
    pub fn seal(&self) -> &[u8] {
        Envelope::decode(&self.sealed_license).unwrap().signature
    }
}

/// A key for tests only: its seed is 32 times one byte.
pub fn test_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn public(key: &SigningKey) -> PublicKey {
    PublicKey::Ed25519(key.verifying_key().to_bytes())
}

/// The P-256 key of RFC 9679 §6.
fn rfc_9679_key() -> PublicKey {
    let x = crate::hex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d");
    let y = crate::hex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c");
    PublicKey::P256 { x: x.try_into().unwrap(), y: y.try_into().unwrap() }
}

fn sign(kind: Kind, payload: Vec<u8>, key: &SigningKey) -> Vec<u8> {
    let kid = public(key).key_id();
    let header = Header { mode: Mode::Direct(Algorithm::Ed25519), kid, typ: kind.typ() };
    let unsigned = Unsigned::new(&header, payload);
    unsigned.sign(&key.sign(&unsigned.sig_structure()).to_bytes())
}

fn sealed_header(kind: Kind, signers: &[Signer]) -> Header<'static> {
    Header { mode: Mode::Seal, kid: signers[0].thumbprint.key_id(), typ: kind.typ() }
}

/// Returns the signers as a statement lists them, each with its key.
fn sorted(keys: &[(Role, SigningKey)]) -> Vec<(Signer, &SigningKey)> {
    let signer = |role: &Role, key: &SigningKey| Signer {
        role: *role,
        thumbprint: public(key).thumbprint(),
        algorithm: Algorithm::Ed25519,
    };
    let mut signers: Vec<_> = keys.iter().map(|(role, key)| (signer(role, key), key)).collect();
    signers.sort_by_key(|(signer, _)| *signer);
    signers
}

fn seal_alone(kind: Kind, payload: Vec<u8>, authority: AuthorityId, keys: &[(Role, SigningKey)]) -> Vec<u8> {
    let keys = sorted(keys);
    let signers: Vec<_> = keys.iter().map(|(signer, _)| *signer).collect();
    let unsigned = Unsigned::new(&sealed_header(kind, &signers), payload);
    let statement = Statement {
        authority,
        root_version: 1,
        leaf_typ: kind.typ(),
        size: 1,
        root: unsigned.leaf_hash(),
        first_index: None,
        time: MADE_AT,
        signers: &signers,
    };
    unsigned.sign(&Seal::encode(&statement, 0, &[], &sign_statement(&statement, &keys)))
}

/// Seals a license as number 2 of a batch of 4 whose first has log index 100.
fn seal_in_batch(
    payload: Vec<u8>,
    authority: AuthorityId,
    keys: &[(Role, SigningKey)],
) -> (Vec<u8>, Vec<u8>) {
    let keys = sorted(keys);
    let signers: Vec<_> = keys.iter().map(|(signer, _)| *signer).collect();
    let unsigned = Unsigned::new(&sealed_header(Kind::License, &signers), payload);
    let leaves = (0..4).map(|index| match index {
        2 => unsigned.leaf_hash(),
        index => leaf_hash(&[LEAF_OF_ANOTHER.as_bytes(), &[index]]),
    });
    let tree = Tree::new(leaves.collect()).unwrap();
    let statement = Statement {
        authority,
        root_version: 1,
        leaf_typ: Kind::License.typ(),
        size: 4,
        root: tree.root(),
        first_index: Some(100),
        time: MADE_AT,
        signers: &signers,
    };
    let seal = Seal::encode(&statement, 2, &tree.path(2), &sign_statement(&statement, &keys));
    (unsigned.sign(&seal), statement.encode())
}

fn sign_statement(statement: &Statement<'_>, keys: &[(Signer, &SigningKey)]) -> Vec<Vec<u8>> {
    let sign = |(signer, key): &(Signer, &SigningKey)| {
        key.sign(&statement.to_sign(signer).sig_structure()).to_bytes().to_vec()
    };
    keys.iter().map(sign).collect()
}

fn root_payload() -> Vec<u8> {
    let keys = Custodians::encode(&[1, 2, 3].map(|seed| public(&test_key(seed))));
    let root = Root {
        name: "Example Pumps",
        version: 1,
        previous: None,
        threshold: 2,
        custodians: Custodians::decode(&keys).unwrap(),
        made_at: MADE_AT,
    };
    root.encode()
}

fn key_record(authority: AuthorityId) -> KeyRecord<'static> {
    KeyRecord {
        authority,
        role: Role::Issuer,
        key: public(&test_key(4)),
        mode: KeyMode::Direct,
        co_signers: Vec::new(),
        typs: vec![Kind::License.typ()],
        scope: Scope { products: None, territories: None, longest_term_secs: Some(2 * ONE_YEAR) },
        not_before: MADE_AT,
        not_after: None,
        protection: Protection::Software,
        attestation: None,
    }
}

/// Three digests of components: installation, system, network.
fn components() -> Vec<u8> {
    Components::encode(&[(1, [0x11; 4]), (2, [0x22; 4]), (5, [0x55; 4])])
}

fn request(components: &[u8]) -> Request<'_> {
    Request {
        product: "pump",
        entitlement: EntitlementId(*b"\x01\x23\x45\x67\x89\xab\xcd\xef"),
        device_key: public(&test_key(5)),
        nonce: core::array::from_fn(|index| 0x10 + index as u8),
        site_clock: MADE_AT + 3_600,
        components: Some(Components::decode(components).unwrap()),
        minima: Minima { terms_schema: 1, root_version: 1, revocation_list: 0 },
    }
}

/// Builds the claims of the license that answers the request, and hands them on.
fn with_claims<T>(then: impl FnOnce(License<'_>) -> T) -> T {
    let features = Features::encode(&[
        ("logging", Feature::On),
        ("channels", Feature::Limit(16)),
        ("reports", Feature::Quota { quota: 500, overdraft: 50 }),
    ]);
    let components = components();
    let request = request(&components);
    then(License {
        issuer: "Example Pumps",
        subject: "acme/north",
        product: request.product,
        not_after: Some(MADE_AT + ONE_YEAR - 1),
        not_before: Some(MADE_AT),
        issued_at: MADE_AT + 7_200,
        id: LicenseId(core::array::from_fn(|index| 0xa0 + index as u8)),
        device_key: Some(request.device_key.thumbprint()),
        terms: Terms {
            entitlement: request.entitlement,
            edition: "standard",
            revision: 1,
            features: Features::decode(&features).unwrap(),
            versions: None,
            seats: None,
            device: Some(Device {
                k: 2,
                salt: request.salt(),
                components: Components::decode(&components).unwrap(),
            }),
            territory: None,
            support: None,
            enforcement: Enforcement {
                mode: EnforcementMode::Deny,
                grace_secs: 14 * 86_400,
                notice_secs: 30 * 86_400,
            },
            distribution: None,
            least_revocation_list: None,
            bindings: None,
            users: None,
        },
    })
}

/// Adds every term that the license of the first example leaves out.
fn with_all_terms(license: License<'_>) -> License<'_> {
    let names: [&'static [u8]; 4] = [
        &[0x82, 0x62, b'C', b'H', 0x62, b'D', b'E'],
        &[0x81, 0x63, b'u', b's', b'b'],
        &[0x82, 0x63, b'a', b'n', b'n', 0x63, b'b', b'o', b'b'],
        &[0x81, 0x65, b's', b'h', b'i', b'f', b't'],
    ];
    let [countries, channels, users, groups] = names;
    let list = |bytes: &'static [u8]| Some(Names::decode(bytes, false).unwrap());
    License {
        not_before: None,
        device_key: None,
        terms: Terms {
            versions: Some(Versions {
                lowest: Version::new(&[2]),
                highest: Version::new(&[3, 1]),
                released_until: Some(MADE_AT + ONE_YEAR - 1),
            }),
            seats: Some(5),
            territory: Some(Names::decode(countries, true).unwrap()),
            support: Some("gold"),
            enforcement: Enforcement { mode: EnforcementMode::Degrade, ..license.terms.enforcement },
            distribution: Some(Distribution { devices: Some(3), channels: list(channels) }),
            least_revocation_list: Some(12),
            bindings: Some(4),
            users: Some(Users { users: list(users), groups: list(groups) }),
            ..license.terms
        },
        ..license
    }
}

/// Checks a signature of one of the test keys.
pub fn verifies(seed: u8, message: &[u8], signature: &[u8]) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature.try_into().unwrap());
    test_key(seed).verifying_key().verify_strict(message, &signature).is_ok()
}
