//! Witness exchanges: decode after encode is the identity, and any accepted change of the bytes re-encodes to exactly
//! the changed bytes.

use chancery_formats::id::Thumbprint;
use chancery_formats::merkle::Hash;
use chancery_formats::witness::{Answer, BatchSignature, Cosigned, Exchange, NewBatch, Request};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

/// Statement, signatures, frontier and payloads of a batch.
type Parts = (Vec<u8>, Vec<(Thumbprint, Vec<u8>)>, Vec<Hash>, Vec<Vec<u8>>);

fn parts() -> impl Strategy<Value = Parts> {
    let signatures = btree_map(any::<[u8; 32]>(), vec(any::<u8>(), 1..90), 1..=16)
        .prop_map(|map| map.into_iter().map(|(key, bytes)| (Thumbprint(key), bytes)).collect());
    let payloads = vec(vec(any::<u8>(), 1..300), 1..20);
    (vec(any::<u8>(), 1..=1_024), signatures, vec(any::<Hash>(), 0..=64), payloads)
}

fn encode(bundle: &[u8], known: u64, proof: &[Hash], note: &str, parts: Option<&Parts>) -> Vec<u8> {
    let batch = parts.map(|(statement, signatures, frontier, payloads)| NewBatch {
        statement,
        signatures,
        frontier,
        payloads,
    });
    Request::encode(bundle, known, proof, note, batch.as_ref())
}

/// Takes a request apart and encodes it again.
fn again(request: &Request<'_>) -> Vec<u8> {
    let parts: Option<Parts> = request.batch.as_ref().map(|batch| {
        let signatures = batch.signatures().map(|(key, bytes)| (key, bytes.to_vec())).collect();
        let payloads = batch.payloads().map(<[u8]>::to_vec).collect();
        (batch.statement.to_vec(), signatures, batch.frontier.to_vec(), payloads)
    });
    encode(request.bundle, request.known, request.proof, request.checkpoint, parts.as_ref())
}

fn encoded_again(exchange: &Exchange<'_>) -> Vec<u8> {
    match exchange {
        Exchange::Answer(answer) => answer.encode(),
        Exchange::Request(request) => again(request),
    }
}

proptest! {
    #[test]
    fn requests(
        bundle in vec(any::<u8>(), 1..400), known: u64, proof in vec(any::<Hash>(), 0..=64),
        note in "\\PC{1,80}", parts in of(parts()), at: prop::sample::Index, bit in 0..8u8,
    ) {
        let mut bytes = encode(&bundle, known, &proof, &note, parts.as_ref());
        let Ok(Exchange::Request(request)) = Exchange::decode(&bytes) else { panic!("no request") };
        prop_assert_eq!(request.bundle, &bundle[..]);
        prop_assert_eq!((request.known, request.checkpoint), (known, &note[..]));
        prop_assert_eq!(request.proof, &proof[..]);
        prop_assert_eq!(again(&request), bytes.clone());
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = Exchange::decode(&bytes) {
            prop_assert_eq!(encoded_again(&changed), bytes);
        }
    }

    #[test]
    fn answers(
        request: Hash, witness: Hash, first_index: u64, signature in vec(any::<u8>(), 1..100), size: u64,
        line in vec(any::<u8>(), 72), which in 1..=3u8, at: prop::sample::Index, bit in 0..8u8,
    ) {
        let batch = (which & 1 == 1).then_some(BatchSignature { first_index, signature: &signature });
        let cosigned =
            (which & 2 == 2).then_some(Cosigned { size, signature: line.try_into().unwrap() });
        let answer = Answer { request, witness: Thumbprint(witness), batch, cosigned };
        let mut bytes = answer.encode();
        let Ok(Exchange::Answer(read)) = Exchange::decode(&bytes) else { panic!("no answer") };
        prop_assert_eq!(read, answer);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = Exchange::decode(&bytes) {
            prop_assert_eq!(encoded_again(&changed), bytes);
        }
    }
}
