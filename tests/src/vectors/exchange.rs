//! The ceremony exchange: which requests and answers decode.

use chancery_formats::cose::Envelope;
use chancery_formats::document::{Kind, MAX_CEREMONY};
use chancery_formats::id::Thumbprint;
use chancery_formats::seal::{OwnedStatement, Role, Seal, Signer};
use chancery_formats::trust::KeyMode;
use chancery_formats::trust::exchange::{Answer, Batch, Document, Request, Signed};

use super::{Suite, World};
use crate::authority::{Authority, Quorum};
use crate::key::SecretKey;
use crate::raw::{RawMap, bytes, text};

pub(super) fn suite() -> Suite {
    let founded = Authority::found(Quorum::of(2, &World::CUSTODIANS));
    let record = founded.record(&SecretKey::ed25519(10), Role::Issuer, KeyMode::Direct);
    let main = founded.certify(&record);
    let mut suite = Suite::new("exchange");
    requests(&mut suite, &main);
    statements(&mut suite, &main);
    answers(&mut suite, &main);
    carried(&mut suite, &main);
    suite
}

/// The first root and the first record of an authority, as they were before custodians signed them.
fn batches(authority: &Authority) -> Vec<Batch<'_>> {
    authority.members.iter().take(2).map(|member| batch(authority, member)).collect()
}

fn batch<'a>(authority: &Authority, member: &'a [u8]) -> Batch<'a> {
    let envelope = Envelope::decode(member).expect("a document");
    let seal = Seal::decode(envelope.signature).expect("a seal");
    let mut signers: Vec<_> = authority
        .quorum
        .signers()
        .into_iter()
        .map(|(role, key)| Signer { role, thumbprint: key.thumbprint(), algorithm: key.algorithm() })
        .collect();
    signers.sort_unstable();
    let statement = OwnedStatement {
        authority: authority.id,
        root_version: seal.root_version,
        leaf_typ: envelope.header.typ.into(),
        size: seal.size,
        root: envelope.leaf_hash(),
        first_index: seal.first_index,
        time: seal.time,
        signers,
    };
    Batch {
        statement,
        documents: vec![Document { protected: envelope.protected, payload: envelope.payload }],
    }
}

fn request(authority: &Authority, batches: Vec<Batch<'_>>, bundle: Option<&[u8]>) -> Vec<u8> {
    Request { authority: authority.id, batches, bundle }.encode()
}

fn requests(suite: &mut Suite, main: &Authority) {
    let bundle = main.bundle();
    let good = request(main, batches(main), Some(&bundle));
    suite.exchange("a root and a record, with the bundle in force", &good, "ok");
    let founding = request(main, batches(main), None);
    suite.exchange("the documents of a founding", &founding, "ok");
    let map = RawMap::of(&good);
    let cases: [(&str, Vec<u8>, &str); 12] = [
        ("without authority", map.clone().without(2).join(), "missing-field"),
        ("without schema", map.clone().without(1).join(), "missing-field"),
        ("without typ", map.clone().without(0).join(), "missing-field"),
        ("without batches", map.clone().without(3).without(4).join(), "missing-field"),
        ("a bundle without batches", map.clone().without(3).join(), "unknown-field"),
        ("schema 2", map.clone().set(1, &[2]).join(), "schema-unknown"),
        ("typ of a trust bundle", map.clone().set(0, &text(Kind::TrustBundle.typ())).join(), "typ-wrong"),
        (
            "another authority than the statements'",
            map.clone().set(2, &bytes(&[7; 32])).join(),
            "out-of-range",
        ),
        ("no batches", map.clone().set(3, &[0x80]).join(), "out-of-range"),
        ("unknown field 6", map.clone().set(6, &[0]).join(), "unknown-field"),
        ("answers beside batches", map.clone().set(5, &[0x80]).join(), "unknown-field"),
        ("a bundle that is none", map.set(4, &bytes(&[0xa0])).join(), "unknown-field"),
    ];
    for (name, input, code) in cases {
        suite.exchange(format!("request {name}"), &input, code);
    }
    let many = vec![batches(main).remove(0); 17];
    suite.exchange("17 batches", &request(main, many, None), "out-of-range");
}

