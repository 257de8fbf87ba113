//! The log: checkpoints, proofs of inclusion and of consistency, and everything that none of them is.

use chancery_formats::id::AuthorityId;
use chancery_formats::key::PublicKey;
use chancery_formats::log::checkpoint::{cosigned, text, timestamped};
use chancery_formats::log::note::{MAX_NOTE, key_id};
use chancery_formats::log::proof::{self, MAX_PROOF};
use chancery_formats::log::{KeyKind, NoteSignature, origin, witness_name};
use chancery_formats::merkle::{Hash, Head, Tree, leaf_hash, prove};

use super::{Kind, Suite, World};
use crate::hex;
use crate::key::SecretKey;
use crate::license::START;

/// Documents of the log.
const SIZE: u8 = 13;

/// The log of the world's authority.
struct Log<'w> {
    world: &'w World,
    leaves: Vec<Hash>,
}

pub(super) fn suite(world: &World) -> Suite {
    let mut suite = Suite::new("log");
    let log = Log { world, leaves: (0..SIZE).map(|number| leaf_hash(&[&[number]])).collect() };
    checkpoints(&mut suite, &log);
    notes(&mut suite, &log);
    proofs(&mut suite, &log);
    consistency(&mut suite, &log);
    suite
}

impl Log<'_> {
    fn head(&self, size: usize) -> Head {
        let root =
            Tree::new(self.leaves[..size].to_vec()).map_or_else(|| Head::empty().root, |tree| tree.root());
        Head { size: size as u64, root }
    }

    fn name(&self) -> String {
        origin(self.world.main.id)
    }

    fn text(&self, size: usize) -> String {
        text(&self.name(), &self.head(size))
    }

    /// The checkpoint of a size, signed by the log key.
    fn note(&self, size: usize) -> String {
        self.signed(&self.text(size))
    }

    fn signed(&self, text: &str) -> String {
        format!("{text}\n{}", self.line(text, &self.world.log))
    }

    fn line(&self, text: &str, key: &SecretKey) -> String {
        line(&self.name(), KeyKind::Ed25519, key, key.sign(text.as_bytes()))
    }

    fn cosigned(&self, text: &str, time: u64) -> String {
        let key = &self.world.witness;
        let signature: [u8; 64] = key.sign(cosigned(text, time).as_bytes()).try_into().expect("64 bytes");
        line(&witness_name(key.thumbprint()), KeyKind::Cosignature, key, timestamped(time, &signature))
    }

    fn path(&self, index: usize, size: usize) -> Vec<Hash> {
        let tree = Tree::new(self.leaves[..size].to_vec()).expect("a tree");
        tree.path(index).as_chunks::<32>().0.to_vec()
    }

    fn proof(&self, index: usize, size: usize) -> String {
        proof::encode(index as u64, &self.path(index, size), &self.note(size))
    }

    fn consistency(&self, old: usize, new: usize) -> Vec<u8> {
        let whole = |height: u32, number: u64| {
            let part = self.leaves.iter().skip((number << height) as usize).take(1 << height).copied();
            Tree::new(part.collect()).map(|tree| tree.root()).ok_or(())
        };
        prove::consistency(old as u64, new as u64, whole).expect("leaves of the log").concat()
    }
}

fn line(name: &str, kind: KeyKind, key: &SecretKey, signature: Vec<u8>) -> String {
    let PublicKey::Ed25519(point) = key.public() else { panic!("notes are signed by Ed25519 keys") };
    NoteSignature { name, key_id: key_id(name, kind, &point), signature }.encode()
}

impl Suite {
    fn checkpoint(&mut self, name: &str, input: &str, expect: &str) {
        self.checkpoint_under("main", name, input, expect);
    }

    fn checkpoint_under(&mut self, bundle: &str, name: &str, input: &str, expect: &str) {
        self.add(Kind::Checkpoint, Some(bundle), name.into(), input.as_bytes(), expect);
    }

