//! Proofs of inclusion, with the checkpoint that they end with.
#![no_main]

use chancery_formats::log::{Proof, proof};
use chancery_formats::merkle::root_from_path;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(decoded) = Proof::decode(data) else { return };
    assert_eq!(proof::encode(decoded.index, &decoded.path, decoded.note).as_bytes(), data);
    let head = decoded.checkpoint.head;
    let root = root_from_path([7; 32], decoded.index, head.size, decoded.path.as_flattened());
    assert_eq!(decoded.includes([7; 32]), root == Some(head.root));
});
