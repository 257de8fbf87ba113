//! What an entitlement is sold as from now on: another edition or package, or one more add-on.
//!
//! Not here: what a sale comes to (`sale`), making the entitlement say it (`amend`, `convert`).

use chancery_formats::id::EntitlementId;

use crate::error::CommandError;
use crate::repository::{Entitlement, Repository, Sold};
use crate::workflow::sale::{Item, Sales, Wanted};

/// What is named of a later sale; what is not stays as it was sold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resale<'a> {
    /// The edition or package, by its id; as before where none is named.
    pub item: Option<Item<'a>>,
    /// Add-ons to sell with it: where no item is named, beside those that are held.
    pub add_ons: &'a [String],
    /// Rules; as they were sold where neither this nor a package that is named brings some.
    pub policy: Option<&'a str>,
    /// Where it may be used.
    pub territory: Option<&'a str>,
    /// Support level.
    pub support: Option<&'a str>,
}

impl Resale<'_> {
    fn names_nothing(&self) -> bool {
        let Self { item, add_ons, policy, territory, support } = self;
        item.is_none() && add_ons.is_empty() && policy.is_none() && territory.is_none() && support.is_none()
    }
}

/// Returns what a later sale comes to under the catalog that is in force for the customer; none where nothing is
/// named.
///
/// # Errors
///
/// `entitlement-unknown`; what is not sold, with its code ([`crate::workflow::sale::SaleError`]).
pub fn resold(
    repository: &Repository,
    id: EntitlementId,
    resale: &Resale<'_>,
) -> Result<Option<Sold>, CommandError> {
    if resale.names_nothing() {
        return Ok(None);
    }
    let now = repository.entitlement(id)?;
    let sales = Sales::open(repository)?;
    let (item, add_ons) = match resale.item {
        Some(item) => (item, resale.add_ons.to_vec()),
        None => (held_item(&now), [held_beside_package(&sales, &now), resale.add_ons.to_vec()].concat()),
    };
    let wanted = Wanted {
        product: &now.product,
        item,
        add_ons: &add_ons,
        policy: resale.policy,
        territory: resale.territory,
        support: resale.support,
    };
    let mut sold = sales.sold(&now.customer, &wanted)?;
    if resale.item.is_none() && resale.policy.is_none() {
        // The package that is held brings no rules a second time.
        sold.policy = None;
    }
    Ok(Some(sold))
}

fn held_item(now: &Entitlement) -> Item<'_> {
    now.package.as_deref().map_or(Item::Edition(&now.edition), Item::Package)
}

/// Returns the add-ons that an entitlement has and its package, as it is sold today, has not.
fn held_beside_package(sales: &Sales, now: &Entitlement) -> Vec<String> {
    let (_, catalog) = sales.in_force(&now.customer);
    let package =
        catalog.products.get(&now.product).and_then(|product| product.packages.get(now.package.as_deref()?));
    let included = |add_on: &&String| package.is_some_and(|package| package.add_ons.contains(*add_on));
    now.add_ons.iter().filter(|add_on| !included(add_on)).cloned().collect()
}
