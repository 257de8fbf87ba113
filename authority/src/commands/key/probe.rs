//! `chancery key probe`: the tokens and keys of this machine, with references to paste.

use std::error::Error as _;

use chancery_hsm_config::HsmError;
use chancery_hsm_config::probe::{FoundKey, FoundToken, Probed, probe};
use chancery_hsm_config::reference::{Partial, Scheme};
use serde_json::{Value, json};

use crate::commands::Context;
use crate::commands::argument::Reference;
use crate::error::CommandError;

/// Find tokens, their keys and what they can do
///
/// Looks for PKCS#11 modules in the usual places and for YubiHSM 2 devices on USB and at the usual connector.
/// Without a PIN a token shows what is public; nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  chancery key probe
  chancery key probe 'pkcs11:?module-path=/usr/lib/softhsm/libsofthsm2.so' --login
  chancery key probe 'yubihsm:auth-id=2?connector=http://127.0.0.1:12345' --login --json")]
pub struct ProbeArgs {
    /// Look for what matches this partial reference
    #[arg(value_name = "REF", default_value = "", hide_default_value = true)]
    pub reference: Reference<Partial>,
    /// Log in to each token found, and list the keys that it shows then
    #[arg(long)]
    pub login: bool,
}

pub(super) fn run(args: &ProbeArgs, context: &Context) -> Result<(), CommandError> {
    let wanted = args.reference.get()?;
    let is_for_piv = wanted.wants(Scheme::Piv) && !wanted.wants(Scheme::Pkcs11);
    if is_for_piv && !cfg!(feature = "piv") {
        return Err(HsmError::BackendNotBuilt { scheme: "piv:" }.into());
    }
    let mut pins = if args.login { Some(context.pins()?) } else { None };
    let probed = probe(wanted, pins.as_mut());
    let mut printer = context.printer();
    for token in &probed.tokens {
        printer.line(format_args!("{}", token.name))?;
        printer.fields(&fields(token))?;
        for key in &token.keys {
            printer.line(format_args!("  {}", describe(key)))?;
            printer.line(format_args!("    {}", key.reference))?;
        }
        printer.line("")?;
    }
    // What was asked for by name and cannot be used is a failure; elsewhere it is a finding.
    let is_named = *wanted != Partial::default();
    let failed = is_named && probed.tokens.is_empty() && !probed.unreachable.is_empty();
    for other in probed.unreachable.iter().skip(usize::from(failed)) {
        printer.line(format_args!("Not usable: {}", other.what))?;
        printer.line(format_args!("  error: {}", other.error))?;
        for cause in causes(&other.error) {
            printer.line(format_args!("  cause: {cause}"))?;
        }
        printer.line(format_args!("  hint: {}", other.error.hint()))?;
    }
    if probed.tokens.is_empty() {
        let asked = match probed.modules.len() {
            0 => String::new(),
            1 => "; 1 module was asked".to_owned(),
            count => format!("; {count} modules were asked"),
        };
        printer.line(format_args!("No token found{asked}"))?;
        printer.line("Devices and their set-up: docs/guide/devices")?;
    }
    printer.json(&to_json(&probed))?;
    match probed.unreachable.into_iter().next() {
        Some(other) if failed => Err(other.error.into()),
        _ => Ok(()),
    }
}

/// Returns what lies below an error, without repetition.
fn causes(error: &HsmError) -> Vec<String> {
    let mut found = Vec::new();
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        if found.last() != Some(&text) {
            found.push(text);
        }
        next = source.source();
    }
    found
}

fn fields(token: &FoundToken) -> Vec<(&'static str, String)> {
    let device = &token.device;
    let algorithms: Vec<_> = token.algorithms.iter().map(ToString::to_string).collect();
    let optional = [
        ("device", Some(device.model.clone()).filter(|model| !model.is_empty())),
        ("serial", device.serial.clone()),
        ("firmware", device.firmware.clone()),
        ("signs", Some(algorithms.join(", ")).filter(|text| !text.is_empty())),
        ("reference", Some(token.reference.clone())),
        ("note", Some(token.notes.join("; ")).filter(|text| !text.is_empty())),
    ];
    optional.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn describe(key: &FoundKey) -> String {
    let label = if key.label.is_empty() { "key".to_owned() } else { format!("key {:?}", key.label) };
    let made = match key.generated_inside {
        Some(true) => ", made inside",
        Some(false) => ", made elsewhere",
        None => "",
    };
    let exportable = if key.exportable == Some(true) { ", can leave the device" } else { "" };
    format!("{label}, {}{made}{exportable}", key.algorithm)
}

fn to_json(probed: &Probed) -> Value {
    let key = |key: &FoundKey| {
        json!({
            "reference": key.reference.to_string(),
            "label": key.label,
            "algorithm": key.algorithm.name(),
            "generated_inside": key.generated_inside,
            "exportable": key.exportable,
        })
    };
    let token = |token: &FoundToken| {
        json!({
            "name": token.name,
            "reference": token.reference,
            "device": token.device.model,
            "serial": token.device.serial,
            "firmware": token.device.firmware,
            "algorithms": token.algorithms.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>(),
            "notes": token.notes,
            "keys": token.keys.iter().map(key).collect::<Vec<_>>(),
        })
    };
    json!({
        "modules": probed.modules,
        "tokens": probed.tokens.iter().map(token).collect::<Vec<_>>(),
        "unreachable": probed.unreachable.iter().map(|other| json!({
            "what": other.what,
            "code": other.error.code(),
            "error": other.error.to_string(),
            "causes": causes(&other.error),
            "hint": other.error.hint(),
        })).collect::<Vec<_>>(),
    })
}
