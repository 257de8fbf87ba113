//! What a sale comes to: the catalog in force for the customer, a package or an edition with add-ons, and the rules.
//!
//! Everything is copied into a [`Sold`], so that no later catalog alters what was sold. Nothing here reads or writes
//! the database once [`Sales`] are open: thousands of orders are answered from memory.
//! Not here: granting it (`entitlement`), what packages may say (`catalog`).
//!
//! Spec: `docs/spec/catalog.md` §3.

use std::collections::{BTreeMap, BTreeSet};

use chancery_formats::id::is_name;
use chancery_formats::license::Enforcement;

use super::catalog::change;
use super::nearest::nearest;
use super::pilot::Share;
use crate::error::CommandError;
use crate::repository::{Catalog, CatalogState, Model, Package, Policy, Product, Repository, Rules, Sold};

mod error;
mod held;
mod price;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

pub use error::SaleError;
pub use held::held;
pub use price::{Price, price};

const DAY_SECS: u64 = 86_400;

/// What is sold of a product: one of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// An edition by itself.
    Edition(&'a str),
    /// A package, with its edition, its add-ons and its defaults.
    Package(&'a str),
}

/// A sale as an order or a clerk names it, by ids of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Product.
    pub product: &'a str,
    /// An edition or a package of it.
    pub item: Item<'a>,
    /// Add-ons beside those of the package, each once.
    pub add_ons: &'a [String],
    /// Rules; none are those of the package, and else perpetual without bounds.
    pub policy: Option<&'a str>,
    /// Where it may be used; none is what the package says, and else anywhere.
    pub territory: Option<&'a str>,
    /// Support level; none is that of the package.
    pub support: Option<&'a str>,
}

/// The catalogs that are in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sales {
    state: CatalogState,
}

impl Sales {
    /// Reads the catalog that stands and the pilot that is open.
    ///
    /// # Errors
    ///
    /// Those of the repository.
    pub fn open(repository: &Repository) -> Result<Self, CommandError> {
        Ok(Self { state: repository.catalog_state()? })
    }

    /// Reads the catalog of one change, for whoever asks: that under which something was sold.
    ///
    /// # Errors
    ///
    /// `change-unknown`; those of the repository.
    pub fn at(repository: &Repository, number: u64) -> Result<Self, CommandError> {
        let catalog = change::at(repository, number)?;
        Ok(Self { state: CatalogState { newest: number, number, catalog, pilot: None } })
    }

    /// Returns the catalog in force for everybody who is in no pilot, and the number of the change that made it; 0
    /// where there is none.
    #[must_use]
    pub fn standing(&self) -> (u64, &Catalog) {
        (self.state.number, &self.state.catalog)
    }

    /// Returns the catalog in force for a customer, and the number of the change that made it; 0 where there is none.
    #[must_use]
    pub fn in_force(&self, customer: &str) -> (u64, &Catalog) {
        match &self.state.pilot {
            Some(pilot) if Share::new(pilot.share).is_some_and(|share| share.holds(pilot.seed, customer)) => {
                (pilot.number, &pilot.catalog)
            }
            _ => self.standing(),
        }
    }

    /// Returns what a sale to a customer comes to.
    ///
    /// # Errors
    ///
    /// [`SaleError`], with what may have been meant.
    pub fn sold(&self, customer: &str, wanted: &Wanted<'_>) -> Result<Sold, SaleError> {
        let (number, catalog) = self.in_force(customer);
        sold(catalog, number, wanted)
    }

    /// Returns what a sale to somebody who is in no pilot comes to.
    ///
    /// # Errors
    ///
    /// As [`Sales::sold`].
    pub fn sold_to_anybody(&self, wanted: &Wanted<'_>) -> Result<Sold, SaleError> {
        let (number, catalog) = self.standing();
        sold(catalog, number, wanted)
    }
}

