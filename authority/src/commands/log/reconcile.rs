//! `chancery log reconcile`: every signature of a device against every operation of ours, one to one.

mod auditor;

use std::path::PathBuf;

use chancery_carriers::output::Printer;
use chancery_formats::id::KeyId;
use chancery_hsm_config::{KeyRef, PinSource, TokenRef, read_audit};
use serde_json::{Value, json};

use crate::commands::Context;
use crate::commands::argument::Reference;
use crate::error::CommandError;
use crate::repository::{IssuingLock, Repository};
use crate::workflow::device_log::{self, Ledger};
use crate::workflow::label;
use crate::workflow::reconcile::{
    Acceptable, Comparison, DeviceKeys, Finding, OtherKey, Reconciled, devices, reconcile, release,
    what_can_be_known,
};

/// Match the logs of devices with the authority's, signature by signature
///
/// Reads each YubiHSM 2 that holds a key of the authority, keeps its entries, and goes through them with the
/// operations: same key, same length, same order. What differs is an alarm (exit code 5) and locks issuing until it
/// is released. With --export an auditor does the same without the authority's home: with its exported log, with
/// what it kept of the device, and with readings of their own.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  chancery log reconcile
  chancery log reconcile --key 0123456789abcdef
  chancery log reconcile --release 'rehearsed on 3 May, see minutes' --by 'J. Roe, auditor' --accept 0001234567:17
  chancery log reconcile --export vendor.clog --kept kept.json --device-log today.json")]
pub struct ReconcileArgs {
    /// Reconcile the device of one key
    #[arg(long, value_name = "KID", conflicts_with = "release")]
    pub key: Option<KeyId>,
    /// Device under the login that may read its log, where no key's reference names that
    #[arg(long, value_name = "REF", conflicts_with = "export")]
    pub device: Vec<Reference<TokenRef>>,
    /// Release the lock on issuing where nothing differs any more, and say why
    #[arg(long, value_name = "REASON", requires = "by", conflicts_with = "export")]
    pub release: Option<String>,
    /// Who releases it
    #[arg(long, value_name = "NAME", requires = "release")]
    pub by: Option<String>,
    /// Accept a difference by the name that this command gave it: SERIAL:ENTRY, SERIAL:begin-ENTRY or operation:NUMBER
    #[arg(long, value_name = "NAME")]
    pub accept: Vec<String>,
    /// Exported log, to be matched without the authority's home
    #[arg(long, value_name = "FILE", requires = "device_log")]
    pub export: Option<PathBuf>,
    /// Reading of the auditor's own, as `key audit --raw --out` writes it; several from the oldest on
    #[arg(long, value_name = "FILE", requires = "export")]
    pub device_log: Vec<PathBuf>,
    /// What the authority kept of the device, as `key audit --kept --out` writes it
    #[arg(long, value_name = "FILE", requires = "export")]
    pub kept: Option<PathBuf>,
}

/// A device that was read, or why not.
struct Read {
    reconciled: Reconciled,
    device: DeviceKeys,
    is_forced: Option<bool>,
    was_read: bool,
}

