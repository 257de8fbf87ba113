//! `chancery entitlement transfer`: to another site or customer.

use chancery_formats::id::EntitlementId;
use serde_json::json;

use super::{Context, NoteArgs, Told, name_argument, print};
use crate::error::CommandError;
use crate::workflow::entitlement::transfer::transfer;

/// Transfer an entitlement to another site or customer
///
/// Every license that was issued before is named for the next revocation list, and its activation is free again.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery entitlement transfer ent_0123456789ABC --site south --reason 'plant north closed'\n  \
    chancery entitlement transfer ent_0123456789ABC --customer globex --site main --reason 'plant sold'")]
pub struct TransferArgs {
    /// Entitlement to transfer
    #[arg(value_name = "ENTITLEMENT-ID")]
    entitlement: EntitlementId,
    /// Customer who has it from now on [default: the same as before]
    #[arg(long, value_name = "ID", value_parser = name_argument, required_unless_present = "site")]
    customer: Option<String>,
    /// Site that its licenses name from now on [default: none for another customer]
    #[arg(long, value_name = "SITE", value_parser = name_argument)]
    site: Option<String>,
    #[command(flatten)]
    note: NoteArgs,
}

pub(super) fn run(args: &TransferArgs, context: &Context) -> Result<(), CommandError> {
    let note = args.note.note(context.now()?);
    let (customer, site) = (args.customer.as_deref(), args.site.as_deref());
    let mut repository = context.repository()?;
    let done = transfer(&mut repository, args.entitlement, customer, site, &note)?;
    let mut lines: Vec<_> =
        done.revoked.iter().map(|license| format!("Named for revocation: license {license}")).collect();
    if !done.revoked.is_empty() {
        lines.push(
            "Next: `chancery revocation publish`, and a trust bundle for the site that had it".to_owned(),
        );
    }
    let revoked: Vec<_> = done.revoked.iter().map(ToString::to_string).collect();
    let told = Told { verb: "Transferred", lines: &lines, licenses_differ: false };
    print(context, &repository, &done.changed, &told, json!({"revoked": revoked}))
}