fn statements(suite: &mut Suite, main: &Authority) {
    let mut of = |name: &str, code: &str, change: &dyn Fn(&mut Batch<'_>)| {
        let mut batch = batches(main).remove(1);
        change(&mut batch);
        suite.exchange(name, &request(main, vec![batch], None), code);
    };
    of("a record alone", "ok", &|_| {});
    of("a statement of two documents", "hash-wrong", &|batch| batch.statement.size = 2);
    of("a statement of no documents", "out-of-range", &|batch| batch.statement.size = 0);
    of("a statement over another root", "hash-wrong", &|batch| batch.statement.root[0] ^= 1);
    of("a document twice", "hash-wrong", &|batch| batch.documents.push(batch.documents[0]));
    of("another payload", "hash-wrong", &|batch| batch.documents[0].payload = &[0xa0]);
    of("other headers", "hash-wrong", &|batch| batch.documents[0].protected = &[0xa0]);
    of("no documents", "out-of-range", &|batch| batch.documents.clear());
    of("no signers", "out-of-range", &|batch| batch.statement.signers.clear());
    of("a signer twice", "unsorted-keys", &|batch| {
        batch.statement.signers = vec![batch.statement.signers[0]; 2];
    });
    of("signers in another order", "unsorted-keys", &|batch| batch.statement.signers.reverse());
    of("17 signers", "out-of-range", &|batch| {
        let signer = |byte| Signer { thumbprint: Thumbprint([byte; 32]), ..batch.statement.signers[0] };
        batch.statement.signers = (0..17).map(signer).collect();
    });
    of("a signer of another role", "ok", &|batch| {
        batch.statement.signers.iter_mut().for_each(|signer| signer.role = Role::Issuer);
    });
    of("a time after the year 9999", "out-of-range", &|batch| batch.statement.time = u64::MAX);
    of("a typ with an isolate", "text-forbidden", &|batch| {
        batch.statement.leaf_typ = "a\u{2066}b".into();
    });
}

fn answers(suite: &mut Suite, main: &Authority) {
    let signed = |statement, signer, signature: &'static [u8]| Signed {
        statement: [statement; 32],
        signer: Thumbprint([signer; 32]),
        signature,
    };
    let answer = |signatures: Vec<Signed<'_>>| Answer { authority: main.id, signatures }.encode();
    let one = signed(1, 1, &[3; 64]);
    suite.exchange("one signature", &answer(vec![one]), "ok");
    let three = vec![one, signed(1, 2, &[3; 4_627]), signed(2, 1, &[3; 64])];
    suite.exchange("two custodians, one with a partner", &answer(three), "ok");
    for (name, signatures, code) in [
        ("no signature", vec![], "out-of-range"),
        ("one signature twice", vec![one, one], "unsorted-keys"),
        ("two signatures of one signer", vec![one, signed(1, 1, &[4; 64])], "unsorted-keys"),
        ("signers in another order", vec![signed(1, 2, &[3; 64]), one], "unsorted-keys"),
        ("statements in another order", vec![signed(2, 1, &[3; 64]), one], "unsorted-keys"),
        ("a signature of 63 bytes", vec![signed(1, 1, &[3; 63])], "wrong-length"),
        ("a signature of no bytes", vec![signed(1, 1, &[])], "wrong-length"),
        ("257 signatures", vec![one; 257], "out-of-range"),
    ] {
        suite.exchange(format!("answer of {name}"), &answer(signatures), code);
    }
    let map = RawMap::of(&answer(vec![one]));
    let bundle = map.clone().set(4, &bytes(&main.bundle())).join();
    suite.exchange("answer with a bundle", &bundle, "unknown-field");
    suite.exchange("answer without authority", &map.without(2).join(), "missing-field");
}

fn carried(suite: &mut Suite, main: &Authority) {
    let good = request(main, batches(main), None);
    suite.exchange("no bytes of an exchange", &[], "truncated");
    suite.exchange("last byte of an exchange missing", &good[..good.len() - 1], "truncated");
    suite.exchange("one byte behind an exchange", &[&good[..], &[0]].concat(), "trailing-bytes");
    suite.exchange("an exchange under a tag", &[&[0xd2], &good[..]].concat(), "forbidden-tag");
    suite.exchange("zeros to one above the limit of an exchange", &[0], "too-large");
    suite.padded_to(MAX_CEREMONY + 1);
}
