//! Auditing: a license that is in the log is found by public keys alone, and nothing else passes.

use chancery_formats::cose::Envelope;
use chancery_formats::log::checkpoint::{cosigned, text, timestamped};
use chancery_formats::log::note::key_id;
use chancery_formats::log::{KeyKind, NoteSignature, Record, origin, proof, witness_name};
use chancery_formats::merkle::{Hash, Head, Tree, leaf_hash};
use chancery_formats::seal::Role;
use ed25519_dalek::{Signer as _, SigningKey};

use crate::support::{ISSUED_AT, Site, Vendor, public};
use crate::{parsed, valve};

/// A vendor with a log of eleven documents, the license of `valve` at 6.
pub struct Log {
    pub vendor: Vendor,
    key: SigningKey,
    witness: SigningKey,
    pub license: Vec<u8>,
    leaves: Vec<Hash>,
}

const PLACE: usize = 6;

impl Log {
    pub fn new() -> Self {
        let vendor = Vendor::new(1);
        let license = valve(&vendor);
        let mut leaves: Vec<Hash> = (0..11u8).map(|byte| leaf_hash(&[&[byte]])).collect();
        leaves[PLACE] = Envelope::decode(&license).unwrap().leaf_hash();
        let [key, witness] = [77, 78].map(|seed| SigningKey::from_bytes(&[seed; 32]));
        Self { vendor, key, witness, license, leaves }
    }

    pub fn head(&self, size: usize) -> Head {
        Head { size: size as u64, root: Tree::new(self.leaves[..size].to_vec()).unwrap().root() }
    }

    fn note(&self, head: &Head) -> String {
        let name = origin(self.vendor.id);
        let text = text(&name, head);
        let key_id = key_id(&name, KeyKind::Ed25519, &self.key.verifying_key().to_bytes());
        let signature = self.key.sign(text.as_bytes()).to_bytes().to_vec();
        format!("{text}\n{}", NoteSignature { name: &name, key_id, signature }.encode())
    }

    fn cosign(&self, head: &Head) -> String {
        let name = witness_name(public(&self.witness).thumbprint());
        let key_id = key_id(&name, KeyKind::Cosignature, &self.witness.verifying_key().to_bytes());
        let message = cosigned(&text(&origin(self.vendor.id), head), ISSUED_AT);
        let signature = timestamped(ISSUED_AT, &self.witness.sign(message.as_bytes()).to_bytes());
        NoteSignature { name: &name, key_id, signature }.encode()
    }

    pub fn proof(&self, size: usize) -> String {
        let path = Tree::new(self.leaves[..size].to_vec()).unwrap().path(PLACE);
        proof::encode(PLACE as u64, path.as_chunks::<32>().0, &self.note(&self.head(size)))
    }

    /// A site with everything that an audit reads.
    fn site(&self, name: &str) -> Site {
        let site = Site::new(name);
        let keys = [(Role::Log, &self.key), (Role::Witness, &self.witness)];
        site.write("vendor.ctrust", self.vendor.publish_with(&keys));
        site.write("valve.clic", &self.license);
        site.write("valve.tlog-proof", self.proof(self.leaves.len()));
        site.write("today.checkpoint", self.note(&self.head(self.leaves.len())));
        site
    }
}

const AUDIT: &str = "audit valve.clic --trust vendor.ctrust --proof valve.tlog-proof";

#[test]
fn a_license_in_the_log_is_found_by_public_keys_alone() {
    let log = Log::new();
    let site = log.site("audit");
    let found = parsed(&site.ok(&format!("{AUDIT} --json")));
    assert_eq!((found["log_index"].as_u64(), found["size"].as_u64()), (Some(6), Some(11)));
    assert_eq!(found["cosigned"].as_array().map(Vec::len), Some(0));
    site.write("today.checkpoint", log.note(&log.head(11)) + &log.cosign(&log.head(11)));
    let told = site.ok(&format!("{AUDIT} --checkpoint today.checkpoint --authority {}", log.vendor.id));
    assert!(told.contains("is in the log\n") && told.contains("witnesses:    1 of 1 certified\n"), "{told}");
    assert!(!site.folder.join("state").exists());
}

#[test]
fn what_is_not_in_the_log_is_refused() {
    let log = Log::new();
    let site = log.site("audit-refused");
    // A license that the same vendor signed past the log.
    site.write(
        "stolen.clic",
        log.vendor.sign(&crate::support::bare(
            "valve",
            chancery_formats::id::EntitlementId([4; 8]),
            chancery_formats::license::Features::decode(&[0xa0]).unwrap(),
        )),
    );
    let code = |args: &str| {
        let (exit, _, stderr) = site.run(&format!("{args} --json"));
        (exit, parsed(&stderr)["error"]["code"].as_str().unwrap().to_owned())
    };
    let refused = |args: &str, expected: &str| assert_eq!(code(args), (3, expected.to_owned()), "{args}");
    refused("audit stolen.clic --trust vendor.ctrust --proof valve.tlog-proof", "proof-not-included");
    // A bundle without the log's key, and one of another vendor.
    site.write("old.ctrust", &log.vendor.bundle);
    refused("audit valve.clic --trust old.ctrust --proof valve.tlog-proof", "log-key-missing");
    let others = Vendor::new(9).publish_with(&[(Role::Log, &log.key)]);
    site.write("other.ctrust", others);
    refused("audit valve.clic --trust other.ctrust --proof valve.tlog-proof", "key-unknown");
    let other_id = Vendor::new(9).id;
    assert_eq!(code(&format!("{AUDIT} --authority {other_id}")), (5, "authority-other".to_owned()));
    // The witness's key in the place of the log's.
    let swapped = log.vendor.publish_with(&[(Role::Witness, &log.key), (Role::Log, &log.witness)]);
    site.write("swapped.ctrust", swapped);
    refused("audit valve.clic --trust swapped.ctrust --proof valve.tlog-proof", "checkpoint-unsigned");
    // A proof under another checkpoint than the one that is shown, and a checkpoint without a proof.
    site.write("small.checkpoint", log.note(&log.head(9)));
    refused(&format!("{AUDIT} --checkpoint small.checkpoint"), "checkpoint-size-other");
    assert_eq!(site.run("audit valve.clic --trust vendor.ctrust --checkpoint today.checkpoint").0, 2);
    // Two heads of one size, both signed: somebody is shown another log.
    site.write("forked.checkpoint", log.note(&Head { size: 11, root: [1; 32] }));
    assert_eq!(code(&format!("{AUDIT} --checkpoint forked.checkpoint")), (5, "log-forked".to_owned()));
    let cut = log.proof(11).replace("index 6", "index 5");
    site.write("cut.tlog-proof", cut);
    refused("audit valve.clic --trust vendor.ctrust --proof cut.tlog-proof", "proof-not-included");
    site.write("large.tlog-proof", [b'a'; 20_000]);
    assert_eq!(code("audit valve.clic --trust vendor.ctrust --proof large.tlog-proof").0, 1);
}

