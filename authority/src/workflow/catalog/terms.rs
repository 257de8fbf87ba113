//! From the file to what holds for sales: policies, territories, support levels and price books.

use std::collections::BTreeSet;

use chancery_formats::country;
use chancery_formats::id::is_name;
use chancery_formats::license::{EnforcementMode, Version};
use toml::{Spanned, Value};

use super::currency;
use super::fault::{Fault, once, person, quoted, unknown};
use super::file::{
    BindingWord, EnforcementWord, ModelWord, NamedEntry, PolicyEntry, PriceBookEntry, PriceEntry,
    TerritoryEntry,
};
use crate::repository::{Binding, Catalog, Model, Policy, PriceBook, Product, SupportLevel, Territory};

/// Longest span of a policy, in days: a hundred years.
const MAX_DAYS: i64 = 36_525;

pub(super) fn policy(entry: &PolicyEntry, known: &Catalog) -> Result<Policy, Fault> {
    let others = known.policies.iter().filter(|(id, _)| *id != entry.id.get_ref());
    let name = person(&entry.id, entry.name.as_ref(), others.map(|(_, other)| other.name.as_str()))?;
    let model = match entry.model.get_ref() {
        ModelWord::Perpetual => Model::Perpetual,
        ModelWord::Subscription => Model::Subscription,
        ModelWord::Trial => Model::Trial,
    };
    match (&entry.term_days, model) {
        (Some(days), Model::Perpetual) => {
            let message = "what is perpetual has no term: leave `term-days` out, or write another `model`";
            return Err(Fault(days.span(), message.to_owned()));
        }
        (None, Model::Subscription | Model::Trial) => {
            let message = format!("a {} has a term: write `term-days = 365`", model.name());
            return Err(Fault(entry.model.span(), message));
        }
        _ => {}
    }
    let mut channels = BTreeSet::new();
    for channel in &entry.channels {
        if !is_name(channel.get_ref()) {
            let message = format!(
                "{} is not a channel: 1 to 64 of a-z, 0-9, dot, dash and underscore, a letter or digit first",
                quoted(channel.get_ref())
            );
            return Err(Fault(channel.span(), message));
        }
        once(channel, &mut channels)?;
    }
    Ok(Policy {
        name,
        model,
        term_days: days(entry.term_days.as_ref(), 1)?,
        maintenance_days: days(entry.maintenance_days.as_ref(), 1)?,
        highest_version: entry.highest_version.as_ref().map(version).transpose()?,
        grace_days: days(entry.grace_days.as_ref(), 0)?.unwrap_or(0),
        notice_days: days(entry.notice_days.as_ref(), 0)?.unwrap_or(0),
        enforcement: match entry.enforcement {
            EnforcementWord::Deny => EnforcementMode::Deny,
            EnforcementWord::Warn => EnforcementMode::Warn,
            EnforcementWord::Degrade => EnforcementMode::Degrade,
        },
        binding: match entry.binding {
            BindingWord::Device => Binding::Device,
            BindingWord::Site => Binding::Site,
            BindingWord::None => Binding::None,
        },
        seats: number(entry.seats.as_ref(), i64::MAX)?,
        named_users: number(entry.named_users.as_ref(), i64::from(u32::MAX))?,
        transferable: entry.transferable.unwrap_or(true),
        devices: number(entry.devices.as_ref(), i64::MAX)?,
        channels,
        typed_bindings: number(entry.typed_bindings.as_ref(), i64::MAX)?,
    })
}

/// Reads a span of whole days.
fn days(value: Option<&Spanned<i64>>, least: i64) -> Result<Option<u32>, Fault> {
    let Some(value) = value else { return Ok(None) };
    let days =
        u32::try_from(*value.get_ref()).ok().filter(|days| (least..=MAX_DAYS).contains(&i64::from(*days)));
    let message = || format!("{} is not a span: {least} to {MAX_DAYS} whole days", value.get_ref());
    days.map(Some).ok_or_else(|| Fault(value.span(), message()))
}

/// Reads a number from 1; what has no bound is left out.
fn number<T: TryFrom<i64>>(value: Option<&Spanned<i64>>, most: i64) -> Result<Option<T>, Fault> {
    let Some(value) = value else { return Ok(None) };
    let found = Some(*value.get_ref()).filter(|number| (1..=most).contains(number));
    let found = found.and_then(|number| T::try_from(number).ok());
    let message =
        || format!("{} is not a number from 1 to {most}; without a bound, leave it out", value.get_ref());
    found.map(Some).ok_or_else(|| Fault(value.span(), message()))
}

fn version(text: &Spanned<String>) -> Result<Version, Fault> {
    let part = |part: &str| {
        let digits =
            part.bytes().all(|byte| byte.is_ascii_digit()) && !(part.len() > 1 && part.starts_with('0'));
        part.parse::<u32>().ok().filter(|_| digits)
    };
    let numbers: Option<Vec<u32>> = text.get_ref().split('.').map(part).collect();
    numbers.and_then(|numbers| Version::new(&numbers)).ok_or_else(|| {
        let message = format!(
            "{} is not a version: one to four numbers, such as \"3\" or \"3.2\"",
            quoted(text.get_ref())
        );
        Fault(text.span(), message)
    })
}

