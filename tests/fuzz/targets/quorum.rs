//! Quorums, the recovery set among them, and the keys that they list.
#![no_main]

use chancery_formats::trust::{Custodians, Partners, Quorum};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(quorum) = Quorum::decode(data) {
        assert_eq!(quorum.encode(), data);
        assert!((1..=quorum.custodians.len()).contains(&quorum.threshold));
        assert_eq!(quorum.members().count(), quorum.custodians.len());
    }
    if let Ok(custodians) = Custodians::decode(data) {
        let keys: Vec<_> = custodians.iter().collect();
        assert_eq!(Custodians::encode(&keys), data);
    }
    if let Ok(partners) = Partners::decode(data) {
        let keys: Vec<_> = partners.iter().collect();
        assert_eq!(Partners::encode(&keys), data);
    }
});
