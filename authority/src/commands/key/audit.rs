//! `chancery key audit`: a device's own log, read, kept, and matched with the authority's.

use chancery_formats::id::Thumbprint;
use chancery_hsm_config::{TokenRef, read_audit};
use serde_json::json;

use crate::commands::Context;
use crate::commands::argument::Reference;
use crate::error::CommandError;
use crate::workflow::device_log::{Ledger, Reconciled, reconcile};

/// Read a device's own log and match it with the authority's
///
/// Checks that no entry is missing or changed, keeps what is new, and tells the device that it may overwrite
/// it. A signature that the authority never asked for is an alarm (exit code 5).
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  chancery key audit 'yubihsm:serial=0001234567;auth-id=3?connector=usb'")]
pub struct AuditArgs {
    /// Device, under the login that may read its log
    #[arg(value_name = "REF")]
    pub device: Reference<TokenRef>,
}

pub(super) fn run(args: &AuditArgs, context: &Context) -> Result<(), CommandError> {
    let device = args.device.get()?;
    let TokenRef::YubiHsm(token) = device else {
        return Err(CommandError::refused("no-audit-log", format!("{device} keeps no log of its own"))
            .hint("name a YubiHSM 2: yubihsm:serial=…;auth-id=…?connector=…"));
    };
    let home = context.home()?;
    // Whatever is wrong with the home shows before a password is typed.
    context.repository()?;
    let read = read_audit(device, &mut context.pins()?, Box::new(Ledger::new(&home)))?;
    let repository = context.repository()?;
    let reconciled = reconcile(&repository, &token.serial)?;
    let mut printer = context.printer();
    printer.line(format_args!("Read {} new entries of YubiHSM 2 {}", read.entries, token.serial))?;
    printer.fields(&[
        ("entries kept", reconciled.entries.to_string()),
        ("signatures of other keys", reconciled.of_other_keys.to_string()),
        ("boots without an entry", read.unlogged_boots.to_string()),
        ("logins without an entry", read.unlogged_logins.to_string()),
    ])?;
    let rows: Vec<_> = reconciled.keys.iter().map(row).collect();
    if !rows.is_empty() {
        printer.table(&["KID", "ON DEVICE", "SIGNED", "UNKNOWN", "AGREES"], &rows)?;
    }
    printer.json(&json!({
        "serial": token.serial,
        "new_entries": read.entries,
        "entries": reconciled.entries,
        "unlogged_boots": read.unlogged_boots,
        "unlogged_logins": read.unlogged_logins,
        "signatures_of_other_keys": reconciled.of_other_keys,
        "keys": reconciled.keys.iter().map(|key| json!({
            "kid": key.public_key.key_id().to_string(),
            "on_device": key.on_device,
            "signed": key.signed,
            "unknown": key.unknown,
            "agrees": key.agrees(),
        })).collect::<Vec<_>>(),
    }))?;
    let wrong: Vec<Thumbprint> =
        reconciled.keys.iter().filter(|key| !key.agrees()).map(|key| key.public_key.thumbprint()).collect();
    match wrong.first() {
        None => Ok(()),
        Some(key) => Err(CommandError::alarm(
            "operations-unaccounted",
            format!("the device and the authority disagree on how often key {} signed", key.key_id()),
        )
        .hint("stop issuing and call the auditor; a home restored from a backup shows so as well")),
    }
}

fn row(key: &Reconciled) -> Vec<String> {
    vec![
        key.public_key.key_id().to_string(),
        key.on_device.to_string(),
        key.signed.to_string(),
        key.unknown.to_string(),
        if key.agrees() { "yes" } else { "NO" }.to_owned(),
    ]
}
