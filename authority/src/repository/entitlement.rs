//! Entitlements: what a customer bought, as its newest grant says it, and how much of it is used.
//!
//! A grant holds what was sold in full, so that a later catalog alters nothing. The table beside the grants answers
//! what is asked without reading them: a look-up by id, customer or end is one descent of an index, however many
//! there are. Not here: writing grants (`grant`), how dates are read (`workflow::term`), what a license holds of it.

use std::collections::BTreeSet;

use chancery_formats::grant::State;
use chancery_formats::id::EntitlementId;
use chancery_formats::license::{Enforcement, Versions};
use rusqlite::{Connection, Params, Row};

use super::catalog::Features;
use super::sold::Model;
use super::{Repository, RepositoryError};

mod encoding;

pub(super) use encoding::{Entry, decode, encode};

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
}

/// What a customer bought, and how much of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// Random.
    pub id: EntitlementId,
    /// Number of the grant that says so, from 1; 0 before the first.
    pub revision: u64,
    /// Whether it is in force, by itself: see [`Entitlement::require_active`].
    pub state: State,
    /// That of the entitlement that it is an island of; in force where it is none.
    pub parent_state: State,
    /// Id of the customer.
    pub customer: String,
    /// The site that its licenses name.
    pub site: Option<String>,
    /// Product.
    pub product: String,
    /// Edition of that product.
    pub edition: String,
    /// The package that it was sold in.
    pub package: Option<String>,
    /// The add-ons sold with it.
    pub add_ons: BTreeSet<String>,
    /// Number of the catalog change that it was sold under, from 1.
    pub catalog: u64,
    /// How it runs out.
    pub model: Model,
    /// Whether it began as a trial.
    pub began_as_trial: bool,
    /// Devices that may hold a license, or licenses where they are bound to none; those of its islands among them.
    pub quantity: u64,
    /// How many of these its islands hold.
    pub in_islands: u64,
    /// Number of the last activation that was taken back.
    pub returned: u64,
    /// How many of the quantity hold a license, or are about to; without its islands.
    pub used: u64,
    /// What its licenses are bound to.
    pub binding: Binding,
    /// First second of the term, in Unix seconds.
    pub not_before: u64,
    /// Last second of the term, in Unix seconds; `None` is perpetual.
    pub not_after: Option<u64>,
    /// The entitlement that it is an island of.
    pub parent: Option<EntitlementId>,
    /// Whether it may go to another site or customer.
    pub transferable: bool,
    /// How many users may be named; none where users are not named.
    pub named_users: Option<u64>,
    /// As sold.
    pub features: Features,
    /// The versions of the product that it covers; none is all.
    pub versions: Option<Versions>,
    /// Concurrent seats of each license.
    pub seats: Option<u64>,
    /// Where it may be used: ISO 3166-1 alpha-2 codes; empty is anywhere.
    pub territory: BTreeSet<String>,
    /// The support level sold.
    pub support: Option<String>,
    /// What happens when the term ends.
    pub enforcement: Enforcement,
    /// On how many devices one license document may be installed.
    pub devices: Option<u64>,
    /// The channels through which a license may be passed on; empty is any.
    pub channels: BTreeSet<String>,
    /// How many devices may be bound by typed code.
    pub bindings: Option<u64>,
    /// Named users.
    pub users: BTreeSet<String>,
    /// Named groups.
    pub groups: BTreeSet<String>,
    /// When it was first granted, in Unix seconds.
    pub granted_at: u64,
}

impl Entitlement {
    /// Returns how many activations it may give itself, which its islands do not hold.
    #[must_use]
    pub const fn own_quantity(&self) -> u64 {
        self.quantity.saturating_sub(self.in_islands)
    }

    /// Returns how many more activations there are.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.own_quantity().saturating_sub(self.used)
    }

    /// Returns the claim `sub` of its licenses: the customer, and the site where it names one.
    #[must_use]
    pub fn subject(&self) -> String {
        match &self.site {
            Some(site) => format!("{}/{site}", self.customer),
            None => self.customer.clone(),
        }
    }

    /// Returns whether it is in force: an island is no more so than what it is an island of.
    #[must_use]
    pub fn standing(&self) -> State {
        self.state.max(self.parent_state)
    }

    /// Refuses what is suspended or revoked.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::EntitlementSuspended`], [`RepositoryError::EntitlementRevoked`], with the entitlement
    /// that is, which may be the one that this is an island of.
    pub fn require_active(&self) -> Result<(), RepositoryError> {
        let entitlement = match self.parent {
            Some(parent) if self.parent_state > self.state => parent,
            _ => self.id,
        };
        match self.standing() {
            State::Active => Ok(()),
            State::Suspended => Err(RepositoryError::EntitlementSuspended { entitlement }),
            State::Revoked => Err(RepositoryError::EntitlementRevoked { entitlement }),
        }
    }
}

/// Which entitlements are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter<'a> {
    /// Those of this customer.
    pub customer: Option<&'a str>,
    /// Those whose term ends at this second or before, in Unix seconds.
    pub ends_by: Option<u64>,
}

