//! `chancery entitlement convert`: from a trial to what is paid, and between a subscription and a perpetual right.

use chancery_formats::id::EntitlementId;
use serde_json::json;

use super::{Context, ModelArg, NoteArgs, Told, print};
use crate::commands::sale::ResaleArgs;
use crate::error::CommandError;
use crate::workflow::entitlement::convert::{Conversion, convert};
use crate::workflow::entitlement::resale::resold;
use crate::workflow::term;

/// Change how an entitlement runs out
///
/// The entitlement and the devices that have it stay. A term that is over begins anew today. Nothing becomes a trial.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery entitlement convert ent_0123456789ABC --model subscription --until 2027-06-30 --reason 'order 4715'\n  \
    chancery entitlement convert ent_0123456789ABC --model perpetual --edition professional --reason 'order 4716'")]
pub struct ConvertArgs {
    /// Entitlement to convert
    #[arg(value_name = "ENTITLEMENT-ID")]
    entitlement: EntitlementId,
    /// How it runs out from now on
    #[arg(long, value_enum)]
    model: ModelArg,
    /// Last day or instant of the term
    #[arg(long, value_name = "DATE", value_parser = term::end)]
    until: Option<u64>,
    #[command(flatten)]
    sale: ResaleArgs,
    #[command(flatten)]
    note: NoteArgs,
}

pub(super) fn run(args: &ConvertArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let mut repository = context.repository()?;
    let conversion = Conversion {
        model: args.model.into(),
        not_after: args.until,
        sold: resold(&repository, args.entitlement, &args.sale.resale())?,
    };
    let changed = convert(&mut repository, args.entitlement, &conversion, &args.note.note(now))?;
    let told = Told { verb: "Converted", lines: &[], licenses_differ: true };
    print(context, &repository, &changed, &told, json!({}))
}
