//! A catalog in the words of the file: what `catalog show` prints, and what differences are told in.
//!
//! What is written here, `read` reads back to the same catalog.

use std::collections::BTreeSet;

use crate::repository::catalog::{Features, Policy, PriceBook, Product};
use crate::repository::{AddOn, Catalog, FeatureKind, FeatureValue, Package};

/// One table of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As it begins in the file, such as `[[product.edition]]`.
    pub header: &'static str,
    /// Which it is, for people, such as `product pump, edition standard`; no two entries have the same.
    pub path: String,
    /// Its keys and values, as the file has them.
    pub lines: Vec<(String, String)>,
}

/// Returns a catalog as the text of a file.
#[must_use]
pub fn text(catalog: &Catalog) -> String {
    let mut text = String::new();
    for entry in entries(catalog) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(entry.header);
        text.push('\n');
        for (key, value) in entry.lines {
            text.push_str(&format!("{key} = {value}\n"));
        }
    }
    text
}

/// Returns every table of a catalog, in the order of the file.
#[must_use]
pub fn entries(catalog: &Catalog) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (id, product) in &catalog.products {
        self::product(&mut entries, id, product);
    }
    for (id, policy) in &catalog.policies {
        entries.push(named("[[policy]]", &format!("policy {id}"), id, &policy.name, self::policy(policy)));
    }
    for (id, territory) in &catalog.territories {
        let lines = vec![line("countries", list(&territory.countries))];
        entries.push(named("[[territory]]", &format!("territory {id}"), id, &territory.name, lines));
    }
    for (id, support) in &catalog.support {
        entries.push(named("[[support]]", &format!("support {id}"), id, &support.name, Vec::new()));
    }
    for (id, book) in &catalog.price_books {
        price_book(&mut entries, id, book);
    }
    entries
}

/// Makes an entry that begins with its id and its name.
fn named(header: &'static str, path: &str, id: &str, name: &str, mut others: Vec<(String, String)>) -> Entry {
    let mut lines = vec![line("id", quote(id))];
    if name != id {
        lines.push(line("name", quote(name)));
    }
    lines.append(&mut others);
    Entry { header, path: path.to_owned(), lines }
}

fn line(key: &str, value: String) -> (String, String) {
    (key.to_owned(), value)
}

/// Writes a string: what JSON escapes, TOML escapes in the same way.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn list(names: &BTreeSet<String>) -> String {
    let quoted: Vec<_> = names.iter().map(|name| quote(name)).collect();
    format!("[{}]", quoted.join(", "))
}

fn push_list(lines: &mut Vec<(String, String)>, key: &str, names: &BTreeSet<String>) {
    if !names.is_empty() {
        lines.push(line(key, list(names)));
    }
}

fn push_quoted(lines: &mut Vec<(String, String)>, key: &str, name: Option<&String>) {
    lines.extend(name.map(|name| line(key, quote(name))));
}

/// Writes each feature as a line of its own: `features.channels = 16`.
fn push_features(lines: &mut Vec<(String, String)>, key: &str, features: &Features) {
    for (name, value) in features {
        let name = if name.contains('.') { quote(name) } else { name.clone() };
        let value = match value {
            FeatureValue::Limit(limit) => limit.to_string(),
            FeatureValue::On => "true".to_owned(),
            FeatureValue::Quota { quota, overdraft } => {
                format!("{{ quota = {quota}, overdraft = {overdraft} }}")
            }
        };
        lines.push((format!("{key}.{name}"), value));
    }
}

fn product(entries: &mut Vec<Entry>, id: &str, product: &Product) {
    let of = format!("product {id}");
    // A product states its name, whatever it is.
    let lines = vec![line("id", quote(id)), line("name", quote(&product.name))];
    entries.push(Entry { header: "[[product]]", path: of.clone(), lines });
    for (id, kind) in &product.features {
        let kind = (*kind != FeatureKind::Switch).then(|| line("kind", quote(kind.name())));
        let lines = [line("id", quote(id))].into_iter().chain(kind).collect();
        entries.push(Entry { header: "[[product.feature]]", path: format!("{of}, feature {id}"), lines });
    }
    for (id, features) in &product.editions {
        let mut lines = vec![line("id", quote(id))];
        if features.is_empty() {
            lines.push(line("features", "{}".to_owned()));
        }
        push_features(&mut lines, "features", features);
        entries.push(Entry { header: "[[product.edition]]", path: format!("{of}, edition {id}"), lines });
    }
    for (id, add_on) in &product.add_ons {
        let AddOn { name, features, adds, editions, requires, conflicts } = add_on;
        let mut lines = Vec::new();
        push_list(&mut lines, "editions", editions);
        push_list(&mut lines, "requires", requires);
        push_list(&mut lines, "conflicts", conflicts);
        push_features(&mut lines, "features", features);
        push_features(&mut lines, "adds", adds);
        entries.push(named("[[product.add-on]]", &format!("{of}, add-on {id}"), id, name, lines));
    }
    for (id, package) in &product.packages {
        let Package { name, edition, add_ons, policy, territory, support } = package;
        let mut lines = vec![line("edition", quote(edition))];
        push_list(&mut lines, "add-ons", add_ons);
        push_quoted(&mut lines, "policy", policy.as_ref());
        push_quoted(&mut lines, "territory", territory.as_ref());
        push_quoted(&mut lines, "support", support.as_ref());
        entries.push(named("[[product.package]]", &format!("{of}, package {id}"), id, name, lines));
    }
}

fn policy(policy: &Policy) -> Vec<(String, String)> {
    let mut lines = vec![line("model", quote(policy.model.name()))];
    let mut push = |key: &str, value: Option<u64>| {
        lines.extend(value.map(|value| line(key, value.to_string())));
    };
    push("term-days", policy.term_days.map(u64::from));
    push("maintenance-days", policy.maintenance_days.map(u64::from));
    push("grace-days", Some(policy.grace_days.into()).filter(|days| *days > 0));
    push("notice-days", Some(policy.notice_days.into()).filter(|days| *days > 0));
    push("seats", policy.seats);
    push("named-users", policy.named_users.map(u64::from));
    push("devices", policy.devices);
    push("typed-bindings", policy.typed_bindings);
    let version = policy.highest_version.as_ref();
    lines.extend(version.map(|version| line("highest-version", quote(&version.to_string()))));
    lines.push(line("enforcement", quote(policy.enforcement.name())));
    lines.push(line("binding", quote(policy.binding.name())));
    lines.push(line("transferable", policy.transferable.to_string()));
    push_list(&mut lines, "channels", &policy.channels);
    lines
}

fn price_book(entries: &mut Vec<Entry>, id: &str, book: &PriceBook) {
    let of = format!("price book {id}");
    let lines = vec![line("currency", quote(&book.currency))];
    entries.push(named("[[price-book]]", &of, id, &book.name, lines));
    for (product, prices) in &book.prices {
        for (key, prices) in
            [("edition", &prices.editions), ("package", &prices.packages), ("add-on", &prices.add_ons)]
        {
            for (sold, amount) in prices {
                entries.push(Entry {
                    header: "[[price-book.price]]",
                    path: format!("{of}, {key} {sold} of {product}"),
                    lines: vec![
                        line("product", quote(product)),
                        line(key, quote(sold)),
                        line("minor-units", amount.to_string()),
                    ],
                });
            }
        }
    }
}
