//! `chancery catalog apply`: makes the catalog what a file says, for everybody or for a share of the customers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::{StatedArgs, counted, read_over, text_of};
use crate::commands::Context;
use crate::error::CommandError;
use crate::repository::{Catalog, Product};
use crate::workflow::catalog::change::apply;
use crate::workflow::pilot::Share;

/// Make the catalog what a file says
///
/// The file states each product, policy, territory, support level and price book that it names in full: what it
/// leaves out of them is no longer sold. What it does not name stays, unless it stands under [remove], and so does
/// everything that was granted before. With --pilot the file holds for a share of the customers alone, until it is
/// promoted or withdrawn.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery catalog apply pump.toml\n  \
    chancery catalog apply pump.toml --by 'Dana Keller' --reason 'prices of 2027'\n  \
    chancery catalog apply pump.toml --pilot 5% --by 'Dana Keller' --reason 'is the bundle understood?'")]
pub struct ApplyArgs {
    /// Catalog file
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// Share of the customers for whom it holds
    #[arg(long, value_name = "PERCENT%")]
    pilot: Option<Share>,
    #[command(flatten)]
    stated: StatedArgs,
}

pub(super) fn run(args: &ApplyArgs, context: &Context) -> Result<(), CommandError> {
    let text = text_of(&args.file)?;
    let now = context.now()?;
    let mut repository = context.repository()?;
    let state = repository.catalog_state()?;
    let catalog = read_over(&state.catalog, &args.file, &text)?;
    let how = (args.pilot, args.stated.get());
    let applied = apply(&mut repository, &state, &catalog, &text, how, now)?;
    let mut printer = context.printer();
    match (applied.number, args.pilot) {
        (None, _) => printer.line("The catalog is as the file says; nothing was changed")?,
        (Some(number), None) => {
            printer.line(format_args!(
                "Applied catalog change {number}: {}",
                summary(&state.catalog, &catalog)
            ))?;
        }
        (Some(number), Some(share)) => {
            let summary = summary(&state.catalog, &catalog);
            printer.line(format_args!(
                "Applied catalog change {number} for {share} of the customers: {summary}"
            ))?;
            printer.line(format_args!(
                "Next: `chancery catalog promote {number}` for everybody, or `chancery catalog withdraw {number}`"
            ))?;
        }
    }
    if let Some(pilot) = applied.overtaken {
        printer.line(format_args!("Pilot {pilot} is overtaken: it holds for nobody any more"))?;
    }
    Ok(printer.json(&json!({
        "changed": applied.number.is_some(),
        "change": applied.number,
        "pilot": args.pilot.map(|share| share.to_string()),
        "overtaken": applied.overtaken,
        "products": changed(&state.catalog.products, &catalog.products).map(|(id, _)| id).collect::<Vec<_>>(),
    }))?)
}

/// Returns what a file made new or other.
fn changed<'a, T: PartialEq>(
    before: &'a BTreeMap<String, T>,
    after: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = (&'a String, &'a T)> {
    after.iter().filter(|(id, value)| before.get(*id) != Some(*value))
}

fn removed<T>(before: &BTreeMap<String, T>, after: &BTreeMap<String, T>) -> usize {
    before.keys().filter(|id| !after.contains_key(*id)).count()
}

/// Tells what a file changed: each product, and how much of the rest.
fn summary(before: &Catalog, after: &Catalog) -> String {
    let mut parts: Vec<String> =
        changed(&before.products, &after.products).map(|(id, product)| sizes(id, product)).collect();
    let others = [
        (changed(&before.policies, &after.policies).count(), "policy"),
        (changed(&before.territories, &after.territories).count(), "territory"),
        (changed(&before.support, &after.support).count(), "support level"),
        (changed(&before.price_books, &after.price_books).count(), "price book"),
    ];
    parts
        .extend(others.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| counted(count, what)));
    let removed = removed(&before.products, &after.products)
        + removed(&before.policies, &after.policies)
        + removed(&before.territories, &after.territories)
        + removed(&before.support, &after.support)
        + removed(&before.price_books, &after.price_books);
    if removed > 0 {
        parts.push(format!("{removed} removed"));
    }
    parts.join(", ")
}

fn sizes(id: &str, product: &Product) -> String {
    let mut sizes =
        vec![counted(product.features.len(), "feature"), counted(product.editions.len(), "edition")];
    let optional = [(product.add_ons.len(), "add-on"), (product.packages.len(), "package")];
    sizes.extend(
        optional.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| counted(count, what)),
    );
    let last = sizes.pop().unwrap_or_default();
    format!("{id} with {} and {last}", sizes.join(", "))
}
