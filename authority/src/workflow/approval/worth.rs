//! What a grant costs, for rules about value: by the price book that the policy names, in the catalog that it was sold
//! under.
//!
//! What the book has no price for, in part or as a whole, costs nobody knows what: every rule about value fails closed
//! then. So does what differs from the catalog, as a feature that was raised by hand: no list price is the price of it.
//! Not here: what a policy makes of a price (`policy`).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use chancery_formats::grant::Grant;

use super::geo::Records;
use crate::error::CommandError;
use crate::repository::catalog::Features;
use crate::repository::{Catalog, OwnedPrice};
use crate::workflow::sale::{Item, Wanted, held, price};

/// Catalogs that were read, by number; none where only its file was kept.
#[derive(Clone, Debug, Default)]
pub struct Catalogs(RefCell<BTreeMap<u64, Option<Rc<Catalog>>>>);

impl Catalogs {
    /// Returns what a grant costs as a whole by a book; none where the book has no price for a part of it, or the
    /// catalog has no such book.
    ///
    /// # Errors
    ///
    /// Those of the repository.
    pub fn worth(
        &self,
        records: &dyn Records,
        book: &str,
        grant: &Grant<'_>,
    ) -> Result<Option<OwnedPrice>, CommandError> {
        let known = self.0.borrow().get(&grant.catalog).cloned();
        let catalog = match known {
            Some(catalog) => catalog,
            None => {
                let read = records.catalog(grant.catalog)?.map(Rc::new);
                self.0.borrow_mut().insert(grant.catalog, read.clone());
                read
            }
        };
        Ok(catalog.and_then(|catalog| by_book(&catalog, book, grant)))
    }
}

fn by_book(catalog: &Catalog, book: &str, grant: &Grant<'_>) -> Option<OwnedPrice> {
    let product = catalog.products.get(grant.product)?;
    let package = grant.package.map(|id| product.packages.get(id).ok_or(())).transpose().ok()?;
    let names = || grant.add_ons.iter().flat_map(|names| names.iter());
    let sold: BTreeSet<String> = names().map(ToOwned::to_owned).collect();
    let granted: Features =
        grant.terms.features.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let is_listed = package.is_none_or(|package| package.edition == grant.terms.edition)
        && held(product, grant.terms.edition, &sold).ok()? == granted;
    if !is_listed {
        return None;
    }
    // The price of a package covers its own add-ons.
    let own = |id: &&str| package.is_some_and(|package| package.add_ons.contains(*id));
    let add_ons = names().filter(|id| !own(id));
    let add_ons: Vec<String> = add_ons.map(ToOwned::to_owned).collect();
    let wanted = Wanted {
        product: grant.product,
        item: grant.package.map_or(Item::Edition(grant.terms.edition), Item::Package),
        add_ons: &add_ons,
        policy: None,
        territory: None,
        support: None,
    };
    let found = price(catalog, book, &wanted, u32::try_from(grant.quantity).ok()?).ok()??;
    Some(OwnedPrice { currency: found.currency, minor_units: found.minor_units })
}
