//! `chancery entitlement grant`: what a customer bought.

use super::{BindingArg, Context, ModelArg, WhoArgs, name_argument, tell_waiting};
use crate::commands::sale::SaleArgs;
use crate::error::CommandError;
use crate::output::entitlement::describe;
use crate::repository::{Model, Repository, Sold};
use crate::workflow::entitlement::grant::{Order, grant};
use crate::workflow::sale::Sales;
use crate::workflow::term;

/// Grant an edition or a package of a product to a customer
///
/// Features and rules are copied from the catalog as it is: a later catalog alters nothing that was granted.
/// A date is a whole day in UTC, or in the zone it carries; the term ends with its last second.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery entitlement grant --customer acme --product pump --edition standard --quantity 5\n  \
    chancery entitlement grant --customer acme --product pump --edition standard --quantity 5 \\\n    \
    --from 2026-07-01 --until '2027-06-30[Europe/Berlin]'\n  \
    chancery entitlement grant --customer acme --product pump --package waterworks --add-on export --quantity 5\n  \
    chancery entitlement grant --customer acme --product pump --edition standard --quantity 50000 \\\n    \
    --binding site --site north\n  \
    chancery entitlement grant --customer acme --product pump --edition standard --quantity 1 \\\n    \
    --model trial --until 2026-07-31 --reason 'fair in Hanover'")]
pub struct GrantArgs {
    /// Customer who bought
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    customer: String,
    /// Product of the catalog
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    product: String,
    #[command(flatten)]
    sale: SaleArgs,
    /// Devices that may hold a license, or licenses where they are bound to none
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    quantity: u32,
    /// What its licenses are bound to: the device that asks, the site that they name, or nothing [default: what the
    /// policy says, and else the device]
    #[arg(long, value_enum)]
    binding: Option<BindingArg>,
    /// Site that its licenses name
    #[arg(long, value_name = "SITE", value_parser = name_argument, required_if_eq("binding", "site"))]
    site: Option<String>,
    /// First day or instant of the term [default: today]
    #[arg(long, value_name = "DATE", value_parser = term::start)]
    from: Option<u64>,
    /// Last day or instant of the term [default: what the policy says, and else perpetual]
    #[arg(long, value_name = "DATE", value_parser = term::end)]
    until: Option<u64>,
    /// How it runs out: never, with its term, or with its term and once on a device [default: what the policy says, and
    /// else by --until]
    #[arg(long, value_enum)]
    model: Option<ModelArg>,
    /// Why, for those who read the history
    #[arg(long, value_name = "TEXT", default_value = "sold", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    who: WhoArgs,
}

pub(super) fn run(args: &GrantArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let mut repository = context.repository()?;
    let sold = what_is_sold(args, &repository)?;
    let order = Order {
        customer: &args.customer,
        quantity: args.quantity.into(),
        site: args.site.as_deref(),
        not_before: args.from,
        not_after: args.until,
    };
    let granted = grant(&mut repository, &order, &sold, &args.who.note(&args.reason, now))?;
    if tell_waiting(context, &repository, granted.id)? {
        return Ok(());
    }
    let mut printer = context.printer();
    printer.line(format_args!("Granted entitlement {}", granted.id))?;
    Ok(printer.json(&describe(&granted))?)
}

/// Returns what the sale comes to. What a policy says is not said otherwise.
fn what_is_sold(args: &GrantArgs, repository: &Repository) -> Result<Sold, CommandError> {
    let mut sold = Sales::open(repository)?.sold(&args.customer, &args.sale.wanted(&args.product))?;
    let (model, binding) = (args.model.map(Into::into), args.binding.map(Into::into));
    if let Some(policy) = &sold.policy {
        if model.is_some_and(|model| model != sold.model)
            || binding.is_some_and(|binding| binding != sold.rules.binding)
        {
            let (model, binding) = (sold.model.name(), sold.rules.binding.name());
            let message = format!("policy {policy} sells a {model} whose licenses are bound to {binding}");
            return Err(CommandError::refused("policy-other", message)
                .hint("leave `--model` and `--binding` out, or name another policy with `--policy`"));
        }
        return Ok(sold);
    }
    let by_term = if args.until.is_some() { Model::Subscription } else { Model::Perpetual };
    sold.model = model.unwrap_or(by_term);
    sold.rules.binding = binding.unwrap_or(sold.rules.binding);
    Ok(sold)
}
