//! An authority in memory with its log, and the requests that it makes of a witness: good ones, and those of thieves.

use chancery_formats::cose::{Header, Mode, leaf_hash};
use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, LicenseId, Thumbprint};
use chancery_formats::key::PublicKey;
use chancery_formats::license::License;
use chancery_formats::log::checkpoint::text;
use chancery_formats::log::note::key_id;
use chancery_formats::log::{KeyKind, NoteSignature, origin};
use chancery_formats::merkle::{Frontier, Hash, Head, Tree, prove};
use chancery_formats::seal::{OwnedStatement, Role, Signer};
use chancery_formats::trust::{KeyMode, KeyRecord};
use chancery_formats::witness::{NewBatch, Request};
use chancery_tests::authority::{Authority, Quorum};
use chancery_tests::key::SecretKey;
use chancery_tests::license::{START, bare};

/// When batches here are made, in Unix seconds.
pub const NOW: u64 = START + 86_400;

/// An authority, its keys and its log.
#[derive(Clone, Debug)]
pub struct Vendor {
    pub authority: Authority,
    /// Issues under a seal that a witness signs too.
    pub issuer: SecretKey,
    pub log: SecretKey,
    pub leaves: Vec<Hash>,
}

impl Vendor {
    /// Founds an authority whose log has seven documents, without a witness.
    pub fn new() -> Self {
        let authority = Authority::found(Quorum::of(2, &[1, 2, 3]));
        let (issuer, log) = (SecretKey::ed25519(40), SecretKey::ed25519(41));
        let record = authority.record(&issuer, Role::Issuer, KeyMode::Seal);
        let record = KeyRecord { co_signers: vec![Role::Witness], ..record };
        let authority = authority.certify(&record);
        let record = authority.record_for(&log, Role::Log, Kind::Manifest);
        let authority = authority.certify(&record);
        let mut vendor = Self { authority, issuer, log, leaves: Vec::new() };
        vendor.append(7);
        vendor
    }

    /// Certifies a witness.
    pub fn with_witness(mut self, key: &PublicKey) -> Self {
        let record = self.authority.record(&self.issuer, Role::Witness, KeyMode::Seal);
        self.authority = self.authority.certify(&KeyRecord { key: key.clone(), ..record });
        self
    }

    /// Appends documents of other kinds to the log.
    pub fn append(&mut self, count: u64) {
        let from = self.leaves.len() as u64;
        self.leaves.extend((from..from + count).map(|number| leaf_hash(&[0xa0], &number.to_be_bytes())));
    }

    pub fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    pub fn head(&self, size: u64) -> Head {
        self.frontier(size).head()
    }

    fn frontier(&self, size: u64) -> Frontier {
        let mut tree = Frontier::new();
        self.leaves[..size as usize].iter().for_each(|leaf| tree.push(*leaf));
        tree
    }

    pub fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        let whole = |height: u32, number: u64| {
            let leaves = self.leaves.iter().skip((number << height) as usize).take(1 << height);
            Tree::new(leaves.copied().collect()).map(|tree| tree.root()).ok_or(())
        };
        prove::consistency(old, new, whole).expect("a log that is long enough")
    }

    /// A checkpoint of the log at a size.
    pub fn note(&self, size: u64) -> String {
        note(self.authority.id, &self.head(size), &self.log)
    }

    /// Asks for nothing but a cosignature.
    pub fn ask_checkpoint(&self, known: u64) -> Vec<u8> {
        let size = self.size();
        Request::encode(&self.authority.bundle(), known, &self.proof(known, size), &self.note(size), None)
    }

    /// Makes licenses with these numbers, appends them to the log, and asks `witness` to sign them.
    pub fn offer(&mut self, witness: &PublicKey, known: u64, numbers: std::ops::Range<u8>) -> Offer {
        let payloads = numbers.map(|number| license(number).encode()).collect();
        let signers = vec![signer(Role::Issuer, &self.issuer.public()), signer(Role::Witness, witness)];
        let mut offer = Offer {
            bundle: self.authority.bundle(),
            known,
            proof: self.proof(known, self.size()),
            note: String::new(),
            statement: OwnedStatement {
                authority: self.authority.id,
                root_version: self.authority.root_version,
                leaf_typ: Kind::License.typ().to_owned(),
                size: 0,
                root: [0; 32],
                first_index: Some(self.size()),
                time: NOW,
                signers,
            },
            signatures: Vec::new(),
            frontier: self.frontier(self.size()).subtrees().to_vec(),
            payloads,
        };
        offer.state(&self.issuer);
        self.leaves.extend(offer.leaves(&self.issuer));
        offer.note = self.note(self.size());
        offer
    }
}

