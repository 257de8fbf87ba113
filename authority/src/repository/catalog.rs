//! The catalog: products with what is sold of them, and the rules, places, support and prices of sales.
//!
//! Only names and values, as a file states them. Every change keeps the whole catalog as it was from then on
//! (`change`); what was sold keeps its own copy of what it came to (`sold`). Not here: the file's syntax and what
//! it refuses (`workflow::catalog`), what a sale comes to (`workflow::sale`).

use std::collections::{BTreeMap, BTreeSet};

use chancery_formats::license::Feature;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::{Repository, RepositoryError};

mod change;
mod policy;
mod words;

pub use change::{CatalogState, Change, ChangeKind, NewChange, Pilot};
pub use policy::{Policy, PriceBook, Prices, SupportLevel, Territory};

/// Everything that is sold, and how, by the ids that the file gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Catalog {
    /// What is sold.
    pub products: BTreeMap<String, Product>,
    /// Rules of a sale.
    pub policies: BTreeMap<String, Policy>,
    /// Lists of countries.
    pub territories: BTreeMap<String, Territory>,
    /// What help comes with a sale.
    pub support: BTreeMap<String, SupportLevel>,
    /// What things cost, each book in one currency.
    pub price_books: BTreeMap<String, PriceBook>,
}

/// What is sold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Product {
    /// For people.
    pub name: String,
    /// By feature name.
    pub features: BTreeMap<String, FeatureKind>,
    /// By edition name: what each edition holds.
    pub editions: BTreeMap<String, Features>,
    /// By package name; none is called as an edition or an add-on.
    pub packages: BTreeMap<String, Package>,
    /// By add-on name; none is called as an edition.
    pub add_ons: BTreeMap<String, AddOn>,
}

/// An edition and add-ons that are sold together under one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Package {
    /// For people.
    pub name: String,
    /// Edition of the same product.
    pub edition: String,
    /// Add-ons of the same product.
    pub add_ons: BTreeSet<String>,
    /// The policy of a sale that names none.
    pub policy: Option<String>,
    /// The territory of a sale that names none.
    pub territory: Option<String>,
    /// The support level of a sale that names none.
    pub support: Option<String>,
}

/// Features that are added to an edition, or raised in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AddOn {
    /// For people.
    pub name: String,
    /// What the sale holds at least.
    pub features: Features,
    /// What is added to what the sale holds otherwise: limits and quotas, never switches.
    pub adds: Features,
    /// The editions that it goes with; empty is any.
    pub editions: BTreeSet<String>,
    /// Add-ons without which it is not sold.
    pub requires: BTreeSet<String>,
    /// Add-ons beside which it is not sold, whichever of the two says so.
    pub conflicts: BTreeSet<String>,
}

/// What an edition or an entitlement holds, by feature name.
pub type Features = BTreeMap<String, FeatureValue>;

/// What values a feature takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeatureKind {
    /// A number.
    Limit,
    /// A quota that is used up, with an overdraft beyond it.
    Metered,
    /// On, or absent.
    Switch,
}

impl FeatureKind {
    /// Returns the word that the catalog file and JSON see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Metered => "metered",
            Self::Switch => "switch",
        }
    }
}

/// What is granted of a feature. Numbers are at most [`i64::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "words::Value", try_from = "words::Value")]
pub enum FeatureValue {
    /// It may run up to this limit; the product says of what.
    Limit(u64),
    /// It may run.
    On,
    /// It is metered.
    Quota {
        /// Units paid for, at most [`i64::MAX`].
        quota: u64,
        /// Units that may be used beyond the quota, to be billed; at most [`i64::MAX`].
        overdraft: u64,
    },
}

impl From<FeatureValue> for Feature {
    fn from(value: FeatureValue) -> Self {
        match value {
            FeatureValue::Limit(limit) => Self::Limit(limit),
            FeatureValue::On => Self::On,
            FeatureValue::Quota { quota, overdraft } => Self::Quota { quota, overdraft },
        }
    }
}

impl From<Feature> for FeatureValue {
    fn from(feature: Feature) -> Self {
        match feature {
            Feature::Limit(limit) => Self::Limit(limit),
            Feature::On => Self::On,
            Feature::Quota { quota, overdraft } => Self::Quota { quota, overdraft },
        }
    }
}

impl Repository {
    /// Returns the number of the newest change of the catalog; 0 before the first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn catalog_number(&self) -> Result<u64, RepositoryError> {
        let sql = "SELECT coalesce(max(number), 0) FROM catalog_change";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// Returns a product as the catalog in force has it.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownProduct`].
    pub fn product(&self, id: &str) -> Result<Product, RepositoryError> {
        load_product(&self.connection, id)?
            .ok_or_else(|| RepositoryError::UnknownProduct { product: id.to_owned() })
    }
}

/// Reads a product; `None` where the catalog in force has none of this name.
pub(super) fn load_product(connection: &Connection, id: &str) -> Result<Option<Product>, RepositoryError> {
    Ok(change::state(connection)?.catalog.products.remove(id))
}
