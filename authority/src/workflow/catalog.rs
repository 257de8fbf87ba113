//! Reading the catalog file: TOML, every name and value checked, every fault with its line.
//!
//! Unknown keys are refused, because a misspelt key would silently sell less or more than was meant.
//! Not here: applying it (`repository::catalog`).

use std::collections::BTreeMap;
use std::ops::Range;

use chancery_formats::id::is_name;
use serde::Deserialize;
use toml::{Spanned, Value};

use super::{label, position};
use crate::repository::catalog::Features;
use crate::repository::{Catalog, FeatureKind, FeatureValue, Product};

/// Largest catalog file, in bytes.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// Why a file is not a catalog, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct CatalogError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    product: Spanned<Vec<ProductEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProductEntry {
    id: Spanned<String>,
    name: Spanned<String>,
    #[serde(default)]
    feature: Vec<FeatureEntry>,
    #[serde(default)]
    edition: Vec<EditionEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeatureEntry {
    id: Spanned<String>,
    #[serde(default)]
    kind: Kind,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Limit,
    #[default]
    Switch,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditionEntry {
    id: Spanned<String>,
    features: BTreeMap<Spanned<String>, Spanned<Value>>,
}

/// Something wrong with a span of the file.
struct Fault(Range<usize>, String);

/// Reads a catalog file.
///
/// # Errors
///
/// [`CatalogError`]: TOML that cannot be read, unknown keys, names that are none, names that occur twice,
/// an edition with an unknown feature or with a value of the wrong kind.
pub fn read(text: &str) -> Result<Catalog, CatalogError> {
    let file: File = toml::from_str(text)
        .map_err(|error| located(text, Fault(error.span().unwrap_or(0..0), error.message().to_owned())))?;
    catalog(&file).map_err(|fault| located(text, fault))
}

fn catalog(file: &File) -> Result<Catalog, Fault> {
    if file.product.get_ref().is_empty() {
        return Err(Fault(file.product.span(), "a catalog names at least one product".to_owned()));
    }
    let mut catalog = Catalog::default();
    for entry in file.product.get_ref() {
        let id = new_name(&entry.id, "product", &catalog.products)?;
        label::check(entry.name.get_ref()).map_err(|error| Fault(entry.name.span(), error.to_string()))?;
        catalog.products.insert(id, product(entry)?);
    }
    Ok(catalog)
}

fn product(entry: &ProductEntry) -> Result<Product, Fault> {
    let mut product = Product { name: entry.name.get_ref().clone(), ..Product::default() };
    for feature in &entry.feature {
        let id = new_name(&feature.id, "feature", &product.features)?;
        let kind = match feature.kind {
            Kind::Limit => FeatureKind::Limit,
            Kind::Switch => FeatureKind::Switch,
        };
        product.features.insert(id, kind);
    }
    for edition in &entry.edition {
        let id = new_name(&edition.id, "edition", &product.editions)?;
        let features = edition_features(edition, &product)?;
        product.editions.insert(id, features);
    }
    Ok(product)
}

fn edition_features(edition: &EditionEntry, product: &Product) -> Result<Features, Fault> {
    let mut features = Features::new();
    for (name, value) in &edition.features {
        let known = product
            .features
            .get(name.get_ref())
            .ok_or_else(|| Fault(name.span(), format!("the product has no feature `{}`", name.get_ref())))?;
        let granted = match (known, value.get_ref()) {
            (FeatureKind::Limit, Value::Integer(limit)) => {
                u64::try_from(*limit).ok().map(FeatureValue::Limit)
            }
            (FeatureKind::Switch, Value::Boolean(true)) => Some(FeatureValue::On),
            // Written out for the reader: the edition does not hold it.
            (FeatureKind::Switch, Value::Boolean(false)) => continue,
            _ => None,
        };
        let wanted = match known {
            FeatureKind::Limit => "a whole number from 0, as it is a limit",
            FeatureKind::Switch => "true or false, as it is a switch",
        };
        let granted = granted
            .ok_or_else(|| Fault(value.span(), format!("feature `{}` takes {wanted}", name.get_ref())))?;
        features.insert(name.get_ref().clone(), granted);
    }
    Ok(features)
}

fn new_name<T>(name: &Spanned<String>, what: &str, known: &BTreeMap<String, T>) -> Result<String, Fault> {
    let id = name.get_ref();
    if !is_name(id) {
        let message = format!(
            "`{id}` is not an id: 1 to 64 of a-z, 0-9, dot, dash and underscore, a letter or digit first"
        );
        return Err(Fault(name.span(), message));
    }
    if known.contains_key(id) {
        return Err(Fault(name.span(), format!("{what} `{id}` occurs twice")));
    }
    Ok(id.clone())
}

fn located(text: &str, fault: Fault) -> CatalogError {
    let Fault(span, message) = fault;
    let (line, column) = position::of(text, span.start);
    CatalogError { line, column, message: message.trim().replace('\n', "; ") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const PUMP: &str = r#"[[product]]
id = "pump"
name = "Pump Control"

[[product.feature]]
id = "logging"

[[product.feature]]
id = "channels"
kind = "limit"

[[product.edition]]
id = "standard"
features = { logging = true, channels = 16 }
"#;

    #[test]
    fn the_catalog_of_the_guide_is_read() {
        let catalog = read(PUMP).unwrap();
        let pump = &catalog.products["pump"];
        assert_eq!(pump.name, "Pump Control");
        assert_eq!(pump.features["logging"], FeatureKind::Switch);
        assert_eq!(pump.features["channels"], FeatureKind::Limit);
        let standard = &pump.editions["standard"];
        assert_eq!(standard["logging"], FeatureValue::On);
        assert_eq!(standard["channels"], FeatureValue::Limit(16));
    }

    #[test]
    fn a_switch_that_is_false_is_not_part_of_the_edition() {
        let catalog = read(&PUMP.replace("logging = true", "logging = false")).unwrap();
        let standard: Vec<_> = catalog.products["pump"].editions["standard"].keys().collect();
        assert_eq!(standard, ["channels"]);
    }

    #[test]
    fn every_fault_names_its_line_and_column() {
        for (from, to, line, column, message) in [
            ("name = \"Pump Control\"", "nam = \"Pump\"", 3, 1, "unknown field `nam`"),
            ("kind = \"limit\"", "kind = \"meter\"", 10, 8, "unknown variant `meter`"),
            ("kind = \"limit\"", "colour = 1", 10, 1, "unknown field `colour`"),
            ("id = \"pump\"", "id = \"Pump\"", 2, 6, "`Pump` is not an id"),
            ("id = \"pump\"", "id = pump", 2, 6, ""),
            ("id = \"channels\"", "id = \"logging\"", 9, 6, "feature `logging` occurs twice"),
            ("Pump Control", "Pump\\u202EControl", 3, 8, "character 5 is U+202E"),
            ("{ logging = true", "{ loging = true", 14, 14, "the product has no feature `loging`"),
            ("logging = true", "logging = 1", 14, 24, "feature `logging` takes true or false"),
            ("channels = 16", "channels = true", 14, 41, "feature `channels` takes a whole number"),
            ("channels = 16", "channels = -1", 14, 41, "feature `channels` takes a whole number"),
            ("channels = 16", "channels = 1.5", 14, 41, "feature `channels` takes a whole number"),
            ("features = {", "feature = {", 14, 1, "unknown field `feature`"),
        ] {
            let error = read(&PUMP.replacen(from, to, 1)).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{to}: {error}");
            assert!(error.message.starts_with(message), "{to}: {error}");
        }
    }

    #[test]
    fn a_file_without_products_is_refused() {
        for text in ["", "product = []", "[[products]]\nid = \"a\""] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
