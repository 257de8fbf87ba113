//! `chancery approval policy`: which changes have to be approved.

use std::path::PathBuf;

use chancery_carriers::files::read_document;
use chancery_carriers::text::shown_path;
use serde_json::{Value, json};

use crate::commands::Context;
use crate::commands::entitlement::WhoArgs;
use crate::error::CommandError;
use crate::output;
use crate::output::approval::hex;
use crate::repository::PolicyRecord;
use crate::workflow::approval::policy::{MAX_BYTES, Policy, read};
use crate::workflow::label;

/// Keep the policy of approvals
#[derive(Debug, clap::Subcommand)]
pub enum PolicyCommand {
    Apply(ApplyArgs),
    Show(ShowArgs),
    History(HistoryArgs),
}

/// Make the policy what a file says
///
/// From the next second on, every change that it asks approvers for waits. What stands already stays, and what waits
/// under another policy has to be withdrawn and asked anew.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery approval policy apply approvals.toml --reason 'board of 2027-03-01'")]
pub struct ApplyArgs {
    /// Policy file
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// Why, for those who read the history
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    who: WhoArgs,
}

/// Show the policy in force, as it was applied
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  chancery approval policy show\n  chancery approval policy show --number 2"
)]
pub struct ShowArgs {
    /// Another one, by its number
    #[arg(long, value_name = "N")]
    number: Option<u64>,
}

/// List every policy that was applied
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery approval policy history --json")]
pub struct HistoryArgs {}

pub(super) fn run(command: &PolicyCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        PolicyCommand::Apply(args) => apply(args, context),
        PolicyCommand::Show(args) => show(args, context),
        PolicyCommand::History(_) => history(context),
    }
}

fn apply(args: &ApplyArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    for text in [&args.who.by, &args.reason] {
        label::check(text).map_err(|error| {
            CommandError::refused("reason-refused", "a name or a reason cannot be used")
                .cause(error.to_string())
                .hint("give 1 to 128 bytes of plain text")
        })?;
    }
    let invalid = |fault: String| {
        CommandError::refused("policy-invalid", format!("{} is not a policy", shown_path(&args.file)))
            .cause(fault)
            .hint("correct the file, then apply it again; nothing was changed")
    };
    let bytes = read_document(&args.file, MAX_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|error| invalid(error.utf8_error().to_string()))?;
    let policy = read::read(&text).map_err(|error| invalid(error.to_string()))?;
    let number = context.repository()?.apply_approval_policy(&text, &args.who.by, &args.reason, now)?;
    let mut printer = context.printer();
    match number {
        Some(number) => {
            let rules = policy.rules.len();
            printer.line(format_args!("Applied policy {number}, of {rules} rules"))?;
        }
        None => printer.line("The policy is as the file says; nothing was changed")?,
    }
    Ok(printer.json(&json!({"changed": number.is_some(), "number": number, "rules": policy.rules.len()}))?)
}

fn show(args: &ShowArgs, context: &Context) -> Result<(), CommandError> {
    let policies = context.read(|repository| Ok(repository.approval_policies()?))?;
    let found = match args.number {
        Some(number) => policies.iter().find(|policy| policy.number == number),
        None => policies.last(),
    };
    let found = found.ok_or_else(|| {
        CommandError::failed("policy-none", "there is no such policy")
            .hint("apply one with `chancery approval policy apply FILE.toml`")
    })?;
    Policy::of_record(found)?;
    let mut printer = context.printer();
    printer.line(&found.text)?;
    let mut value = describe(found);
    if let Value::Object(fields) = &mut value {
        fields.insert("text".to_owned(), json!(found.text));
    }
    Ok(printer.json(&value)?)
}

fn history(context: &Context) -> Result<(), CommandError> {
    let policies = context.read(|repository| Ok(repository.approval_policies()?))?;
    let rows: Vec<_> = policies
        .iter()
        .map(|policy| {
            vec![
                policy.number.to_string(),
                output::time(policy.applied_at),
                policy.applied_by.clone(),
                policy.reason.clone(),
                hex(&policy.sha256),
            ]
        })
        .collect();
    let mut printer = context.printer();
    printer.table(&["NUMBER", "APPLIED", "BY", "REASON", "SHA-256"], &rows)?;
    Ok(printer.json(&Value::Array(policies.iter().map(describe).collect()))?)
}

fn describe(policy: &PolicyRecord) -> Value {
    json!({
        "number": policy.number,
        "sha256": hex(&policy.sha256),
        "applied_by": policy.applied_by,
        "reason": policy.reason,
        "applied_at": output::time_json(policy.applied_at),
    })
}
