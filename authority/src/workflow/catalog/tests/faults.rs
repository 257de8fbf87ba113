//! Every fault names its line, its column, and what to write instead.

use super::*;

/// Changes the file of the page once, and returns what is said of it.
fn refused(from: &str, to: &str) -> CatalogError {
    let text = pump();
    assert!(text.contains(from), "{from} is not in the file");
    read(&text.replacen(from, to, 1)).expect_err(to)
}

/// Where `needle` stands after the change, so that the table below needs no counting of lines.
fn place(from: &str, to: &str, needle: &str) -> (usize, usize) {
    let text = pump().replacen(from, to, 1);
    let at = pump().find(from).unwrap();
    let at = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let offset = text[at..].find(needle).expect(needle);
    position::of(&text, at + offset)
}

#[test]
fn every_fault_names_its_place() {
    for (from, to, at, message) in [
        ("name = \"Pump Control\"", "nam = \"Pump\"", "nam", "unknown field `nam`, expected one of"),
        ("kind = \"limit\"", "kind = \"meter\"", "\"meter\"", "unknown variant `meter`, expected one of"),
        ("kind = \"limit\"", "colour = 1", "colour", "unknown field `colour`, expected `id` or `kind`"),
        ("id = \"pump\"", "id = \"Pump\"", "\"Pump\"", "`Pump` is not an id: 1 to 64 of a-z"),
        ("id = \"channels\"", "id = \"logging\"", "\"logging\"", "feature `logging` occurs twice"),
        ("Pump Control", "Pump\\u202EControl", "\"Pump", "character 5 is U+202E"),
        ("Pump Control", "Pump Cоntrol", "\"Pump", "character 7 is U+043E, which looks like a Latin letter"),
        (
            "{ logging = true",
            "{ loging = true",
            "loging",
            "the product has no feature `loging`; is `logging` meant?",
        ),
        ("{ logging = true", "{ xyz = true", "xyz", "the product has no feature `xyz`"),
        ("logging = true", "logging = 1", "1,", "feature `logging` takes true or false"),
        (
            "channels = 16",
            "channels = true",
            "true, prints",
            "feature `channels` takes a whole number from 0",
        ),
        ("channels = 16", "channels = -1", "-1", "feature `channels` takes a whole number from 0"),
        ("channels = 16", "channels = 1.5", "1.5", "feature `channels` takes a whole number from 0"),
        (
            "{ quota = 500, overdraft = 50 }",
            "500",
            "500",
            "feature `prints` takes { quota = 500, overdraft = 50 }",
        ),
        ("quota = 500, ", "", "{ overdraft", "feature `prints` takes { quota"),
        ("overdraft = 50", "overdrafts = 50", "{ quota", "feature `prints` takes { quota"),
        ("overdraft = 50", "overdraft = -1", "{ quota", "feature `prints` takes { quota"),
        ("features = {", "feature = {", "feature", "unknown field `feature`, expected `id` or `features`"),
        (
            "id = \"more-channels\"",
            "id = \"standard\"",
            "\"standard\"",
            "`standard` is an edition of the product",
        ),
        ("adds = { channels = 16 }", "adds = { logging = true }", "logging", "feature `logging` is a switch"),
        ("adds = { channels = 16 }", "requires = [\"more\"]", "\"more\"", "the product has no add-on `more`"),
        (
            "adds = { channels = 16 }",
            "requires = [\"more-channels\"]",
            "\"more-channels\"",
            "an add-on does not require itself",
        ),
        (
            "adds = { channels = 16 }",
            "editions = [\"standart\"]",
            "\"standart\"",
            "the product has no edition `standart`; is `standard` meant?",
        ),
        (
            "adds = { channels = 16 }",
            "editions = [\"standard\", \"standard\"]",
            "\"standard\"]",
            "`standard` occurs twice in the list",
        ),
        (
            "id = \"waterworks\"",
            "id = \"more-channels\"",
            "\"more-channels\"",
            "`more-channels` is an add-on of the product",
        ),
        (
            "edition = \"standard\"",
            "edition = \"standart\"",
            "\"standart\"",
            "the product has no edition `standart`; is",
        ),
        (
            "add-ons = [\"more-channels\"]",
            "add-ons = [\"none\"]",
            "\"none\"",
            "the product has no add-on `none`",
        ),
        (
            "policy = \"yearly\"",
            "policy = \"yearli\"",
            "\"yearli\"",
            "the catalog has no policy `yearli`; is `yearly` meant?",
        ),
        ("territory = \"dach\"", "territory = \"eu\"", "\"eu\"", "the catalog has no territory `eu`"),
        (
            "support = \"gold\"",
            "support = \"golden\"",
            "\"golden\"",
            "the catalog has no support level `golden`; is `gold`",
        ),
        (
            "model = \"subscription\"",
            "model = \"rental\"",
            "\"rental\"",
            "unknown variant `rental`, expected one of",
        ),
        ("model = \"subscription\"", "model = \"perpetual\"", "365", "what is perpetual has no term"),
        (
            "model = \"subscription\"\nterm-days = 365\n",
            "model = \"subscription\"\n",
            "\"subscription\"",
            "a subscription has a term: write `term-days = 365`",
        ),
        ("term-days = 365", "term-days = 0", "0", "0 is not a span: 1 to 36525 whole days"),
        ("term-days = 365", "term-days = 36526", "36526", "36526 is not a span"),
        ("term-days = 365", "term-days = 1.5", "1.5", "invalid type: floating point `1.5`"),
        ("grace-days = 14", "grace-days = -1", "-1", "-1 is not a span: 0 to 36525 whole days"),
        ("grace-days = 14", "seats = 0", "0", "0 is not a number from 1"),
        (
            "grace-days = 14",
            "named-users = 4294967296",
            "4294967296",
            "4294967296 is not a number from 1 to 4294967295",
        ),
        (
            "grace-days = 14",
            "highest-version = \"3.\"",
            "\"3.\"",
            "`3.` is not a version: one to four numbers",
        ),
        ("grace-days = 14", "highest-version = \"v3\"", "\"v3\"", "`v3` is not a version"),
        ("grace-days = 14", "highest-version = \"1.2.3.4.5\"", "\"1.2", "`1.2.3.4.5` is not a version"),
        ("grace-days = 14", "highest-version = \"4294967296\"", "\"429", "`4294967296` is not a version"),
        ("grace-days = 14", "channels = [\"a b\"]", "\"a b\"", "`a b` is not a channel"),
        ("\"DE\"", "\"UK\"", "\"UK\"", "`UK` is not the code of a country: write \"GB\""),
        ("\"DE\"", "\"NK\"", "\"NK\"", "`NK` is not the code of a country: write \"KP\""),
        ("\"DE\"", "\"de\"", "\"de\"", "`de` is not the code of a country: write \"DE\""),
        ("\"DE\"", "\"EU\"", "\"EU\"", "`EU` is not the code of a country: ISO 3166-1"),
        ("\"DE\"", "\"AT\"", "\"AT\"]", "`AT` occurs twice in the list"),
        ("[\"AT\", \"CH\", \"DE\"]", "[]", "[]", "a territory has at least one country"),
        ("currency = \"EUR\"", "currency = \"EURO\"", "\"EURO\"", "`EURO` is not a currency of ISO 4217"),
        (
            "minor-units = 120000",
            "minor-units = 1200.00",
            "1200.00",
            "an amount is a whole number of minor units from 0: write 120000 for 1200.00 EUR",
        ),
        ("minor-units = 120000", "minor-units = \"1200\"", "\"1200\"", "an amount is a whole number"),
        ("minor-units = 120000", "minor-units = -1", "-1", "an amount is a whole number"),
        (
            "product = \"pump\"\npackage",
            "product = \"pumps\"\npackage",
            "\"pumps\"",
            "the catalog has no product `pumps`; is `pump` meant?",
        ),
        (
            "package = \"waterworks\"",
            "package = \"waterwork\"",
            "\"waterwork\"",
            "product `pump` has no package `waterwork`; is `waterworks` meant?",
        ),
        (
            "package = \"waterworks\"",
            "edition = \"waterworks\"",
            "\"waterworks\"",
            "product `pump` has no edition `waterworks`",
        ),
    ] {
        let error = refused(from, to);
        assert_eq!((error.line, error.column), place(from, to, at), "{to}: {error}");
        assert!(error.message.starts_with(message), "{to}: {error}");
    }
}