/// Reconciles.
///
/// # Errors
///
/// An integrity alarm where the two logs differ; those of the key backend, and what the printer refuses.
pub fn run(args: &ReconcileArgs, context: &Context) -> Result<(), CommandError> {
    let accepted = args.accept.iter().map(|name| name_read(name)).collect::<Result<Vec<_>, _>>()?;
    if args.export.is_some() {
        return auditor::run(args, &accepted, context);
    }
    if args.release.is_none() && !accepted.is_empty() {
        return Err(CommandError::usage("--accept goes with --release or --export"));
    }
    for text in args.release.iter().chain(&args.by) {
        label::check(text)
            .map_err(|error| CommandError::usage("reason and name are kept").cause(error.to_string()))?;
    }
    let now = context.now()?;
    let mut repository = context.repository()?;
    let (mut known, others) = devices(&repository)?;
    if let Some(kid) = args.key {
        known.retain(|device| device.keys.iter().any(|(key, _)| key.public_key.key_id() == kid));
        if known.is_empty() && !others.iter().any(|(key, _)| key.public_key.key_id() == kid) {
            return Err(CommandError::failed("key-unknown", format!("key {kid} is unknown"))
                .hint("list keys with `chancery key list`"));
        }
    }
    for reference in &args.device {
        let device = reference.get()?;
        let TokenRef::YubiHsm(token) = device else { return Err(device_log::no_audit_log(device)) };
        match known.iter_mut().find(|known| known.serial == token.serial) {
            Some(known) => known.login = Some(device.clone()),
            None => {
                let message = format!("device {} holds no key of the authority", token.serial);
                return Err(CommandError::failed("device-unknown", message));
            }
        }
    }
    let mut pins = context.pins()?;
    // Typed before it is our turn, so that nobody waits for it.
    for login in known.iter().filter(|device| device.is_in_use).filter_map(|device| device.login.as_ref()) {
        pins.pin(login)?;
    }
    // Nobody else uses a key between what the device shows and what our log says.
    let turn = repository.turn()?;
    let logins = read_devices(&known, &mut pins, context)?;
    accept(args, &accepted, &known, &mut repository, now)?;
    let mut read = Vec::new();
    for (device, (is_forced, was_read)) in known.into_iter().zip(logins) {
        let reconciled = reconcile(&mut repository, &device.serial, now)?;
        read.push(Read { reconciled, device, is_forced, was_read });
    }
    let findings: Vec<Finding> =
        read.iter().flat_map(|read| read.reconciled.comparison.findings.clone()).collect();
    let mut released = Vec::new();
    if let (Some(reason), Some(by)) = (&args.release, &args.by)
        && findings.is_empty()
    {
        released = release(&mut repository, reason, by, now)?;
    }
    let locks = repository.issuing_locks()?;
    drop(turn);
    let others = if args.key.is_some() { Vec::new() } else { others };
    print(&read, &others, &released, &locks, context)?;
    alarm(&findings).map_or(Ok(()), Err)
}

/// Reads the log of each device that is in use; tells for each whether audit is forced, and whether it was read.
fn read_devices(
    known: &[DeviceKeys],
    pins: &mut PinSource,
    context: &Context,
) -> Result<Vec<(Option<bool>, bool)>, CommandError> {
    let home = context.home()?;
    let mut read = Vec::new();
    for device in known {
        let login = match &device.login {
            Some(login) => login,
            // A device whose keys are all closed may be gone for good.
            None if !device.is_in_use => {
                read.push((None, false));
                continue;
            }
            None => {
                let message = format!("no login is known that may read the log of device {}", device.serial);
                return Err(CommandError::failed("audit-login-none", message)
                    .hint("name it: --device 'yubihsm:serial=…;auth-id=…?connector=…'"));
            }
        };
        if !device.is_in_use {
            read.push((None, false));
            continue;
        }
        read_audit(login, pins, Box::new(Ledger::new(&home)))?;
        read.push((device_log::look(login, pins)?.is_forced, true));
    }
    Ok(read)
}

/// Records what the auditor accepts: each must be a difference at this moment.
fn accept(
    args: &ReconcileArgs,
    accepted: &[(Option<String>, Acceptable)],
    known: &[DeviceKeys],
    repository: &mut Repository,
    now: u64,
) -> Result<(), CommandError> {
    let (Some(reason), Some(by)) = (&args.release, &args.by) else { return Ok(()) };
    if accepted.is_empty() {
        return Ok(());
    }
    let mut left: Vec<_> = accepted.to_vec();
    let mut of_devices = Vec::new();
    for device in known {
        let found = reconcile(repository, &device.serial, now)?.comparison.findings;
        let open: Vec<Acceptable> = found.into_iter().flat_map(|finding| finding.accept).collect();
        let is_here = |(serial, what): &(Option<String>, Acceptable)| {
            serial.as_ref().is_none_or(|serial| *serial == device.serial) && open.contains(what)
        };
        let here: Vec<_> =
            left.extract_if(.., |name| is_here(name)).filter_map(|(_, what)| what.kept()).collect();
        of_devices.push((device.serial.clone(), here));
    }
    if let Some((serial, what)) = left.first() {
        let message = format!("{} is no difference", name_of(serial.as_deref().unwrap_or_default(), *what));
        return Err(CommandError::refused("acceptance-unknown", message)
            .hint("run `chancery log reconcile` and name what it shows"));
    }
    for (serial, here) in of_devices.iter().filter(|(_, here)| !here.is_empty()) {
        repository.accept_of_device_log(serial, here, (reason, by), now)?;
    }
    Ok(())
}

/// Returns the name under which something is accepted.
fn name_of(serial: &str, what: Acceptable) -> String {
    match what {
        Acceptable::Entry(place) => format!("{serial}:{place}"),
        Acceptable::Operation(id) => format!("operation:{id}"),
        Acceptable::Beginning(place) => format!("{serial}:begin-{place}"),
    }
}

