//! The supply chain: every package that products embed was looked at, and the bills of materials are whole.
//!
//! `CHANCERY_BLESS=1 cargo test -p chancery-tests --test supply` writes the table of `docs/supply-chain.md` anew; a
//! version that nobody looked at is refused all the same. Not here: two builds with one result
//! (`tests/supply/reproducible.sh`), the schema of CycloneDX (`tests/supply/validate.py`).
#![allow(clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;

use chancery_tests::supply::{Graph, audit, sbom, workspace};
use serde_json::Value;

const BEGIN: &str = "<!-- begin: made by tests/supply.rs -->\n";
const END: &str = "<!-- end -->\n";

fn embedded() -> Graph {
    Graph::of("chancery-verifier", &["--features", "std"])
}

#[test]
fn every_package_that_products_embed_was_looked_at() {
    let (graph, reviews) = (embedded(), audit::reviewed());
    let used: BTreeSet<_> = graph.foreign().map(|(id, _)| id).collect();
    let known: BTreeSet<_> = reviews.keys().collect();
    let missing: Vec<_> = used.difference(&known).collect();
    let gone: Vec<_> = known.difference(&used).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not looked at {missing:?}, not in use {gone:?}");
    for ((package, _), review) in &reviews {
        let is_date = review.released.len() == 10 && review.released.as_bytes()[4] == b'-';
        assert!(is_date && !review.kept_by.is_empty() && !review.used_for.is_empty(), "{package}");
    }
    // What `formats` draws in is part of it.
    let formats = Graph::of("chancery-formats", &[]);
    assert!(formats.foreign().all(|(id, _)| used.contains(id)));
}

#[test]
fn the_table_of_the_page_is_that_of_the_sources() {
    let file = workspace().join("docs/supply-chain.md");
    let page = fs::read_to_string(&file).expect("the page");
    let (before, rest) = page.split_once(BEGIN).expect("the beginning of the table");
    let (_, behind) = rest.split_once(END).expect("the end of the table");
    let made = format!("{before}{BEGIN}{}{END}{behind}", audit::table(&embedded()));
    if std::env::var_os("CHANCERY_BLESS").is_some() {
        fs::write(&file, &made).expect("the page is written");
        return;
    }
    for (found, made) in page.lines().zip(made.lines()) {
        assert_eq!(found, made, "docs/supply-chain.md; CHANCERY_BLESS=1 writes the table anew");
    }
    assert_eq!(page.lines().count(), made.lines().count());
}

#[test]
fn bills_of_materials_name_every_package_once_with_licence_hash_and_what_it_draws_in() {
    for (program, package) in [("chancery", "chancery-authority"), ("chancery-site", "chancery-site")] {
        let graph = Graph::of(package, &[]);
        let document = sbom::document(program, &graph);
        assert_eq!(document, sbom::document(program, &Graph::of(package, &[])), "the same twice");
        let list = |value: &Value| value.as_array().expect("a list").clone();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let components = list(&document["components"]);
        let mut references: BTreeSet<String> = components.iter().map(|one| text(&one["bom-ref"])).collect();
        assert_eq!(references.len(), components.len(), "each once");
        assert!(references.insert(text(&document["metadata"]["component"]["bom-ref"])));
        for one in &components {
            let name = text(&one["name"]);
            let license = one["licenses"][0].as_object().expect("a licence");
            assert!(license.contains_key("expression") || license.contains_key("license"), "{name}");
            let hash = one["hashes"][0]["content"].as_str().map(str::len);
            let is_hashed = hash == Some(64);
            let is_inside = name.starts_with("chancery-") || text(&one["purl"]).starts_with("pkg:generic/");
            assert!(is_hashed != is_inside, "{name}");
        }
        let mut told = BTreeSet::new();
        for one in list(&document["dependencies"]) {
            assert!(told.insert(text(&one["ref"])), "{one}");
            assert!(list(&one["dependsOn"]).iter().all(|on| references.contains(&text(on))), "{one}");
        }
        assert_eq!(told, references);
        let has = |name: &str| components.iter().any(|one| one["name"] == name);
        // C code that cargo does not know of.
        assert_eq!(
            (has("sqlite"), has("libusb")),
            (program == "chancery", program == "chancery"),
            "{program}"
        );
        let all = document.to_string();
        assert!(!all.contains(&workspace().display().to_string()), "no path of this machine");
    }
}