    fn proof(&mut self, name: &str, input: &str, leaf: &Hash, expect: &str) {
        self.add(Kind::Proof, Some("main"), name.into(), input.as_bytes(), expect);
        self.cases.last_mut().expect("a case").leaf = Some(hex::encode(leaf));
    }

    fn consistency(&mut self, name: &str, older: &str, newer: &str, hashes: &[u8], expect: &str) {
        self.add(Kind::Consistency, Some("main"), name.into(), newer.as_bytes(), expect);
        let case = self.cases.last_mut().expect("a case");
        (case.older, case.hashes) = (Some(hex::encode(older.as_bytes())), Some(hex::encode(hashes)));
    }
}

/// What the text says, and who signed it.
fn checkpoints(suite: &mut Suite, log: &Log<'_>) {
    let (text, world) = (log.text(13), log.world);
    suite.checkpoint("signed by the log", &log.note(13), "ok");
    suite.checkpoint("of a log without documents", &log.note(0), "ok");
    let witnessed = log.note(13) + &log.cosigned(&text, START);
    suite.checkpoint("cosigned by a witness", &witnessed, "ok");
    let stranger = log.note(13) + &log.line(&text, &world.stranger);
    suite.checkpoint("also signed by a stranger", &stranger, "ok");

    let other = format!("{text}\n{}", log.line(&text, &world.stranger));
    suite.checkpoint("signed by a stranger alone", &other, "checkpoint-unsigned");
    let alone = format!("{text}\n{}", log.cosigned(&text, START));
    suite.checkpoint("cosigned, and not signed", &alone, "checkpoint-unsigned");
    let by_witness = format!("{text}\n{}", log.line(&text, &world.witness));
    suite.checkpoint("signed by a witness as the log", &by_witness, "checkpoint-unsigned");
    let by_issuer = format!("{text}\n{}", log.line(&text, &world.direct));
    suite.checkpoint("signed by an issuing key", &by_issuer, "checkpoint-unsigned");
    let compromised = "log-compromised";
    suite.checkpoint_under(
        compromised,
        "signed by a compromised log key",
        &log.note(13),
        "checkpoint-unsigned",
    );
    suite.checkpoint_under("witness-compromised", "cosigned by a compromised witness", &witnessed, "ok");
    let named = line("vnd.chancery/log", KeyKind::Ed25519, &world.log, world.log.sign(text.as_bytes()));
    suite.checkpoint("signed under another name", &format!("{text}\n{named}"), "checkpoint-unsigned");
    let kind = line(&log.name(), KeyKind::Cosignature, &world.log, world.log.sign(text.as_bytes()));
    suite.checkpoint("signed as another kind of key", &format!("{text}\n{kind}"), "checkpoint-unsigned");

    let wrong = format!("{}\n{}", log.text(12), log.line(&text, &world.log));
    suite.checkpoint("signature over another size", &wrong, "checkpoint-signature-wrong");
    let wrong = log.note(13) + &log.cosigned(&log.text(12), START);
    suite.checkpoint("cosignature over another size", &wrong, "checkpoint-signature-wrong");
    let name = witness_name(world.witness.thumbprint());
    let untimed = line(&name, KeyKind::Cosignature, &world.witness, world.witness.sign(text.as_bytes()));
    suite.checkpoint("cosignature without a time", &(log.note(13) + &untimed), "checkpoint-signature-wrong");
    let other_id = origin(AuthorityId([7; 32]));
    let other = text.replace(&log.name(), &other_id);
    suite.checkpoint("of another authority", &log.signed(&other), "checkpoint-origin-other");
    let upper = text.replace(&log.name(), &log.name().to_uppercase());
    suite.checkpoint("of the authority in capitals", &log.signed(&upper), "checkpoint-origin-other");
}

