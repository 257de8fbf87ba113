//! Statements as those who sign or keep them read them.
#![no_main]

use chancery_formats::seal::OwnedStatement;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(statement) = OwnedStatement::decode(data) {
        assert_eq!(statement.as_statement().encode(), data);
    }
});
