//! Documents: decode after encode is the identity, and any accepted change of the bytes re-encodes to
//! exactly the changed bytes.

use chancery_formats::cose::{Envelope, Header, Mode, Unsigned, leaf_hash};
use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, EntitlementId, KeyId, LicenseId, Thumbprint, is_label};
use chancery_formats::key::{Algorithm, Protection, PublicKey};
use chancery_formats::license::terms::Components;
use chancery_formats::license::*;
use chancery_formats::merkle::Tree;
use chancery_formats::request::{Minima, Request};
use chancery_formats::seal::{OwnedStatement, Role, Seal, Signer, Statement};
use chancery_formats::trust::{Bundle, Exchange, KeyMode, KeyRecord, Root, Scope, exchange};
use chancery_formats::trust::{Custodians, Quorum};
use proptest::collection::{btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;

const NAME: &str = "[a-z0-9][a-z0-9._-]{0,20}";

fn label() -> impl Strategy<Value = String> {
    "\\PC{1,30}".prop_filter("shown to people", |text| is_label(text))
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![0..=MAX_TIME, 1_700_000_000..1_900_000_000u64]
}

fn positive() -> impl Strategy<Value = u64> {
    prop_oneof![1..=300u64, 1..=u64::MAX]
}

fn span() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..=MAX_TIME]
}