/// What is no note, and no checkpoint.
fn notes(suite: &mut Suite, log: &Log<'_>) {
    let (text, note) = (log.text(13), log.note(13));
    let mut case = |name: &str, text: &str, code| suite.checkpoint(name, &log.signed(text), code);
    case("size with a leading zero", &text.replace("\n13\n", "\n013\n"), "checkpoint-size");
    case("size with a sign", &text.replace("\n13\n", "\n+13\n"), "checkpoint-size");
    case("size in hexadecimal", &text.replace("\n13\n", "\n0xd\n"), "checkpoint-size");
    case("size of 2^63", &text.replace("\n13\n", "\n9223372036854775808\n"), "checkpoint-size");
    case(
        "size of thirty digits",
        &text.replace("\n13\n", &format!("\n{}\n", "9".repeat(30))),
        "checkpoint-size",
    );
    case("size that is empty", &text.replace("\n13\n", "\n\n"), "checkpoint-lines");
    case("one line", "origin\n", "checkpoint-lines");
    case("no root hash", &text[..text.len() - 45], "checkpoint-lines");
    case("root hash without padding", &text.replace("=\n", "\n"), "checkpoint-root");
    case(
        "root hash of 31 bytes",
        &format!("{}\n1\n{}\n", log.name(), "A".repeat(41) + "A=="),
        "checkpoint-root",
    );
    case(
        "root hash in the alphabet of URLs",
        &format!("{}\n1\n{}=\n", log.name(), "-".repeat(43)),
        "checkpoint-root",
    );
    case("a line after the root hash", &(text.clone() + "extension\n"), "checkpoint-extension");
    case("an empty line after the root hash", &(text.clone() + "\n"), "checkpoint-extension");

    suite.checkpoint("nothing", "", "note-unsigned");
    suite.checkpoint("no signature", &(text.clone() + "\n"), "note-unsigned");
    suite.checkpoint("text alone", &text, "note-unsigned");
    suite.checkpoint("lines ended as on Windows", &note.replace('\n', "\r\n"), "note-text");
    suite.checkpoint("a tab", &note.replace("\n13", "\n\t13"), "note-text");
    suite.checkpoint("last line break missing", &note[..note.len() - 1], "note-signature-line");
    suite.checkpoint(
        "hyphen in the place of the dash",
        &note.replace('\u{2014}', "-"),
        "note-signature-line",
    );
    suite.checkpoint(
        "signature without its key id",
        &format!("{text}\n\u{2014} name AAAA\n"),
        "note-signature-line",
    );
    suite.checkpoint(
        "signature of no bytes",
        &format!("{text}\n\u{2014} name AAAAAA==\n"),
        "note-signature-line",
    );
    suite.checkpoint("name with a plus", &format!("{text}\n\u{2014} a+b AAAAAAA=\n"), "note-signature-line");
    suite.checkpoint("name that is empty", &format!("{text}\n\u{2014}  AAAAAAA=\n"), "note-signature-line");
    let stray = format!("{text}\n\u{2014} name AAAAAAB=\n");
    suite.checkpoint("base64 with bits beyond its bytes", &stray, "note-signature-line");
    let filler = "\u{2014} name AAAAAAA=\n";
    suite.checkpoint("sixteen signatures", &(note.clone() + &filler.repeat(15)), "ok");
    suite.checkpoint("seventeen signatures", &(note.clone() + &filler.repeat(16)), "note-signatures");
    suite.checkpoint("zeros to one above the limit", &note, "note-too-large");
    suite.padded_to(MAX_NOTE + 1);
    suite.add(Kind::Checkpoint, Some("main"), "bytes that are no UTF-8".into(), &[0xff; 64], "note-text");
}

