//! A catalog in the words of the file, and what differs between two.

use super::super::diff::{DifferenceKind, differences};
use super::super::written::{entries, text};
use super::*;

#[test]
fn what_is_written_is_read_to_the_same_catalog() {
    let mut rich = pump();
    rich.push_str(
        "\n[[product]]\nid = \"valve.2\"\nname = \"Müller \\\"&\\\" \\\\ Søn\"\n\
         [[product.feature]]\nid = \"flow.max\"\nkind = \"limit\"\n\
         [[product.edition]]\nid = \"empty\"\nfeatures = {}\n\
         [[product.edition]]\nid = \"full\"\nfeatures = { \"flow.max\" = 9223372036854775807 }\n\
         [[product.add-on]]\nid = \"base\"\nfeatures = { \"flow.max\" = 1 }\neditions = [\"full\"]\n\
         [[product.add-on]]\nid = \"more\"\nadds = { \"flow.max\" = 1 }\nrequires = [\"base\"]\n\
         [[product.add-on]]\nid = \"none\"\nconflicts = [\"base\", \"more\"]\n\
         [[policy]]\nid = \"ever\"\nmodel = \"perpetual\"\nmaintenance-days = 365\nhighest-version = \"3.2\"\n\
         seats = 2\nnamed-users = 3\ndevices = 4\nchannels = [\"a\", \"b\"]\ntyped-bindings = 5\n\
         binding = \"site\"\ntransferable = false\nenforcement = \"degrade\"\n\
         [[price-book]]\nid = \"yen\"\ncurrency = \"JPY\"\n\
         [[price-book.price]]\nproduct = \"valve.2\"\nedition = \"full\"\nminor-units = 0\n\
         [[price-book.price]]\nproduct = \"valve.2\"\nadd-on = \"base\"\nminor-units = 9223372036854775807\n",
    );
    let catalog = read(&rich).unwrap();
    let written = text(&catalog);
    assert_eq!(read(&written).unwrap(), catalog, "{written}");
    assert_eq!(text(&read(&written).unwrap()), written);
    assert!(written.contains("features.\"flow.max\" = 1\n"), "{written}");

    let mut paths: Vec<String> = entries(&catalog).into_iter().map(|entry| entry.path).collect();
    let count = paths.len();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), count, "two entries have one path");
}

#[test]
fn what_differs_is_told_by_table_and_key() {
    let before = read(&pump()).unwrap();
    let changed = pump()
        .replace("channels = 16, prints", "channels = 32, prints")
        .replace("id = \"logging\"", "id = \"journal\"")
        .replace("logging = true", "journal = true")
        .replace("grace-days = 14\n", "")
        .replace("name = \"By the year\"", "name = \"Yearly\"");
    let after = read(&changed).unwrap();
    let found = differences(&before, &after);
    let told: Vec<_> = found
        .iter()
        .flat_map(|difference| {
            difference.lines.iter().map(move |line| {
                let value = |value: &Option<String>| value.clone().unwrap_or_default();
                format!(
                    "{} {}: {} {} > {}",
                    difference.kind.sign(),
                    difference.path,
                    line.key,
                    value(&line.from),
                    value(&line.to)
                )
            })
        })
        .collect();
    assert_eq!(
        told,
        [
            "+ product pump, feature journal: id  > \"journal\"",
            "~ product pump, edition standard: features.channels 16 > 32",
            "~ product pump, edition standard: features.journal  > true",
            "~ product pump, edition standard: features.logging true > ",
            "~ policy yearly: name \"By the year\" > \"Yearly\"",
            "~ policy yearly: grace-days 14 > ",
            "- product pump, feature logging: id \"logging\" > ",
        ]
    );
    assert_eq!(differences(&before, &before), []);
    let all = differences(&Catalog::default(), &before);
    assert!(all.iter().all(|difference| difference.kind == DifferenceKind::Added));
    assert_eq!(all.len(), entries(&before).len());
}
