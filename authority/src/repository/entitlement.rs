//! Entitlements: what a customer bought, with the features as they were sold.
//!
//! A grant copies the features of the edition, so that a later catalog alters nothing that was sold.
//! Not here: how dates are read (`workflow::term`), what a license holds of it.

use chancery_formats::id::EntitlementId;
use rusqlite::{Connection, Row};

use super::catalog::{FeatureValue, Features, load_product};
use super::{Repository, RepositoryError};

/// What a license of an entitlement is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The key of the device that asks, and its components.
    Device,
    /// Nothing: whoever holds the license may use it.
    None,
    /// The site that it names, by contract alone.
    Site,
}

impl Binding {
    /// Returns the word that people, JSON and the database see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::None => "none",
            Self::Site => "site",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Device, Self::None, Self::Site].into_iter().find(|binding| binding.name() == name)
    }
}

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
    /// Devices that may hold a license, or licenses where they are bound to none; at least 1.
    pub quantity: u32,
    /// What its licenses are bound to.
    pub binding: Binding,
    /// The site that its licenses name.
    pub site: Option<&'a str>,
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
    /// Devices that may hold a license, or licenses where they are bound to none.
    pub quantity: u64,
    /// How many of these hold one, or are about to.
    pub used: u64,
    /// What its licenses are bound to.
    pub binding: Binding,
    /// The site that its licenses name.
    pub site: Option<String>,
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
    /// Returns how many more activations there are.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.quantity.saturating_sub(self.used)
    }

    /// Returns the claim `sub` of its licenses: the customer, and the site where it names one.
    #[must_use]
    pub fn subject(&self) -> String {
        match &self.site {
            Some(site) => format!("{}/{site}", self.customer),
            None => self.customer.clone(),
        }
    }
}

/// A statement over entitlements, whole at compile time: SQL is never put together at run time.
macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT entitlement_id, customer_id, product_id, edition_id, quantity, not_before, not_after,
                    revision, granted_at,
                    (SELECT coalesce(max(activation), 0) FROM license
                     WHERE license.entitlement_id = entitlement.entitlement_id), binding, site_id
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
                                          not_before, not_after, revision, granted_at, binding, site_id)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?9, ?10)",
                (
                    new.id.0,
                    new.customer,
                    new.product,
                    new.edition,
                    new.quantity,
                    new.not_before,
                    new.not_after,
                    now,
                    new.binding.name(),
                    new.site,
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
        load(&self.connection, id)
    }

    /// Returns every entitlement, oldest first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn entitlements(&self) -> Result<Vec<Entitlement>, RepositoryError> {
        let mut statement = self.connection.prepare(select!("ORDER BY granted_at, entitlement_id"))?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let mut one = entitlement(row)?;
            load_features(&self.connection, &mut one)?;
            found.push(one);
        }
        Ok(found)
    }
}

/// Loads one entitlement, also within a transaction.
pub(super) fn load(connection: &Connection, id: EntitlementId) -> Result<Entitlement, RepositoryError> {
    let mut statement = connection.prepare_cached(select!("WHERE entitlement_id = ?1"))?;
    let mut rows = statement.query([id.0])?;
    let row = rows.next()?.ok_or(RepositoryError::UnknownEntitlement { entitlement: id })?;
    let mut found = entitlement(row)?;
    load_features(connection, &mut found)?;
    Ok(found)
}

fn load_features(connection: &Connection, entitlement: &mut Entitlement) -> Result<(), RepositoryError> {
    let mut statement = connection.prepare_cached(
        "SELECT feature_id, limit_value FROM entitlement_feature WHERE entitlement_id = ?1",
    )?;
    let mut rows = statement.query([entitlement.id.0])?;
    while let Some(row) = rows.next()? {
        entitlement.features.insert(row.get(0)?, FeatureValue::from_column(row.get(1)?));
    }
    Ok(())
}

fn entitlement(row: &Row<'_>) -> Result<Entitlement, RepositoryError> {
    let binding = Binding::from_name(&row.get::<_, String>(10)?);
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
        binding: binding.ok_or_else(|| RepositoryError::malformed("entitlement"))?,
        site: row.get(11)?,
        features: Features::new(),
    })
}
