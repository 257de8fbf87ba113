//! `chancery log reconcile --export`: the auditor's own reading of a device, without the authority's home.

use serde_json::json;

use super::{ReconcileArgs, alarm, comparison_json, print_counts, print_findings};
use crate::commands::Context;
use crate::error::CommandError;
use crate::output;
use crate::workflow::reconcile::{Acceptable, DeviceLogFile, read_export, reconcile_export};

/// Compares an exported log with what a device showed the auditor.
pub(super) fn run(
    args: &ReconcileArgs,
    accepted: &[(Option<String>, Acceptable)],
    context: &Context,
) -> Result<(), CommandError> {
    let now = context.now()?;
    let Some(path) = &args.export else { return Ok(()) };
    let export = read_export(path)?;
    let kept = args.kept.as_deref().map(DeviceLogFile::read).transpose()?;
    let own = args.device_log.iter().map(|path| DeviceLogFile::read(path)).collect::<Result<Vec<_>, _>>()?;
    let serial = own.last().map(|file| file.serial.clone()).unwrap_or_default();
    if let Some((Some(other), _)) =
        accepted.iter().find(|(of, _)| of.as_ref().is_some_and(|of| *of != serial))
    {
        let message = format!("the reading is of device {serial}, not of {other}");
        return Err(CommandError::refused("acceptance-unknown", message));
    }
    let accepted: Vec<_> = accepted.iter().map(|(_, what)| *what).collect();
    let (device, mut comparison) = reconcile_export(&export, kept.as_ref(), &own, &accepted, now)?;
    if let Some(kid) = args.key {
        comparison.keys.retain(|key| key.thumbprint.key_id() == kid);
    }
    let is_forced = own.last().and_then(|file| file.forced_audit);
    let mut printer = context.printer();
    printer.line(format_args!(
        "YubiHSM 2 {serial} and the log exported on {}: {}",
        output::time(export.made_at),
        if comparison.findings.is_empty() {
            "every signature is one that was asked for, and the other way round"
        } else {
            "DIFFERENT"
        }
    ))?;
    print_findings(&mut printer, &serial, &comparison.findings)?;
    printer.fields(&[
        ("authority id", export.authority.to_string()),
        ("entries", device.entries.len().to_string()),
        ("operations of its keys", device.operations.len().to_string()),
        ("operations of other keys", (export.operations.len() - device.operations.len()).to_string()),
        (
            "audit",
            match is_forced {
                Some(true) => "forced, until the device is reset",
                Some(false) => "NOT FORCED: the device may sign without an entry",
                None => "not asked for",
            }
            .to_owned(),
        ),
    ])?;
    print_counts(&mut printer, &comparison)?;
    let mut described = comparison_json(&serial, device.entries.len(), &comparison);
    described["authority_id"] = export.authority.to_string().into();
    described["audit_forced"] = is_forced.into();
    described["operations"] = device.operations.len().into();
    described["operations_of_other_keys"] = json!(export.operations.len() - device.operations.len());
    printer.json(&described)?;
    alarm(&comparison.findings).map_or(Ok(()), Err)
}
