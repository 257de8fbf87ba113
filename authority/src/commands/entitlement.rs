//! `chancery entitlement`: what customers bought.

use chancery_carriers::report::Exit;
use chancery_formats::id::EntitlementId;
use serde_json::{Value, json};

use super::{Context, name_argument};
use crate::error::CommandError;
use crate::output;
use crate::repository::{Binding, Entitlement};
use crate::workflow::entitlement::{Grant, GrantError, grant};
use crate::workflow::term;

/// Grant and show entitlements
#[derive(Debug, clap::Subcommand)]
pub enum EntitlementCommand {
    Grant(GrantArgs),
    Show(ShowArgs),
    List(ListArgs),
}

/// Grant an edition of a product to a customer
///
/// The features are copied from the catalog as it is: a later catalog alters nothing that was granted.
/// A date is a whole day in UTC, or in the zone it carries; the term ends with its last second.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery entitlement grant --customer acme --product pump --edition standard --quantity 5\n  \
    chancery entitlement grant --customer acme --product pump --edition standard --quantity 5 \\\n    \
    --from 2026-07-01 --until '2027-06-30[Europe/Berlin]'\n  \
    chancery entitlement grant --customer acme --product pump --edition standard --quantity 50000 \\\n    \
    --binding site --site north")]
pub struct GrantArgs {
    /// Customer who bought
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    customer: String,
    /// Product of the catalog
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    product: String,
    /// Edition of the product
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    edition: String,
    /// Devices that may hold a license, or licenses where they are bound to none
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    quantity: u32,
    /// What its licenses are bound to: the device that asks, the site that they name, or nothing
    #[arg(long, value_enum, default_value_t = BindingArg::Device)]
    binding: BindingArg,
    /// Site that its licenses name
    #[arg(long, value_name = "SITE", value_parser = name_argument, required_if_eq("binding", "site"))]
    site: Option<String>,
    /// First day or instant of the term [default: today]
    #[arg(long, value_name = "DATE", value_parser = term::start)]
    from: Option<u64>,
    /// Last day or instant of the term [default: perpetual]
    #[arg(long, value_name = "DATE", value_parser = term::end)]
    until: Option<u64>,
}

/// What the licenses of an entitlement are bound to.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum BindingArg {
    Device,
    Site,
    None,
}

impl From<BindingArg> for Binding {
    fn from(arg: BindingArg) -> Self {
        match arg {
            BindingArg::Device => Self::Device,
            BindingArg::Site => Self::Site,
            BindingArg::None => Self::None,
        }
    }
}

/// Show an entitlement
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery entitlement show ent_0123456789ABC")]
pub struct ShowArgs {
    /// Entitlement to show
    #[arg(value_name = "ENTITLEMENT-ID")]
    entitlement: EntitlementId,
}

/// List entitlements
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery entitlement list\n  chancery entitlement list --json")]
pub struct ListArgs {}

/// Runs a command of `chancery entitlement`.
///
/// # Errors
///
/// Those of the workflow, the repository and the printer.
pub fn run(command: &EntitlementCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        EntitlementCommand::Grant(args) => run_grant(args, context),
        EntitlementCommand::Show(args) => show(args, context),
        EntitlementCommand::List(_) => list(context),
    }
}

fn run_grant(args: &GrantArgs, context: &Context) -> Result<(), CommandError> {
    let wanted = Grant {
        customer: &args.customer,
        product: &args.product,
        edition: &args.edition,
        quantity: args.quantity,
        binding: args.binding.into(),
        site: args.site.as_deref(),
        not_before: args.from,
        not_after: args.until,
    };
    let granted = grant(&mut context.repository()?, &wanted, context.now()?)?;
    let mut printer = context.printer();
    printer.line(format_args!("Granted entitlement {}", granted.id))?;
    Ok(printer.json(&describe(&granted))?)
}

impl From<GrantError> for CommandError {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Repository(error) => error.into(),
            GrantError::EmptyTerm => Self::usage(error.to_string()).hint("correct `--from` or `--until`"),
            GrantError::SiteMissing => Self::usage(error.to_string()).hint("name it with `--site`"),
            GrantError::Random(_) => Self::from_error(Exit::Failed, "random-failure", &error)
                .hint("check the operating system's random number generator"),
        }
    }
}

fn show(args: &ShowArgs, context: &Context) -> Result<(), CommandError> {
    let found = context.read(|repository| Ok(repository.entitlement(args.entitlement)?))?;
    let mut printer = context.printer();
    printer.fields(&[
        ("id", found.id.to_string()),
        ("customer", found.customer.clone()),
        ("product", found.product.clone()),
        ("edition", found.edition.clone()),
        ("features", output::features(&found.features)),
        ("bound to", bound_to(&found)),
        ("activations", format!("{} of {} used, {} left", found.used, found.quantity, found.left())),
        ("from", output::time(found.not_before)),
        ("until", output::end(found.not_after)),
        ("granted", output::time(found.granted_at)),
        ("revision", found.revision.to_string()),
    ])?;
    Ok(printer.json(&describe(&found))?)
}

fn bound_to(entitlement: &Entitlement) -> String {
    match (entitlement.binding, &entitlement.site) {
        (Binding::Device, Some(site)) => format!("the device that asks, of site {site}"),
        (Binding::Device, None) => "the device that asks".to_owned(),
        (Binding::Site, site) => format!("site {}", site.as_deref().unwrap_or_default()),
        (Binding::None, Some(site)) => format!("nothing; they name site {site}"),
        (Binding::None, None) => "nothing".to_owned(),
    }
}

fn list(context: &Context) -> Result<(), CommandError> {
    let found = context.read(|repository| Ok(repository.entitlements()?))?;
    let rows: Vec<_> = found
        .iter()
        .map(|one| {
            vec![
                one.id.to_string(),
                one.customer.clone(),
                one.product.clone(),
                one.edition.clone(),
                format!("{} of {}", one.used, one.quantity),
                output::end(one.not_after),
            ]
        })
        .collect();
    let mut printer = context.printer();
    printer.table(&["ID", "CUSTOMER", "PRODUCT", "EDITION", "USED", "UNTIL"], &rows)?;
    Ok(printer.json(&found.iter().map(describe).collect())?)
}

fn describe(entitlement: &Entitlement) -> Value {
    json!({
        "id": entitlement.id.to_string(),
        "customer": entitlement.customer,
        "product": entitlement.product,
        "edition": entitlement.edition,
        "features": output::features_json(&entitlement.features),
        "binding": entitlement.binding.name(),
        "site": entitlement.site,
        "quantity": entitlement.quantity,
        "used": entitlement.used,
        "left": entitlement.left(),
        "not_before": output::time_json(entitlement.not_before),
        "not_after": entitlement.not_after.map(output::time_json),
        "granted_at": output::time_json(entitlement.granted_at),
        "revision": entitlement.revision,
    })
}
