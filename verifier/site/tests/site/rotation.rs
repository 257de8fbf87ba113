//! A product that pins root version 1 and meets version 4: the chain as it should be, and every way in which it is not.

use chancery_formats::cbor::{MapWriter, Writer};
use chancery_formats::cose::{Header, Mode, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::id::AuthorityId;
use chancery_formats::key::{Algorithm, Protection, PublicKey};
use chancery_formats::seal::{Role, Seal, Signer, Statement};
use chancery_formats::trust::{Bundle, Custodians, KeyMode, KeyRecord, Quorum, Root, Scope};
use ed25519_dalek::{Signer as _, SigningKey};

use crate::support::{ISSUED_AT, Site, Vendor};
use crate::{INSTALL, REQUEST, parsed};

/// The custodians of each version, two of whom must sign: one leaves and one joins each time, but for version 4, when
/// all of them do.
const HOLDERS: [[u8; 3]; 4] = [[101, 102, 103], [102, 103, 104], [103, 104, 105], [106, 107, 108]];

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> PublicKey {
    PublicKey::Ed25519(key(seed).verifying_key().to_bytes())
}

/// Roots that follow each other, and who signs them.
#[derive(Clone)]
struct Chain {
    payloads: Vec<Vec<u8>>,
    signers: Vec<Vec<u8>>,
}

impl Chain {
    fn new() -> Self {
        let mut chain = Self { payloads: Vec::new(), signers: Vec::new() };
        for (holders, version) in HOLDERS.iter().zip(1..) {
            let custodians = Custodians::encode(&holders.map(public));
            let quorum =
                Quorum { threshold: 2, custodians: Custodians::decode(&custodians).unwrap(), partners: None };
            let previous = chain.payloads.last().map(|root| Root::authority_id(root).0);
            let (name, made_at) = ("Example Vendor", ISSUED_AT);
            let (recovery, revealed, manifests) = (None, None, false);
            let root = Root { name, version, previous, quorum, made_at, recovery, revealed, manifests };
            chain.payloads.push(root.encode());
            // Two of the version before and two of this one, who are partly the same.
            let before = chain.payloads.len().checked_sub(2).map_or(&holders[..0], |at| &HOLDERS[at][1..]);
            let mut signers = [before, &holders[..2]].concat();
            signers.sort_unstable();
            signers.dedup();
            chain.signers.push(signers);
        }
        chain
    }

    fn authority(&self) -> AuthorityId {
        Root::authority_id(&self.payloads[0])
    }

    fn roots(&self) -> Vec<Vec<u8>> {
        let numbered = (1..).zip(self.payloads.iter().zip(&self.signers));
        numbered
            .map(|(version, (payload, signers))| {
                self.seal(version, Kind::Root, payload.clone(), signers.clone())
            })
            .collect()
    }

    /// A bundle of the roots, and the record of an issuing key under the last of them.
    fn bundle(&self, issuer: PublicKey) -> Vec<u8> {
        self.bundle_of(self.roots(), issuer)
    }

    fn bundle_of(&self, mut members: Vec<Vec<u8>>, issuer: PublicKey) -> Vec<u8> {
        let record = KeyRecord {
            authority: self.authority(),
            role: Role::Issuer,
            key: issuer,
            mode: KeyMode::Direct,
            co_signers: Vec::new(),
            typs: vec![Kind::License.typ()],
            scope: Scope::default(),
            not_before: ISSUED_AT,
            not_after: None,
            protection: Protection::Software,
            attestation: None,
            partner: None,
        };
        let version = self.payloads.len();
        let holders = HOLDERS[version - 1][..2].to_vec();
        members.push(self.seal(version as u32, Kind::KeyRecord, record.encode(), holders));
        Bundle::encode(&members)
    }

    /// Seals a document; whoever is named twice signs twice.
    fn seal(&self, root_version: u32, kind: Kind, payload: Vec<u8>, mut signing: Vec<u8>) -> Vec<u8> {
        let signer = |seed: &u8| Signer {
            role: Role::Custodian,
            thumbprint: public(*seed).thumbprint(),
            algorithm: Algorithm::Ed25519,
        };
        signing.sort_by_key(signer);
        let signers: Vec<_> = signing.iter().map(signer).collect();
        let kid = signers[0].thumbprint.key_id();
        let unsigned = Unsigned::new(&Header { mode: Mode::Seal, kid, typ: kind.typ() }, payload);
        let statement = Statement {
            authority: self.authority(),
            root_version,
            leaf_typ: kind.typ(),
            size: 1,
            root: unsigned.leaf_hash(),
            first_index: None,
            time: ISSUED_AT,
            signers: &signers,
        };
        let sign = |(seed, signer): (&u8, &Signer)| {
            key(*seed).sign(&statement.to_sign(signer).sig_structure()).to_bytes().to_vec()
        };
        let signatures: Vec<_> = signing.iter().zip(&signers).map(sign).collect();
        unsigned.sign(&Seal::encode(&statement, 0, &[], &signatures))
    }
}

/// The last root with one custodian under two ids: the same key, once with its algorithm beside it.
fn under_two_ids(payload: &[u8], seed: u8) -> Vec<u8> {
    let root = Root::decode(payload).unwrap();
    let mut with_algorithm = MapWriter::new();
    with_algorithm.entry(1).uint(1);
    with_algorithm.entry(3).int(-19);
    with_algorithm.entry(-1).uint(6);
    with_algorithm.entry(-2).bytes(key(seed).verifying_key().as_bytes());
    let mut keys = [public(seed).encode(), with_algorithm.finish()];
    keys.sort();
    let mut custodians = Writer::new();
    custodians.array(2).raw(&keys[0]).raw(&keys[1]);
    let mut map = MapWriter::new();
    map.entry(1).uint(1);
    map.entry(2).text(root.name);
    map.entry(3).uint(u64::from(root.version));
    map.entry(4).bytes(&root.previous.unwrap());
    map.entry(5).uint(2);
    map.entry(6).raw(&custodians.finish());
    map.entry(7).uint(root.made_at);
    map.finish()
}

#[test]
fn a_product_that_pins_root_1_goes_on_under_root_4_with_one_file_and_takes_no_other_chain() {
    let (site, vendor, chain) = (Site::new("rotation"), Vendor::new(41), Chain::new());
    let issuer = public(!41); // the key that this vendor issues with
    let mut first = chain.clone();
    first.payloads.truncate(1);
    first.signers.truncate(1);
    site.write("vendor.ctrust", first.bundle(issuer.clone()));
    site.ok(&format!("{REQUEST} -o pump.creq"));
    site.write("pump.clic", vendor.answer(&site.read("pump.creq"), |_| {}));
    site.ok(INSTALL);

    let refused = |what: &str, bundle: Vec<u8>, exit: i32, expected: &str| {
        site.write("other.ctrust", bundle);
        let (code, _, stderr) = site.run("install pump.clic --trust other.ctrust --json");
        let error = parsed(&stderr);
        let error = error.get("error").unwrap_or(&error);
        assert_eq!((code, error["code"].as_str()), (exit, Some(expected)), "{what}: {stderr}");
        site.ok("check logging");
    };
    let refuses = |what: &str, bundle: Vec<u8>, expected: &str| refused(what, bundle, 3, expected);
    let mut missing = chain.roots();
    missing.remove(2);
    refuses("version 3 is missing", chain.bundle_of(missing, issuer.clone()), "root-chain");
    let signed_by = |signers: &[u8]| {
        let mut other = chain.clone();
        other.signers[3] = signers.to_vec();
        other.bundle(issuer.clone())
    };
    refuses("the old quorum only", signed_by(&HOLDERS[2][1..]), "root-threshold");
    refuses("the new quorum only", signed_by(&HOLDERS[3][..2]), "root-threshold");
    let (old, new) = (HOLDERS[2][1], HOLDERS[3][0]);
    refuses("one of the old quorum", signed_by(&[old, new, HOLDERS[3][1]]), "root-threshold");
    refuses("one custodian twice", signed_by(&[old, HOLDERS[2][2], new, new]), "signers-wrong");
    let mut two_ids = chain.clone();
    two_ids.payloads[3] = under_two_ids(&chain.payloads[3], new);
    two_ids.signers[3] = vec![old, HOLDERS[2][2], new];
    refuses("one key under two ids", two_ids.bundle(issuer.clone()), "key-invalid");

    site.write("vendor.ctrust", chain.bundle(issuer.clone()));
    site.ok(INSTALL);
    site.ok("check logging");
    let mut fork = chain.clone();
    fork.payloads[3] = Root { made_at: ISSUED_AT + 1, ..Root::decode(&chain.payloads[3]).unwrap() }.encode();
    refused("another root of the same number", fork.bundle(issuer.clone()), 5, "root-forked");
    refuses("an older root", first.bundle(issuer), "root-older");
}
