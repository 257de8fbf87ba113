//! An authority in memory: roots, key records, bundles, licenses and requests, good ones and bad ones.
//!
//! It checks nothing, so that tests can make what a real authority refuses to make.

use chancery_formats::cose::{Header, Mode, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::id::AuthorityId;
use chancery_formats::key::Protection;
use chancery_formats::license::License;
use chancery_formats::merkle::{Hash, Tree};
use chancery_formats::seal::{Role, Seal, Signer, Statement};
use chancery_formats::trust::{Bundle, Custodians, KeyMode, KeyRecord, Partners, Root, Scope};
use chancery_verifier::{Pin, Trust};

use crate::key::SecretKey;
use crate::license::START;

/// When this authority was founded, in Unix seconds: 2025-01-01.
pub const FOUNDED: u64 = 1_735_689_600;

/// What a seal is made of; the documents come with [`Sealing::seal`].
#[derive(Clone, Copy, Debug)]
pub struct Sealing<'a> {
    /// The authority that the statement names.
    pub authority: AuthorityId,
    /// The root version that the statement names.
    pub root_version: u32,
    /// The log index of the first document.
    pub first_index: Option<u64>,
    /// When the statement is made, in Unix seconds.
    pub time: u64,
    /// Who signs; sorted as statements sort them.
    pub signers: &'a [(Role, &'a SecretKey)],
}

impl Sealing<'_> {
    /// Seals documents of one kind under the outer kid of `issuer`.
    #[must_use]
    pub fn seal(&self, kind: Kind, issuer: &SecretKey, payloads: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let header = Header { mode: Mode::Seal, kid: issuer.kid(), typ: kind.typ() };
        let documents = payloads.into_iter().map(|payload| Unsigned::new(&header, payload)).collect();
        self.seal_unsigned(kind.typ(), documents)
    }

    /// Seals documents whose headers are made already.
    #[must_use]
    pub fn seal_unsigned(&self, leaf_typ: &str, documents: Vec<Unsigned>) -> Vec<Vec<u8>> {
        let tree = Tree::new(documents.iter().map(Unsigned::leaf_hash).collect()).expect("a document");
        let mut signers: Vec<(Signer, &SecretKey)> = self
            .signers
            .iter()
            .map(|(role, key)| {
                (Signer { role: *role, thumbprint: key.thumbprint(), algorithm: key.algorithm() }, *key)
            })
            .collect();
        signers.sort_by_key(|(signer, _)| *signer);
        let named: Vec<Signer> = signers.iter().map(|(signer, _)| *signer).collect();
        let statement = Statement {
            authority: self.authority,
            root_version: self.root_version,
            leaf_typ,
            size: documents.len() as u64,
            root: tree.root(),
            first_index: self.first_index,
            time: self.time,
            signers: &named,
        };
        let signatures: Vec<Vec<u8>> = signers
            .iter()
            .map(|(signer, key)| key.sign(&statement.to_sign(signer).sig_structure()))
            .collect();
        let seal = |index: usize| Seal::encode(&statement, index as u64, &tree.path(index), &signatures);
        documents.iter().enumerate().map(|(index, document)| document.sign(&seal(index))).collect()
    }
}

/// The custodians of a root version, and which of them sign it.
#[derive(Clone, Debug)]
pub struct Quorum {
    /// The custodians' keys.
    pub custodians: Vec<SecretKey>,
    /// How many must sign.
    pub threshold: usize,
    /// Their ML-DSA-87 partners, one each and in their order; none where the quorum is not hybrid.
    pub partners: Vec<SecretKey>,
}

/// What a root says beyond its quorum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras<'a> {
    /// The recovery set that it commits to.
    pub recovery: Option<&'a Quorum>,
    /// The recovery set that it tells.
    pub revealed: Option<&'a Quorum>,
    /// Whether bundles must carry a manifest.
    pub manifests: bool,
}

impl Quorum {
    /// Makes a quorum of Ed25519 keys with these numbers.
    #[must_use]
    pub fn of(threshold: usize, numbers: &[u8]) -> Self {
        let custodians = numbers.iter().map(|number| SecretKey::ed25519(*number)).collect();
        Self { custodians, threshold, partners: Vec::new() }
    }

    /// Makes a quorum of Ed25519 keys with these numbers, each with the ML-DSA-87 key of its number.
    #[must_use]
    pub fn hybrid(threshold: usize, numbers: &[u8]) -> Self {
        let mut quorum = Self::of(threshold, numbers);
        // Roots hold custodians sorted by their encoding, and partners in the order of custodians.
        let mut sorted = numbers.to_vec();
        sorted.sort_by_key(|number| SecretKey::ed25519(*number).public().encode());
        quorum.custodians = sorted.iter().map(|number| SecretKey::ed25519(*number)).collect();
        quorum.partners = sorted.iter().map(|number| SecretKey::ml_dsa_87(*number)).collect();
        quorum
    }

