//! Witness exchanges: what is asked, what is answered, and what is neither.

use chancery_formats::document::{Kind, MAX_WITNESS};
use chancery_formats::id::Thumbprint;
use chancery_formats::merkle::Hash;
use chancery_formats::witness::{Answer, BatchSignature, Cosigned, NewBatch, Request};

use super::Suite;
use crate::raw::{RawMap, bytes, text};

pub(super) fn suite() -> Suite {
    let mut suite = Suite::new("witness");
    exchanges(&mut suite);
    requests(&mut suite);
    batches(&mut suite);
    answers(&mut suite);
    suite
}

const FRONTIER: [Hash; 3] = [[0x71; 32], [0x72; 32], [0x73; 32]];
const NOTE: &str = "a note of three lines, which this decoder does not read";

fn request(batch: bool) -> Vec<u8> {
    let signatures = [(Thumbprint([0x21; 32]), vec![0x22; 64]), (Thumbprint([0x23; 32]), vec![0x24; 64])];
    let payloads = [vec![0xa0], vec![0xa1, 1, 1], vec![0xa0]];
    let batch = batch.then_some(NewBatch {
        statement: &[0x25; 120],
        signatures: &signatures,
        frontier: &FRONTIER,
        payloads: &payloads,
    });
    Request::encode(&[0x26; 40], 96, &[[0x27; 32]], NOTE, batch.as_ref())
}

const ANSWER: Answer<'static> = Answer {
    request: [0x31; 32],
    witness: Thumbprint([0x32; 32]),
    batch: Some(BatchSignature { first_index: 100, signature: &[0x33; 64] }),
    cosigned: Some(Cosigned { size: 103, signature: [0x34; 72] }),
};

/// Exchanges that are not exchanges.
fn exchanges(suite: &mut Suite) {
    let good = request(true);
    let map = RawMap::of(&good);
    suite.witness("request with a batch", &good, "ok");
    suite.witness("request with a checkpoint alone", &request(false), "ok");
    suite.witness("answer with both signatures", &ANSWER.encode(), "ok");
    suite.witness("answer for a batch", &Answer { cosigned: None, ..ANSWER }.encode(), "ok");
    suite.witness("answer for a checkpoint", &Answer { batch: None, ..ANSWER }.encode(), "ok");
    suite.witness("no bytes", &[], "truncated");
    suite.witness("last byte missing", &good[..good.len() - 1], "truncated");
    suite.witness("one byte more", &[&good[..], &[0]].concat(), "trailing-bytes");
    suite.witness("zeros to one above the limit", &good, "too-large");
    suite.padded_to(MAX_WITNESS + 1);
    suite.witness("indefinite length", &[&[0xbf], &good[1..], &[0xff]].concat(), "indefinite-length");
    suite.witness("head in two bytes", &[&[0xb8, 6], &good[1..]].concat(), "non-minimal-head");
    suite.witness("under a tag", &[&[0xd2], &good[..]].concat(), "forbidden-tag");
    suite.witness("as an array", &[0x80], "wrong-type");
    suite.witness("of nothing", &[0xa0], "unknown-field");
    suite.witness("typ alone", &RawMap(vec![map.0[0].clone()]).join(), "unknown-field");
    let typ = map.clone().set(0, &text(Kind::CeremonyExchange.typ()));
    suite.witness("typ of another kind", &typ.join(), "typ-wrong");
    suite.witness("typ as a number", &map.clone().set(0, &[0]).join(), "wrong-type");
    let twice = RawMap(vec![map.0[0].clone(), map.0[0].clone()]);
    suite.witness("typ twice", &twice.join(), "duplicate-key");
    let both = RawMap([&map.0[..], &RawMap::of(&ANSWER.encode()).0[1..]].concat());
    suite.witness("request and answer at once", &both.join(), "unknown-field");
    suite.witness("unknown field 10", &map.clone().set(10, &[0]).join(), "unknown-field");
    suite.witness(
        "unknown field -1",
        &RawMap(vec![map.0[0].clone(), (vec![0x20], vec![0])]).join(),
        "unknown-field",
    );
}

/// What is beside the batch.
fn requests(suite: &mut Suite) {
    let map = RawMap::of(&request(true));
    for (name, key) in [("bundle", 1), ("size known", 2), ("proof", 3), ("checkpoint", 4)] {
        suite.witness(format!("request without {name}"), &map.clone().without(key).join(), "missing-field");
    }
    let cases: Vec<(&str, i64, Vec<u8>, &str)> = vec![
        ("bundle of no bytes", 1, bytes(&[]), "out-of-range"),
        ("bundle as text", 1, text("bundle"), "wrong-type"),
        ("size as a negative number", 2, vec![0x20], "wrong-type"),
        ("no proof", 3, bytes(&[]), "ok"),
        ("proof of 31 bytes", 3, bytes(&[7; 31]), "wrong-length"),
        ("proof of 64 hashes", 3, bytes(&[7; 64 * 32]), "ok"),
        ("proof of 65 hashes", 3, bytes(&[7; 65 * 32]), "wrong-length"),
        ("checkpoint of no text", 4, text(""), "out-of-range"),
        ("checkpoint above 8 KiB", 4, text(&"n".repeat(8 * 1024 + 1)), "out-of-range"),
        ("checkpoint as bytes", 4, bytes(b"note"), "wrong-type"),
        ("batch of null", 5, vec![0xf6], "wrong-type"),
        ("batch of three items", 5, vec![0x83, 0, 0, 0], "wrong-length"),
    ];
    for (name, key, value, code) in cases {
        suite.witness(name, &map.clone().set(key, &value).join(), code);
    }
}

