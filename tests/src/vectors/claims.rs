//! Licenses that are signed well and say what no license may say.

use super::{Suite, World};
use crate::license::{bare, every_term};
use crate::raw::{RawMap, bytes, integer, text};

const TERMS: i64 = chancery_formats::license::TERMS_CLAIM;

pub(super) fn suite(world: &World) -> Suite {
    let mut suite = Suite::new("claims");
    let mut case = |name: &str, payload: &[u8], code: &str| {
        suite.license(name, &world.license_of(payload.to_vec()), code);
    };
    encodings(&mut case);
    claims(&mut case);
    terms(&mut case);
    nested_terms(&mut case);
    let every = world.license_of(every_term(bare()).encode());
    suite.license_under("listed", "every term of schema 1", &every, "ok");
    suite
}

type Add<'a> = dyn FnMut(&str, &[u8], &str) + 'a;

fn encodings(case: &mut Add<'_>) {
    let payload = bare().encode();
    let map = RawMap::of(&payload);
    let advisory = |value: &[u8]| map.clone().set(99, value).join();
    case("claims as they should be", &payload, "ok");
    case("unknown claim", &advisory(&text("ignored")), "ok");
    case(
        "unknown claim under a text key",
        &RawMap([&map.0[..], &[(text("x"), vec![0])]].concat()).join(),
        "ok",
    );
    case("byte behind the claims", &[&payload[..], &[0]].concat(), "trailing-bytes");
    case("claims cut short", &payload[..payload.len() - 1], "truncated");
    case("no claims", &[], "truncated");
    case("claims as an array", &[0x80], "wrong-type");
    case("claims under tag 61", &[&[0xd8, 0x3d], &payload[..]].concat(), "forbidden-tag");
    case("claims of indefinite length", &[&[0xbf], &payload[1..], &[0xff]].concat(), "indefinite-length");
    case(
        "claims with their head in two bytes",
        &[&[0xb8, payload[0] & 0x1f], &payload[1..]].concat(),
        "non-minimal-head",
    );
    let mut twice = map.clone();
    twice.0.insert(1, map.0[1].clone());
    case("sub twice", &twice.join(), "duplicate-key");
    let mut other = twice.clone();
    other.0[1].1 = text("evil");
    case("sub twice with two values", &other.join(), "duplicate-key");
    let mut swapped = map.clone();
    swapped.0.swap(0, 1);
    case("sub before iss", &swapped.join(), "unsorted-keys");
    let mut terms_first = map.clone();
    terms_first.0.rotate_right(1);
    case("terms before iss", &terms_first.join(), "unsorted-keys");
    case(
        "iat in nine bytes",
        &map.clone().set(6, &[0x1b, 0, 0, 0, 0, 0x69, 0, 0, 0]).join(),
        "non-minimal-head",
    );
    case("iss in chunks", &map.clone().set(1, &[0x7f, 0x61, b'a', 0xff]).join(), "indefinite-length");
    case("iss that is not UTF-8", &map.clone().set(1, &[0x62, 0xc3, 0x28]).join(), "invalid-utf8");
    case("iss with a surrogate", &map.clone().set(1, &[0x63, 0xed, 0xa0, 0x80]).join(), "invalid-utf8");
    case(
        "exp as a float",
        &map.clone().set(4, &[0xfb, 0x41, 0xda, 0, 0, 0, 0, 0, 0]).join(),
        "forbidden-simple",
    );
    case("exp under tag 1", &map.clone().set(4, &[0xc1, 0x1a, 0x6b, 0, 0, 0]).join(), "forbidden-tag");
    case("unknown claim with undefined", &advisory(&[0xf7]), "forbidden-simple");
    case("unknown claim with simple value 32", &advisory(&[0xf8, 32]), "forbidden-simple");
    case("unknown claim seven deep", &advisory(&[&[0x81; 7][..], &[0]].concat()), "ok");
    case("unknown claim eight deep", &advisory(&[&[0x81; 8][..], &[0]].concat()), "too-deep");
    case("unknown claim 600 deep", &advisory(&[&[0x81; 600][..], &[0]].concat()), "too-deep");
    case(
        "unknown claim with maps eight deep",
        &advisory(&[&[0xa1, 0].repeat(8)[..], &[0]].concat()),
        "too-deep",
    );
    for (name, head) in [("array", 0x9b), ("map", 0xbb), ("byte string", 0x5b), ("text", 0x7b)] {
        // At the end of the claims, so that nothing follows which the bomb could count as its own.
        let bomb = [head, 255, 255, 255, 255, 255, 255, 255, 255];
        let last = RawMap([&map.0[..], &[(integer(-65_538), bomb.to_vec())]].concat());
        case(&format!("unknown claim with a {name} of 2^64 - 1"), &last.join(), "truncated");
    }
}

