//! Frames of one message, one a line, until it is whole.
#![no_main]

use chancery_formats::text::base45;
use chancery_formats::text::frames::{Assembly, PREFIX, split};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut assembly = Assembly::new();
    for line in text.lines() {
        let pushed = assembly.push(line);
        if let Ok(whole) = &pushed {
            let frame = line.strip_prefix(PREFIX).and_then(|frame| base45::decode(frame).ok());
            assert_eq!([PREFIX, &base45::encode(&frame.unwrap_or_default())].concat(), line);
            assert_eq!(whole.is_some(), assembly.progress().1 == 0);
        }
        if let Ok(Some(message)) = pushed
            && let Ok(texts) = split(&message)
        {
            let mut again = Assembly::new();
            let last = texts.iter().map(|text| again.push(text)).last();
            assert_eq!(last, Some(Ok(Some(message))));
        }
    }
});