/// The license with a number, issued when batches here are made.
pub fn license(number: u8) -> License<'static> {
    let mut id = [0x11; 16];
    id[15] = number;
    License { id: LicenseId(id), issued_at: NOW, ..bare() }
}

pub fn signer(role: Role, key: &PublicKey) -> Signer {
    Signer { role, thumbprint: key.thumbprint(), algorithm: key.algorithm() }
}

/// A checkpoint that a key has signed.
pub fn note(authority: AuthorityId, head: &Head, key: &SecretKey) -> String {
    let name = origin(authority);
    let text = text(&name, head);
    let PublicKey::Ed25519(point) = key.public() else { panic!("notes are signed with Ed25519") };
    let signature = key.sign(text.as_bytes());
    let line = NoteSignature { name: &name, key_id: key_id(&name, KeyKind::Ed25519, &point), signature };
    format!("{text}\n{}", line.encode())
}

/// A request, part by part, so that each can be another.
#[derive(Clone, Debug)]
pub struct Offer {
    pub bundle: Vec<u8>,
    pub known: u64,
    pub proof: Vec<Hash>,
    pub note: String,
    pub statement: OwnedStatement,
    pub signatures: Vec<(Thumbprint, Vec<u8>)>,
    pub frontier: Vec<Hash>,
    pub payloads: Vec<Vec<u8>>,
}

impl Offer {
    /// Returns the leaf hashes of the documents under the issuer's headers.
    pub fn leaves(&self, issuer: &SecretKey) -> Vec<Hash> {
        let header = Header { mode: Mode::Seal, kid: issuer.kid(), typ: &self.statement.leaf_typ }.encode();
        self.payloads.iter().map(|payload| leaf_hash(&header, payload)).collect()
    }

    /// States the documents anew and has the issuer sign: what whoever has its key can do.
    pub fn state(&mut self, issuer: &SecretKey) {
        let tree = Tree::new(self.leaves(issuer)).expect("a document");
        self.statement.size = self.payloads.len() as u64;
        self.statement.root = tree.root();
        self.statement.signers.sort_unstable();
        self.sign(issuer);
    }

    /// Has the issuer sign the statement as it is.
    pub fn sign(&mut self, issuer: &SecretKey) {
        let named = signer(Role::Issuer, &issuer.public());
        let message = self.statement.as_statement().to_sign(&named).sig_structure();
        self.signatures = vec![(issuer.thumbprint(), issuer.sign(&message))];
    }

    /// Changes the statement, which the issuer signs again.
    pub fn stating(&self, issuer: &SecretKey, change: impl FnOnce(&mut OwnedStatement)) -> Self {
        let mut offer = self.clone();
        change(&mut offer.statement);
        offer.sign(issuer);
        offer
    }

    pub fn encode(&self) -> Vec<u8> {
        let statement = self.statement.as_statement().encode();
        let batch = NewBatch {
            statement: &statement,
            signatures: &self.signatures,
            frontier: &self.frontier,
            payloads: &self.payloads,
        };
        Request::encode(&self.bundle, self.known, &self.proof, &self.note, Some(&batch))
    }
}
