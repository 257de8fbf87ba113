//! From a file and the catalog that stands to the catalog that will: what the file names it states in full, what it
//! removes goes, and all else stays.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;

use super::fault::{Fault, count, new_name, quoted, unknown};
use super::file::{File, Ids, NamedEntry, PolicyEntry, PriceBookEntry, ProductEntry, TerritoryEntry};
use super::{goods, terms};
use crate::repository::{Catalog, Prices, Product};

/// Reads everything of the file over what stands.
pub(super) fn over(standing: &Catalog, file: &File) -> Result<Catalog, Fault> {
    require_something(file)?;
    let gone = &file.remove;
    let mut catalog = standing.clone();
    remove(&gone.product, "product", &mut catalog.products)?;
    remove(&gone.policy, "policy", &mut catalog.policies)?;
    remove(&gone.territory, "territory", &mut catalog.territories)?;
    remove(&gone.support, "support level", &mut catalog.support)?;
    remove(&gone.price_book, "price book", &mut catalog.price_books)?;

    // Products refer to policies, territories and support levels, and prices to products.
    let section = Section { what: "policy", id: |entry: &PolicyEntry| &entry.id, read: terms::policy };
    section.read(&file.policy, &gone.policy, &mut catalog, |catalog| &mut catalog.policies)?;
    let section =
        Section { what: "territory", id: |entry: &TerritoryEntry| &entry.id, read: terms::territory };
    section.read(&file.territory, &gone.territory, &mut catalog, |catalog| &mut catalog.territories)?;
    let section = Section { what: "support level", id: |entry: &NamedEntry| &entry.id, read: terms::support };
    section.read(&file.support, &gone.support, &mut catalog, |catalog| &mut catalog.support)?;
    let section = Section { what: "product", id: |entry: &ProductEntry| &entry.id, read: goods::product };
    section.read(&file.product, &gone.product, &mut catalog, |catalog| &mut catalog.products)?;
    let section =
        Section { what: "price book", id: |entry: &PriceBookEntry| &entry.id, read: terms::price_book };
    section.read(&file.price_book, &gone.price_book, &mut catalog, |catalog| &mut catalog.price_books)?;
    match left_over(&catalog) {
        Some(user) => Err(Fault(user.blame(file), user.message())),
        None => Ok(catalog),
    }
}

fn require_something(file: &File) -> Result<(), Fault> {
    let gone = &file.remove;
    let removals = [&gone.product, &gone.policy, &gone.territory, &gone.support, &gone.price_book];
    let stated = file.product.len()
        + file.policy.len()
        + file.territory.len()
        + file.support.len()
        + file.price_book.len();
    if stated == 0 && removals.iter().all(|ids| ids.is_empty()) {
        let message = "a catalog file states or removes something: begin with [[product]]";
        return Err(Fault(0..0, message.to_owned()));
    }
    Ok(())
}

fn remove<T>(ids: &Ids, what: &str, from: &mut BTreeMap<String, T>) -> Result<(), Fault> {
    for id in ids {
        if from.remove(id.get_ref()).is_none() {
            let message = format!("there is no {what} to remove called");
            return Err(unknown(id, &message, from.keys().map(String::as_str)));
        }
    }
    Ok(())
}

/// One kind of thing that a file states: how its entries are named and read.
struct Section<E, T> {
    what: &'static str,
    id: fn(&E) -> &Spanned<String>,
    read: fn(&E, &Catalog) -> Result<T, Fault>,
}

impl<E, T> Section<E, T> {
    fn read(
        &self,
        entries: &[E],
        removed: &Ids,
        catalog: &mut Catalog,
        part: fn(&mut Catalog) -> &mut BTreeMap<String, T>,
    ) -> Result<(), Fault> {
        let mut named = BTreeMap::new();
        for entry in entries {
            let at = (self.id)(entry);
            count(entries.len(), &format!("entries of one kind ({})", self.what), Some(at))?;
            let id = new_name(at, self.what, &named)?;
            if let Some(removal) = removed.iter().find(|removal| *removal.get_ref() == id) {
                let message = format!("{} `{id}` is stated in the same file: do one of the two", self.what);
                return Err(Fault(removal.span(), message));
            }
            let read = (self.read)(entry, catalog)?;
            part(catalog).insert(id.clone(), read);
            named.insert(id, ());
        }
        Ok(())
    }
}

/// Something that the file does not state and that refers to what it removes or drops.
struct User<'a> {
    /// Who refers.
    user: String,
    /// The kind and the id of what is missing.
    wanted: (&'static str, &'a str),
    /// The product of which it is missing.
    product: Option<&'a str>,
}

impl User<'_> {
    fn message(&self) -> String {
        let (kind, id) = self.wanted;
        let of = self.product.map_or_else(String::new, |product| format!(" of product `{product}`"));
        format!("{} needs {kind} {}{of}: state it anew in this file without it", self.user, quoted(id))
    }

    /// Returns where the file removes what is missing, or states the product that no longer has it.
    fn blame(&self, file: &File) -> Range<usize> {
        let (kind, id) = self.wanted;
        let gone = match kind {
            "policy" => &file.remove.policy,
            "territory" => &file.remove.territory,
            "support level" => &file.remove.support,
            _ => &file.remove.product,
        };
        let removal = gone.iter().find(|removal| removal.get_ref() == id).map(Spanned::span);
        let stated = file.product.iter().map(|entry| &entry.id);
        let stated =
            stated.filter(|entry| Some(entry.get_ref().as_str()) == self.product).map(Spanned::span).next();
        removal.or(stated).unwrap_or(0..0)
    }
}

/// Finds what refers to nothing. What the file states was checked where it stands.
fn left_over(catalog: &Catalog) -> Option<User<'_>> {
    for (id, product) in &catalog.products {
        for (name, package) in &product.packages {
            let user = || format!("package `{name}` of product `{id}`");
            let policy = package.policy.as_deref().filter(|id| !catalog.policies.contains_key(*id));
            let territory = package.territory.as_deref().filter(|id| !catalog.territories.contains_key(*id));
            let support = package.support.as_deref().filter(|id| !catalog.support.contains_key(*id));
            let wanted = [("policy", policy), ("territory", territory), ("support level", support)];
            if let Some((kind, Some(id))) = wanted.into_iter().find(|(_, id)| id.is_some()) {
                return Some(User { user: user(), wanted: (kind, id), product: None });
            }
        }
    }
    for (book, prices) in &catalog.price_books {
        let user = || format!("price book `{book}`");
        for (id, prices) in &prices.prices {
            let Some(product) = catalog.products.get(id) else {
                return Some(User { user: user(), wanted: ("product", id), product: None });
            };
            if let Some(wanted) = unsold(product, prices) {
                return Some(User { user: user(), wanted, product: Some(id) });
            }
        }
    }
    None
}

/// Finds what has a price and is not sold.
fn unsold<'a>(product: &Product, prices: &'a Prices) -> Option<(&'static str, &'a str)> {
    let edition = prices.editions.keys().find(|id| !product.editions.contains_key(*id));
    let package = prices.packages.keys().find(|id| !product.packages.contains_key(*id));
    let add_on = prices.add_ons.keys().find(|id| !product.add_ons.contains_key(*id));
    let named = |kind, id: Option<&'a String>| id.map(|id| (kind, id.as_str()));
    named("edition", edition).or_else(|| named("package", package)).or_else(|| named("add-on", add_on))
}
