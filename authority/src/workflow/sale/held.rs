//! What an edition with add-ons holds: what each grants at least, and then what each adds.
//!
//! The order of add-ons makes no difference. Spec: `docs/spec/catalog.md` §3.

use std::collections::BTreeSet;

use super::SaleError;
use crate::repository::catalog::Features;
use crate::repository::{AddOn, FeatureValue, Product};

/// The greatest number that a license, a database and a file all hold.
const MAX_NUMBER: u64 = i64::MAX.unsigned_abs();

/// Returns the features of an edition of `product` with add-ons; names that the product has not hold nothing.
///
/// # Errors
///
/// Add-ons that do not go with the edition, that conflict or that lack what they require, each in the order of their
/// names; numbers that no license holds.
pub fn held(product: &Product, edition: &str, add_ons: &BTreeSet<String>) -> Result<Features, SaleError> {
    let mut features = product.editions.get(edition).cloned().unwrap_or_default();
    let sold: Vec<(&String, &AddOn)> =
        add_ons.iter().filter_map(|id| product.add_ons.get_key_value(id)).collect();
    for (id, add_on) in &sold {
        require_sellable(id, add_on, edition, add_ons)?;
    }
    for (name, value) in sold.iter().flat_map(|(_, add_on)| &add_on.features) {
        let held = features.entry(name.clone()).or_insert(*value);
        *held = at_least(*held, *value);
    }
    for (name, value) in sold.iter().flat_map(|(_, add_on)| &add_on.adds) {
        let held = match features.get(name) {
            Some(held) => sum(*held, *value).ok_or_else(|| SaleError::Overflow { feature: name.clone() })?,
            None => *value,
        };
        features.insert(name.clone(), held);
    }
    Ok(features)
}

fn require_sellable(
    id: &str,
    add_on: &AddOn,
    edition: &str,
    sold: &BTreeSet<String>,
) -> Result<(), SaleError> {
    if !add_on.editions.is_empty() && !add_on.editions.contains(edition) {
        return Err(SaleError::AddOnOfOther { add_on: id.to_owned(), edition: edition.to_owned() });
    }
    if let Some(other) = add_on.conflicts.iter().find(|other| sold.contains(*other)) {
        return Err(SaleError::AddOnConflict { one: id.to_owned(), other: other.clone() });
    }
    match add_on.requires.iter().find(|required| !sold.contains(*required)) {
        Some(required) => Err(SaleError::AddOnMissing { add_on: id.to_owned(), required: required.clone() }),
        None => Ok(()),
    }
}

fn at_least(held: FeatureValue, value: FeatureValue) -> FeatureValue {
    match (held, value) {
        (FeatureValue::Limit(held), FeatureValue::Limit(least)) => FeatureValue::Limit(held.max(least)),
        (
            FeatureValue::Quota { quota, overdraft },
            FeatureValue::Quota { quota: least, overdraft: least_overdraft },
        ) => FeatureValue::Quota { quota: quota.max(least), overdraft: overdraft.max(least_overdraft) },
        // A feature has one kind, so both are on.
        _ => value,
    }
}

fn sum(held: FeatureValue, added: FeatureValue) -> Option<FeatureValue> {
    let within = |held: u64, added: u64| held.checked_add(added).filter(|sum| *sum <= MAX_NUMBER);
    match (held, added) {
        (FeatureValue::Limit(held), FeatureValue::Limit(more)) => {
            Some(FeatureValue::Limit(within(held, more)?))
        }
        (
            FeatureValue::Quota { quota, overdraft },
            FeatureValue::Quota { quota: more, overdraft: more_overdraft },
        ) => Some(FeatureValue::Quota {
            quota: within(quota, more)?,
            overdraft: within(overdraft, more_overdraft)?,
        }),
        _ => Some(added),
    }
}
