//! The COSE_Sign1 envelope of any kind of document.
#![no_main]

use chancery_formats::cose::{Envelope, MAX_DIRECT, Unsigned};
use chancery_formats::document::Kind;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(envelope) = Envelope::decode(data) {
        let unsigned = Unsigned::new(&envelope.header, envelope.payload.to_vec());
        assert_eq!(unsigned.sign(envelope.signature), data);
        for kind in Kind::ALL {
            assert_eq!(Envelope::decode_kind(data, kind).is_ok(), envelope.header.typ == kind.typ());
        }
        assert_eq!(unsigned.leaf_hash(), envelope.leaf_hash());
        let to_sign = unsigned.sig_structure();
        let fits = (to_sign.len() <= MAX_DIRECT).then_some(&to_sign[..]);
        assert_eq!(envelope.sig_structure(&mut [0; MAX_DIRECT]), fits);
    }
});