    /// Lends the quorum as documents hold it.
    pub fn lend<T>(&self, then: impl FnOnce(chancery_formats::trust::Quorum<'_>) -> T) -> T {
        let publics = |keys: &[SecretKey]| keys.iter().map(SecretKey::public).collect::<Vec<_>>();
        let custodians = Custodians::encode(&publics(&self.custodians));
        let partners = Partners::encode(&publics(&self.partners));
        then(chancery_formats::trust::Quorum {
            threshold: self.threshold,
            custodians: Custodians::decode(&custodians).expect("custodians"),
            partners: Partners::decode(&partners).ok(),
        })
    }

    /// Returns as many custodians as must sign, with their partners and their role.
    #[must_use]
    pub fn signers(&self) -> Vec<(Role, &SecretKey)> {
        let keys = [&self.custodians, &self.partners].into_iter();
        keys.flat_map(|keys| keys.iter().take(self.threshold)).map(|key| (Role::Custodian, key)).collect()
    }
}

/// An authority with its secret keys and what it has published.
#[derive(Clone, Debug)]
pub struct Authority {
    /// Its id: the hash of its first root.
    pub id: AuthorityId,
    /// The newest root version.
    pub root_version: u32,
    /// The hash of the newest root.
    pub root_hash: Hash,
    /// The custodians of the newest root.
    pub quorum: Quorum,
    /// The published documents: roots and key records, in order.
    pub members: Vec<Vec<u8>>,
}

impl Authority {
    /// The name of every authority here.
    pub const NAME: &'static str = "Northwind Controls GmbH";

    /// Founds an authority: root version 1, signed by as many custodians as must.
    #[must_use]
    pub fn found(quorum: Quorum) -> Self {
        Self::found_with(quorum, Extras::default())
    }

    /// Founds an authority whose root says more.
    #[must_use]
    pub fn found_with(quorum: Quorum, extras: Extras<'_>) -> Self {
        let signers = quorum.signers();
        let (payload, document) = root_with(1, None, None, &quorum, &signers, extras);
        let id = Root::authority_id(&payload);
        Self { id, root_version: 1, root_hash: id.0, quorum, members: vec![document] }
    }

    /// Publishes the next root version, signed by its own quorum and by the one before.
    #[must_use]
    pub fn rotate(self, quorum: Quorum) -> Self {
        let mut signers = quorum.signers();
        let before = self.quorum.signers().into_iter();
        let missing: Vec<_> =
            before.filter(|(_, key)| signers.iter().all(|(_, known)| known.kid() != key.kid())).collect();
        signers.extend(missing);
        self.follow(&quorum, &signers, Extras::default())
    }

    /// Publishes the next root version, signed by whom the caller says.
    #[must_use]
    pub fn follow(&self, quorum: &Quorum, signers: &[(Role, &SecretKey)], extras: Extras<'_>) -> Self {
        let version = self.root_version + 1;
        let before = (Some(self.root_hash), Some(self.id));
        let (payload, document) = root_with(version, before.0, before.1, quorum, signers, extras);
        let quorum = quorum.clone();
        let root_hash = Root::authority_id(&payload).0;
        let members = self.members.iter().cloned().chain([document]).collect();
        Self { id: self.id, root_version: version, root_hash, quorum, members }
    }

    /// Makes a record that certifies a key for licenses, without bounds.
    #[must_use]
    pub fn record(&self, key: &SecretKey, role: Role, mode: KeyMode) -> KeyRecord<'static> {
        KeyRecord {
            authority: self.id,
            role,
            key: key.public(),
            mode,
            co_signers: Vec::new(),
            typs: vec![Kind::License.typ()],
            scope: Scope::default(),
            not_before: FOUNDED,
            not_after: None,
            protection: Protection::Software,
            attestation: None,
            partner: None,
        }
    }

    /// Seals documents that the root signs: as many custodians sign as must.
    #[must_use]
    pub fn seal_by_root(&self, kind: Kind, payload: Vec<u8>) -> Vec<u8> {
        let signers = self.quorum.signers();
        let sealed = Sealing { time: FOUNDED, first_index: None, ..self.sealing(&signers) };
        sealed.seal(kind, &self.quorum.custodians[0], vec![payload]).remove(0)
    }

