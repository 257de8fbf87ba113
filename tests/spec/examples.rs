//! The documents that the pages under `docs/spec/` show: one authority, one device, fixed keys.
//!
//! The keys are **for tests only**: each seed is 32 times one byte. No product pins this authority.

use chancery_formats::approval::{Approval, ApprovalRequest, Decision, Item, PolicyRef, Price, RequestHead};
use chancery_formats::cose::{Envelope, Header, Mode, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::grant::{Binding, Change, Grant, Model, State};
use chancery_formats::id::{AuthorityId, EntitlementId, LicenseId};
use chancery_formats::key::{Algorithm, Protection, PublicKey};
use chancery_formats::license::terms::Components;
use chancery_formats::license::*;
use chancery_formats::log::export::{Operation, Outcome};
use chancery_formats::log::note::key_id;
use chancery_formats::log::{KeyKind, NoteSignature, Record, checkpoint, origin, proof, witness_name};
use chancery_formats::merkle::{Hash, Head, Tree, leaf_hash, prove};
use chancery_formats::request::{Minima, Request};
use chancery_formats::seal::{OwnedStatement, Role, Seal, Signer, Statement};
use chancery_formats::site_record::SiteRecord;
use chancery_formats::trust::exchange;
use chancery_formats::trust::possession::Claim;
use chancery_formats::trust::revocation::{Ids, RevokedKeys};
use chancery_formats::trust::transcript::{Fact, Step, Value};
use chancery_formats::trust::{
    Bundle, Closed, Closing, Custodians, KeyMode, KeyRecord, Possession, RevocationList, Root, Scope,
    Transcript,
};
use chancery_formats::witness::{Answer, BatchSignature};
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest, Sha256};

/// 2026-11-23T00:00:00Z.
pub const MADE_AT: u64 = 1_795_392_000;
const ONE_YEAR: u64 = 365 * 86_400;
const LEAF_OF_ANOTHER: &str = "the leaf hash of another license in the batch";

/// The bytes of every example.
pub struct Examples {
    pub authority: AuthorityId,
    pub root: Vec<u8>,
    pub key_record: Vec<u8>,
    pub closing: Vec<u8>,
    pub exchange_request: Vec<u8>,
    pub exchange_answer: Vec<u8>,
    pub revocation: Vec<u8>,
    /// To a request for the batch of the seal.
    pub witness_answer: Vec<u8>,
    /// Of a ceremony with two steps, sealed by the log key.
    pub transcript: Vec<u8>,
    /// That the first custodian has their key, for the plan of that ceremony.
    pub possession: Vec<u8>,
    /// That the entitlement of the license was amended.
    pub grant: Vec<u8>,
    /// Whether that amendment shall stand.
    pub approval_request: Vec<u8>,
    /// That it shall.
    pub approval: Vec<u8>,
    /// Where the site of the license stands.
    pub site_record: Vec<u8>,
    pub bundle: Vec<u8>,
    pub license: Vec<u8>,
    pub sealed_license: Vec<u8>,
    pub statement: Vec<u8>,
    pub all_claims: Vec<u8>,
    /// Of a log of four documents: root, key record, license, and one that is not shown.
    pub checkpoint: String,
    /// Of the same log, when it had two.
    pub older_checkpoint: String,
    /// That the license is in it.
    pub proof: String,
    /// That it went on from two documents to four.
    pub consistency: Vec<u8>,
    /// The use of the log key for the checkpoint, as an exported log holds it.
    pub log_record: Vec<u8>,
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
        let closing = seal_alone(Kind::Closing, closing(authority).encode(), authority, &custodians);
        let (exchange_request, exchange_answer) = exchange(&closing, authority, &custodians);
        let revoker = [(Role::Revoker, test_key(7))];
        let revocation =
            seal_alone(Kind::RevocationList, revocation(authority).encode(), authority, &revoker);
        let log_key = [(Role::Log, test_key(7))];
        let transcript = seal_alone(Kind::Transcript, transcript(authority).encode(), authority, &log_key);
        let bundle = Bundle::encode(&[root.clone(), key_record.clone()]);