/// Returns what a sale comes to under a catalog, which change `number` made, from 1.
///
/// # Errors
///
/// [`SaleError`], with what may have been meant.
pub fn sold(catalog: &Catalog, number: u64, wanted: &Wanted<'_>) -> Result<Sold, SaleError> {
    if number == 0 {
        return Err(SaleError::NoCatalog);
    }
    let product = find(&catalog.products, "product", wanted.product)?;
    let chosen = Chosen::of(product, wanted)?;
    let features = held(product, chosen.edition, &chosen.add_ons)?;
    let defaults = chosen.package;
    let policy = wanted.policy.or(defaults.and_then(|package| package.policy.as_deref()));
    let territory = wanted.territory.or(defaults.and_then(|package| package.territory.as_deref()));
    let support = wanted.support.or(defaults.and_then(|package| package.support.as_deref()));
    let (model, mut rules) = match policy {
        Some(id) => rules(find(&catalog.policies, "policy", id)?),
        None => (Model::default(), Rules::default()),
    };
    if let Some(id) = territory {
        rules.territory = find(&catalog.territories, "territory", id)?.countries.clone();
    }
    if let Some(id) = support {
        find(&catalog.support, "support level", id)?;
        rules.support = Some(id.to_owned());
    }
    Ok(Sold {
        product: wanted.product.to_owned(),
        edition: chosen.edition.to_owned(),
        package: match wanted.item {
            Item::Package(id) => Some(id.to_owned()),
            Item::Edition(_) => None,
        },
        add_ons: chosen.add_ons,
        catalog: number,
        policy: policy.map(ToOwned::to_owned),
        model,
        features,
        rules,
    })
}

/// What of a product a sale is made of.
struct Chosen<'a> {
    edition: &'a str,
    package: Option<&'a Package>,
    add_ons: BTreeSet<String>,
}

impl<'a> Chosen<'a> {
    fn of(product: &'a Product, wanted: &Wanted<'a>) -> Result<Self, SaleError> {
        let (edition, package) = match wanted.item {
            Item::Edition(id) => {
                let wrong = || SaleError::unknown("edition", id, edition_or_package(product));
                product.editions.get(id).ok_or_else(wrong)?;
                (id, None)
            }
            Item::Package(id) => {
                let wrong = || SaleError::unknown("package", id, edition_or_package(product));
                let package = product.packages.get(id).ok_or_else(wrong)?;
                (package.edition.as_str(), Some(package))
            }
        };
        let mut add_ons = package.map(|package| package.add_ons.clone()).unwrap_or_default();
        for id in wanted.add_ons {
            find(&product.add_ons, "add-on", id)?;
            if package.is_some_and(|package| package.add_ons.contains(id)) {
                return Err(SaleError::AddOnIncluded { add_on: id.clone() });
            }
            if !add_ons.insert(id.clone()) {
                return Err(SaleError::AddOnTwice { add_on: id.clone() });
            }
        }
        Ok(Self { edition, package, add_ons })
    }
}

/// Names what an order may have meant: people take one for the other.
fn edition_or_package(product: &Product) -> impl Iterator<Item = &str> {
    product.editions.keys().chain(product.packages.keys()).map(String::as_str)
}

fn find<'a, T>(known: &'a BTreeMap<String, T>, kind: &'static str, id: &str) -> Result<&'a T, SaleError> {
    known.get(id).ok_or_else(|| SaleError::unknown(kind, id, known.keys().map(String::as_str)))
}

fn rules(policy: &Policy) -> (Model, Rules) {
    let rules = Rules {
        term_days: policy.term_days,
        maintenance_days: policy.maintenance_days,
        highest_version: policy.highest_version,
        binding: policy.binding,
        seats: policy.seats,
        named_users: policy.named_users,
        territory: BTreeSet::new(),
        support: None,
        enforcement: Enforcement {
            mode: policy.enforcement,
            grace_secs: u64::from(policy.grace_days) * DAY_SECS,
            notice_secs: u64::from(policy.notice_days) * DAY_SECS,
        },
        devices: policy.devices,
        channels: policy.channels.clone(),
        bindings: policy.typed_bindings,
        transferable: policy.transferable,
    };
    (policy.model, rules)
}

impl SaleError {
    fn unknown<'a>(kind: &'static str, id: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        // An order may bring a name of any length.
        let near = is_name(id).then(|| nearest(id, known)).flatten();
        Self::Unknown { kind, id: id.chars().take(64).collect(), near: near.map(str::to_owned) }
    }
}
