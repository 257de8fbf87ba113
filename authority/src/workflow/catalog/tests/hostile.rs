//! Files that somebody made to hurt: they are refused by name, and soon.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::*;

/// Reads a file that is refused, within a time that no careful reader needs.
fn refused(text: &str) -> CatalogError {
    let begun = Instant::now();
    let error = read(text).expect_err("it is refused");
    assert!(begun.elapsed() < Duration::from_secs(20), "{error} after {:?}", begun.elapsed());
    assert!(error.message.chars().count() <= MAX_MESSAGE + 1, "{}", error.message.len());
    error
}

/// A product with add-ons, each with the lines that `of` says.
fn with_add_ons(count: usize, of: impl Fn(usize) -> String) -> String {
    let mut text =
        "[[product]]\nid = \"pump\"\nname = \"Pump\"\n[[product.edition]]\nid = \"e\"\nfeatures = {}\n"
            .to_owned();
    for number in 0..count {
        let _ = writeln!(text, "[[product.add-on]]\nid = \"a{number}\"\n{}", of(number));
    }
    text
}

#[test]
fn a_hidden_character_is_refused_wherever_it_stands() {
    for (text, at, says) in [
        ("\u{feff}[[product]]\n", (1, 1), "the file begins with a byte order mark"),
        ("# safe\n# \u{202e}gnihton\n", (2, 3), "character U+202E controls, reorders or hides text"),
        ("[[product]] # \u{200b}\n", (1, 15), "character U+200B"),
        ("[[product]]\nid = \"a\u{feff}\"\n", (2, 8), "character U+FEFF"),
        ("# \u{1b}[2J\n", (1, 3), "character U+001B"),
        ("# \u{e0041}\n", (1, 3), "character U+E0041"),
    ] {
        let error = refused(text);
        assert_eq!((error.line, error.column), at, "{error}");
        assert!(error.message.starts_with(says), "{error}");
    }
    // Tabs and both line ends are what editors write.
    assert!(read("[[product]]\r\n\tid = \"a\"\r\n\tname = \"A\"\r\n").is_ok());
}

#[test]
fn other_encodings_are_named_with_their_place() {
    let utf16: Vec<u8> =
        [0xfeff_u16].into_iter().chain("id".encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for (bytes, at, says) in [
        (utf16, (1, 1), "the file is UTF-16"),
        (b"[[product]]\nname = \"M\xfcller\"".to_vec(), (2, 10), "this byte is not UTF-8"),
        (b"a = \"\xed\xa0\x80\"".to_vec(), (1, 6), "this byte is not UTF-8"),
        (b"a = \"\xc0\xaf\"".to_vec(), (1, 6), "this byte is not UTF-8"),
    ] {
        let error = decode(bytes).unwrap_err();
        assert_eq!((error.line, error.column), at, "{error}");
        assert!(error.message.starts_with(says), "{error}");
    }
    assert_eq!(decode("é".into()).unwrap(), "é");
}

#[test]
fn a_million_keys_are_refused() {
    let keys: String = (0..1_000_000).map(|number| format!("k{number}=1\n")).collect();
    assert!(refused(&keys).message.starts_with("unknown field `k"));
    let mut features = "[[product]]\nid = \"p\"\nname = \"P\"\n".to_owned();
    for number in 0..20_000 {
        let _ = writeln!(features, "[[product.feature]]\nid = \"f{number}\"");
    }
    assert!(refused(&features).message.starts_with("20000 features are more than one catalog takes"));
    let products: String =
        (0..1_001).map(|number| format!("[[product]]\nid = \"p{number}\"\nname = \"P{number}\"\n")).collect();
    assert!(refused(&products).message.starts_with("1001 entries of one kind (product) are more"));
    let inline = format!(
        "[[product]]\nid = \"p\"\nname = \"P\"\n[[product.edition]]\nid = \"e\"\nfeatures = {{ {} x = 1 }}\n",
        (0..50_000).map(|number| format!("f{number} = 1, ")).collect::<String>()
    );
    assert!(refused(&inline).message.starts_with("the product has no feature `f0`"));
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let deep = format!("product = {}{}", open.repeat(100_000), close.repeat(100_000));
        refused(&deep);
    }
    refused(&format!("[{}a]\n", "a.".repeat(100_000)));
    refused(&format!("{}a = 1\n", "a.".repeat(100_000)));
}

