//! The strict scan and the reader: what is accepted, read item by item and written again, is the input.
#![no_main]

use chancery_formats::cbor::{Reader, Writer, scan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(mut reader) = scan(data, "fuzz") {
        let mut writer = Writer::new();
        copy(&mut reader, &mut writer);
        assert!(reader.is_empty());
        assert_eq!(writer.finish(), data);
    }
});

/// Writes the next item by what it is; recursion ends with the depth that the scan allows.
fn copy(reader: &mut Reader<'_>, writer: &mut Writer) {
    let start = *reader;
    let mut item = reader.item();
    if item.null() {
        writer.null();
    } else if let Ok(value) = { item }.bool("fuzz") {
        writer.bool(value);
    } else if let Ok(value) = { item }.int("fuzz") {
        writer.int(value);
    } else if let Ok(value) = { item }.uint("fuzz") {
        writer.uint(value);
    } else if let Ok(value) = { item }.text("fuzz") {
        writer.text(value);
    } else if let Ok(value) = { item }.bytes("fuzz") {
        writer.bytes(value);
    } else if let Ok(length) = { item }.array("fuzz") {
        let _ = item.array("fuzz");
        writer.array(length as usize);
        (0..length).for_each(|_| copy(&mut item, writer));
    } else if let Ok(length) = { item }.map("fuzz") {
        let _ = item.map("fuzz");
        writer.map(length as usize);
        (0..2 * length).for_each(|_| copy(&mut item, writer));
    } else {
        // What is left is an integer below -2^63, which no field holds.
        assert_eq!(start.rest().first(), Some(&0x3b));
        writer.raw(item.rest());
    }
}
