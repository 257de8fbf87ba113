//! `chancery license update`: what a change of an entitlement brings to those who hold a license of it.

use std::path::PathBuf;

use chancery_formats::id::EntitlementId;
use serde_json::{Value, json};

use super::shown_device;
use crate::commands::Context;
use crate::error::CommandError;
use crate::workflow::update::{Updated, update};

/// Issue new licenses for everybody who holds one of an entitlement that was changed
///
/// No site has to ask: each license follows the one before it on the same device. Writes DIR/ENTITLEMENT-REVISION with
/// one small file a device, which `chancery-site install` takes from the stick. Run again, it signs nothing twice.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery license update ent_0123456789ABC --out stick")]
pub struct UpdateArgs {
    /// Entitlement that was changed
    #[arg(value_name = "ENTITLEMENT-ID")]
    pub entitlement: EntitlementId,
    /// Folder to write to; made where it does not exist
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

pub(super) fn run(args: &UpdateArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let mut repository = context.repository()?;
    let done = update(&mut repository, args.entitlement, &args.out, &mut context.pins()?, now)?;
    let mut printer = context.printer();
    printer.line(match done.new {
        0 => format!("Every license of entitlement {} says what it grants", args.entitlement),
        new => format!("Issued {new} licenses of entitlement {}", args.entitlement),
    })?;
    printer.fields(&[
        ("files", done.licenses.len().to_string()),
        ("folder", done.folder.display().to_string()),
        ("revoked, not written", done.revoked.to_string()),
    ])?;
    printer.line("Next: take the folder to the site, and `chancery-site install FOLDER` on each device")?;
    let one = |license: &Updated| -> Value {
        json!({"id": license.id.to_string(), "device": license.device.map(|_| shown_device(license.device)), "file": license.file})
    };
    Ok(printer.json(&json!({
        "entitlement": args.entitlement.to_string(),
        "revision": done.entitlement.revision,
        "folder": done.folder,
        "new": done.new,
        "revoked": done.revoked,
        "licenses": done.licenses.iter().map(one).collect::<Vec<_>>(),
    }))?)
}
