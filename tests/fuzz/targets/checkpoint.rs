//! Checkpoints and the notes that carry them.
#![no_main]

use chancery_formats::log::checkpoint::{cosigned, split_timestamped, text, timestamped};
use chancery_formats::log::{Checkpoint, Note};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(note) = Note::decode(data) else {
        assert!(Checkpoint::decode(data).is_err());
        return;
    };
    assert_eq!(note.encode().as_bytes(), data);
    for line in &note.signatures {
        if let Some((time, signature)) = split_timestamped(&line.signature) {
            assert_eq!(timestamped(time, signature), line.signature);
        }
    }
    let Ok(checkpoint) = Checkpoint::decode(data) else { return };
    assert_eq!(checkpoint.encode().as_bytes(), data);
    assert_eq!(text(checkpoint.origin, &checkpoint.head), checkpoint.text);
    assert!(cosigned(checkpoint.text, 0).ends_with(checkpoint.text));
});
