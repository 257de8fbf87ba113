//! From the file to products: features, editions, add-ons and packages, each checked where it stands.
//!
//! Not here: rules, places and prices (`terms`), what a sale holds (`sale::held`).

use std::collections::{BTreeMap, BTreeSet};

use toml::{Spanned, Value};

use super::circle;
use super::fault::{Fault, count, names, new_name, once, person, quoted, unknown};
use super::file::{AddOnEntry, FeatureEntry, Grants, Kind, PackageEntry, ProductEntry};
use crate::repository::catalog::Features;
use crate::repository::{AddOn, Catalog, FeatureKind, FeatureValue, Package, Product};
use crate::workflow::sale::held;

/// Reads one product. `known` holds every policy, territory and support level that the catalog will have, and the
/// other products.
pub(super) fn product(entry: &ProductEntry, known: &Catalog) -> Result<Product, Fault> {
    let id = entry.id.get_ref();
    let others =
        known.products.iter().filter(|(other, _)| *other != id).map(|(_, other)| other.name.as_str());
    let mut product = Product { name: person(&entry.name, Some(&entry.name), others)?, ..Product::default() };
    for (found, what) in [
        (entry.feature.len(), "features"),
        (entry.edition.len(), "editions"),
        (entry.package.len(), "packages"),
        (entry.add_on.len(), "add-ons"),
    ] {
        count(found, what, Some(&entry.id))?;
    }
    for FeatureEntry { id, kind } in &entry.feature {
        let kind = match kind {
            Kind::Limit => FeatureKind::Limit,
            Kind::Metered => FeatureKind::Metered,
            Kind::Switch => FeatureKind::Switch,
        };
        product.features.insert(new_name(id, "feature", &product.features)?, kind);
    }
    for edition in &entry.edition {
        let id = new_name(&edition.id, "edition", &product.editions)?;
        let features = grants(&edition.features, &product)?;
        product.editions.insert(id, features);
    }
    add_ons(&entry.add_on, &mut product)?;
    for package in &entry.package {
        let id = new_name(&package.id, "package", &product.packages)?;
        unlike_others(&package.id, &product)?;
        let read = self::package(package, &product, known)?;
        product.packages.insert(id, read);
    }
    Ok(product)
}

/// Refuses an id that something else that is sold of the product has: an order names what it wants by one word.
fn unlike_others(id: &Spanned<String>, product: &Product) -> Result<(), Fault> {
    let what = match id.get_ref() {
        id if product.editions.contains_key(id) => "an edition",
        id if product.add_ons.contains_key(id) => "an add-on",
        _ => return Ok(()),
    };
    Err(Fault(id.span(), format!("`{}` is {what} of the product: choose another id", id.get_ref())))
}

/// Reads what an edition or an add-on holds.
fn grants(entries: &Grants, product: &Product) -> Result<Features, Fault> {
    let mut features = Features::new();
    for (name, value) in entries {
        let kind = product.features.get(name.get_ref()).ok_or_else(|| {
            unknown(name, "the product has no feature", product.features.keys().map(String::as_str))
        })?;
        let granted = match (kind, value.get_ref()) {
            (FeatureKind::Limit, Value::Integer(limit)) => {
                u64::try_from(*limit).ok().map(FeatureValue::Limit)
            }
            (FeatureKind::Metered, Value::Table(table)) => quota(table),
            (FeatureKind::Switch, Value::Boolean(true)) => Some(FeatureValue::On),
            // Written out for the reader: the edition does not hold it.
            (FeatureKind::Switch, Value::Boolean(false)) => continue,
            _ => None,
        };
        let wanted = match kind {
            FeatureKind::Limit => "a whole number from 0, as it is a limit",
            FeatureKind::Metered => {
                "{ quota = 500, overdraft = 50 } with whole numbers from 0, as it is metered"
            }
            FeatureKind::Switch => "true or false, as it is a switch",
        };
        let granted = granted
            .ok_or_else(|| Fault(value.span(), format!("feature `{}` takes {wanted}", name.get_ref())))?;
        features.insert(name.get_ref().clone(), granted);
    }
    Ok(features)
}