/// The batch, part by part.
fn batches(suite: &mut Suite) {
    let map = RawMap::of(&request(true));
    let entry = |thumbprint: u8, signature: &[u8]| {
        [&[0x82][..], &bytes(&[thumbprint; 32]), &bytes(signature)].concat()
    };
    let one = [&[0x81][..], &entry(1, &[2; 64])].concat();
    let payloads = [&[0x81][..], &bytes(&[0xa0])].concat();
    let mut case = |name: &str, parts: [&[u8]; 4], code| {
        let batch = [&[0x84][..], &parts.concat()].concat();
        suite.witness(name, &map.clone().set(5, &batch).join(), code);
    };
    let (statement, frontier) = (bytes(&[1; 120]), bytes(&[]));
    case("batch of one document, first in the log", [&statement, &one, &frontier, &payloads], "ok");
    case("statement of no bytes", [&bytes(&[]), &one, &frontier, &payloads], "out-of-range");
    case(
        "statement above what a signer signs",
        [&bytes(&[1; 1_025]), &one, &frontier, &payloads],
        "out-of-range",
    );
    case("no signature", [&statement, &[0x80], &frontier, &payloads], "out-of-range");
    let many: Vec<u8> = (1..=17).flat_map(|number| entry(number, &[2; 64])).collect();
    let many = [&[0x91][..], &many].concat();
    case("17 signatures", [&statement, &many, &frontier, &payloads], "out-of-range");
    let pair = |first, second| [&[0x82][..], &entry(first, &[2; 64]), &entry(second, &[2; 64])].concat();
    case("two signatures", [&statement, &pair(1, 2), &frontier, &payloads], "ok");
    case("signatures out of order", [&statement, &pair(2, 1), &frontier, &payloads], "unsorted-keys");
    case("two signatures of one key", [&statement, &pair(1, 1), &frontier, &payloads], "unsorted-keys");
    let empty = [&[0x81][..], &entry(1, &[])].concat();
    case("signature of no bytes", [&statement, &empty, &frontier, &payloads], "out-of-range");
    let long = [&[0x81][..], &entry(1, &[2; 8 * 1024 + 1])].concat();
    case("signature above 8 KiB", [&statement, &long, &frontier, &payloads], "out-of-range");
    let short = [&[0x81, 0x82][..], &bytes(&[1; 31]), &bytes(&[2; 64])].concat();
    case("thumbprint of 31 bytes", [&statement, &short, &frontier, &payloads], "wrong-length");
    case(
        "signature without its key",
        [&statement, &[0x81, 0x81, 0x41, 1], &frontier, &payloads],
        "wrong-length",
    );
    case("frontier of 33 bytes", [&statement, &one, &bytes(&[7; 33]), &payloads], "wrong-length");
    case("frontier of 65 hashes", [&statement, &one, &bytes(&[7; 65 * 32]), &payloads], "wrong-length");
    case("no document", [&statement, &one, &frontier, &[0x80]], "out-of-range");
    case("document of no bytes", [&statement, &one, &frontier, &[0x81, 0x40]], "out-of-range");
    let large = [&[0x81][..], &bytes(&[0; 64 * 1024 + 1])].concat();
    case("document above 64 KiB", [&statement, &one, &frontier, &large], "out-of-range");
    case("document that is no byte string", [&statement, &one, &frontier, &[0x81, 0xa0]], "wrong-type");
    let bomb = [0x9b, 255, 255, 255, 255, 255, 255, 255, 255];
    case("2^64 - 1 documents", [&statement, &one, &frontier, &bomb], "truncated");
}

/// What a witness answers.
fn answers(suite: &mut Suite) {
    let map = RawMap::of(&ANSWER.encode());
    for (name, key) in [("hash of the request", 6), ("witness", 7)] {
        suite.witness(format!("answer without {name}"), &map.clone().without(key).join(), "missing-field");
    }
    let nothing = Answer { batch: None, cosigned: None, ..ANSWER };
    suite.witness("answer without a signature", &nothing.encode(), "missing-field");
    let cases: Vec<(&str, i64, Vec<u8>, &str)> = vec![
        ("hash of 31 bytes", 6, bytes(&[1; 31]), "wrong-length"),
        ("witness by its key id", 7, bytes(&[1; 8]), "wrong-length"),
        ("batch signature without its index", 8, [&[0x81][..], &bytes(&[1; 64])].concat(), "wrong-length"),
        ("batch signature of no bytes", 8, vec![0x82, 0, 0x40], "out-of-range"),
        (
            "batch signature above 8 KiB",
            8,
            [&[0x82, 0][..], &bytes(&[1; 8 * 1024 + 1])].concat(),
            "out-of-range",
        ),
        ("batch index as text", 8, [&[0x82, 0x61, 0x30][..], &bytes(&[1; 64])].concat(), "wrong-type"),
        ("cosignature without its time", 9, [&[0x82, 0][..], &bytes(&[1; 64])].concat(), "wrong-length"),
        ("cosignature of one item", 9, [&[0x81][..], &bytes(&[1; 72])].concat(), "wrong-length"),
    ];
    for (name, key, value, code) in cases {
        suite.witness(name, &map.clone().set(key, &value).join(), code);
    }
}