fn claims(case: &mut Add<'_>) {
    let map = RawMap::of(&bare().encode());
    for (name, key) in [("iss", 1), ("sub", 2), ("aud", 3), ("iat", 6), ("cti", 7), ("terms", TERMS)] {
        case(&format!("no {name}"), &map.clone().without(key).join(), "missing-field");
    }
    let times: [(&str, &[u8], &str); 6] = [
        ("after the year 9999", &[0x1b, 0, 0, 0, 0x3a, 0xff, 0xf4, 0x41, 0x80], "out-of-range"),
        ("of 2^64 - 1", &[0x1b, 255, 255, 255, 255, 255, 255, 255, 255], "out-of-range"),
        ("before 1970", &[0x20], "wrong-type"),
        ("as text", &[0x61, b'1'], "wrong-type"),
        ("as bytes", &[0x41, 1], "wrong-type"),
        ("of null", &[0xf6], "wrong-type"),
    ];
    for (claim, key) in [("exp", 4), ("nbf", 5), ("iat", 6)] {
        for (name, value, code) in times {
            case(&format!("{claim} {name}"), &map.clone().set(key, value).join(), code);
        }
    }
    case(
        "nbf after exp",
        &map.clone().set(5, &integer(crate::license::END as i64 + 1)).join(),
        "out-of-range",
    );
    case("nbf at exp", &map.clone().set(5, &integer(crate::license::END as i64)).join(), "ok");
    let labels = [
        ("with an escape sequence", "Northwind\u{1b}[31m"),
        ("with a line end", "Northwind\nControls"),
        ("with a null", "Northwind\0"),
        ("with DEL", "Northwind\u{7f}"),
        ("with a right-to-left override", "North\u{202e}dniw"),
        ("with an isolate", "North\u{2066}wind"),
        ("with a zero-width space", "North\u{200b}wind"),
        ("with a soft hyphen", "North\u{ad}wind"),
        ("with a byte order mark", "\u{feff}Northwind"),
        ("with a line separator", "North\u{2028}wind"),
        ("with a tag character", "Northwind\u{e0041}"),
        ("with a space before", " Northwind"),
        ("with a space behind", "Northwind "),
        ("of no text", ""),
    ];
    for (name, label) in labels {
        case(&format!("iss {name}"), &map.clone().set(1, &text(label)).join(), "text-forbidden");
    }
    case("iss of 129 bytes", &map.clone().set(1, &text(&"n".repeat(129))).join(), "text-forbidden");
    case("iss of 128 bytes", &map.clone().set(1, &text(&"n".repeat(128))).join(), "ok");
    case("iss in other scripts", &map.clone().set(1, &text("Müller & Søn, 東京")).join(), "ok");
    case("iss as bytes", &map.clone().set(1, &bytes(b"Northwind")).join(), "wrong-type");
    for subject in ["", "Acme", "acme/", "/plant-7", "acme/plant-7/line-2", "acme plant", "acmé", "-acme"] {
        case(&format!("sub {subject:?}"), &map.clone().set(2, &text(subject)).join(), "text-forbidden");
    }
    case("sub without a site", &map.clone().set(2, &text("acme")).join(), "ok");
    for product in ["", "Pump", "pump control", "pump/control", ".pump"] {
        case(&format!("aud {product:?}"), &map.clone().set(3, &text(product)).join(), "text-forbidden");
    }
    case("aud of 65 bytes", &map.clone().set(3, &text(&"p".repeat(65))).join(), "text-forbidden");
    case("aud as a list", &map.clone().set(3, &[0x81, 0x61, b'p']).join(), "wrong-type");
    case("cti of 15 bytes", &map.clone().set(7, &bytes(&[1; 15])).join(), "wrong-length");
    case("cti of 17 bytes", &map.clone().set(7, &bytes(&[1; 17])).join(), "wrong-length");
    case("cti as text", &map.clone().set(7, &text("0123456789abcdef")).join(), "wrong-type");
    let thumbprint = bytes(&[7; 32]);
    let confirmation = |entries: &[(i64, &[u8])]| {
        let map = RawMap(entries.iter().map(|(key, value)| (integer(*key), value.to_vec())).collect());
        map.join()
    };
    let cnf = |value: &[u8]| map.clone().set(8, value).join();
    case("cnf with a thumbprint", &cnf(&confirmation(&[(5, &thumbprint)])), "ok");
    case("cnf with a kid", &cnf(&confirmation(&[(3, &bytes(&[7; 8]))])), "unknown-field");
    case("cnf with a key", &cnf(&confirmation(&[(1, &[0xa0])])), "unknown-field");
    case("cnf with two methods", &cnf(&confirmation(&[(3, &thumbprint), (5, &thumbprint)])), "unknown-field");
    case("cnf of no method", &cnf(&[0xa0]), "unknown-field");
    case("cnf with a short thumbprint", &cnf(&confirmation(&[(5, &bytes(&[7; 31]))])), "wrong-length");
    case("cnf as bytes", &cnf(&thumbprint), "wrong-type");
    let mut bytes_key = map.clone();
    bytes_key.0.push((vec![0x41, 0], vec![0]));
    case("claim under a key of bytes", &bytes_key.join(), "wrong-type");
    let mut huge_key = map.clone();
    huge_key.0.insert(7, (vec![0x1b, 255, 255, 255, 255, 255, 255, 255, 255], vec![0]));
    case("claim under a key of 2^64 - 1", &huge_key.join(), "out-of-range");
}