fn names() -> impl Strategy<Value = Vec<u8>> {
    vec(NAME, 1..5).prop_map(|names| Names::encode(&names.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn countries() -> impl Strategy<Value = Vec<u8>> {
    vec("[A-Z]{2}", 1..5)
        .prop_map(|names| Names::encode(&names.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn components() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::btree_map(prop_oneof![0..30u64, any::<u64>()], any::<[u8; 4]>(), 1..=16)
        .prop_map(|map| Components::encode(&map.into_iter().collect::<Vec<_>>()))
}

fn features() -> impl Strategy<Value = Vec<u8>> {
    let feature = prop_oneof![
        Just(Feature::On),
        any::<u64>().prop_map(Feature::Limit),
        any::<(u64, u64)>().prop_map(|(quota, overdraft)| Feature::Quota { quota, overdraft }),
    ];
    proptest::collection::btree_map(NAME, feature, 0..8).prop_map(|map| {
        let list: Vec<_> = map.iter().map(|(name, feature)| (name.as_str(), *feature)).collect();
        Features::encode(&list)
    })
}

fn device_key() -> impl Strategy<Value = PublicKey> {
    prop_oneof![
        any::<[u8; 32]>().prop_map(PublicKey::Ed25519),
        any::<([u8; 32], [u8; 32])>().prop_map(|(x, y)| PublicKey::P256 { x, y }),
    ]
}

fn key() -> impl Strategy<Value = PublicKey> {
    let ml_dsa = any::<[u8; 32]>()
        .prop_map(|bytes| PublicKey::MlDsa87(Box::new(std::array::from_fn(|index| bytes[index % 32]))));
    prop_oneof![2 => device_key(), 1 => ml_dsa]
}

fn version() -> impl Strategy<Value = Version> {
    vec(any::<u32>(), 1..=4).prop_map(|numbers| Version::new(&numbers).unwrap())
}

fn versions() -> impl Strategy<Value = Versions> {
    (of(version()), of(version()), of(time()))
        .prop_map(|(lowest, highest, released_until)| Versions { lowest, highest, released_until })
        .prop_filter("a bound is set", |versions| {
            versions.lowest.is_some() || versions.highest.is_some() || versions.released_until.is_some()
        })
}

fn enforcement() -> impl Strategy<Value = Enforcement> {
    let mode =
        prop::sample::select(&[EnforcementMode::Deny, EnforcementMode::Warn, EnforcementMode::Degrade][..]);
    (mode, span(), span()).prop_map(|(mode, grace_secs, notice_secs)| Enforcement {
        mode,
        grace_secs,
        notice_secs,
    })
}

/// The parts of a license that its views borrow.
type Claims = (String, String, Option<String>, String, Option<u64>, Option<u64>, u64);
type Plain = (LicenseId, Option<Thumbprint>, EntitlementId, String, u64, Option<String>);
type Lists = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);
type Limits = (Option<Versions>, [Option<u64>; 4], Enforcement, prop::sample::Index);

fn license() -> impl Strategy<Value = (Claims, Plain, Lists, Limits)> {
    let claims = (label(), NAME, of(NAME), NAME, of(time()), of(time()), time());
    let plain = (
        any::<[u8; 16]>().prop_map(LicenseId),
        of(any::<[u8; 32]>().prop_map(Thumbprint)),
        any::<[u8; 8]>().prop_map(EntitlementId),
        NAME,
        positive(),
        of(NAME),
    );
    let lists = (features(), of(components()), of(countries()), of(names()), of(names()), of(names()));
    let numbers = [of(positive()), of(positive()), of(positive()), of(positive())];
    (claims, plain, lists, (of(versions()), numbers, enforcement(), any::<prop::sample::Index>()))
}

/// Builds the license of generated parts and hands it on.
fn with_license(parts: &(Claims, Plain, Lists, Limits), then: impl FnOnce(License<'_>)) {
    let ((issuer, customer, site, product, exp, nbf, iat), plain, lists, limits) = parts;
    let (id, device_key, entitlement, edition, revision, support) = plain;
    let (features, components, territory, channels, users, groups) = lists;
    let (versions, [seats, least_revocation_list, bindings, devices], enforcement, k) = limits;
    let (mut not_before, mut not_after) = (*nbf, *exp);
    if not_before.is_some() && not_after.is_some() && not_before > not_after {
        core::mem::swap(&mut not_before, &mut not_after);
    }
    let subject = site.as_ref().map_or(customer.clone(), |site| [customer, "/", site].concat());
    let list = |bytes| Names::decode(bytes, false).unwrap();
    let (channels, users, groups) =
        (channels.as_deref().map(list), users.as_deref().map(list), groups.as_deref().map(list));
    let device = components.as_deref().map(|bytes| {
        let components = Components::decode(bytes).unwrap();
        Device { k: 1 + k.index(components.len() as usize) as u64, salt: entitlement.0, components }
    });
    then(License {
        issuer,
        subject: &subject,
        product,
        not_after,
        not_before,
        issued_at: *iat,
        id: *id,
        device_key: *device_key,
        terms: Terms {
            entitlement: *entitlement,
            edition,
            revision: *revision,
            features: Features::decode(features).unwrap(),
            versions: *versions,
            seats: *seats,
            device,
            territory: territory.as_deref().map(|bytes| Names::decode(bytes, true).unwrap()),
            support: support.as_deref(),
            enforcement: *enforcement,
            distribution: (devices.is_some() || channels.is_some())
                .then_some(Distribution { devices: *devices, channels }),
            least_revocation_list: *least_revocation_list,
            bindings: *bindings,
            users: (users.is_some() || groups.is_some()).then_some(Users { users, groups }),
        },
    });
}

fn signers() -> impl Strategy<Value = Vec<Signer>> {
    let signer =
        (prop::sample::select(&Role::ALL[..]), any::<[u8; 32]>(), prop::sample::select(&Algorithm::ALL[..]))
            .prop_map(|(role, print, algorithm)| Signer { role, thumbprint: Thumbprint(print), algorithm });
    btree_set(signer, 1..=16).prop_map(|signers| signers.into_iter().collect())
}

/// Applies one change to bytes.
fn change(bytes: &mut Vec<u8>, at: prop::sample::Index, byte: u8, kind: u8) {
    let at = at.index(bytes.len());
    match kind {
        0 => bytes[at] = byte,
        1 => bytes.insert(at, byte),
        _ => drop(bytes.remove(at)),
    }
}

/// A key that may stand alone: an ML-DSA-87 key stands beside another.
fn primary() -> impl Strategy<Value = PublicKey> {
    key().prop_filter("a partner", |key| key.algorithm() != Algorithm::MlDsa87)
}

/// Signers, documents by protected header and payload, and the index of the first.
type DrawnBatch = (Vec<Signer>, Vec<(Vec<u8>, Vec<u8>)>, Option<u64>);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn licenses(parts in license(), at: prop::sample::Index, byte: u8, kind in 0..3u8) {
        with_license(&parts, |license| {
            let mut bytes = license.encode();
            assert_eq!(License::decode(&bytes), Ok(license));
            change(&mut bytes, at, byte, kind);
            // A change may turn a claim into an advisory one, which encoding drops.
            if let Ok(changed) = License::decode(&bytes) {
                let again = changed.encode();
                assert_eq!(License::decode(&again), Ok(changed));
                assert!(again == bytes || again.len() < bytes.len(), "{bytes:02x?}");
            }
        });
    }

    #[test]
    fn requests(
        product in NAME,
        entitlement: [u8; 8],
        device_key in device_key(),
        nonce: [u8; 16],
        site_clock in time(),
        components in of(components()),
        minima: [u64; 3],
        at: prop::sample::Index, byte: u8, kind in 0..3u8,
    ) {
        let [terms_schema, root_version, revocation_list] = minima;
        let request = Request {
            product: &product,
            entitlement: EntitlementId(entitlement),
            device_key,
            nonce,
            site_clock,
            components: components.as_deref().map(|bytes| Components::decode(bytes).unwrap()),
            minima: Minima { terms_schema, root_version, revocation_list },
        };
        let mut bytes = request.encode();
        prop_assert_eq!(Request::decode(&bytes), Ok(request));
        change(&mut bytes, at, byte, kind);
        if let Ok(changed) = Request::decode(&bytes) {
            prop_assert_eq!(changed.encode(), bytes);
        }
    }

    #[test]
    fn roots(
        name in label(),
        version in 1..=u32::MAX,
        previous: [u8; 32],
        keys in vec(primary(), 1..=16),
        threshold: prop::sample::Index,
        made_at in time(),
        (recovery, manifests) in any::<(bool, bool)>(),
        at: prop::sample::Index, byte: u8, kind in 0..3u8,
    ) {
        let encoded = Custodians::encode(&keys);
        let custodians = Custodians::decode(&encoded).unwrap();
        let threshold = 1 + threshold.index(custodians.len());
        let previous = (version > 1).then_some(previous);
        let quorum = Quorum { threshold, custodians, partners: None };
        let recovery = recovery.then(|| quorum.commitment());
        let revealed = (version > 1 && recovery.is_some()).then_some(quorum);
        let root = Root { name: &name, version, previous, quorum, made_at, recovery, revealed, manifests };
        let mut bytes = root.encode();
        prop_assert_eq!(Root::decode(&bytes), Ok(root));
        change(&mut bytes, at, byte, kind);
        if let Ok(changed) = Root::decode(&bytes) {
            prop_assert_eq!(changed.encode(), bytes);
        }
    }

    #[test]
    fn key_records(
        authority: [u8; 32],
        roles in btree_set(prop::sample::select(&Role::ALL[1..]), 1..=5),
        key in primary(),
        typs in btree_set("[a-z]{1,8}/[a-z.+]{1,20}", 1..=16),
        scope in (of(names()), of(countries()), of(time())),
        (from, until) in (time(), of(time())),
        seal: bool,
        hardware: bool,
        attestation in of(vec(any::<u8>(), 1..40)),
        at: prop::sample::Index, byte: u8, kind in 0..3u8,
    ) {
        let record = KeyRecord {
            authority: AuthorityId(authority),
            role: *roles.first().unwrap(),
            key,
            mode: if seal { KeyMode::Seal } else { KeyMode::Direct },
            co_signers: roles.iter().skip(1).copied().collect(),
            typs: typs.iter().map(String::as_str).collect(),
            scope: Scope {
                products: scope.0.as_deref().map(|bytes| Names::decode(bytes, false).unwrap()),
                territories: scope.1.as_deref().map(|bytes| Names::decode(bytes, true).unwrap()),
                longest_term_secs: scope.2,
            },
            not_before: until.map_or(from, |until| from.min(until)),
            not_after: until.map(|until| from.max(until)),
            protection: if hardware { Protection::Hardware } else { Protection::Software },
            attestation: attestation.as_deref(),
            partner: None,
        };
        let mut bytes = record.encode();
        prop_assert_eq!(KeyRecord::decode(&bytes), Ok(record));
        change(&mut bytes, at, byte, kind);
        if let Ok(changed) = KeyRecord::decode(&bytes) {
            prop_assert_eq!(changed.encode(), bytes);
        }
    }

    #[test]
    fn seals(
        signers in signers(),
        (size, index) in (1..=u64::MAX).prop_flat_map(|size| (Just(size), 0..size)),
        path in vec(any::<[u8; 32]>(), 0..=63),
        root_version: u32,
        first_index: Option<u64>,
        time in time(),
    ) {
        let statement = Statement {
            authority: AuthorityId([1; 32]),
            root_version,
            leaf_typ: Kind::License.typ(),
            size,
            root: [2; 32],
            first_index,
            time,
            signers: &signers,
        };
        let fixed = statement.encode_fixed();
        prop_assert_eq!(fixed.written(), Some(&statement.encode()[..]));
        let signatures: Vec<Vec<u8>> = signers
            .iter()
            .zip(0..)
            .map(|(signer, number)| vec![number; signer.algorithm.signature_len()])
            .collect();
        let bytes = Seal::encode(&statement, index, path.as_flattened(), &signatures);
        let seal = Seal::decode(&bytes).unwrap();
        prop_assert_eq!((seal.size, seal.leaf_index, seal.path), (size, index, path.as_flattened()));
        prop_assert_eq!((seal.root_version, seal.first_index, seal.time), (root_version, first_index, time));
        let read: Vec<_> = seal.signatures().collect();
        prop_assert_eq!(read.len(), signers.len());
        for ((signature, signer), bytes) in read.iter().zip(&signers).zip(&signatures) {
            prop_assert_eq!(signature.kid, signer.thumbprint.key_id());
            prop_assert_eq!(signature.algorithm, signer.algorithm);
            prop_assert_eq!(signature.signature, &bytes[..]);
        }
    }

    #[test]
    fn bundles(members in vec(vec(any::<u8>(), 0..300), 1..30)) {
        let bytes = Bundle::encode(&members);
        let bundle = Bundle::decode(&bytes).unwrap();
        prop_assert_eq!(bundle.members().map(<[u8]>::to_vec).collect::<Vec<_>>(), members);
    }

    #[test]
    fn exchanges(
        authority: [u8; 32],
        batches in vec((signers(), vec((vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..80)), 1..5), any::<Option<u64>>()), 1..4),
        with_bundle: bool,
        at: prop::sample::Index, byte: u8, kind in 0..3u8,
    ) {
        let authority = AuthorityId(authority);
        let bundle = Bundle::encode(&[vec![1, 2, 3]]);
        let batch = |(signers, documents, first_index): &DrawnBatch| {
            let leaves = documents.iter().map(|(protected, payload)| leaf_hash(protected, payload)).collect();
            OwnedStatement {
                authority,
                root_version: 3,
                leaf_typ: Kind::KeyRecord.typ().into(),
                size: documents.len() as u64,
                root: Tree::new(leaves).unwrap().root(),
                first_index: *first_index,
                time: 1_800_000_000,
                signers: signers.clone(),
            }
        };
        let request = Exchange::Request(exchange::Request {
            authority,
            batches: batches
                .iter()
                .map(|parts| exchange::Batch {
                    statement: batch(parts),
                    documents: parts
                        .1
                        .iter()
                        .map(|(protected, payload)| exchange::Document { protected, payload })
                        .collect(),
                })
                .collect(),
            bundle: with_bundle.then_some(&bundle),
        });
        let mut bytes = request.encode();
        prop_assert_eq!(Exchange::decode(&bytes), Ok(request));
        change(&mut bytes, at, byte, kind);
        if let Ok(changed) = Exchange::decode(&bytes) {
            prop_assert_eq!(changed.encode(), bytes);
        }
    }

    #[test]
    fn answers(
        authority: [u8; 32],
        signed in btree_set((any::<[u8; 32]>(), any::<[u8; 32]>(), any::<bool>()), 1..20),
        at: prop::sample::Index, byte: u8, kind in 0..3u8,
    ) {
        let (short, long) = ([5; 64], vec![6; 4_627]);
        let signatures = signed
            .iter()
            .map(|(statement, signer, hybrid)| exchange::Signed {
                statement: *statement,
                signer: Thumbprint(*signer),
                signature: if *hybrid { &long[..] } else { &short },
            })
            .collect();
        let answer = Exchange::Answer(exchange::Answer { authority: AuthorityId(authority), signatures });
        let mut bytes = answer.encode();
        prop_assert_eq!(Exchange::decode(&bytes), Ok(answer));
        change(&mut bytes, at, byte, kind);
        if let Ok(changed) = Exchange::decode(&bytes) {
            prop_assert_eq!(changed.encode(), bytes);
        }
    }

    #[test]
    fn envelopes(
        mode in prop_oneof![
            Just(Mode::Seal),
            prop::sample::select(&Algorithm::ALL[..]).prop_map(Mode::Direct),
        ],
        kid: [u8; 8],
        typ in "[a-z]{1,8}/[a-z.+]{1,40}",
        payload in vec(any::<u8>(), 0..400),
        signature in vec(any::<u8>(), 0..100),
        at: prop::sample::Index, byte: u8, kind in 0..3u8,
    ) {
        let header = Header { mode, kid: KeyId(kid), typ: &typ };
        let mut bytes = Unsigned::new(&header, payload.clone()).sign(&signature);
        let envelope = Envelope::decode(&bytes).unwrap();
        prop_assert_eq!(envelope.header, header);
        prop_assert_eq!((envelope.payload, envelope.signature), (&payload[..], &signature[..]));
        change(&mut bytes, at, byte, kind);
        if let Ok(changed) = Envelope::decode(&bytes) {
            let again = Unsigned::new(&changed.header, changed.payload.to_vec()).sign(changed.signature);
            prop_assert_eq!(again, bytes);
        }
    }
}
