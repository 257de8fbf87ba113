//! Entitlements: what a customer bought, with the features as they were sold.
//!
//! A grant copies the features of the edition, so that a later catalog alters nothing that was sold.
//! Not here: how dates are read (`workflow::term`), what a license holds of it.

use chancery_formats::id::EntitlementId;
use rusqlite::{OptionalExtension, Row};

use super::catalog::{FeatureValue, Features, load_product};
use super::{Repository, RepositoryError};

/// A grant to be made.
#[derive(Clone, Debug)]
pub struct NewEntitlement<'a> {
    /// Random.
    pub id: EntitlementId,
    /// Id of the customer.
    pub customer: &'a str,
    /// Product in the catalog.
    pub product: &'a str,
    /// Edition of that product.
    pub edition: &'a str,
    /// Devices that may hold a license, at least 1.
    pub quantity: u32,
    /// First second of the term, in Unix seconds.
    pub not_before: u64,
    /// Last second of the term, in Unix seconds; `None` is perpetual.
    pub not_after: Option<u64>,
}

/// What a customer bought, and how much of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// Random.
    pub id: EntitlementId,
    /// Id of the customer.
    pub customer: String,
    /// Product.
    pub product: String,
    /// Edition of that product.
    pub edition: String,
    /// Devices that may hold a license.
    pub quantity: u64,
    /// Distinct devices that hold one, or are about to.
    pub used: u64,
    /// First second of the term, in Unix seconds.
    pub not_before: u64,
    /// Last second of the term, in Unix seconds; `None` is perpetual.
    pub not_after: Option<u64>,
    /// From 1; an amendment adds 1.
    pub revision: u64,
    /// Unix seconds.
    pub granted_at: u64,
    /// As sold.
    pub features: Features,
}

impl Entitlement {
    /// Returns how many more devices may be licensed.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.quantity.saturating_sub(self.used)
    }
}

/// A statement over entitlements, whole at compile time: SQL is never put together at run time.
macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT entitlement_id, customer_id, product_id, edition_id, quantity, not_before, not_after,
                    revision, granted_at,
                    (SELECT count(DISTINCT device) FROM license
                     WHERE license.entitlement_id = entitlement.entitlement_id)
             FROM entitlement ",
            $tail
        )
    };
}

impl Repository {
    /// Grants an edition of the catalog to a customer; `now` is Unix seconds.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownCustomer`], [`RepositoryError::UnknownProduct`],
    /// [`RepositoryError::UnknownEdition`].
    pub fn grant(&mut self, new: &NewEntitlement<'_>, now: u64) -> Result<(), RepositoryError> {
        self.write(|transaction| {
            let sql = "SELECT 1 FROM customer WHERE customer_id = ?1";
            if !transaction.prepare(sql)?.exists([new.customer])? {
                return Err(RepositoryError::UnknownCustomer { customer: new.customer.to_owned() });
            }
            let product = load_product(transaction, new.product)?
                .ok_or_else(|| RepositoryError::UnknownProduct { product: new.product.to_owned() })?;
            let features =
                product.editions.get(new.edition).ok_or_else(|| RepositoryError::UnknownEdition {
                    product: new.product.to_owned(),
                    edition: new.edition.to_owned(),
                })?;
            transaction.execute(
                "INSERT INTO entitlement (entitlement_id, customer_id, product_id, edition_id, quantity,
                                          not_before, not_after, revision, granted_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8)",
                (
                    new.id.0,
                    new.customer,
                    new.product,
                    new.edition,
                    new.quantity,
                    new.not_before,
                    new.not_after,
                    now,
                ),
            )?;
            for (feature, value) in features {
                let sql = "INSERT INTO entitlement_feature (entitlement_id, feature_id, limit_value)
                           VALUES (?1, ?2, ?3)";
                transaction.execute(sql, (new.id.0, feature, value.column()))?;
            }
            Ok(())
        })
    }

    /// Returns an entitlement.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::UnknownEntitlement`].
    pub fn entitlement(&self, id: EntitlementId) -> Result<Entitlement, RepositoryError> {
        let sql = select!("WHERE entitlement_id = ?1");
        let found = self.connection.query_row(sql, [id.0], entitlement).optional()?;
        let mut found = found.ok_or(RepositoryError::UnknownEntitlement { entitlement: id })?;
        self.load_features(&mut found)?;
        Ok(found)
    }

    /// Returns every entitlement, oldest first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn entitlements(&self) -> Result<Vec<Entitlement>, RepositoryError> {
        let mut statement = self.connection.prepare(select!("ORDER BY granted_at, entitlement_id"))?;
        let mut found = statement.query_map([], entitlement)?.collect::<Result<Vec<_>, _>>()?;
        for one in &mut found {
            self.load_features(one)?;
        }
        Ok(found)
    }

    fn load_features(&self, entitlement: &mut Entitlement) -> Result<(), RepositoryError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT feature_id, limit_value FROM entitlement_feature WHERE entitlement_id = ?1",
        )?;
        let mut rows = statement.query([entitlement.id.0])?;
        while let Some(row) = rows.next()? {
            entitlement.features.insert(row.get(0)?, FeatureValue::from_column(row.get(1)?));
        }
        Ok(())
    }
}

fn entitlement(row: &Row<'_>) -> rusqlite::Result<Entitlement> {
    Ok(Entitlement {
        id: EntitlementId(row.get(0)?),
        customer: row.get(1)?,
        product: row.get(2)?,
        edition: row.get(3)?,
        quantity: row.get(4)?,
        not_before: row.get(5)?,
        not_after: row.get(6)?,
        revision: row.get(7)?,
        granted_at: row.get(8)?,
        used: row.get(9)?,
        features: Features::new(),
    })
}
