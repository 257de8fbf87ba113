//! Text and records survive encoding; the examples of the formats' own specifications are read.
//!
//! Refusals stand in the vectors, one fault each.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::export::{MAX_RECORD, Operation, Outcome};
use super::note::key_id;
use super::*;
use crate::merkle::{Head, Tree, leaf_hash};

/// From C2SP `tlog-cosignature`.
const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

#[test]
fn the_checkpoint_of_the_specification_is_read() {
    let checkpoint = Checkpoint::decode(EXAMPLE.as_bytes()).unwrap();
    assert_eq!((checkpoint.origin, checkpoint.head.size), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(checkpoint::text(checkpoint.origin, &checkpoint.head), checkpoint.text);
    assert_eq!(checkpoint.encode(), EXAMPLE);
    let [log, witness] = &checkpoint.signatures[..] else { panic!("two signatures") };
    assert_eq!((log.key_id, log.signature.len()), ([0x03, 0x3d, 0xe0, 0xae], 64));
    let (time, _) = checkpoint::split_timestamped(&witness.signature).unwrap();
    assert_eq!(time, 1_679_315_147);
    let signed = checkpoint::cosigned(checkpoint.text, time);
    assert!(signed.starts_with("cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"));
}

#[test]
fn key_ids_are_those_of_the_note_package_of_go() {
    use base64ct::Encoding as _;
    let key = base64ct::Base64::decode_vec("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
    assert_eq!(key[0], KeyKind::Ed25519 as u8);
    let id = key_id("PeterNeumann", KeyKind::Ed25519, key[1..].try_into().unwrap());
    assert_eq!(id, [0xc7, 0x4f, 0x20, 0xa3]);
    assert_ne!(id, key_id("PeterNeumann", KeyKind::Cosignature, key[1..].try_into().unwrap()));
}

#[test]
fn text_of_a_note_may_have_empty_lines() {
    let note = "one\n\n\ntwo\n\n— name AAAAAAA=\n";
    let decoded = Note::decode(note.as_bytes()).unwrap();
    assert_eq!((decoded.text, decoded.signatures.len()), ("one\n\n\ntwo\n", 1));
    assert_eq!(decoded.encode(), note);
}

#[test]
fn proofs_survive_encoding_and_include_one_leaf() {
    let leaves: Vec<_> = (0..11u8).map(|byte| leaf_hash(&[&[byte]])).collect();
    let tree = Tree::new(leaves.clone()).unwrap();
    let head = Head { size: 11, root: tree.root() };
    let line = NoteSignature { name: "a", key_id: [1; 4], signature: vec![2; 64] }.encode();
    let note = checkpoint::text("a", &head) + "\n" + &line;
    for (index, leaf) in leaves.iter().enumerate() {
        let path = tree.path(index).as_chunks::<32>().0.to_vec();
        let text = proof::encode(index as u64, &path, &note);
        let decoded = Proof::decode(text.as_bytes()).unwrap();
        assert_eq!((decoded.index, decoded.note), (index as u64, &note[..]));
        assert!(decoded.includes(*leaf));
        assert!(!decoded.includes(leaves[(index + 1) % 11]));
        assert_eq!(proof::encode(decoded.index, &decoded.path, decoded.note), text);
    }
}

#[test]
fn records_survive_encoding() {
    let operation = Operation {
        id: 7,
        key: Thumbprint([1; 32]),
        message_hash: [2; 32],
        message_bytes: None,
        first_index: Some(3),
        leaf_count: 50_000,
        started_at: 1_800_000_000,
        outcome: None,
    };
    let ended = |failure| Some(Outcome { failure, ended_at: 1_800_000_001 });
    let checkpoint = Operation { first_index: None, leaf_count: 0, message_bytes: Some(140), ..operation };
    for record in [
        Record::Start { authority: AuthorityId([9; 32]), made_at: 1 },
        Record::Leaf {
            index: 0,
            protected: &[1],
            payload: &[2; 600],
            signature: Some(&[3; 64]),
            recorded_at: 4,
        },
        Record::Leaf { index: u64::MAX, protected: &[], payload: &[], signature: None, recorded_at: 0 },
        Record::Operation(operation),
        Record::Operation(Operation { outcome: ended(None), ..checkpoint }),
        Record::Operation(Operation { outcome: ended(Some("wrong-pin")), ..operation }),
        Record::Checkpoint { note: EXAMPLE },
        Record::End { leaves: 1, operations: 2, checkpoints: 3 },
    ] {
        let bytes = record.encode();
        assert_eq!(Record::decode(&bytes), Ok(record));
        assert!(Record::decode(&bytes[..bytes.len() - 1]).is_err());
        assert!(Record::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}

#[test]
fn other_records_are_refused() {
    let code = |items: &[&[u8]]| {
        let bytes = [&[0x80 | items.len() as u8][..], &items.concat()].concat();
        Record::decode(&bytes).map_or_else(|error| error.code(), |_| "ok")
    };
    let (key, hash) = ([&[0x58, 32][..], &[1; 32]].concat(), [&[0x58, 32][..], &[2; 32]].concat());
    let operation = |first: &[u8], count: u8, outcome: &[u8], ended: &[u8]| {
        code(&[&[2], &[0], &key, &hash, &[0xf6], first, &[count], &[9], outcome, ended])
    };
    assert_eq!(operation(&[0], 1, &[0xf5], &[9]), "ok");
    assert_eq!(operation(&[0], 0, &[0xf5], &[9]), "out-of-range", "documents, and none");
    assert_eq!(operation(&[0xf6], 1, &[0xf5], &[9]), "out-of-range", "no document, and one");
    assert_eq!(operation(&[0], 1, &[0xf4], &[9]), "out-of-range", "a failure without a reason");
    assert_eq!(operation(&[0], 1, &[0xf6], &[9]), "wrong-type", "the end of what did not end");
    assert_eq!(operation(&[0], 1, &[0xf5], &[0xf6]), "wrong-type", "an outcome without its time");
    assert_eq!(code(&[&[0], &[2], &hash, &[0]]), "schema-unknown");
    assert_eq!(code(&[&[0], &[1], &hash]), "wrong-length");
    assert_eq!(code(&[&[5], &[1]]), "out-of-range");
    assert_eq!(code(&[]), "wrong-type");
    assert_eq!(Record::decode(&[0; MAX_RECORD + 1]).unwrap_err().code(), "too-large");
}

#[test]
fn names_carry_the_whole_identity() {
    assert_eq!(origin(AuthorityId([0xab; 32])), ["vnd.chancery/", &"ab".repeat(32)].concat());
    assert_eq!(witness_name(Thumbprint([1; 32])), "vnd.chancery/witness/".to_string() + &"01".repeat(32));
}
