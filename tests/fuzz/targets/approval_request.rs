//! A request to approvers, with every grant in it.
#![no_main]

use chancery_formats::approval::ApprovalRequest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(request) = ApprovalRequest::decode(data) {
        assert!(ApprovalRequest::looks_like(data));
        let items: Vec<_> = request.items().collect();
        assert_eq!(items.len() as u64, request.count());
        assert_eq!(ApprovalRequest::encode(&request.head, &items), data);
        assert_eq!(request.commitment().count, request.count());
    }
});
