//! The lists and maps inside licenses and requests: names, features, components of a device.
#![no_main]

use chancery_formats::license::terms::Components;
use chancery_formats::license::{Features, Names};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for country in [false, true] {
        if let Ok(names) = Names::decode(data, country) {
            let list: Vec<_> = names.iter().collect();
            assert_eq!(Names::encode(&list), data);
        }
    }
    if let Ok(features) = Features::decode(data) {
        let list: Vec<_> = features.iter().collect();
        assert_eq!(Features::encode(&list), data);
    }
    if let Ok(components) = Components::decode(data) {
        let list: Vec<_> = components.iter().collect();
        assert_eq!((Components::encode(&list), components.len()), (data.to_vec(), list.len() as u64));
    }
});