/// Records behind their lengths.
fn framed(records: &[Record<'_>]) -> Vec<u8> {
    let framed = |record: &Record<'_>| {
        let bytes = record.encode();
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat()
    };
    records.iter().flat_map(framed).collect()
}

#[test]
fn the_whole_log_is_read_and_compared() {
    let vendor = Vendor::new(1);
    let license = valve(&vendor);
    let envelope = Envelope::decode(&license).unwrap();
    let documents: Vec<(Vec<u8>, Vec<u8>)> = (0..5u8)
        .map(|byte| match byte {
            3 => (envelope.protected.to_vec(), envelope.payload.to_vec()),
            _ => (vec![0xa0], vec![byte]),
        })
        .collect();
    let leaves = documents.iter().map(|(head, body)| chancery_formats::cose::leaf_hash(head, body)).collect();
    let mut log = Log::new();
    log.leaves = leaves;
    let site = log.site("audit-whole");
    site.write("today.checkpoint", log.note(&log.head(4)));
    let old = log.note(&log.head(2));
    let start = Record::Start { authority: vendor.id, made_at: ISSUED_AT };
    let end = |leaves| Record::End { leaves, operations: 0, checkpoints: 1 };
    let record = |index: usize, (protected, payload): &'_ (Vec<u8>, Vec<u8>)| {
        // Leaked, so that a test may put records together as it likes.
        let (protected, payload): (&'static [u8], &'static [u8]) =
            (protected.clone().leak(), payload.clone().leak());
        Record::Leaf { index: index as u64, protected, payload, signature: None, recorded_at: 1 }
    };
    let mut records = vec![start, Record::Checkpoint { note: &old }];
    records.extend(documents.iter().enumerate().map(|(index, document)| record(index, document)));
    records.push(end(5));
    site.write("good.clog", framed(&records));
    let audit = |file: &str| {
        let (exit, stdout, stderr) = site.run(&format!(
            "audit valve.clic --trust vendor.ctrust --checkpoint today.checkpoint --log {file} --json"
        ));
        let code = if exit == 0 { stdout } else { stderr };
        (exit, parsed(&code))
    };
    let (exit, found) = audit("good.clog");
    assert_eq!((exit, found["log_index"].as_u64()), (0, Some(3)), "{found}");
    assert_eq!(found["log"]["documents"].as_u64(), Some(5));

    let case = |name: &str, bytes: Vec<u8>, exit: i32, code: &str| {
        site.write("bad.clog", bytes);
        let (found, report) = audit("bad.clog");
        assert_eq!((found, report["error"]["code"].as_str()), (exit, Some(code)), "{name}");
    };
    let changed = |place: usize, other: Record<'static>| {
        let mut changed = records.clone();
        changed[place] = other;
        framed(&changed)
    };
    let without = |place: usize| {
        let mut fewer = records.clone();
        fewer.remove(place);
        framed(&fewer)
    };
    let whole = framed(&records);
    case("a changed document", changed(2, record(0, &(vec![0xa0], vec![9]))), 5, "log-forked");
    case("a document after both heads", changed(7, end(6)), 3, "log-malformed");
    case("a document that is missing", without(4), 3, "log-malformed");
    case("no end", framed(&records[..7]), 3, "log-malformed");
    case("bytes after the end", [&whole[..], &[0]].concat(), 3, "log-malformed");
    case("no start", without(0), 3, "log-malformed");
    case("cut inside a record", whole[..whole.len() - 3].to_vec(), 3, "log-malformed");
    case("a record of four gigabytes", [255; 64].to_vec(), 3, "log-malformed");
    case(
        "the log of another",
        changed(0, Record::Start { authority: Vendor::new(9).id, made_at: 1 }),
        3,
        "log-authority-other",
    );
    let three = [&records[..5], &[end(3)]].concat();
    case("a log that ends before the checkpoint", framed(&three), 5, "log-older");
    let forged = log.note(&Head { size: 2, root: [3; 32] });
    let forged: &'static str = forged.leak();
    case(
        "a checkpoint of another log inside",
        changed(1, Record::Checkpoint { note: forged }),
        5,
        "log-forked",
    );
    case(
        "a checkpoint that nobody signed",
        changed(1, Record::Checkpoint { note: "a\n0\n" }),
        3,
        "note-unsigned",
    );
    let late = [&records[..1], &records[2..7], &records[1..2], &records[7..]].concat();
    case("a checkpoint after documents", framed(&late), 3, "log-malformed");
}