/// Reads a quota; the overdraft may be left out.
fn quota(table: &toml::Table) -> Option<FeatureValue> {
    let number = |key: &str| match table.get(key) {
        Some(Value::Integer(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let known = ["quota", "overdraft"];
    if !table.keys().all(|key| known.contains(&key.as_str())) {
        return None;
    }
    let overdraft = if table.contains_key("overdraft") { number("overdraft")? } else { 0 };
    Some(FeatureValue::Quota { quota: number("quota")?, overdraft })
}

/// Reads the add-ons, which refer to each other in any order.
fn add_ons(entries: &[AddOnEntry], product: &mut Product) -> Result<(), Fault> {
    for entry in entries {
        let id = new_name(&entry.id, "add-on", &product.add_ons)?;
        unlike_others(&entry.id, product)?;
        product.add_ons.insert(id, AddOn::default());
    }
    let mut read = BTreeMap::new();
    for entry in entries {
        let (id, others) = (entry.id.get_ref(), read.values().map(|other: &AddOn| other.name.as_str()));
        let add_on = AddOn {
            name: person(&entry.id, entry.name.as_ref(), others)?,
            features: grants(&entry.features, product)?,
            adds: added(&entry.adds, product)?,
            editions: names(&entry.editions, "edition", &product.editions)?,
            requires: names(&entry.requires, "add-on", &product.add_ons)?,
            conflicts: names(&entry.conflicts, "add-on", &product.add_ons)?,
        };
        for (list, word) in [(&entry.requires, "require"), (&entry.conflicts, "conflict with")] {
            if let Some(itself) = list.iter().find(|name| name.get_ref() == id) {
                return Err(Fault(itself.span(), format!("an add-on does not {word} itself: leave it out")));
            }
        }
        read.insert(id.clone(), add_on);
    }
    circle::refuse(entries.iter().map(|entry| &entry.id), &read)?;
    product.add_ons = read;
    Ok(())
}

/// Reads what is added to a sale: numbers, since what is on cannot be more so.
fn added(entries: &Grants, product: &Product) -> Result<Features, Fault> {
    let features = grants(entries, product)?;
    for name in entries.keys() {
        if product.features.get(name.get_ref()) == Some(&FeatureKind::Switch) {
            let message = format!("feature `{}` is a switch: put it into `features`", name.get_ref());
            return Err(Fault(name.span(), message));
        }
    }
    Ok(features)
}

fn package(entry: &PackageEntry, product: &Product, known: &Catalog) -> Result<Package, Fault> {
    let others = product.packages.values().map(|other| other.name.as_str());
    let name = person(&entry.id, entry.name.as_ref(), others)?;
    let edition = entry.edition.get_ref();
    if !product.editions.contains_key(edition) {
        let editions = product.editions.keys().map(String::as_str);
        return Err(unknown(&entry.edition, "the product has no edition", editions));
    }
    let mut add_ons = BTreeSet::new();
    for add_on in &entry.add_ons {
        if !product.add_ons.contains_key(add_on.get_ref()) {
            let known = product.add_ons.keys().map(String::as_str);
            return Err(unknown(add_on, "the product has no add-on", known));
        }
        once(add_on, &mut add_ons)?;
    }
    if let Err(error) = held(product, edition, &add_ons) {
        let message = format!("package {} cannot be sold: {error}", quoted(entry.id.get_ref()));
        return Err(Fault(entry.id.span(), message));
    }
    Ok(Package {
        name,
        edition: edition.clone(),
        add_ons,
        policy: reference(entry.policy.as_ref(), "policy", &known.policies)?,
        territory: reference(entry.territory.as_ref(), "territory", &known.territories)?,
        support: reference(entry.support.as_ref(), "support level", &known.support)?,
    })
}

fn reference<T>(
    name: Option<&Spanned<String>>,
    what: &str,
    known: &BTreeMap<String, T>,
) -> Result<Option<String>, Fault> {
    let Some(name) = name else { return Ok(None) };
    if !known.contains_key(name.get_ref()) {
        let message = format!("the catalog has no {what}");
        return Err(unknown(name, &message, known.keys().map(String::as_str)));
    }
    Ok(Some(name.get_ref().clone()))
}