/// Reads such a name: the serial number of an entry's device, and what it is.
fn name_read(name: &str) -> Result<(Option<String>, Acceptable), CommandError> {
    let parsed = name.rsplit_once(':').and_then(|(of, number)| {
        let (begins, number) = number.strip_prefix("begin-").map_or((false, number), |place| (true, place));
        let number = number.parse::<u64>().ok()?;
        match (of, begins) {
            ("operation", false) => Some((None, Acceptable::Operation(number))),
            (serial, false) => Some((Some(serial.to_owned()), Acceptable::Entry(number))),
            (serial, true) => Some((Some(serial.to_owned()), Acceptable::Beginning(number))),
        }
    });
    parsed.ok_or_else(|| {
        CommandError::usage(format!("{name:?} names no difference"))
            .hint("write SERIAL:ENTRY or operation:NUMBER, as `chancery log reconcile` shows it")
    })
}

/// Returns the alarm that findings are.
pub(in crate::commands) fn alarm(findings: &[Finding]) -> Option<CommandError> {
    let first = findings.first()?;
    let error = match findings.len() {
        1 => first.message.clone(),
        more => format!("{}, and {} more", first.message, more - 1),
    };
    Some(
        CommandError::alarm(first.code, error)
            .hint("stop issuing and call the auditor; a home restored from a backup shows so as well"),
    )
}

fn print(
    read: &[Read],
    others: &[OtherKey],
    released: &[IssuingLock],
    locks: &[IssuingLock],
    context: &Context,
) -> Result<(), CommandError> {
    let mut printer = context.printer();
    if read.is_empty() {
        printer.line("No key of the authority is in a device that keeps a log")?;
    }
    for one in read {
        printer.line(format_args!(
            "YubiHSM 2 {}: {}",
            one.device.serial,
            match (one.reconciled.comparison.findings.is_empty(), one.was_read) {
                (true, true) => "every signature is one that was asked for, and the other way round",
                (true, false) => "what was kept of it matches; it was not read, since its keys are closed",
                (false, _) => "DIFFERS from the operations",
            }
        ))?;
        print_device(&mut printer, &one.reconciled, Some(&one.device), one.is_forced)?;
    }
    for (key, reference) in others {
        printer.line(format_args!("Key {} ({})", key.public_key.key_id(), key.role.name()))?;
        let known = what_can_be_known(reference.as_ref(), None);
        printer.fields(&[("what can be known", known.to_owned())])?;
    }
    for lock in released {
        printer.line(format_args!("Released lock {} on issuing: {}", lock.id, lock.detail))?;
    }
    for lock in locks {
        printer.line(format_args!("Issuing is locked ({}): {}", lock.reason, lock.detail))?;
    }
    let lock = |lock: &IssuingLock| json!({"id": lock.id, "reason": lock.reason, "detail": lock.detail});
    let other = |(key, reference): &OtherKey| {
        json!({
            "kid": key.public_key.key_id().to_string(),
            "role": key.role.name(),
            "what_can_be_known": what_can_be_known(reference.as_ref(), None),
        })
    };
    let devices = read.iter().map(|one| {
        let mut described = device_json(&one.reconciled, Some(&one.device), one.is_forced);
        described["read"] = one.was_read.into();
        described
    });
    printer.json(&json!({
        "devices": devices.collect::<Vec<_>>(),
        "other_keys": others.iter().map(other).collect::<Vec<_>>(),
        "released": released.iter().map(lock).collect::<Vec<_>>(),
        "locks": locks.iter().map(lock).collect::<Vec<_>>(),
    }))?;
    Ok(())
}

/// Prints what the comparison of one device shows.
pub(in crate::commands) fn print_device(
    printer: &mut Printer,
    reconciled: &Reconciled,
    device: Option<&DeviceKeys>,
    is_forced: Option<bool>,
) -> Result<(), CommandError> {
    let Reconciled { serial, entries, comparison, accepted, chains } = reconciled;
    print_findings(printer, serial, &comparison.findings)?;
    let forced = match is_forced {
        Some(true) => "forced, until the device is reset",
        Some(false) => "NOT FORCED: set the device up from its profile (`chancery key provision`)",
        None => "not asked for",
    };
    let mut fields = vec![
        ("entries kept", entries.to_string()),
        ("log begins", if comparison.is_whole { "with the device's reset" } else { "later" }.to_owned()),
        ("audit", forced.to_owned()),
        ("signatures of other keys", comparison.of_other_keys.to_string()),
    ];
    for chain in chains {
        fields.push(("begins anew", format!("at entry {}: {}", chain.position, chain.reason)));
    }
    for one in accepted {
        let name = name_of(serial, one.what.into());
        fields.push(("accepted", format!("{name} by {}: {}", one.accepted_by, one.reason)));
    }
    let reference: Option<KeyRef> = device
        .and_then(|device| device.keys.first())
        .and_then(|(key, _)| key.reference.as_deref()?.parse().ok());
    if device.is_some() {
        fields.push(("what can be known", what_can_be_known(reference.as_ref(), is_forced).to_owned()));
    }
    printer.fields(&fields)?;
    print_counts(printer, comparison)
}