fn terms(case: &mut Add<'_>) {
    let map = RawMap::of(&bare().encode());
    let terms = RawMap::of(map.value(TERMS));
    let with = |terms: &RawMap| map.clone().set(TERMS, &terms.join()).join();
    case("every term of schema 1, and no list", &every_term(bare()).encode(), "list-older");
    case("advisory term -1", &with(&terms.clone().set(-1, &text("ignored"))), "ok");
    case("advisory term -65537", &with(&terms.clone().set(-65_537, &[0xa0])), "ok");
    for key in [0, 16, 17, 23, 24, 255, 65_536, i64::MAX] {
        case(&format!("unknown term {key}"), &with(&terms.clone().set(key, &[0])), "unknown-field");
    }
    let named = RawMap([&terms.0[..], &[(text("seats"), vec![5])]].concat());
    case("term under a text key", &with(&named), "unknown-field");
    case("schema 2", &with(&terms.clone().set(1, &[2])), "schema-unknown");
    case("schema 0", &with(&terms.clone().set(1, &[0])), "schema-unknown");
    case(
        "schema 2 with a term of its own",
        &with(&terms.clone().set(1, &[2]).set(16, &[0])),
        "schema-unknown",
    );
    let required = [("schema", 1), ("entitlement", 2), ("edition", 3), ("revision", 4), ("features", 5)];
    for (name, key) in required {
        case(&format!("terms without {name}"), &with(&terms.clone().without(key)), "missing-field");
    }
    case("terms as an array", &map.clone().set(TERMS, &[0x80]).join(), "wrong-type");
    case("terms of null", &map.clone().set(TERMS, &[0xf6]).join(), "wrong-type");
    let mut twice = terms.clone();
    twice.0.insert(3, terms.0[3].clone());
    case("revision twice", &with(&twice), "duplicate-key");
    let mut swapped = terms.clone();
    swapped.0.swap(2, 3);
    case("revision before edition", &with(&swapped), "unsorted-keys");
    let mut advisory_first = terms.clone().set(-1, &[0]);
    advisory_first.0.rotate_right(1);
    case("advisory term before the others", &with(&advisory_first), "unsorted-keys");
}