#[test]
fn huge_numbers_and_texts_are_refused() {
    let price = |amount: &str| pump().replace("minor-units = 120000", &format!("minor-units = {amount}"));
    for amount in ["9223372036854775808", "1e400", "nan", "inf", "0x8000000000000000", &"9".repeat(100_000)] {
        refused(&price(amount));
    }
    assert!(read(&price("9223372036854775807")).is_ok());
    let long = "x".repeat(1_000_000);
    for (from, to) in [
        ("id = \"pump\"", format!("id = \"{long}\"")),
        ("name = \"Pump Control\"", format!("name = \"{long}\"")),
        ("name = \"Pump Control\"", format!("{long} = 1")),
        ("kind = \"limit\"", format!("kind = \"{long}\"")),
        ("edition = \"standard\"", format!("edition = \"{long}\"")),
        ("policy = \"yearly\"", format!("policy = \"{long}\"")),
        ("\"DE\"", format!("\"{long}\"")),
        ("currency = \"EUR\"", format!("currency = \"{long}\"")),
    ] {
        refused(&pump().replacen(from, &to, 1));
    }
}

#[test]
fn add_ons_that_require_each_other_in_a_circle_are_refused() {
    let circle = with_add_ons(3, |number| format!("requires = [\"a{}\"]", (number + 1) % 3));
    let error = refused(&circle);
    assert_eq!((error.line, error.column), (8, 6));
    assert!(error.message.starts_with("add-on `a0` requires itself by way of `a2`"), "{error}");
    let beside = with_add_ons(3, |number| match number {
        0 => "requires = [\"a1\", \"a2\"]".to_owned(),
        1 => "conflicts = [\"a2\"]".to_owned(),
        _ => String::new(),
    });
    let error = refused(&beside);
    assert!(error.message.starts_with("add-on `a0` can never be sold: with it go `a1` and `a2`"), "{error}");
}

#[test]
fn the_longest_chains_and_densest_nets_are_walked_in_no_time() {
    let begun = Instant::now();
    let chain = |number: usize| match number {
        0 => String::new(),
        _ => format!("requires = [\"a{}\"]", number - 1),
    };
    assert_eq!(read(&with_add_ons(1_000, chain)).unwrap().products["pump"].add_ons.len(), 1_000);
    let net = |number: usize| {
        let below: Vec<_> =
            (number.saturating_sub(64)..number).map(|other| format!("\"a{other}\"")).collect();
        format!("requires = [{}]", below.join(", "))
    };
    assert!(read(&with_add_ons(1_000, net)).is_ok());
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let too_many: Vec<_> = (0..65).map(|other| format!("\"a{other}\"")).collect();
    let error = refused(&with_add_ons(66, |number| match number {
        65 => format!("requires = [{}]", too_many.join(", ")),
        _ => String::new(),
    }));
    assert_eq!(error.message, "a list takes at most 64 names");
}

#[test]
fn a_package_that_cannot_be_sold_is_refused() {
    let package = |lines: &str| {
        format!("{}[[product.package]]\nid = \"all\"\nedition = \"e\"\nadd-ons = [\"a0\", \"a1\"]\n", lines)
    };
    for (of, says) in [
        ("conflicts = [\"a1\"]", "package `all` cannot be sold: add-ons a0 and a1 conflict"),
        ("requires = [\"a2\"]", "package `all` cannot be sold: add-on a0 requires add-on a2"),
        ("editions = [\"f\"]", "package `all` cannot be sold: add-on a0 does not go with edition e"),
    ] {
        let other = "[[product.edition]]\nid = \"f\"\nfeatures = {}\n";
        let text = with_add_ons(3, |number| if number == 0 { of.to_owned() } else { String::new() });
        let text = text.replacen("[[product.add-on]]", &format!("{other}[[product.add-on]]"), 1);
        assert!(refused(&package(&text)).message.starts_with(says), "{of}");
    }
    let most = i64::MAX;
    let text = pump().replace("channels = 16, prints", &format!("channels = {most}, prints"));
    let error = refused(&text);
    assert!(error.message.contains("what add-ons add to feature channels is more than a license"), "{error}");
}

#[test]
fn keys_that_occur_twice_are_refused() {
    for (from, to) in [
        ("id = \"pump\"", "id = \"pump\"\nid = \"pump\""),
        ("channels = 16, prints", "channels = 16, channels = 17, prints"),
        ("[[policy]]", "[policy]\n[[policy]]"),
    ] {
        refused(&pump().replacen(from, to, 1));
    }
}