    /// Publishes a key record.
    #[must_use]
    pub fn certify(mut self, record: &KeyRecord<'_>) -> Self {
        self.members.push(self.seal_by_root(Kind::KeyRecord, record.encode()));
        self
    }

    /// Publishes what the root seals beside records.
    #[must_use]
    pub fn publish(mut self, kind: Kind, payload: Vec<u8>) -> Self {
        self.members.push(self.seal_by_root(kind, payload));
        self
    }

    /// Makes a record that certifies a key for one kind of document, under a seal.
    #[must_use]
    pub fn record_for(&self, key: &SecretKey, role: Role, kind: Kind) -> KeyRecord<'static> {
        KeyRecord { typs: vec![kind.typ()], ..self.record(key, role, KeyMode::Seal) }
    }

    /// Returns the trust bundle with everything published.
    #[must_use]
    pub fn bundle(&self) -> Vec<u8> {
        Bundle::encode(&self.members)
    }

    /// Returns what a site trusts that has loaded the bundle.
    ///
    /// # Panics
    ///
    /// Where the bundle is one that a verifier refuses.
    #[must_use]
    pub fn trust(&self) -> Trust {
        Trust::load(&self.bundle(), Pin::Authority(self.id)).expect("a good bundle")
    }

    /// Starts a seal under the newest root, with log indices from 1000.
    #[must_use]
    pub fn sealing<'a>(&self, signers: &'a [(Role, &'a SecretKey)]) -> Sealing<'a> {
        Sealing {
            authority: self.id,
            root_version: self.root_version,
            first_index: Some(1_000),
            time: START - 86_400,
            signers,
        }
    }

    /// Issues licenses in one batch, sealed by one key.
    #[must_use]
    pub fn issue_sealed(&self, issuer: &SecretKey, licenses: &[License<'_>]) -> Vec<Vec<u8>> {
        let payloads = licenses.iter().map(License::encode).collect();
        self.sealing(&[(Role::Issuer, issuer)]).seal(Kind::License, issuer, payloads)
    }
}

/// Issues a license that one key signs directly.
#[must_use]
pub fn issue_direct(issuer: &SecretKey, license: &License<'_>) -> Vec<u8> {
    sign_direct(issuer, Kind::License, license.encode())
}

/// Signs a document directly.
#[must_use]
pub fn sign_direct(key: &SecretKey, kind: Kind, payload: Vec<u8>) -> Vec<u8> {
    let header = Header { mode: Mode::Direct(key.algorithm()), kid: key.kid(), typ: kind.typ() };
    sign_unsigned(key, &Unsigned::new(&header, payload))
}

/// Signs a document whose headers are made already.
#[must_use]
pub fn sign_unsigned(key: &SecretKey, document: &Unsigned) -> Vec<u8> {
    document.sign(&key.sign(&document.sig_structure()))
}

/// Makes a root: its payload, and the document that `signers` seal. Version 1 names itself as authority.
#[must_use]
pub fn root(
    version: u32,
    previous: Option<Hash>,
    authority: Option<AuthorityId>,
    quorum: &Quorum,
    signers: &[(Role, &SecretKey)],
) -> (Vec<u8>, Vec<u8>) {
    root_with(version, previous, authority, quorum, signers, Extras::default())
}

/// Makes a root that says more than its quorum.
#[must_use]
pub fn root_with(
    version: u32,
    previous: Option<Hash>,
    authority: Option<AuthorityId>,
    quorum: &Quorum,
    signers: &[(Role, &SecretKey)],
    extras: Extras<'_>,
) -> (Vec<u8>, Vec<u8>) {
    let payload = match extras.revealed {
        Some(set) => set.lend(|set| root_payload(version, previous, quorum, extras, Some(set))),
        None => root_payload(version, previous, quorum, extras, None),
    };
    let authority = authority.unwrap_or_else(|| Root::authority_id(&payload));
    let sealing = Sealing { authority, root_version: version, first_index: None, time: FOUNDED, signers };
    let document = sealing.seal(Kind::Root, signers[0].1, vec![payload.clone()]).remove(0);
    (payload, document)
}

fn root_payload(
    version: u32,
    previous: Option<Hash>,
    quorum: &Quorum,
    extras: Extras<'_>,
    revealed: Option<chancery_formats::trust::Quorum<'_>>,
) -> Vec<u8> {
    let recovery = extras.recovery.map(|set| set.lend(|set| set.commitment()));
    let Extras { manifests, .. } = extras;
    let (name, made_at) = (Authority::NAME, FOUNDED);
    quorum.lend(|quorum| {
        Root { name, version, previous, quorum, made_at, recovery, revealed, manifests }.encode()
    })
}
