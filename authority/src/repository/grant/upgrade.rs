//! The first grants of entitlements that were made before there were grants, from what they hold.

use std::collections::BTreeSet;

use chancery_formats::grant::{Change, State};
use chancery_formats::id::EntitlementId;
use chancery_formats::license::Enforcement;
use rusqlite::{Row, Transaction};

use super::{Entry, encode, insert};
use crate::repository::catalog::{FeatureValue, Features};
use crate::repository::sold::Model;
use crate::repository::{Binding, Entitlement, RepositoryError};

/// Who wrote them, and why.
const BY: &str = "chancery";
const REASON: &str = "kept as a grant when the database was upgraded";

/// Indices come last: they take the pages that the old tables leave, so that a new database has no empty ones.
const LAST: &str = "
    DROP TABLE old_entitlement;
    DROP TABLE entitlement_feature;
    CREATE INDEX entitlement_customer ON entitlement (customer_id, granted_at);
    CREATE INDEX entitlement_not_after ON entitlement (not_after) WHERE not_after IS NOT NULL;
    CREATE INDEX entitlement_parent ON entitlement (parent_id) WHERE parent_id IS NOT NULL;
    CREATE INDEX license_device ON license (device, entitlement_id) WHERE device <> x'';";

/// Writes the first grant of every entitlement of the old tables, drops these, and makes the indices.
pub(in crate::repository) fn fill(transaction: &Transaction<'_>) -> Result<(), RepositoryError> {
    let sql = "SELECT entitlement_id, customer_id, product_id, edition_id, quantity, not_before, not_after, granted_at,
                      binding, site_id,
                      (SELECT coalesce(max(number), 1) FROM catalog_change WHERE applied_at <= granted_at)
               FROM old_entitlement ORDER BY granted_at, entitlement_id";
    let mut statement = transaction.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let mut state = entitlement(row)?;
        state.features = features(transaction, state.id)?;
        let entry = Entry {
            change: Change::Grant,
            at: state.granted_at,
            by: BY.to_owned(),
            reason: REASON.to_owned(),
            previous: None,
        };
        insert(transaction, state.id, 1, &encode(&state, &entry)?, state.granted_at)?;
    }
    drop(rows);
    drop(statement);
    transaction.execute_batch(LAST)?;
    Ok(())
}

fn entitlement(row: &Row<'_>) -> Result<Entitlement, RepositoryError> {
    let not_after: Option<u64> = row.get(6)?;
    let binding = match row.get::<_, String>(8)?.as_str() {
        "device" => Binding::Device,
        "none" => Binding::None,
        "site" => Binding::Site,
        _ => return Err(RepositoryError::malformed("entitlement")),
    };
    Ok(Entitlement {
        id: EntitlementId(row.get(0)?),
        revision: 1,
        state: State::Active,
        parent_state: State::Active,
        customer: row.get(1)?,
        site: row.get(9)?,
        product: row.get(2)?,
        edition: row.get(3)?,
        package: None,
        add_ons: BTreeSet::new(),
        catalog: row.get(10)?,
        model: if not_after.is_some() { Model::Subscription } else { Model::Perpetual },
        began_as_trial: false,
        quantity: row.get(4)?,
        in_islands: 0,
        returned: 0,
        used: 0,
        binding,
        not_before: row.get(5)?,
        not_after,
        parent: None,
        transferable: true,
        named_users: None,
        features: Features::new(),
        versions: None,
        seats: None,
        territory: BTreeSet::new(),
        support: None,
        enforcement: Enforcement::default(),
        devices: None,
        channels: BTreeSet::new(),
        bindings: None,
        users: BTreeSet::new(),
        groups: BTreeSet::new(),
        granted_at: row.get(7)?,
    })
}

fn features(transaction: &Transaction<'_>, id: EntitlementId) -> Result<Features, RepositoryError> {
    let sql = "SELECT feature_id, limit_value FROM entitlement_feature WHERE entitlement_id = ?1";
    let mut statement = transaction.prepare_cached(sql)?;
    let value = |limit: Option<u64>| limit.map_or(FeatureValue::On, FeatureValue::Limit);
    let rows = statement.query_map([id.0], |row| Ok((row.get(0)?, value(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
