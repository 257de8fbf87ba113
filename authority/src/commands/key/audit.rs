//! `chancery key audit`: a device's own log, read, kept, and matched with the authority's.

use std::path::{Path, PathBuf};

use chancery_carriers::files;
use chancery_carriers::output::json_text;
use chancery_hsm_config::audit::{AuditEntry, AuditView, command};
use chancery_hsm_config::reference::YubiHsmToken;
use chancery_hsm_config::{PinSource, TokenRef, read_audit};
use serde_json::json;

use crate::commands::Context;
use crate::commands::argument::Reference;
use crate::commands::log::reconcile::{alarm, device_json, print_device};
use crate::error::CommandError;
use crate::workflow::device_log::{self, Ledger, no_audit_log};
use crate::workflow::label;
use crate::workflow::reconcile::{DeviceKey, DeviceLogFile, devices, file_of, reconcile};

/// Read a device's own log and match it with the authority's
///
/// Checks that no entry is missing or changed, keeps what is new, and tells the device that it may overwrite
/// it. A signature that the authority never asked for is an alarm (exit code 5) and locks issuing. With --raw the
/// device is only looked at: an auditor needs no home for it, and leaves the entries where they are.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  chancery key audit 'yubihsm:serial=0001234567;auth-id=3?connector=usb'
  chancery key audit 'yubihsm:serial=0001234567;auth-id=3?connector=usb' --raw --out today.json
  chancery key audit 'yubihsm:serial=0001234567;auth-id=3?connector=usb' --kept --out kept.json
  chancery key audit 'yubihsm:serial=0001234567;auth-id=3?connector=usb' --begin-anew 'reset after the rehearsal'")]
pub struct AuditArgs {
    /// Device, under the login that may read its log
    #[arg(value_name = "REF")]
    pub device: Reference<TokenRef>,
    /// Show the device's entries and keep nothing; needs no authority
    #[arg(long, conflicts_with_all = ["kept", "begin_anew"])]
    pub raw: bool,
    /// Show the entries that the authority keeps of the device; asks the device nothing
    #[arg(long, conflicts_with = "begin_anew")]
    pub kept: bool,
    /// File to create for --raw or --kept; never overwritten
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Begin a new log of a device that was reset on purpose, and say why
    #[arg(long, value_name = "REASON")]
    pub begin_anew: Option<String>,
}

pub(super) fn run(args: &AuditArgs, context: &Context) -> Result<(), CommandError> {
    let device = args.device.get()?;
    let TokenRef::YubiHsm(token) = device else { return Err(no_audit_log(device)) };
    if args.out.is_some() && !args.raw && !args.kept {
        return Err(CommandError::usage("--out goes with --raw or --kept"));
    }
    if args.raw {
        return raw(args, device, context);
    }
    if args.kept {
        let now = context.now()?;
        let file = context.read(|repository| file_of(repository, &token.serial, now))?;
        return show(&file, &file.audit_entries().unwrap_or_default(), args.out.as_deref(), context);
    }
    // Whatever is wrong with the home shows before a password is typed.
    context.repository()?;
    let mut pins = context.pins()?;
    // Typed before it is our turn to use keys, so that nobody waits for it.
    pins.pin(device)?;
    if let Some(reason) = &args.begin_anew {
        begin_anew(reason, device, &mut pins, context)?;
    }
    read(device, token, &mut pins, context)
}

/// Reads a device, keeps what is new, and matches it with the operations.
fn read(
    device: &TokenRef,
    token: &YubiHsmToken,
    pins: &mut PinSource,
    context: &Context,
) -> Result<(), CommandError> {
    let (home, now) = (context.home()?, context.now()?);
    let mut repository = context.repository()?;
    let _turn = repository.turn()?;
    let read = read_audit(device, pins, Box::new(Ledger::new(&home)))?;
    let is_forced = device_log::look(device, pins)?.is_forced;
    let reconciled = reconcile(&mut repository, &token.serial, now)?;
    let (known, _) = devices(&repository)?;
    let known = known.into_iter().find(|known| known.serial == token.serial);
    let mut printer = context.printer();
    printer.line(format_args!("Read {} new entries of YubiHSM 2 {}", read.entries, token.serial))?;
    print_device(&mut printer, &reconciled, known.as_ref(), is_forced)?;
    let mut described = device_json(&reconciled, known.as_ref(), is_forced);
    described["new_entries"] = read.entries.into();
    described["unlogged_boots"] = read.unlogged_boots.into();
    described["unlogged_logins"] = read.unlogged_logins.into();
    printer.fields(&[
        ("boots without an entry", read.unlogged_boots.to_string()),
        ("logins without an entry", read.unlogged_logins.to_string()),
    ])?;
    printer.json(&described)?;
    alarm(&reconciled.comparison.findings).map_or(Ok(()), Err)
}

/// Looks at a device in a session of one's own.
fn raw(args: &AuditArgs, device: &TokenRef, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let AuditView { serial, entries, unlogged, is_forced, keys } =
        device_log::look(device, &mut context.pins()?)?;
    let keys: Vec<_> = keys.iter().filter_map(DeviceKey::of).collect();
    let file = DeviceLogFile {
        forced_audit: is_forced,
        unlogged_boots: unlogged.unlogged_boots,
        unlogged_logins: unlogged.unlogged_logins,
        ..DeviceLogFile::new(&serial, &entries, &keys, now)
    };
    show(&file, &entries, args.out.as_deref(), context)
}

/// Writes a device log to its file, or shows it.
fn show(
    file: &DeviceLogFile,
    entries: &[AuditEntry],
    out: Option<&Path>,
    context: &Context,
) -> Result<(), CommandError> {
    let value = serde_json::to_value(file)
        .map_err(|error| CommandError::failed("internal", "cannot write JSON").cause(error.to_string()))?;
    let mut printer = context.printer();
    if let Some(path) = out {
        files::create_new(path)?.commit(json_text(&value).as_bytes())?;
        printer.line(format_args!(
            "Wrote {} entries of YubiHSM 2 {} to {}",
            entries.len(),
            file.serial,
            path.display()
        ))?;
        return Ok(printer.json(&json!({
            "file": path,
            "serial": file.serial,
            "entries": entries.len(),
        }))?);
    }
    let rows: Vec<_> = entries.iter().map(row).collect();
    printer.table(&["NUMBER", "COMMAND", "LOGIN", "OBJECT", "SECOND", "BYTES", "DONE"], &rows)?;
    Ok(printer.json(&value)?)
}

fn row(entry: &AuditEntry) -> Vec<String> {
    let object = |id: u16| if id == u16::MAX { "-".to_owned() } else { format!("0x{id:04x}") };
    let done = if entry.is_done() || entry.is_boot() || entry.is_reset() { "yes" } else { "no" };
    vec![
        entry.number.to_string(),
        command::name(entry.command).into_owned(),
        object(entry.session_key),
        object(entry.target_key),
        object(entry.second_key),
        entry.length.to_string(),
        done.to_owned(),
    ]
}

/// Begins a new log of a device, before it is read.
fn begin_anew(
    reason: &str,
    device: &TokenRef,
    pins: &mut PinSource,
    context: &Context,
) -> Result<(), CommandError> {
    label::check(reason)
        .map_err(|error| CommandError::usage("the reason cannot be kept").cause(error.to_string()))?;
    let now = context.now()?;
    let mut repository = context.repository()?;
    let _turn = repository.turn()?;
    let view = device_log::look(device, pins)?;
    device_log::begin_anew(&mut repository, &view, reason, now)
}
