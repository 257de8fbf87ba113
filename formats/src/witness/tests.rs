//! Exchanges read back, and refusals.

use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::cbor::Writer;
use crate::id::Thumbprint;
use crate::merkle::Hash;

const TYP: &str = "application/vnd.chancery.witness+cbor";

fn signatures() -> Vec<(Thumbprint, Vec<u8>)> {
    vec![(Thumbprint([1; 32]), vec![2; 64]), (Thumbprint([3; 32]), vec![4; 4_627])]
}

fn request(batch: bool) -> Vec<u8> {
    let (signatures, payloads) = (signatures(), vec![vec![5], vec![6; 300]]);
    let frontier: [Hash; 2] = [[7; 32], [8; 32]];
    let batch = batch.then_some(NewBatch {
        statement: &[9; 200],
        signatures: &signatures,
        frontier: &frontier,
        payloads: &payloads,
    });
    Request::encode(&[10; 500], 17, &[[11; 32]], "note", batch.as_ref())
}

fn code(bytes: &[u8]) -> &'static str {
    Exchange::decode(bytes).map_or_else(|error| error.code(), |_| "ok")
}

#[test]
fn requests_are_read_as_they_were_written() {
    for with_batch in [false, true] {
        let bytes = request(with_batch);
        assert!(Exchange::looks_like(&bytes));
        let Ok(Exchange::Request(read)) = Exchange::decode(&bytes) else { panic!("{}", code(&bytes)) };
        assert_eq!((read.bundle, read.known, read.checkpoint), (&[10; 500][..], 17, "note"));
        assert_eq!(read.proof, [[11; 32]]);
        assert_eq!(read.batch.is_some(), with_batch);
        let Some(batch) = read.batch else { continue };
        assert_eq!((batch.statement, batch.len(), batch.is_empty()), (&[9; 200][..], 2, false));
        assert_eq!(batch.frontier, [[7; 32], [8; 32]]);
        let read: Vec<_> = batch.signatures().map(|(key, bytes)| (key, bytes.to_vec())).collect();
        assert_eq!(read, signatures());
        assert_eq!(batch.payloads().collect::<Vec<_>>(), [&[5][..], &[6; 300]]);
    }
}

#[test]
fn answers_are_read_as_they_were_written() {
    let signature = BatchSignature { first_index: 100, signature: &[1; 64] };
    let cosigned = Cosigned { size: 150, signature: [2; 72] };
    for (batch, cosigned) in
        [(Some(signature), None), (None, Some(cosigned)), (Some(signature), Some(cosigned))]
    {
        let answer = Answer { request: [3; 32], witness: Thumbprint([4; 32]), batch, cosigned };
        let bytes = answer.encode();
        assert!(Exchange::looks_like(&bytes));
        let Ok(Exchange::Answer(read)) = Exchange::decode(&bytes) else { panic!("{}", code(&bytes)) };
        assert_eq!(read, answer);
    }
    let nothing = Answer { request: [3; 32], witness: Thumbprint([4; 32]), batch: None, cosigned: None };
    assert_eq!(code(&nothing.encode()), "missing-field");
}

#[test]
fn parts_beyond_their_bounds_are_refused() {
    let one = signatures();
    let payload = vec![vec![1]];
    let good = NewBatch { statement: &[1], signatures: &one[..1], frontier: &[], payloads: &payload };
    let with = |batch: NewBatch<'_>| code(&Request::encode(&[1], 0, &[], "note", Some(&batch)));
    assert_eq!(with(good), "ok");
    assert_eq!(with(NewBatch { statement: &[], ..good }), "out-of-range");
    assert_eq!(with(NewBatch { statement: &[1; 1_025], ..good }), "out-of-range");
    assert_eq!(with(NewBatch { signatures: &[], ..good }), "out-of-range");
    let twice = [one[0].clone(), one[0].clone()];
    assert_eq!(with(NewBatch { signatures: &twice, ..good }), "unsorted-keys");
    let reversed = [one[1].clone(), one[0].clone()];
    assert_eq!(with(NewBatch { signatures: &reversed, ..good }), "unsorted-keys");
    let many: Vec<_> = (0..17).map(|byte| (Thumbprint([byte; 32]), vec![1])).collect();
    assert_eq!(with(NewBatch { signatures: &many, ..good }), "out-of-range");
    for length in [0, 8 * 1024 + 1] {
        let signature = [(Thumbprint([1; 32]), vec![1; length])];
        assert_eq!(with(NewBatch { signatures: &signature, ..good }), "out-of-range");
    }
    assert_eq!(with(NewBatch { frontier: &[[0; 32]; 65], ..good }), "wrong-length");
    assert_eq!(with(NewBatch { payloads: &[], ..good }), "out-of-range");
    assert_eq!(with(NewBatch { payloads: &[Vec::new()], ..good }), "out-of-range");
    assert_eq!(with(NewBatch { payloads: &[vec![0; 64 * 1024 + 1]], ..good }), "out-of-range");
    assert_eq!(code(&Request::encode(&[], 0, &[], "note", None)), "out-of-range");
    assert_eq!(code(&Request::encode(&[1], 0, &[], "", None)), "out-of-range");
    assert_eq!(code(&Request::encode(&[1], 0, &[], &"n".repeat(8 * 1024 + 1), None)), "out-of-range");
    assert_eq!(code(&Request::encode(&[1], 0, &[[0; 32]; 65], "note", None)), "wrong-length");
}

#[test]
fn other_exchanges_are_refused() {
    let good = request(true);
    assert_eq!(code(&[0xa0]), "unknown-field");
    assert_eq!(code(&[]), "truncated");
    assert_eq!(code(&good[..good.len() - 1]), "truncated");
    assert_eq!(code(&[&good[..], &[0]].concat()), "trailing-bytes");
    let mut other = good.clone();
    other[20] ^= 1;
    assert_eq!(code(&other), "typ-wrong");
    assert!(!Exchange::looks_like(&other) && !Exchange::looks_like(&[0xa2]));
    let map = |entries: &[(u64, &[u8])]| {
        let mut writer = Writer::new();
        writer.map(1 + entries.len()).uint(0).text(TYP);
        for (key, value) in entries {
            writer.uint(*key).raw(value);
        }
        code(&writer.finish())
    };
    assert_eq!(map(&[]), "unknown-field");
    assert_eq!(map(&[(1, &[0x41, 1])]), "missing-field");
    assert_eq!(map(&[(1, &[0x41, 1]), (6, &[0])]), "unknown-field", "a request with a field of answers");
    assert_eq!(map(&[(1, &[0x41, 1]), (2, &[0x20])]), "wrong-type");
    assert_eq!(map(&[(5, &[0x80])]), "wrong-length");
    assert_eq!(map(&[(6, &[0x40])]), "wrong-length");
    assert_eq!(map(&[(8, &[0x80])]), "wrong-length");
    assert_eq!(map(&[(9, &[0x82, 1, 0x41, 1])]), "wrong-length");
    assert_eq!(map(&[(10, &[0])]), "unknown-field");
    let mut large = vec![0; MAX_WITNESS + 1];
    large[..good.len()].copy_from_slice(&good);
    assert_eq!(code(&large), "too-large");
}
