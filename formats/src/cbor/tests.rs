use super::*;

fn code(bytes: &[u8]) -> &'static str {
    scan(bytes, "test").map_or_else(|error| error.code(), |_| "ok")
}

#[test]
fn scan_refuses_each_fault_with_its_own_code() {
    let cases: &[(&[u8], &str)] = &[
        (&[], "truncated"),
        (&[0x18], "truncated"),
        (&[0x00, 0x00], "trailing-bytes"),
        (&[0x18, 0x17], "non-minimal-head"),
        (&[0x19, 0x00, 0xff], "non-minimal-head"),
        (&[0x1a, 0, 0, 0xff, 0xff], "non-minimal-head"),
        (&[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], "non-minimal-head"),
        (&[0x9f, 0xff], "indefinite-length"),
        (&[0x5f, 0xff], "indefinite-length"),
        (&[0xa2, 1, 0, 1, 0], "duplicate-key"),
        (&[0xa2, 2, 0, 1, 0], "unsorted-keys"),
        (&[0x61, 0xff], "invalid-utf8"),
        (&[0xf9, 0, 0], "forbidden-simple"),
        (&[0xf7], "forbidden-simple"),
        (&[0xff], "forbidden-simple"),
        (&[0x1c], "forbidden-simple"),
        (&[0xc1, 0], "forbidden-tag"),
        (&[0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x00], "ok"),
        (&[0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x80], "too-deep"),
        (&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "truncated"),
        (&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "truncated"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(code(bytes), *expected, "{bytes:02x?}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    let mut writer = Writer::new();
    let numbers = [0, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX];
    writer.array(numbers.len() + 3);
    for number in numbers {
        writer.uint(number);
    }
    writer.int(-65_537).text("é").map(1).int(1).null();
    let bytes = writer.finish();
    let mut reader = scan(&bytes, "test").unwrap();
    reader.array("a").unwrap();
    for number in numbers {
        assert_eq!(reader.uint("n"), Ok(number));
    }
    assert_eq!(reader.int("n"), Ok(-65_537));
    assert_eq!(reader.text("t"), Ok("é"));
    assert_eq!(reader.item().rest(), [0xa1, 0x01, 0xf6]);
    assert!(reader.is_empty());
}

#[test]
fn another_decoder_reads_what_we_write() {
    let mut writer = Writer::new();
    writer.map(2).uint(1).bytes(&[1, 2, 3]).int(-1).array(2).text("a").bool(true);
    let value: cbor4ii::core::Value =
        cbor4ii::core::dec::Decode::decode(&mut cbor4ii::core::utils::SliceReader::new(&writer.finish()))
            .unwrap();
    use cbor4ii::core::Value::{Array, Bool, Bytes, Integer, Map, Text};
    let expected = Map(alloc::vec![
        (Integer(1), Bytes(alloc::vec![1, 2, 3])),
        (Integer(-1), Array(alloc::vec![Text("a".into()), Bool(true)])),
    ]);
    assert_eq!(value, expected);
}