/// Inclusion.
fn proofs(suite: &mut Suite, log: &Log<'_>) {
    let leaf = |index: usize| &log.leaves[index];
    for (index, size) in [(0, 1), (6, 13), (12, 13)] {
        let name = format!("document {index} of {size}");
        suite.proof(&name, &log.proof(index, size), leaf(index), "ok");
    }
    let good = log.proof(6, 13);
    suite.proof("of another document", &good, leaf(5), "proof-not-included");
    suite.proof("under another index", &good.replace("index 6", "index 7"), leaf(6), "proof-not-included");
    suite.proof("index beyond the log", &good.replace("index 6", "index 13"), leaf(6), "proof-index");
    suite.proof("index with a leading zero", &good.replace("index 6", "index 06"), leaf(6), "proof-index");
    suite.proof("no index", &good.replace("index 6\n", ""), leaf(6), "proof-index");
    let path = log.path(6, 13);
    let with = |path: &[Hash]| proof::encode(6, path, &log.note(13));
    suite.proof("one hash less", &with(&path[..3]), leaf(6), "proof-length");
    suite.proof("one hash more", &with(&[&path[..], &[[0; 32]]].concat()), leaf(6), "proof-length");
    suite.proof("64 hashes", &with(&[[0; 32]; 64]), leaf(6), "proof-length");
    let swapped = [path[1], path[0], path[2], path[3]];
    suite.proof("hashes in another order", &with(&swapped), leaf(6), "proof-not-included");
    let cut = good.replacen("=\n", "\n", 1);
    suite.proof("a hash without padding", &cut, leaf(6), "proof-hash");
    suite.proof("no checkpoint", good.split("\n\n").next().expect("the hashes"), leaf(6), "proof-hash");
    let other = good.replace("tlog-proof@v1", "tlog-proof@v2");
    suite.proof("another version", &other, leaf(6), "proof-header");
    suite.proof(
        "data that nobody signs",
        &good.replace("index", "extra AAAA\nindex"),
        leaf(6),
        "proof-index",
    );
    let unsigned = proof::encode(6, &path, &(log.text(13) + "\n"));
    suite.proof("checkpoint without a signature", &unsigned, leaf(6), "note-unsigned");
    let stranger = format!("{}\n{}", log.text(13), log.line(&log.text(13), &log.world.stranger));
    let stranger = proof::encode(6, &path, &stranger);
    suite.proof("checkpoint of a stranger", &stranger, leaf(6), "checkpoint-unsigned");
    suite.proof(
        "under a smaller checkpoint",
        &proof::encode(6, &path, &log.note(12)),
        leaf(6),
        "proof-not-included",
    );
    suite.proof("proof and zeros to one above the limit", &good, leaf(6), "proof-too-large");
    suite.padded_to(MAX_PROOF + 1);
}

/// Consistency.
fn consistency(suite: &mut Suite, log: &Log<'_>) {
    for (old, new) in [(0, 13), (1, 13), (6, 13), (8, 13), (13, 13)] {
        let name = format!("{old} goes on to {new}");
        suite.consistency(&name, &log.note(old), &log.note(new), &log.consistency(old, new), "ok");
    }
    let code = "checkpoint-not-consistent";
    let good = log.consistency(6, 13);
    let (old, new) = (log.note(6), log.note(13));
    suite.consistency("13 goes back to 6", &new, &old, &good, code);
    suite.consistency("consistency: no hashes", &old, &new, &[], code);
    suite.consistency("consistency: one hash less", &old, &new, &good[..good.len() - 32], code);
    suite.consistency("consistency: one hash more of it", &old, &new, &[&good[..], &[0; 32]].concat(), code);
    suite.consistency("consistency: part of a hash", &old, &new, &good[..good.len() - 1], code);
    suite.consistency("consistency: 65 hashes", &old, &new, &[0; 65 * 32], code);
    let mut changed = good.clone();
    changed[0] ^= 1;
    suite.consistency("consistency: a changed hash", &old, &new, &changed, code);
    let forked = log.signed(&text(&log.name(), &Head { size: 13, root: [3; 32] }));
    suite.consistency("a log that went on otherwise", &old, &forked, &good, code);
    suite.consistency("two roots of one size", &new, &forked, &[], code);
    let empty = log.signed(&text(&log.name(), &Head { size: 0, root: [3; 32] }));
    suite.consistency("a root of no documents that is none", &empty, &new, &[], code);
}