pub(super) fn territory(entry: &TerritoryEntry, known: &Catalog) -> Result<Territory, Fault> {
    let others = known.territories.iter().filter(|(id, _)| *id != entry.id.get_ref());
    let name = person(&entry.id, entry.name.as_ref(), others.map(|(_, other)| other.name.as_str()))?;
    let mut countries = BTreeSet::new();
    for code in entry.countries.get_ref() {
        let text = code.get_ref();
        if !country::is_assigned(text) {
            let meant = country::meant(text).map_or_else(
                || "ISO 3166-1 alpha-2 assigns codes such as DE and FR".to_owned(),
                |meant| format!("write \"{meant}\""),
            );
            return Err(Fault(
                code.span(),
                format!("{} is not the code of a country: {meant}", quoted(text)),
            ));
        }
        if !countries.insert(text.clone()) {
            return Err(Fault(code.span(), format!("`{text}` occurs twice in the list")));
        }
    }
    if countries.is_empty() {
        let message = "a territory has at least one country; what may be used anywhere names no territory";
        return Err(Fault(entry.countries.span(), message.to_owned()));
    }
    Ok(Territory { name, countries })
}

pub(super) fn support(entry: &NamedEntry, known: &Catalog) -> Result<SupportLevel, Fault> {
    let others = known.support.iter().filter(|(id, _)| *id != entry.id.get_ref());
    Ok(SupportLevel {
        name: person(&entry.id, entry.name.as_ref(), others.map(|(_, other)| other.name.as_str()))?,
    })
}

/// Reads a price book. `known` holds every product that the catalog will have.
pub(super) fn price_book(entry: &PriceBookEntry, known: &Catalog) -> Result<PriceBook, Fault> {
    let others = known.price_books.iter().filter(|(id, _)| *id != entry.id.get_ref());
    let name = person(&entry.id, entry.name.as_ref(), others.map(|(_, other)| other.name.as_str()))?;
    let code = entry.currency.get_ref();
    if currency::digits(code).is_none() {
        let message = format!("{} is not a currency of ISO 4217: write a code such as \"EUR\"", quoted(code));
        return Err(Fault(entry.currency.span(), message));
    }
    let mut book = PriceBook { name, currency: code.clone(), ..PriceBook::default() };
    for price in &entry.price {
        self::price(price, code, known, &mut book)?;
    }
    Ok(book)
}

fn price(
    entry: &Spanned<PriceEntry>,
    code: &str,
    known: &Catalog,
    book: &mut PriceBook,
) -> Result<(), Fault> {
    let PriceEntry { product, edition, package, add_on, minor_units } = entry.get_ref();
    let Some(sold) = known.products.get(product.get_ref()) else {
        let products = known.products.keys().map(String::as_str);
        return Err(unknown(product, "the catalog has no product", products));
    };
    let amount = amount(minor_units, code)?;
    let prices = book.prices.entry(product.get_ref().clone()).or_default();
    let (name, what, is_sold, list): (_, _, fn(&Product, &str) -> bool, _) = match (edition, package, add_on)
    {
        (Some(name), None, None) => {
            (name, "edition", |product, id| product.editions.contains_key(id), &mut prices.editions)
        }
        (None, Some(name), None) => {
            (name, "package", |product, id| product.packages.contains_key(id), &mut prices.packages)
        }
        (None, None, Some(name)) => {
            (name, "add-on", |product, id| product.add_ons.contains_key(id), &mut prices.add_ons)
        }
        _ => {
            let message = "a price is that of one `edition`, one `package` or one `add-on`: name one of them";
            return Err(Fault(product.span(), message.to_owned()));
        }
    };
    if !is_sold(sold, name.get_ref()) {
        let Product { editions, packages, add_ons, .. } = sold;
        let known = match what {
            "edition" => editions.keys().collect::<Vec<_>>(),
            "package" => packages.keys().collect(),
            _ => add_ons.keys().collect(),
        };
        let message = format!("product `{}` has no {what}", product.get_ref());
        return Err(unknown(name, &message, known.into_iter().map(String::as_str)));
    }
    if list.insert(name.get_ref().clone(), amount).is_some() {
        return Err(Fault(name.span(), format!("{what} `{}` has a price in this book", name.get_ref())));
    }
    Ok(())
}

/// Reads an amount, which is never a fraction.
fn amount(value: &Spanned<Value>, code: &str) -> Result<u64, Fault> {
    let found = match value.get_ref() {
        Value::Integer(amount) => u64::try_from(*amount).ok(),
        _ => None,
    };
    found.ok_or_else(|| {
        let example = currency::amount(120_000, code);
        let message =
            format!("an amount is a whole number of minor units from 0: write 120000 for {example}");
        Fault(value.span(), message)
    })
}