#[test]
fn a_price_is_that_of_one_thing() {
    for to in ["", "package = \"waterworks\"\nedition = \"standard\"\n"] {
        let error = refused("package = \"waterworks\"\n", to);
        assert!(error.message.starts_with("a price is that of one `edition`"), "{error}");
    }
    let twice = format!(
        "{}\n[[price-book.price]]\nproduct = \"pump\"\npackage = \"waterworks\"\nminor-units = 1\n",
        pump()
    );
    let error = read(&twice).unwrap_err();
    assert!(error.message.starts_with("package `waterworks` has a price in this book"), "{error}");
}

#[test]
fn a_file_that_says_nothing_is_refused() {
    for text in ["", "product = []", "[remove]", "# only a comment\n"] {
        let error = read(text).unwrap_err();
        assert!(error.message.starts_with("a catalog file states or removes something"), "{text}: {error}");
    }
    assert!(read("[[products]]\nid = \"a\"").unwrap_err().message.starts_with("unknown field `products`"));
}

#[test]
fn a_removal_is_of_what_is_there_and_not_stated() {
    let standing = read(&pump()).unwrap();
    let error = read_over(&standing, "[remove]\npolicy = [\"yearli\"]\n").unwrap_err();
    assert_eq!((error.line, error.column), (2, 11));
    assert!(error.message.ends_with("called `yearli`; is `yearly` meant?"), "{error}");
    let both = format!("{}\n[remove]\nterritory = [\"dach\"]\n", pump());
    let error = read_over(&standing, &both).unwrap_err();
    assert!(error.message.starts_with("territory `dach` is stated in the same file"), "{error}");
}

#[test]
fn names_that_look_alike_are_refused() {
    let two = |one: &str, other: &str| {
        format!("[[product]]\nid = \"a\"\nname = \"{one}\"\n[[product]]\nid = \"b\"\nname = \"{other}\"\n")
    };
    let error = read(&two("Pump 1", "Pump l")).unwrap_err();
    assert_eq!((error.line, error.column), (6, 8));
    assert_eq!(error.message, "`Pump l` looks like `Pump 1`: give one of them another name");
    assert!(read(&two("Pump", "Рump")).is_err(), "a Cyrillic Р");
    assert!(read(&two("Насос", "Pump")).is_ok());
    // What stands counts as well, and the same product again does not look like itself.
    let standing = read("[[product]]\nid = \"a\"\nname = \"Pump 1\"\n").unwrap();
    assert!(read_over(&standing, "[[product]]\nid = \"b\"\nname = \"Pump I\"\n").is_err());
    assert!(read_over(&standing, "[[product]]\nid = \"a\"\nname = \"Pump I\"\n").is_ok());
}
