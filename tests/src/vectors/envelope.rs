//! Envelopes that are not exactly a COSE_Sign1 with tag 18, protected headers and an attached payload.

use chancery_formats::document::{Kind, MAX_DOCUMENT};

use super::{Suite, World};
use crate::license::bare;
use crate::raw::{RawEnvelope, RawMap, bytes, integer, text};

pub(super) fn suite(world: &World) -> Suite {
    let mut suite = Suite::new("envelope");
    let good = world.good_direct();
    tags(&mut suite, &good);
    bombs(&mut suite);
    pieces(&mut suite, &RawEnvelope::of(&good));
    protected(&mut suite, world);
    kinds(&mut suite, world);
    suite
}

fn tags(suite: &mut Suite, good: &[u8]) {
    let tags: [(&str, &[u8]); 10] = [
        ("untagged", &[]),
        ("tag 17, COSE_Mac0", &[0xd1]),
        ("tag 98, COSE_Sign", &[0xd8, 0x62]),
        ("tag 61 around tag 18", &[0xd8, 0x3d, 0xd2]),
        ("tag 61 alone", &[0xd8, 0x3d]),
        ("tag 55799 around tag 18", &[0xd9, 0xd9, 0xf7, 0xd2]),
        ("tag 18 twice", &[0xd2, 0xd2]),
        ("tag 61 inside tag 18", &[0xd2, 0xd8, 0x3d]),
        ("tag 18 in two bytes", &[0xd8, 0x12]),
        ("tag of indefinite length", &[0xdf]),
    ];
    for (name, tag) in tags {
        suite.license(name, &[tag, &good[1..]].concat(), "tag-wrong");
    }
    suite.license("no bytes", &[], "truncated");
    suite.license("the tag alone", &[0xd2], "truncated");
    suite.license("last byte missing", &good[..good.len() - 1], "truncated");
    suite.license("one byte more", &[good, &[0]].concat(), "trailing-bytes");
    suite.license("a second license behind", &[good, good].concat(), "trailing-bytes");
    suite.license("zeros to one above the limit", good, "too-large");
    suite.padded_to(MAX_DOCUMENT + 1);
    suite.license("zeros to the limit", good, "trailing-bytes");
    suite.padded_to(MAX_DOCUMENT);
}

fn bombs(suite: &mut Suite) {
    let nested = [&[0xd2][..], &[0x81; 5_000]].concat();
    suite.license("depth of 5000 arrays", &nested, "too-deep");
    suite.license(
        "depth of nine arrays",
        &[0xd2, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x80],
        "too-deep",
    );
    let announced: [(&str, &[u8]); 5] = [
        ("array of 2^64 - 1 items", &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255]),
        ("map of 2^63 entries", &[0xbb, 128, 0, 0, 0, 0, 0, 0, 0]),
        ("byte string of 2^64 - 1 bytes", &[0x5b, 255, 255, 255, 255, 255, 255, 255, 255]),
        ("text of 2^63 bytes", &[0x7b, 128, 0, 0, 0, 0, 0, 0, 0]),
        ("byte string of 2^32 - 1 bytes", &[0x5a, 255, 255, 255, 255]),
    ];
    for (name, head) in announced {
        suite.license(format!("announced {name}"), &[&[0xd2], head].concat(), "truncated");
        let inside = [&[0xd2, 0x84], head].concat();
        suite.license(format!("announced {name} as protected header"), &inside, "truncated");
    }
}

fn pieces(suite: &mut Suite, good: &RawEnvelope) {
    let array = |head: &[u8], items: &[&[u8]]| [&[0xd2], head, &items.concat()].concat();
    let (protected, payload, signature) =
        (bytes(&good.protected), bytes(&good.payload), bytes(&good.signature));
    let (p, u, m, s) = (&protected[..], &[0xa0][..], &payload[..], &signature[..]);
    let long = |length: usize, string: &[u8]| {
        [&[0x5b], &(length as u64).to_be_bytes()[..], &string[string.len() - length..]].concat()
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("three items", array(&[0x83], &[p, u, m]), "wrong-type"),
        ("five items", array(&[0x85], &[p, u, m, s, &[0xf6]]), "wrong-type"),
        ("a map in place of the array", array(&[0xa2], &[p, u, m, s]), "wrong-type"),
        ("array of indefinite length", array(&[0x9f], &[p, u, m, s, &[0xff]]), "indefinite-length"),
        ("array head in two bytes", array(&[0x98, 4], &[p, u, m, s]), "non-minimal-head"),
        ("protected header as a map", array(&[0x84], &[&good.protected, u, m, s]), "wrong-type"),
        ("protected header of no bytes", array(&[0x84], &[&[0x40], u, m, s]), "truncated"),
        (
            "protected header of indefinite length",
            array(&[0x84], &[&[0x5f], p, &[0xff], u, m, s]),
            "indefinite-length",
        ),
        (
            "unprotected header with a kid",
            array(&[0x84], &[p, &[0xa1, 4, 0x41, 7], m, s]),
            "unprotected-not-empty",
        ),
        (
            "unprotected header with a receipt",
            array(&[0x84], &[p, &[0xa1, 0x19, 1, 0x8a, 0x80], m, s]),
            "unprotected-not-empty",
        ),
        (
            "unprotected header with an algorithm",
            array(&[0x84], &[p, &[0xa1, 1, 0x32], m, s]),
            "unprotected-not-empty",
        ),
        ("unprotected header of null", array(&[0x84], &[p, &[0xf6], m, s]), "wrong-type"),
        (
            "unprotected header of indefinite length",
            array(&[0x84], &[p, &[0xbf, 0xff], m, s]),
            "indefinite-length",
        ),
        (
            "unprotected header with the empty map in two bytes",
            array(&[0x84], &[p, &[0xb8, 0], m, s]),
            "non-minimal-head",
        ),
        ("detached payload", array(&[0x84], &[p, u, &[0xf6], s]), "wrong-type"),
        ("payload as a map", array(&[0x84], &[p, u, &good.payload, s]), "wrong-type"),
        ("payload as text", array(&[0x84], &[p, u, &text("{}"), s]), "wrong-type"),
        (
            "payload head of nine bytes",
            array(&[0x84], &[p, u, &long(good.payload.len(), m), s]),
            "non-minimal-head",
        ),
        ("payload in chunks", array(&[0x84], &[p, u, &[0x5f], m, &[0xff], s]), "indefinite-length"),
        ("signature of null", array(&[0x84], &[p, u, m, &[0xf6]]), "wrong-type"),
        ("signature head of nine bytes", array(&[0x84], &[p, u, m, &long(64, s)]), "non-minimal-head"),
        ("signature under a tag", array(&[0x84], &[p, u, m, &[0xc2], s]), "forbidden-tag"),
        ("signature of a float", array(&[0x84], &[p, u, m, &[0xf9, 0, 0]]), "forbidden-simple"),
        ("signature of undefined", array(&[0x84], &[p, u, m, &[0xf7]]), "forbidden-simple"),
        ("signature of a lone break", array(&[0x84], &[p, u, m, &[0xff]]), "forbidden-simple"),
        ("text that is not UTF-8", array(&[0x84], &[p, u, m, &[0x61, 0xff]]), "invalid-utf8"),
        ("a reserved head", array(&[0x84], &[p, u, m, &[0x5c]]), "forbidden-simple"),
    ];
    for (name, document, code) in cases {
        suite.license(name, &document, code);
    }
}