/// A statement over entitlements, whole at compile time: SQL is never put together at run time.
macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT entitlement.entitlement_id, bytes, entitlement.granted_at, entitlement.began_as_trial,
                    (SELECT coalesce(max(activation), 0) FROM license
                     WHERE license.entitlement_id = entitlement.entitlement_id), parent.state
             FROM entitlement
             JOIN entitlement_grant ON entitlement_grant.entitlement_id = entitlement.entitlement_id
                                   AND entitlement_grant.revision = entitlement.revision
             LEFT JOIN entitlement AS parent ON parent.entitlement_id = entitlement.parent_id ",
            $tail
        )
    };
}

impl Repository {
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
        self.entitlements_of(&Filter::default())
    }

    /// Returns the entitlements that a filter lets through, oldest first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn entitlements_of(&self, filter: &Filter<'_>) -> Result<Vec<Entitlement>, RepositoryError> {
        let all = select!("ORDER BY entitlement.granted_at, entitlement.entitlement_id");
        let of_customer = select!(
            "WHERE entitlement.customer_id = ?1 ORDER BY entitlement.granted_at, entitlement.entitlement_id"
        );
        let ending = select!(
            "WHERE entitlement.not_after <= ?1 ORDER BY entitlement.granted_at, entitlement.entitlement_id"
        );
        let mut found = match (filter.customer, filter.ends_by) {
            (Some(customer), _) => many(&self.connection, of_customer, [customer])?,
            (None, Some(end)) => many(&self.connection, ending, [end])?,
            (None, None) => many(&self.connection, all, [])?,
        };
        if let Some(end) = filter.ends_by {
            found.retain(|one| one.not_after.is_some_and(|last| last <= end));
        }
        Ok(found)
    }
}

impl Repository {
    /// Gives every entitlement to `each`, oldest first, as they stand at one moment: for those that are too many to be
    /// held.
    ///
    /// # Errors
    ///
    /// Those of the database and of `each`.
    pub fn each_entitlement<E: From<RepositoryError>>(
        &self,
        mut each: impl FnMut(Entitlement) -> Result<(), E>,
    ) -> Result<(), E> {
        let database = |error: rusqlite::Error| E::from(RepositoryError::from(error));
        let sql = select!("ORDER BY entitlement.granted_at, entitlement.entitlement_id");
        let mut statement = self.connection.prepare(sql).map_err(database)?;
        let mut rows = statement.query([]).map_err(database)?;
        while let Some(row) = rows.next().map_err(database)? {
            each(entitlement(row)?)?;
        }
        Ok(())
    }
}

/// Loads one entitlement, also within a transaction.
pub(super) fn load(connection: &Connection, id: EntitlementId) -> Result<Entitlement, RepositoryError> {
    let mut statement = connection.prepare_cached(select!("WHERE entitlement.entitlement_id = ?1"))?;
    let mut rows = statement.query([id.0])?;
    let row = rows.next()?.ok_or(RepositoryError::UnknownEntitlement { entitlement: id })?;
    entitlement(row)
}

/// Loads the islands of an entitlement, oldest first.
pub(super) fn islands(
    connection: &Connection,
    id: EntitlementId,
) -> Result<Vec<Entitlement>, RepositoryError> {
    let sql = select!(
        "WHERE entitlement.parent_id = ?1 ORDER BY entitlement.granted_at, entitlement.entitlement_id"
    );
    many(connection, sql, [id.0])
}

fn many(
    connection: &Connection,
    sql: &'static str,
    params: impl Params,
) -> Result<Vec<Entitlement>, RepositoryError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(entitlement(row)?);
    }
    Ok(found)
}

fn entitlement(row: &Row<'_>) -> Result<Entitlement, RepositoryError> {
    let id = EntitlementId(row.get(0)?);
    let bytes = row.get_ref(1)?.as_blob().map_err(|_| RepositoryError::malformed("entitlement_grant"))?;
    let (mut found, _) = decode(bytes)?;
    if found.id != id {
        return Err(RepositoryError::malformed("entitlement_grant"));
    }
    found.granted_at = row.get(2)?;
    found.began_as_trial = row.get(3)?;
    found.used = row.get::<_, u64>(4)?.saturating_sub(found.returned);
    if let Some(state) = row.get::<_, Option<String>>(5)? {
        found.parent_state = state_of(&state).ok_or_else(|| RepositoryError::malformed("entitlement"))?;
    }
    Ok(found)
}

/// Returns the state of a name.
pub(super) fn state_of(name: &str) -> Option<State> {
    State::ALL.iter().copied().find(|state| state.name() == name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::home::Home;

    /// However many there are, a look-up descends indices and walks over no table.
    #[test]
    fn look_ups_walk_over_no_table() {
        let folder = std::env::temp_dir().join(format!("chancery-look-ups-{}", std::process::id()));
        let repository = Repository::create(&Home::new(&folder)).unwrap();
        for sql in [
            select!("WHERE entitlement.entitlement_id = ?1"),
            select!("WHERE entitlement.customer_id = ?1"),
            select!("WHERE entitlement.not_after <= ?1"),
            select!("WHERE entitlement.parent_id = ?1"),
        ] {
            let mut statement = repository.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = statement.query_map([[0_u8; 8]], |row| row.get::<_, String>(3)).unwrap();
            let steps: Vec<_> = steps.map(Result::unwrap).collect();
            assert!(steps.iter().any(|step| step.starts_with("SEARCH entitlement USING")), "{steps:?}");
            assert!(!steps.iter().any(|step| step.starts_with("SCAN")), "{sql}: {steps:?}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
