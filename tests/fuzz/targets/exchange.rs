//! The ceremony exchange.
#![no_main]

use chancery_formats::trust::Exchange;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(exchange) = Exchange::decode(data) {
        assert_eq!(exchange.encode(), data);
        assert!(Exchange::looks_like(data));
        if let Exchange::Request(request) = exchange {
            for document in request.batches.iter().flat_map(|batch| &batch.documents) {
                let _ = document.kind();
            }
        }
    }
});