        let issuing = test_key(4);
        let claims = with_claims(|license| license.encode());
        let license = sign(Kind::License, claims.clone(), &issuing);
        let signers = [(Role::Issuer, issuing), (Role::Witness, test_key(6))];
        let (sealed_license, statement) = seal_in_batch(claims, authority, &signers);
        let witness_answer = witness_answer(&sealed_license, &signers[1].1);
        let log = Log::of(authority, [&root, &key_record, &license]);
        Self {
            authority,
            root,
            key_record,
            closing,
            exchange_request,
            exchange_answer,
            revocation,
            witness_answer,
            transcript,
            approval_request: approval_request(authority),
            approval: approval(authority),
            site_record: site_record(authority),
            grant: grant(),
            possession: possession(),
            bundle,
            license,
            sealed_license,
            statement,
            checkpoint: log.note(4) + &log.cosignature(4),
            older_checkpoint: log.note(2),
            proof: proof::encode(2, &log.path(2), &log.note(4)),
            consistency: log.consistency(2),
            log_record: log_record(&log, 4),
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

/// What a witness answers whose signature is the second of a seal.
fn witness_answer(sealed: &[u8], witness: &SigningKey) -> Vec<u8> {
    let seal = Seal::decode(Envelope::decode(sealed).unwrap().signature).unwrap();
    let signature = seal.signatures().nth(1).unwrap().signature;
    let batch = Some(BatchSignature { first_index: seal.first_index.unwrap(), signature });
    let (request, witness) = (Sha256::digest("request").into(), public(witness).thumbprint());
    Answer { request, witness, batch, cosigned: None }.encode()
}

/// What stands for the file of a plan.
const PLAN: &[u8] = b"the plan of a ceremony";

/// The second grant of the entitlement that the license draws on: more activations, and another limit.
fn grant() -> Vec<u8> {
    with_claims(|license| {
        let features = Features::encode(&[
            ("channels", Feature::Limit(32)),
            ("logging", Feature::On),
            ("reports", Feature::Quota { quota: 500, overdraft: 50 }),
        ]);
        let grant = Grant {
            change: Change::Amend,
            at: MADE_AT + 86_400,
            by: "Dana Keller",
            reason: "order 4712",
            previous: Some(Sha256::digest("the first grant").into()),
            state: State::Active,
            customer: license.customer(),
            site: license.site(),
            product: license.product,
            package: None,
            add_ons: None,
            catalog: 1,
            model: Model::Subscription,
            quantity: 50,
            in_islands: 20,
            returned: 0,
            binding: Binding::Device,
            not_before: MADE_AT,
            not_after: license.not_after,
            parent: None,
            transferable: true,
            named_users: None,
            terms: Terms {
                revision: 2,
                features: Features::decode(&features).unwrap(),
                device: None,
                ..license.terms
            },
        };
        grant.encode()
    })
}

/// Asks for that grant.
fn approval_request(authority: AuthorityId) -> Vec<u8> {
    let head = RequestHead {
        authority,
        nonce: core::array::from_fn(|place| Sha256::digest("an approval request")[place]),
        requester: "Dana Keller",
        requested_at: MADE_AT + 86_400,
        not_after: MADE_AT + 15 * 86_400 - 1,
        policy: PolicyRef { number: 3, hash: Sha256::digest("a policy").into() },
        overriding: None,
    };
    let price = Some(Price { currency: "EUR", minor_units: 1_250_000 });
    ApprovalRequest::encode(&head, &[Item { grant: &grant(), price }])
}

fn approval(authority: AuthorityId) -> Vec<u8> {
    let request = approval_request(authority);
    let request = ApprovalRequest::decode(&request).unwrap();
    let approval = Approval {
        authority,
        nonce: request.head.nonce,
        covers: request.commitment(),
        decision: Decision::Approve,
        reason: None,
        policy: request.head.policy,
        signed_at: MADE_AT + 2 * 86_400,
        not_after: request.head.not_after,
    };
    sign(Kind::Approval, approval.encode(), &test_key(8))
}

fn site_record(authority: AuthorityId) -> Vec<u8> {
    let record = SiteRecord {
        authority,
        customer: "acme",
        site: "north",
        territory: "DE",
        attested_at: MADE_AT,
        not_after: MADE_AT + 2 * ONE_YEAR - 1,
        evidence: "seen on 2026-11-20, protocol 17",
    };
    sign(Kind::SiteRecord, record.encode(), &test_key(9))
}

fn transcript(authority: AuthorityId) -> Transcript<'static> {
    let step = |name, time, fact| Step { name, time, confirmed: true, facts: vec![fact] };
    let root = authority.0;
    Transcript {
        authority,
        plan: Sha256::digest(PLAN).into(),
        operator: "Dana Keller",
        observers: vec!["Robin Vogt"],
        steps: vec![
            step("machine", MADE_AT, Fact { what: "network", value: Value::Text("none is up") }),
            step("root", MADE_AT + 60, Fact { what: "authority id", value: Value::Hash(root) }),
        ],
    }
}

fn possession() -> Vec<u8> {
    let key = test_key(1);
    let (challenge, name) = (Sha256::digest(PLAN).into(), "Alice Arnold");
    let claim = Claim { challenge, name, key: public(&key).thumbprint(), partner: None };
    let signature = key.sign(&claim.to_sign(&public(&key)).sig_structure()).to_bytes();
    Possession { challenge, name, key: public(&key), signature: &signature, partner: None }.encode()
}

/// A log of four documents.
struct Log {
    name: String,
    leaves: Vec<Hash>,
}

impl Log {
    fn of(authority: AuthorityId, documents: [&Vec<u8>; 3]) -> Self {
        let hashes = documents.iter().map(|document| Envelope::decode(document).unwrap().leaf_hash());
        let another = leaf_hash(&[LEAF_OF_ANOTHER.as_bytes()]);
        Self { name: origin(authority), leaves: hashes.chain([another]).collect() }
    }

