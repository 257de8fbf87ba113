//! The shape of a catalog file. Unknown keys are refused: a misspelt one would silently sell less or more.
//!
//! Not here: what the values must be (`goods`, `terms`).

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Spanned, Value};

/// Names of features with what is granted of each.
pub(super) type Grants = BTreeMap<Spanned<String>, Spanned<Value>>;

/// A list of ids, each with its place.
pub(super) type Ids = Vec<Spanned<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    #[serde(default)]
    pub product: Vec<ProductEntry>,
    #[serde(default)]
    pub policy: Vec<PolicyEntry>,
    #[serde(default)]
    pub territory: Vec<TerritoryEntry>,
    #[serde(default)]
    pub support: Vec<NamedEntry>,
    #[serde(default)]
    pub price_book: Vec<PriceBookEntry>,
    #[serde(default)]
    pub remove: RemoveEntry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ProductEntry {
    pub id: Spanned<String>,
    pub name: Spanned<String>,
    #[serde(default)]
    pub feature: Vec<FeatureEntry>,
    #[serde(default)]
    pub edition: Vec<EditionEntry>,
    #[serde(default)]
    pub package: Vec<PackageEntry>,
    #[serde(default)]
    pub add_on: Vec<AddOnEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeatureEntry {
    pub id: Spanned<String>,
    #[serde(default)]
    pub kind: Kind,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Limit,
    Metered,
    #[default]
    Switch,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EditionEntry {
    pub id: Spanned<String>,
    pub features: Grants,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PackageEntry {
    pub id: Spanned<String>,
    pub name: Option<Spanned<String>>,
    pub edition: Spanned<String>,
    #[serde(default)]
    pub add_ons: Ids,
    pub policy: Option<Spanned<String>>,
    pub territory: Option<Spanned<String>>,
    pub support: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddOnEntry {
    pub id: Spanned<String>,
    pub name: Option<Spanned<String>>,
    #[serde(default)]
    pub features: Grants,
    #[serde(default)]
    pub adds: Grants,
    #[serde(default)]
    pub editions: Ids,
    #[serde(default)]
    pub requires: Ids,
    #[serde(default)]
    pub conflicts: Ids,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PolicyEntry {
    pub id: Spanned<String>,
    pub name: Option<Spanned<String>>,
    pub model: Spanned<ModelWord>,
    pub term_days: Option<Spanned<i64>>,
    pub maintenance_days: Option<Spanned<i64>>,
    pub highest_version: Option<Spanned<String>>,
    pub grace_days: Option<Spanned<i64>>,
    pub notice_days: Option<Spanned<i64>>,
    #[serde(default)]
    pub enforcement: EnforcementWord,
    #[serde(default)]
    pub binding: BindingWord,
    pub seats: Option<Spanned<i64>>,
    pub named_users: Option<Spanned<i64>>,
    pub transferable: Option<bool>,
    pub devices: Option<Spanned<i64>>,
    #[serde(default)]
    pub channels: Ids,
    pub typed_bindings: Option<Spanned<i64>>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum ModelWord {
    Perpetual,
    Subscription,
    Trial,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum EnforcementWord {
    #[default]
    Deny,
    Warn,
    Degrade,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum BindingWord {
    #[default]
    Device,
    Site,
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TerritoryEntry {
    pub id: Spanned<String>,
    pub name: Option<Spanned<String>>,
    pub countries: Spanned<Ids>,
}

/// Something that has only a name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedEntry {
    pub id: Spanned<String>,
    pub name: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceBookEntry {
    pub id: Spanned<String>,
    pub name: Option<Spanned<String>>,
    pub currency: Spanned<String>,
    #[serde(default)]
    pub price: Vec<Spanned<PriceEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PriceEntry {
    pub product: Spanned<String>,
    pub edition: Option<Spanned<String>>,
    pub package: Option<Spanned<String>>,
    pub add_on: Option<Spanned<String>>,
    pub minor_units: Spanned<Value>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RemoveEntry {
    #[serde(default)]
    pub product: Ids,
    #[serde(default)]
    pub policy: Ids,
    #[serde(default)]
    pub territory: Ids,
    #[serde(default)]
    pub support: Ids,
    #[serde(default)]
    pub price_book: Ids,
}
