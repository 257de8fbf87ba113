//! `chancery entitlement show`: as it is, or as it was.

use chancery_formats::id::EntitlementId;
use serde_json::json;

use super::Context;
use crate::error::CommandError;
use crate::output;
use crate::output::entitlement::{describe, fields};
use crate::workflow::entitlement::history::replay;
use crate::workflow::term;

/// Show an entitlement
///
/// With a date, as it was at the end of that day, or at that instant.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery entitlement show ent_0123456789ABC\n  \
    chancery entitlement show ent_0123456789ABC --at 2026-06-30\n  \
    chancery entitlement show ent_0123456789ABC --at 2026-06-30T12:00:00Z --json")]
pub struct ShowArgs {
    /// Entitlement to show
    #[arg(value_name = "ENTITLEMENT-ID")]
    entitlement: EntitlementId,
    /// Day or instant of which to show it
    #[arg(long, value_name = "DATE", value_parser = term::end)]
    at: Option<u64>,
}

pub(super) fn run(args: &ShowArgs, context: &Context) -> Result<(), CommandError> {
    let found = context.read(|repository| match args.at {
        Some(at) => Ok(replay(repository, args.entitlement, at)?.entitlement),
        None => Ok(repository.entitlement(args.entitlement)?),
    })?;
    let mut printer = context.printer();
    let mut shown = fields(&found);
    shown.extend(args.at.map(|at| ("as of", output::time(at))));
    printer.fields(&shown)?;
    let mut value = describe(&found);
    if let (Some(fields), Some(at)) = (value.as_object_mut(), args.at) {
        fields.insert("as_of".to_owned(), json!(output::time_json(at)));
    }
    Ok(printer.json(&value)?)
}