fn nested_terms(case: &mut Add<'_>) {
    let map = RawMap::of(&every_term(bare()).encode());
    let terms = RawMap::of(map.value(TERMS));
    let salt = bytes(&[1; 8]);
    let device = |k: u8, salt: &[u8], components: &[u8]| [&[0x83, k], salt, components].concat();
    let one = [&[0xa1, 1][..], &bytes(&[9; 4])].concat();
    let seventeen: Vec<u8> =
        [vec![0xb1], (1..=17).flat_map(|kind| [vec![kind], bytes(&[9; 4])].concat()).collect()].concat();
    let cases: Vec<(&str, i64, Vec<u8>, &str)> = vec![
        ("entitlement of seven bytes", 2, bytes(&[1; 7]), "wrong-length"),
        ("edition with a capital", 3, text("Professional"), "text-forbidden"),
        ("edition of no text", 3, text(""), "text-forbidden"),
        ("revision 0", 4, vec![0], "out-of-range"),
        ("revision below 0", 4, vec![0x20], "wrong-type"),
        ("feature with false", 5, vec![0xa1, 0x61, b'x', 0xf4], "out-of-range"),
        ("feature with null", 5, vec![0xa1, 0x61, b'x', 0xf6], "wrong-type"),
        ("feature with a number below 0", 5, vec![0xa1, 0x61, b'x', 0x20], "wrong-type"),
        ("feature with a quota of three numbers", 5, vec![0xa1, 0x61, b'x', 0x83, 1, 2, 3], "wrong-length"),
        ("feature with a quota of one number", 5, vec![0xa1, 0x61, b'x', 0x81, 1], "wrong-length"),
        ("feature with a name that is none", 5, vec![0xa1, 0x61, b' ', 0xf5], "text-forbidden"),
        ("feature under a number", 5, vec![0xa1, 0x01, 0xf5], "wrong-type"),
        ("feature twice", 5, vec![0xa2, 0x61, b'x', 0xf5, 0x61, b'x', 0xf5], "duplicate-key"),
        ("features out of order", 5, vec![0xa2, 0x61, b'y', 0xf5, 0x61, b'x', 0xf5], "unsorted-keys"),
        (
            "features with the longer name first",
            5,
            vec![0xa2, 0x62, b'a', b'b', 0xf5, 0x61, b'x', 0xf5],
            "unsorted-keys",
        ),
        ("features as a list", 5, vec![0x81, 0x61, b'x'], "wrong-type"),
        ("version window of nothing", 6, vec![0xa0], "out-of-range"),
        ("version of no numbers", 6, vec![0xa1, 1, 0x80], "wrong-length"),
        ("version of five numbers", 6, vec![0xa1, 1, 0x85, 1, 2, 3, 4, 5], "wrong-length"),
        ("version number of 2^32", 6, vec![0xa1, 1, 0x81, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0], "out-of-range"),
        ("version window with an unknown field", 6, vec![0xa1, 4, 0x81, 1], "unknown-field"),
        ("seats 0", 7, vec![0], "out-of-range"),
        ("device of no items", 8, vec![0x80], "wrong-length"),
        ("device without components", 8, [&[0x82, 1], &salt[..]].concat(), "wrong-length"),
        ("device of four items", 8, [&[0x84, 1], &salt[..], &one, &[0]].concat(), "wrong-length"),
        ("device as a map", 8, [&[0xa3, 1, 1, 2], &salt[..], &[3], &one].concat(), "wrong-type"),
        ("device of null", 8, vec![0xf6], "wrong-type"),
        ("device with the salt first", 8, [&[0x83], &salt[..], &[1], &one].concat(), "wrong-type"),
        ("device with a list of digests", 8, device(1, &salt, &[0x81, 0x44, 9, 9, 9, 9]), "wrong-type"),
        ("device with k 0", 8, device(0, &salt, &one), "out-of-range"),
        ("device with k above n", 8, device(2, &salt, &one), "out-of-range"),
        ("device with a salt of seven bytes", 8, device(1, &bytes(&[1; 7]), &one), "wrong-length"),
        ("device with no components", 8, device(1, &salt, &[0xa0]), "out-of-range"),
        ("device with 17 components", 8, device(1, &salt, &seventeen), "out-of-range"),
        (
            "device with a digest of five bytes",
            8,
            device(1, &salt, &[0xa1, 1, 0x45, 0, 0, 0, 0, 0]),
            "wrong-length",
        ),
        (
            "device with a component below 0",
            8,
            device(1, &salt, &[0xa1, 0x20, 0x44, 0, 0, 0, 0]),
            "wrong-type",
        ),
        ("territory of nothing", 9, vec![0x80], "out-of-range"),
        ("territory in lower case", 9, vec![0x81, 0x62, b'd', b'e'], "text-forbidden"),
        ("territory of three letters", 9, vec![0x81, 0x63, b'D', b'E', b'U'], "text-forbidden"),
        ("territory out of order", 9, vec![0x82, 0x62, b'D', b'E', 0x62, b'C', b'H'], "unsorted-keys"),
        ("territory twice", 9, vec![0x82, 0x62, b'C', b'H', 0x62, b'C', b'H'], "unsorted-keys"),
        ("support with a space", 10, text("gold plus"), "text-forbidden"),
        ("enforcement of nothing", 11, vec![0xa0], "out-of-range"),
        ("enforcement mode 0", 11, vec![0xa1, 1, 0], "out-of-range"),
        ("enforcement mode 3", 11, vec![0xa1, 1, 3], "out-of-range"),
        ("grace 0", 11, vec![0xa1, 2, 0], "out-of-range"),
        (
            "grace of 2^64 - 1",
            11,
            vec![0xa1, 2, 0x1b, 255, 255, 255, 255, 255, 255, 255, 255],
            "out-of-range",
        ),
        ("notice 0", 11, vec![0xa1, 3, 0], "out-of-range"),
        ("enforcement with an unknown field", 11, vec![0xa1, 4, 1], "unknown-field"),
        ("distribution of nothing", 12, vec![0xa0], "out-of-range"),
        ("distribution to no device", 12, vec![0xa1, 1, 0], "out-of-range"),
        ("distribution through no channel", 12, vec![0xa1, 2, 0x80], "out-of-range"),
        ("distribution with an unknown field", 12, vec![0xa1, 3, 1], "unknown-field"),
        ("revocation list 0", 13, vec![0], "out-of-range"),
        ("bindings 0", 14, vec![0], "out-of-range"),
        ("users of nothing", 15, vec![0xa0], "out-of-range"),
        ("users with a name that is none", 15, vec![0xa1, 1, 0x81, 0x61, b'A'], "text-forbidden"),
        ("users with an unknown field", 15, vec![0xa1, 3, 0x81, 0x61, b'a'], "unknown-field"),
    ];
    for (name, key, value, code) in cases {
        let payload = map.clone().set(TERMS, &terms.clone().set(key, &value).join()).join();
        case(name, &payload, code);
    }
}
