//! What a sale costs by a price book: whole minor units of one currency, never a fraction.

use super::{Chosen, Item, SaleError, Wanted, find};
use crate::repository::Catalog;
use crate::workflow::catalog::currency;

/// An amount of money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// In minor units of the currency, such as cents.
    pub minor_units: u64,
    /// ISO 4217 code.
    pub currency: String,
}

impl std::fmt::Display for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&currency::amount(self.minor_units, &self.currency))
    }
}

/// Returns what `quantity` of a sale cost by a book; none where the book has no price for a part of it.
///
/// The price of a package covers everything in it; add-ons beside it are added.
///
/// # Errors
///
/// What the catalog has not; a price that no number holds.
pub fn price(
    catalog: &Catalog,
    book: &str,
    wanted: &Wanted<'_>,
    quantity: u32,
) -> Result<Option<Price>, SaleError> {
    let product = find(&catalog.products, "product", wanted.product)?;
    Chosen::of(product, wanted)?;
    let book = find(&catalog.price_books, "price book", book)?;
    let Some(prices) = book.prices.get(wanted.product) else { return Ok(None) };
    let item = match wanted.item {
        Item::Edition(id) => prices.editions.get(id),
        Item::Package(id) => prices.packages.get(id),
    };
    let parts = std::iter::once(item).chain(wanted.add_ons.iter().map(|id| prices.add_ons.get(id)));
    let Some(parts) = parts.collect::<Option<Vec<_>>>() else { return Ok(None) };
    let one = parts.into_iter().try_fold(0_u64, |sum, part| sum.checked_add(*part));
    let minor_units = one.and_then(|one| one.checked_mul(u64::from(quantity)));
    let minor_units = minor_units.ok_or(SaleError::PriceOverflow)?;
    Ok(Some(Price { minor_units, currency: book.currency.clone() }))
}