    fn tree(&self, size: usize) -> Tree {
        Tree::new(self.leaves[..size].to_vec()).unwrap()
    }

    fn text(&self, size: usize) -> String {
        checkpoint::text(&self.name, &Head { size: size as u64, root: self.tree(size).root() })
    }

    /// The checkpoint of a size, signed by the log key.
    fn note(&self, size: usize) -> String {
        let (text, key) = (self.text(size), test_key(7));
        let key_id = key_id(&self.name, KeyKind::Ed25519, &key.verifying_key().to_bytes());
        let signature = key.sign(text.as_bytes()).to_bytes().to_vec();
        format!("{text}\n{}", NoteSignature { name: &self.name, key_id, signature }.encode())
    }

    fn cosignature(&self, size: usize) -> String {
        let key = test_key(6);
        let name = witness_name(public(&key).thumbprint());
        let key_id = key_id(&name, KeyKind::Cosignature, &key.verifying_key().to_bytes());
        let message = checkpoint::cosigned(&self.text(size), MADE_AT);
        let signature = checkpoint::timestamped(MADE_AT, &key.sign(message.as_bytes()).to_bytes());
        NoteSignature { name: &name, key_id, signature }.encode()
    }

    fn path(&self, index: usize) -> Vec<Hash> {
        self.tree(self.leaves.len()).path(index).as_chunks::<32>().0.to_vec()
    }

    fn consistency(&self, old: u64) -> Vec<u8> {
        let whole = |height: u32, number: u64| {
            let part = self.leaves.iter().skip((number << height) as usize).take(1 << height);
            Tree::new(part.copied().collect()).map(|tree| tree.root()).ok_or(())
        };
        prove::consistency(old, self.leaves.len() as u64, whole).unwrap().concat()
    }
}

/// The use of the log key that signed the checkpoint of a size, as an exported log holds it.
fn log_record(log: &Log, size: usize) -> Vec<u8> {
    let text = log.text(size);
    let operation = Operation {
        id: 4,
        key: public(&test_key(7)).thumbprint(),
        message_hash: Sha256::digest(&text).into(),
        message_bytes: Some(text.len() as u64),
        first_index: None,
        leaf_count: 0,
        started_at: MADE_AT,
        outcome: Some(Outcome { failure: None, ended_at: MADE_AT }),
    };
    Record::Operation(operation).encode()
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
        quorum: chancery_formats::trust::Quorum {
            threshold: 2,
            custodians: Custodians::decode(&keys).unwrap(),
            partners: None,
        },
        made_at: MADE_AT,
        recovery: None,
        revealed: None,
        manifests: false,
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
        partner: None,
    }
}

/// Closes the issuing key as compromised when the log had 104 leaves.
/// Asks custodians for the signatures that a document has, and answers with the first.
fn exchange(
    document: &[u8],
    authority: AuthorityId,
    custodians: &[(Role, SigningKey)],
) -> (Vec<u8>, Vec<u8>) {
    let envelope = Envelope::decode(document).expect("a document");
    let seal = Seal::decode(envelope.signature).expect("a seal");
    let mut signers: Vec<_> = custodians
        .iter()
        .map(|(role, key)| {
            let key = public(key);
            Signer { role: *role, thumbprint: key.thumbprint(), algorithm: key.algorithm() }
        })
        .collect();
    signers.sort_unstable();
    let signer = signers[0].thumbprint;
    let statement = OwnedStatement {
        authority,
        root_version: seal.root_version,
        leaf_typ: envelope.header.typ.into(),
        size: 1,
        root: envelope.leaf_hash(),
        first_index: seal.first_index,
        time: seal.time,
        signers,
    };
    let documents = vec![exchange::Document { protected: envelope.protected, payload: envelope.payload }];
    let batch = exchange::Batch { statement, documents };
    let (statement, signature) = (batch.hash(), seal.signatures().next().expect("a signature").signature);
    let signatures = vec![exchange::Signed { statement, signer, signature }];
    let request = exchange::Request { authority, batches: vec![batch], bundle: None };
    (request.encode(), exchange::Answer { authority, signatures }.encode())
}

fn closing(authority: AuthorityId) -> Closing<'static> {
    let head = Head { size: 104, root: leaf_hash(&[b"the log of the example"]) };
    Closing {
        authority,
        thumbprint: public(&test_key(4)).thumbprint(),
        closed: Closed::Compromised(head),
        time: MADE_AT,
        reason: "laptop stolen",
    }
}

/// List 1: one license and one customer.
fn revocation(authority: AuthorityId) -> RevocationList<'static> {
    RevocationList {
        authority,
        number: 1,
        previous: None,
        time: MADE_AT,
        licenses: Ids::decode(&[0xa5; 16]).unwrap(),
        devices: Ids::decode(&[]).unwrap(),
        entitlements: Ids::decode(&[]).unwrap(),
        customers: Some(Names::decode(b"\x81\x66globex", false).unwrap()),
        keys: RevokedKeys::NONE,
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
