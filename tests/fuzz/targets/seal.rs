//! The seal in a signature field, and the batch root that its path leads to.
#![no_main]

use chancery_formats::id::{AuthorityId, Thumbprint};
use chancery_formats::merkle::root_from_path;
use chancery_formats::seal::{Role, Seal, Signer, Statement};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(seal) = Seal::decode(data) else { return };
    // Of a signer's thumbprint only the kid travels; the rest may be anything.
    let signer = |kid: [u8; 8]| {
        let mut thumbprint = [0; 32];
        thumbprint[..8].copy_from_slice(&kid);
        Thumbprint(thumbprint)
    };
    let signers: Vec<_> = seal
        .signatures()
        .map(|signature| Signer {
            role: Role::Custodian,
            thumbprint: signer(signature.kid.0),
            algorithm: signature.algorithm,
        })
        .collect();
    let signatures: Vec<_> = seal.signatures().map(|signature| signature.signature.to_vec()).collect();
    let root = root_from_path([0; 32], seal.leaf_index, seal.size, seal.path).unwrap_or_default();
    let statement = Statement {
        authority: AuthorityId([0; 32]),
        root_version: seal.root_version,
        leaf_typ: "application/vnd.chancery.license+cwt",
        size: seal.size,
        root,
        first_index: seal.first_index,
        time: seal.time,
        signers: &signers,
    };
    assert_eq!(Seal::encode(&statement, seal.leaf_index, seal.path, &signatures), data);
    assert_eq!(statement.encode_fixed().written(), Some(&statement.encode()[..]));
    if let Some(index) = seal.log_index() {
        assert!(index >= seal.leaf_index);
    }
});
