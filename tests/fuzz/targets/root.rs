//! The payload of a root.
#![no_main]

use chancery_formats::trust::Root;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(root) = Root::decode(data) else { return };
    assert_eq!(root.encode(), data);
    for quorum in [Some(root.quorum), root.revealed].into_iter().flatten() {
        assert!((1..=quorum.custodians.len()).contains(&quorum.threshold));
        assert_eq!(
            quorum.members().filter(|(_, partner)| partner.is_some()).count() > 0,
            quorum.partners.is_some()
        );
    }
});
