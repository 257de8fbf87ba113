//! `chancery catalog quote`: what a sale would come to, and nothing is granted.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::commands::sale::SaleArgs;
use crate::commands::{Context, name_argument};
use crate::error::CommandError;
use crate::output;
use crate::repository::Sold;
use crate::workflow::sale::{Price, Sales, price};

/// Show what a sale comes to
///
/// Puts the features of an edition or a package and its add-ons together with the rules of the policy, as a grant
/// does, under the catalog that holds for the customer. Nothing is granted.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery catalog quote --product pump --package pro\n  \
    chancery catalog quote --product pump --edition standard --add-on more-channels --policy yearly \\\n    \
    --customer acme --price-book eur --quantity 5")]
pub struct QuoteArgs {
    /// Product of the catalog
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    product: String,
    #[command(flatten)]
    sale: SaleArgs,
    /// Customer who buys, for pilots
    #[arg(long, value_name = "ID", value_parser = name_argument, conflicts_with = "at")]
    customer: Option<String>,
    /// Number of the change under which it would be sold
    #[arg(long, value_name = "NUMBER")]
    at: Option<u64>,
    /// Price book to look prices up in
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    price_book: Option<String>,
    /// How many are bought
    #[arg(long, value_name = "N", default_value_t = 1, requires = "price_book",
          value_parser = clap::value_parser!(u32).range(1..))]
    quantity: u32,
}

pub(super) fn run(args: &QuoteArgs, context: &Context) -> Result<(), CommandError> {
    let wanted = args.sale.wanted(&args.product);
    let customer = args.customer.as_deref();
    let (sold, price) = context.read(|repository| {
        let sales = match args.at {
            Some(number) => Sales::at(repository, number)?,
            None => Sales::open(repository)?,
        };
        // Nobody in particular has what everybody has.
        let sold = match customer {
            Some(customer) => sales.sold(customer, &wanted)?,
            None => sales.sold_to_anybody(&wanted)?,
        };
        let (_, catalog) = customer.map_or_else(|| sales.standing(), |customer| sales.in_force(customer));
        let price = match &args.price_book {
            Some(book) => Some(price(catalog, book, &wanted, args.quantity)?),
            None => None,
        };
        Ok((sold, price))
    })?;
    let mut printer = context.printer();
    printer.fields(&fields(&sold, price.as_ref()))?;
    Ok(printer.json(&describe(&sold, price.as_ref()))?)
}

fn fields(sold: &Sold, price: Option<&Option<Price>>) -> Vec<(&'static str, String)> {
    let rules = &sold.rules;
    let days = |days: Option<u32>| days.map(|days| format!("{days} days"));
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let names = |names: &BTreeSet<String>| {
        (!names.is_empty()).then(|| names.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
    };
    let span = |secs: u64| (secs > 0).then(|| format!("{} days", secs / 86_400));
    let optional = [
        ("package", sold.package.clone()),
        ("add-ons", names(&sold.add_ons)),
        ("policy", sold.policy.clone()),
        ("term", days(rules.term_days)),
        ("maintenance", days(rules.maintenance_days)),
        ("highest version", rules.highest_version.map(|version| version.to_string())),
        ("grace", span(rules.enforcement.grace_secs)),
        ("notice", span(rules.enforcement.notice_secs)),
        ("seats", number(rules.seats)),
        ("named users", number(rules.named_users.map(u64::from))),
        ("territory", names(&rules.territory)),
        ("support", rules.support.clone()),
        ("devices a license", number(rules.devices)),
        ("channels", names(&rules.channels)),
        ("typed bindings", number(rules.bindings)),
    ];
    let mut fields = vec![
        ("product", sold.product.clone()),
        ("edition", sold.edition.clone()),
        ("features", output::features(&sold.features)),
        ("model", sold.model.name().to_owned()),
        ("enforcement", rules.enforcement.mode.name().to_owned()),
        ("bound to", rules.binding.name().to_owned()),
        ("transferable", if rules.transferable { "yes" } else { "no" }.to_owned()),
    ];
    fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    if let Some(price) = price {
        let price = price.as_ref().map_or_else(|| "none in this book".to_owned(), Price::to_string);
        fields.push(("price", price));
    }
    fields.push(("catalog change", sold.catalog.to_string()));
    fields
}

fn describe(sold: &Sold, price: Option<&Option<Price>>) -> Value {
    let rules = &sold.rules;
    let price = price.and_then(Option::as_ref);
    json!({
        "product": sold.product,
        "edition": sold.edition,
        "package": sold.package,
        "add_ons": sold.add_ons,
        "catalog_change": sold.catalog,
        "policy": sold.policy,
        "model": sold.model.name(),
        "features": output::features_json(&sold.features),
        "term_days": rules.term_days,
        "maintenance_days": rules.maintenance_days,
        "highest_version": rules.highest_version.map(|version| version.to_string()),
        "grace_secs": rules.enforcement.grace_secs,
        "notice_secs": rules.enforcement.notice_secs,
        "enforcement": rules.enforcement.mode.name(),
        "binding": rules.binding.name(),
        "seats": rules.seats,
        "named_users": rules.named_users,
        "transferable": rules.transferable,
        "territory": rules.territory,
        "support": rules.support,
        "devices": rules.devices,
        "channels": rules.channels,
        "typed_bindings": rules.bindings,
        "price": price.map(|price| json!({"minor_units": price.minor_units, "currency": price.currency})),
    })
}
