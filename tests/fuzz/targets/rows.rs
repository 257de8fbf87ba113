//! Typed rows: the first byte says how many bytes the code carries, the lines are its rows.
#![no_main]

use chancery_formats::text::{crockford, rows};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((length, text)) = data.split_first() else { return };
    let Ok(text) = core::str::from_utf8(text) else { return };
    if let Some(bytes) = crockford::decode(text) {
        let written = crockford::encode(&bytes);
        assert_eq!((symbols(&written), crockford::decode(&written)), (symbols(text), Some(bytes)));
    }
    let typed: Vec<&str> = text.lines().collect();
    if let Ok(bytes) = rows::decode(&typed, usize::from(*length)) {
        assert_eq!(bytes.len(), usize::from(*length));
        let written = rows::encode(&bytes).unwrap_or_default();
        assert_eq!(rows::decode(&written, bytes.len()), Ok(bytes));
        assert_eq!(written.len(), typed.len());
        for (written, typed) in written.iter().zip(typed) {
            assert_eq!(symbols(written), symbols(typed));
        }
    }
});

/// The values of what is typed, without what only separates.
fn symbols(row: &str) -> Vec<Option<u8>> {
    row.chars().filter(|c| !matches!(c, ' ' | '-' | '\t')).map(crockford::symbol).collect()
}