fn protected(suite: &mut Suite, world: &World) {
    let good = RawMap::of(&world.direct_header().encode());
    let mut case =
        |name: &str, map: &RawMap, code| suite.license(name, &world.license_under(map.join()), code);
    case("protected header as it should be", &good, "ok");
    let unknown: [(&str, i64, &[u8]); 6] = [
        ("crit", 2, &[0x81, 1]),
        ("content type", 3, &[0x18, 0x3c]),
        ("IV", 5, &[0x41, 0]),
        ("countersignature", 11, &[0x80]),
        ("CWT claims", 15, &[0xa0]),
        ("private header -1", -1, &[0]),
    ];
    for (name, key, value) in unknown {
        case(&format!("header {name}"), &good.clone().set(key, value), "header-unknown");
    }
    let with_text = RawMap([&good.0[..], &[(text("alg"), vec![0])]].concat());
    case("header under a text key", &with_text, "header-unknown");
    for (name, key) in [("alg", 1), ("kid", 4), ("typ", 16)] {
        case(&format!("header without {name}"), &good.clone().without(key), "missing-field");
    }
    case("no headers", &RawMap(Vec::new()), "missing-field");
    case("kid twice", &RawMap([&good.0[..2], &good.0[1..]].concat()), "duplicate-key");
    case("kid before alg", &RawMap([&good.0[1..2], &good.0[..1], &good.0[2..]].concat()), "unsorted-keys");
    case("kid of seven bytes", &good.clone().set(4, &bytes(&world.direct.kid().0[1..])), "wrong-length");
    case("kid as text", &good.clone().set(4, &text("12345678")), "wrong-type");
    case("alg as text", &good.clone().set(1, &text("Ed25519")), "wrong-type");
    let long_alg = [0x38, integer(-19)[0] & 0x1f];
    case("alg in two bytes", &good.clone().set(1, &long_alg), "non-minimal-head");
    case("typ as a number", &good.clone().set(16, &[0]), "wrong-type");
    case(
        "typ with an escape sequence",
        &good.clone().set(16, &text("application/\u{1b}[2J")),
        "text-forbidden",
    );
    case("typ of no text", &good.clone().set(16, &text("")), "text-forbidden");
    let mut case =
        |name: &str, header: Vec<u8>, code| suite.license(name, &world.license_under(header), code);
    let header = good.join();
    case("byte behind the headers", [&header[..], &[0]].concat(), "trailing-bytes");
    case("headers of indefinite length", [&[0xbf], &header[1..], &[0xff]].concat(), "indefinite-length");
    case("headers cut short", header[..header.len() - 1].to_vec(), "truncated");
    case("headers as an array", vec![0x80], "wrong-type");
    case(
        "headers nested nine deep",
        vec![0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0],
        "too-deep",
    );
}

/// Good envelopes of another kind of document.
fn kinds(suite: &mut Suite, world: &World) {
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::License) {
        let document = crate::authority::sign_direct(&world.direct, kind, bare().encode());
        suite.license(format!("license with the typ of a {}", kind.name()), &document, "typ-wrong");
    }
    let header = RawMap::of(&world.direct_header().encode());
    let types = [
        ("in capitals", Kind::License.typ().to_uppercase()),
        ("without application/", Kind::License.typ().replace("application/", "")),
        ("with a parameter", format!("{};v=1", Kind::License.typ())),
    ];
    for (name, typ) in types {
        let header = header.clone().set(16, &text(&typ)).join();
        suite.license(format!("typ {name}"), &world.license_under(header), "typ-wrong");
    }
    suite.request("license as a request", &world.good_direct(), "typ-wrong");
    suite.license("root as a license", &world.main.members[0], "typ-wrong");
    suite.license("key record as a license", &world.main.members[1], "typ-wrong");
    suite.license("bundle as a license", &world.main.bundle(), "tag-wrong");
}
