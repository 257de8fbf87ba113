//! `chancery entitlement history`: who changed what, when and why.

use chancery_formats::id::EntitlementId;
use serde_json::{Value, json};

use super::Context;
use crate::error::CommandError;
use crate::output;
use crate::output::entitlement::{describe, difference, differences, differences_json, granted};
use crate::workflow::entitlement::history::{Step, steps};

/// Show every change of an entitlement
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery entitlement history ent_0123456789ABC\n  \
    chancery entitlement history ent_0123456789ABC --json")]
pub struct HistoryArgs {
    /// Entitlement to show
    #[arg(value_name = "ENTITLEMENT-ID")]
    entitlement: EntitlementId,
}

pub(super) fn run(args: &HistoryArgs, context: &Context) -> Result<(), CommandError> {
    let steps = context.read(|repository| steps(repository, args.entitlement))?;
    let mut printer = context.printer();
    for step in &steps {
        let grant = &step.grant;
        printer.line(format_args!(
            "{}  {}  {}",
            grant.entitlement.revision,
            grant.change.name(),
            output::time(grant.at)
        ))?;
        let mut fields = vec![("  by", grant.by.clone()), ("  why", grant.reason.clone())];
        let changed: Vec<(String, String)> = match &step.before {
            None => {
                granted(&grant.entitlement).into_iter().map(|(name, value)| (indented(name), value)).collect()
            }
            Some(before) => differences(&before.entitlement, &grant.entitlement)
                .iter()
                .map(|one| (indented(one.field), difference(one)))
                .collect(),
        };
        fields.extend(changed.iter().map(|(name, value)| (name.as_str(), value.clone())));
        printer.fields(&fields)?;
    }
    Ok(printer.json(&steps.iter().map(step_json).collect())?)
}

fn indented(name: &str) -> String {
    format!("  {name}")
}

fn step_json(step: &Step) -> Value {
    let grant = &step.grant;
    let before = step.before.as_ref();
    json!({
        "revision": grant.entitlement.revision,
        "change": grant.change.name(),
        "at": output::time_json(grant.at),
        "by": grant.by,
        "reason": grant.reason,
        "hash": grant.hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        "granted": before.is_none().then(|| describe(&grant.entitlement)),
        "changed": before.map(|before| differences_json(&before.entitlement, &grant.entitlement)),
    })
}