fn print_findings(printer: &mut Printer, serial: &str, findings: &[Finding]) -> Result<(), CommandError> {
    for Finding { code, message, accept } in findings {
        let names: Vec<_> = accept.iter().map(|what| name_of(serial, *what)).collect();
        let names = if names.is_empty() { String::new() } else { format!(" [{}]", names.join(" ")) };
        printer.line(format_args!("alarm    {code}: {message}{names}"))?;
    }
    Ok(())
}

fn print_counts(printer: &mut Printer, comparison: &Comparison) -> Result<(), CommandError> {
    let rows: Vec<_> = comparison
        .keys
        .iter()
        .map(|key| {
            vec![
                key.thumbprint.key_id().to_string(),
                key.on_device.to_string(),
                key.signed.to_string(),
                key.unknown.to_string(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        printer.table(&["KID", "ON DEVICE", "SIGNED", "UNKNOWN"], &rows)?;
    }
    let kinds: Vec<_> = comparison
        .kinds
        .iter()
        .map(|kind| vec![kind.command.clone(), kind.count.to_string(), kind.judgement.name().to_owned()])
        .collect();
    if !kinds.is_empty() {
        printer.table(&["COMMAND", "ENTRIES", "JUDGED"], &kinds)?;
    }
    Ok(())
}

/// Describes what the comparison of one device shows.
pub(in crate::commands) fn device_json(
    reconciled: &Reconciled,
    device: Option<&DeviceKeys>,
    is_forced: Option<bool>,
) -> Value {
    let reference: Option<KeyRef> = device
        .and_then(|device| device.keys.first())
        .and_then(|(key, _)| key.reference.as_deref()?.parse().ok());
    let accepted = reconciled.accepted.iter().map(|one| {
        json!({
            "name": name_of(&reconciled.serial, one.what.into()),
            "reason": one.reason,
            "by": one.accepted_by,
            "at": crate::output::time_json(one.accepted_at),
        })
    });
    let chains = reconciled.chains.iter().map(|chain| {
        json!({
            "entry": chain.position,
            "reason": chain.reason,
            "at": crate::output::time_json(chain.begun_at),
        })
    });
    let mut described = comparison_json(&reconciled.serial, reconciled.entries, &reconciled.comparison);
    described["audit_forced"] = is_forced.into();
    described["accepted"] = accepted.collect();
    described["begins_anew"] = chains.collect();
    described["what_can_be_known"] = device.map(|_| what_can_be_known(reference.as_ref(), is_forced)).into();
    described
}

/// Describes a comparison.
fn comparison_json(serial: &str, entries: usize, comparison: &Comparison) -> Value {
    let findings = comparison.findings.iter().map(|finding| {
        let names = finding.accept.iter().map(|what| name_of(serial, *what));
        json!({"code": finding.code, "message": finding.message, "accept": names.collect::<Vec<_>>()})
    });
    let keys = comparison.keys.iter().map(|key| {
        json!({
            "kid": key.thumbprint.key_id().to_string(),
            "on_device": key.on_device,
            "signed": key.signed,
            "unknown": key.unknown,
        })
    });
    let kinds = comparison
        .kinds
        .iter()
        .map(|kind| json!({"command": kind.command, "entries": kind.count, "judged": kind.judgement.name()}));
    let settled = comparison.settled.iter().map(|(id, place)| json!({"operation": id, "entry": place}));
    json!({
        "serial": serial,
        "entries": entries,
        "whole": comparison.is_whole,
        "agrees": comparison.findings.is_empty(),
        "findings": findings.collect::<Vec<_>>(),
        "keys": keys.collect::<Vec<_>>(),
        "signatures_of_other_keys": comparison.of_other_keys,
        "commands": kinds.collect::<Vec<_>>(),
        "settled": settled.collect::<Vec<_>>(),
    })
}
