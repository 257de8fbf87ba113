//! `chancery ceremony plan`: a plan checked, summed up and hashed, before anybody travels.

use std::path::PathBuf;

use chancery_formats::id::Thumbprint;
use chancery_formats::seal::Role;
use serde_json::{Value, json};

use super::read;
use crate::commands::Context;
use crate::error::CommandError;
use crate::workflow::ceremony::plan::{EXAMPLE, Holders, Party, Place, Plan, RolePlan};

/// Check the plan of a ceremony, and print what people review
///
/// Checks all that can be known without a key, and tells every fault at once. Prints a summary and the SHA-256 of
/// the file: whoever takes part writes it down.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery ceremony plan --example > ceremony.toml\n  \
    chancery ceremony plan ceremony.toml\n  \
    chancery ceremony plan ceremony.toml --json")]
pub struct PlanArgs {
    /// Plan to check
    #[arg(value_name = "FILE", required_unless_present = "example")]
    file: Option<PathBuf>,
    /// Print a plan to begin with
    #[arg(long, conflicts_with = "file")]
    example: bool,
}

pub(super) fn run(args: &PlanArgs, context: &Context) -> Result<(), CommandError> {
    let mut printer = context.printer();
    let Some(path) = args.file.as_ref().filter(|_| !args.example) else {
        printer.raw(EXAMPLE)?;
        return Ok(printer.json(&json!({"example": EXAMPLE}))?);
    };
    let (plan, _) = read(path)?;
    let mut fields = vec![
        ("authority", plan.name.clone()),
        ("operator", plan.operator.clone()),
        ("observers", if plan.observers.is_empty() { "none".to_owned() } else { plan.observers.join(", ") }),
        ("custodians", quorum(&plan.custodians)),
        ("recovery", plan.recovery.as_ref().map_or_else(|| "none".to_owned(), quorum)),
        ("hybrid", if plan.hybrid { "yes: Ed25519 or P-256, and ML-DSA-87" } else { "no" }.to_owned()),
    ];
    fields.push(("plan, SHA-256", Thumbprint(plan.hash).to_string()));
    printer.fields(&fields)?;
    printer.line("")?;
    printer.table(&["NAME", "TAKES PART AS", "KEY"], &people(&plan))?;
    printer.line("")?;
    let roles: Vec<_> = plan.roles.iter().map(role_row).collect();
    printer.table(&["NAME", "ROLE", "KEY", "BOUNDS"], &roles)?;
    if !plan.devices.is_empty() {
        printer.line("")?;
        let devices: Vec<_> = plan
            .devices
            .iter()
            .map(|device| {
                vec![
                    device.name.clone(),
                    device.device.reference(),
                    Thumbprint(device.profile_hash).to_string(),
                ]
            })
            .collect();
        printer.table(&["DEVICE", "REFERENCE", "PROFILE, SHA-256"], &devices)?;
    }
    if !plan.warnings.is_empty() {
        printer.line("")?;
    }
    for warning in &plan.warnings {
        printer.line(format_args!("Note: {warning}."))?;
    }
    Ok(printer.json(&described(&plan))?)
}

fn quorum(holders: &Holders) -> String {
    format!("{} of {} must sign", holders.threshold, holders.parties.len())
}

fn people(plan: &Plan) -> Vec<Vec<String>> {
    let row = |part: &str, party: &Party| vec![party.name.clone(), part.to_owned(), place(&party.place)];
    let custodian =
        |party: &Party| row(if party.signs { "custodian, signs version 1" } else { "custodian" }, party);
    let custodians = plan.custodians.parties.iter().map(custodian);
    let recovery = plan.recovery.iter().flat_map(|holders| &holders.parties);
    custodians.chain(recovery.map(|party| row("recovery", party))).collect()
}

fn place(place: &Place) -> String {
    match place {
        Place::Here(reference) => reference.to_string(),
        Place::Elsewhere { pinned: None } => "by exchange".to_owned(),
        Place::Elsewhere { pinned: Some(key) } => format!("by exchange, {}", key.thumbprint()),
    }
}

fn role_row(role: &RolePlan) -> Vec<String> {
    vec![role.name.clone(), role.role.name().to_owned(), place(&role.place), bounds(role)]
}

fn bounds(role: &RolePlan) -> String {
    let bounds = &role.bounds;
    let mut told = Vec::new();
    if let Some(mode) = role.mode {
        told.push(format!("{mode:?}").to_lowercase());
    }
    let names = |roles: &[Role]| roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ");
    if !role.co_signers.is_empty() {
        told.push(format!("with {}", names(&role.co_signers)));
    }
    if !bounds.products.is_empty() {
        told.push(bounds.products.join(", "));
    }
    if !bounds.territories.is_empty() {
        told.push(bounds.territories.join(", "));
    }
    told.extend(bounds.longest_term_days.map(|days| format!("{days} days at most")));
    told.extend(bounds.not_before.map(|from| format!("from {}", crate::output::time(from))));
    told.extend(bounds.not_after.map(|until| format!("until {}", crate::output::time(until))));
    told.extend(role.protection.map(|protection| protection.name().to_owned()));
    if told.is_empty() { "none".to_owned() } else { told.join("; ") }
}

fn described(plan: &Plan) -> Value {
    let holders = |holders: &Holders| {
        let parties: Vec<_> = holders
            .parties
            .iter()
            .map(|party| json!({"name": party.name, "key": place(&party.place), "signs": party.signs}))
            .collect();
        json!({"threshold": holders.threshold, "parties": parties})
    };
    let roles: Vec<_> = plan
        .roles
        .iter()
        .map(|role| {
            json!({
                "name": role.name,
                "role": role.role.name(),
                "key": place(&role.place),
                "algorithm": role.algorithm.name(),
                "co_signers": role.co_signers.iter().map(|role| role.name()).collect::<Vec<_>>(),
                "bounds": bounds(role),
            })
        })
        .collect();
    let devices: Vec<_> = plan
        .devices
        .iter()
        .map(|device| {
            json!({
                "name": device.name,
                "device": device.device.reference(),
                "profile_sha256": Thumbprint(device.profile_hash).to_string(),
            })
        })
        .collect();
    json!({
        "plan_sha256": Thumbprint(plan.hash).to_string(),
        "name": plan.name,
        "operator": plan.operator,
        "observers": plan.observers,
        "hybrid": plan.hybrid,
        "custodians": holders(&plan.custodians),
        "recovery": plan.recovery.as_ref().map(holders),
        "roles": roles,
        "devices": devices,
        "notes": plan.warnings,
    })
}
