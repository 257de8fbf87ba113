//! The witness exchange, either way.
#![no_main]

use chancery_formats::witness::{Exchange, NewBatch, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(exchange) = Exchange::decode(data) else { return };
    assert!(Exchange::looks_like(data));
    let request = match exchange {
        Exchange::Answer(answer) => return assert_eq!(answer.encode(), data),
        Exchange::Request(request) => request,
    };
    let Request { bundle, known, proof, checkpoint, batch } = request;
    let signatures: Vec<_> = batch
        .iter()
        .flat_map(|batch| batch.signatures())
        .map(|(key, signature)| (key, signature.to_vec()))
        .collect();
    let payloads: Vec<_> = batch.iter().flat_map(|batch| batch.payloads()).map(<[u8]>::to_vec).collect();
    let batch = batch.as_ref().map(|batch| NewBatch {
        statement: batch.statement,
        signatures: &signatures,
        frontier: batch.frontier,
        payloads: &payloads,
    });
    assert_eq!(Request::encode(bundle, known, proof, checkpoint, batch.as_ref()), data);
});
