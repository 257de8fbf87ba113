//! The payload of a ceremony's transcript, and its steps alone.
#![no_main]

use chancery_formats::trust::Transcript;
use chancery_formats::trust::transcript::Step;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(transcript) = Transcript::decode(data) {
        assert_eq!(transcript.encode(), data);
        assert_eq!(transcript.links().len(), transcript.steps.len());
    }
    if let Ok(step) = Step::decode(data) {
        assert_eq!(step.encode(), data);
    }
});
