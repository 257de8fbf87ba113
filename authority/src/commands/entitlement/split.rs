//! `chancery entitlement split`: an island for a site that talks to no other.

use chancery_formats::id::EntitlementId;
use serde_json::json;

use super::{Context, NoteArgs, name_argument, tell_waiting};
use crate::error::CommandError;
use crate::output::entitlement::describe;
use crate::workflow::entitlement::island::split;

/// Split activations off as an island for a site
///
/// The island is an entitlement of its own with the same terms; what it holds is no longer there for others. It is
/// never raised or split; `amend --quantity` gives activations back.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery entitlement split ent_0123456789ABC --site platform-7 --quantity 20 --reason 'contract 17'")]
pub struct SplitArgs {
    /// Entitlement to split
    #[arg(value_name = "ENTITLEMENT-ID")]
    entitlement: EntitlementId,
    /// Site that the island is for
    #[arg(long, value_name = "SITE", value_parser = name_argument)]
    site: String,
    /// Activations of the island
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    quantity: u32,
    #[command(flatten)]
    note: NoteArgs,
}

pub(super) fn run(args: &SplitArgs, context: &Context) -> Result<(), CommandError> {
    let note = args.note.note(context.now()?);
    let quantity = args.quantity.into();
    let mut repository = context.repository()?;
    let done = split(&mut repository, args.entitlement, &args.site, quantity, &note)?;
    if tell_waiting(context, &repository, done.parent.id)? {
        return Ok(());
    }
    let mut printer = context.printer();
    printer.line(format_args!("Split island {} off entitlement {}", done.island.id, done.parent.id))?;
    printer.fields(&[
        ("site", args.site.clone()),
        ("activations", quantity.to_string()),
        ("left in the entitlement", done.parent.left().to_string()),
    ])?;
    Ok(printer.json(&json!({"island": describe(&done.island), "parent": describe(&done.parent)}))?)
}
