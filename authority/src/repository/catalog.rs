//! The catalog: products, their features, and the editions that sell them.
//!
//! A file states the products it names in full; products it does not name stay as they are. What was
//! sold under an earlier catalog keeps its own copy (`entitlement`). Not here: the file's syntax
//! (`workflow::catalog`).

use std::collections::BTreeMap;

use chancery_formats::license::Feature;
use rusqlite::{Connection, Transaction};
use sha2::{Digest, Sha256};

use super::{Repository, RepositoryError};

/// Products by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// By product name.
    pub products: BTreeMap<String, Product>,
}

/// What is sold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Product {
    /// For people.
    pub name: String,
    /// By feature name.
    pub features: BTreeMap<String, FeatureKind>,
    /// By edition name: what each edition holds.
    pub editions: BTreeMap<String, Features>,
}

/// What an edition or an entitlement holds, by feature name.
pub type Features = BTreeMap<String, FeatureValue>;

/// What values a feature takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureKind {
    /// A number.
    Limit,
    /// On, or absent.
    Switch,
}

impl FeatureKind {
    /// Returns the word that the database, the catalog file and JSON see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Switch => "switch",
        }
    }
}

/// What is granted of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureValue {
    /// It may run up to this limit, at most [`i64::MAX`]; the product says of what.
    Limit(u64),
    /// It may run.
    On,
}

impl FeatureValue {
    pub(super) fn from_column(limit: Option<u64>) -> Self {
        limit.map_or(Self::On, Self::Limit)
    }

    pub(super) fn column(self) -> Option<u64> {
        match self {
            Self::Limit(limit) => Some(limit),
            Self::On => None,
        }
    }
}

impl From<FeatureValue> for Feature {
    fn from(value: FeatureValue) -> Self {
        match value {
            FeatureValue::Limit(limit) => Self::Limit(limit),
            FeatureValue::On => Self::On,
        }
    }
}

impl Repository {
    /// Makes the products of `catalog` what it says, and keeps `text`, the file it was read from.
    ///
    /// Returns the number of the change, counted from 1, or `None` when everything was so before. `now` is
    /// Unix seconds.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn apply_catalog(
        &mut self,
        catalog: &Catalog,
        text: &str,
        now: u64,
    ) -> Result<Option<u64>, RepositoryError> {
        self.write(|transaction| {
            let mut changed = false;
            for (id, product) in &catalog.products {
                if load_product(transaction, id)?.as_ref() != Some(product) {
                    store_product(transaction, id, product)?;
                    changed = true;
                }
            }
            if !changed {
                return Ok(None);
            }
            let sql = "INSERT INTO catalog_change (number, sha256, text, applied_at)
                       SELECT coalesce(max(number), 0) + 1, ?1, ?2, ?3 FROM catalog_change RETURNING number";
            let hash: [u8; 32] = Sha256::digest(text).into();
            Ok(Some(transaction.query_row(sql, (hash, text, now), |row| row.get(0))?))
        })
    }

    /// Returns a product as the catalog has it.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownProduct`].
    pub fn product(&self, id: &str) -> Result<Product, RepositoryError> {
        load_product(&self.connection, id)?
            .ok_or_else(|| RepositoryError::UnknownProduct { product: id.to_owned() })
    }
}

/// Reads a product; `None` where the catalog has none of this name.
pub(super) fn load_product(connection: &Connection, id: &str) -> Result<Option<Product>, RepositoryError> {
    let mut names = connection.prepare("SELECT name FROM product WHERE product_id = ?1")?;
    let mut names = names.query([id])?;
    let Some(row) = names.next()? else { return Ok(None) };
    let mut product = Product { name: row.get(0)?, ..Product::default() };

    let mut statement = connection.prepare("SELECT feature_id, kind FROM feature WHERE product_id = ?1")?;
    let mut rows = statement.query([id])?;
    while let Some(row) = rows.next()? {
        let kind = match row.get::<_, String>(1)?.as_str() {
            "limit" => FeatureKind::Limit,
            "switch" => FeatureKind::Switch,
            _ => return Err(RepositoryError::malformed("feature")),
        };
        product.features.insert(row.get(0)?, kind);
    }

    let mut statement = connection.prepare(
        "SELECT edition_id, feature_id, limit_value FROM edition
         LEFT JOIN edition_feature USING (product_id, edition_id) WHERE product_id = ?1",
    )?;
    let mut rows = statement.query([id])?;
    while let Some(row) = rows.next()? {
        let features = product.editions.entry(row.get(0)?).or_default();
        if let Some(feature) = row.get(1)? {
            features.insert(feature, FeatureValue::from_column(row.get(2)?));
        }
    }
    Ok(Some(product))
}

fn store_product(transaction: &Transaction<'_>, id: &str, product: &Product) -> Result<(), RepositoryError> {
    for table in [
        "DELETE FROM edition_feature WHERE product_id = ?1",
        "DELETE FROM edition WHERE product_id = ?1",
        "DELETE FROM feature WHERE product_id = ?1",
    ] {
        transaction.execute(table, [id])?;
    }
    transaction.execute(
        "INSERT INTO product (product_id, name) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET name = excluded.name",
        (id, &product.name),
    )?;
    for (feature, kind) in &product.features {
        let sql = "INSERT INTO feature (product_id, feature_id, kind) VALUES (?1, ?2, ?3)";
        transaction.execute(sql, (id, feature, kind.name()))?;
    }
    for (edition, features) in &product.editions {
        let sql = "INSERT INTO edition (product_id, edition_id) VALUES (?1, ?2)";
        transaction.execute(sql, (id, edition))?;
        for (feature, value) in features {
            let sql = "INSERT INTO edition_feature (product_id, edition_id, feature_id, limit_value)
                       VALUES (?1, ?2, ?3, ?4)";
            transaction.execute(sql, (id, edition, feature, value.column()))?;
        }
    }
    Ok(())
}
