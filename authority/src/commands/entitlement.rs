//! `chancery entitlement`: what customers bought, and everything that happens to it.

use chancery_formats::id::{EntitlementId, is_label};
use serde_json::{Value, json};

use super::{Context, name_argument};
use crate::error::CommandError;
use crate::output::entitlement::{describe, difference, differences, differences_json};
use crate::repository::{Binding, Model, Note, Repository};
use crate::workflow::entitlement::Changed;

mod amend;
mod convert;
mod grant;
mod history;
mod list;
mod renew;
mod show;
mod split;
mod standing;
mod transfer;

/// Grant, change and show entitlements
#[derive(Debug, clap::Subcommand)]
pub enum EntitlementCommand {
    Grant(grant::GrantArgs),
    Amend(amend::AmendArgs),
    Renew(renew::RenewArgs),
    Convert(convert::ConvertArgs),
    Transfer(transfer::TransferArgs),
    Split(split::SplitArgs),
    Suspend(standing::SuspendArgs),
    Resume(standing::ResumeArgs),
    Revoke(standing::RevokeArgs),
    History(history::HistoryArgs),
    Show(show::ShowArgs),
    List(list::ListArgs),
}

/// Why an entitlement is changed, and by whom.
#[derive(Debug, clap::Args)]
struct NoteArgs {
    /// Why, for those who read the history
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    who: WhoArgs,
}

impl NoteArgs {
    fn note(&self, now: u64) -> Note<'_> {
        self.who.note(&self.reason, now)
    }
}

/// Who changes something.
#[derive(Debug, clap::Args)]
pub(super) struct WhoArgs {
    /// Who decided it [default: the user of this session]
    #[arg(long, value_name = "NAME", default_value_t = session_user(), hide_default_value = true)]
    pub(super) by: String,
}

impl WhoArgs {
    fn note<'a>(&'a self, reason: &'a str, now: u64) -> Note<'a> {
        Note { by: &self.by, reason, at: now }
    }
}

/// Returns who works here, by the word of the session.
pub(super) fn session_user() -> String {
    let named = ["LOGNAME", "USER"].into_iter().filter_map(|name| std::env::var(name).ok());
    named.into_iter().find(|name| is_label(name)).unwrap_or_else(|| "unknown".to_owned())
}

/// What the licenses of an entitlement are bound to.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum BindingArg {
    Device,
    Site,
    None,
}

impl From<BindingArg> for Binding {
    fn from(arg: BindingArg) -> Self {
        match arg {
            BindingArg::Device => Self::Device,
            BindingArg::Site => Self::Site,
            BindingArg::None => Self::None,
        }
    }
}

/// How an entitlement runs out.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ModelArg {
    Perpetual,
    Subscription,
    Trial,
}

impl From<ModelArg> for Model {
    fn from(arg: ModelArg) -> Self {
        match arg {
            ModelArg::Perpetual => Self::Perpetual,
            ModelArg::Subscription => Self::Subscription,
            ModelArg::Trial => Self::Trial,
        }
    }
}

/// Runs a command of `chancery entitlement`.
///
/// # Errors
///
/// Those of the workflow, the repository and the printer.
pub fn run(command: &EntitlementCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        EntitlementCommand::Grant(args) => grant::run(args, context),
        EntitlementCommand::Amend(args) => amend::run(args, context),
        EntitlementCommand::Renew(args) => renew::run(args, context),
        EntitlementCommand::Convert(args) => convert::run(args, context),
        EntitlementCommand::Transfer(args) => transfer::run(args, context),
        EntitlementCommand::Split(args) => split::run(args, context),
        EntitlementCommand::Suspend(args) => standing::suspend(args, context),
        EntitlementCommand::Resume(args) => standing::resume(args, context),
        EntitlementCommand::Revoke(args) => standing::revoke(args, context),
        EntitlementCommand::History(args) => history::run(args, context),
        EntitlementCommand::Show(args) => show::run(args, context),
        EntitlementCommand::List(args) => list::run(args, context),
    }
}

/// What is told after a change, beside what it changed.
struct Told<'a> {
    /// What was done, as a verb at the beginning of a line.
    verb: &'static str,
    /// Lines after those of the values.
    lines: &'a [String],
    /// Whether licenses that are out there differ from what is granted now.
    licenses_differ: bool,
}

/// Tells that a change waits to be approved, where it does; returns whether it does.
fn tell_waiting(context: &Context, repository: &Repository, id: EntitlementId) -> Result<bool, CommandError> {
    let proposals = repository.proposed();
    let Some(first) = proposals.first() else { return Ok(false) };
    let mut printer = context.printer();
    printer.line(format_args!("Proposed as {first}: the change of entitlement {id} waits to be approved"))?;
    printer.line("Next: `chancery approval request --out FILE.capq` asks the approvers")?;
    printer.json(&json!({"waiting": true, "proposals": proposals, "entitlement": id.to_string()}))?;
    Ok(true)
}

/// Tells what a change made of an entitlement.
fn print(
    context: &Context,
    repository: &Repository,
    changed: &Changed,
    told: &Told<'_>,
    more: Value,
) -> Result<(), CommandError> {
    let Changed { before, after } = changed;
    if tell_waiting(context, repository, after.id)? {
        return Ok(());
    }
    let mut printer = context.printer();
    printer.line(format_args!("{} entitlement {}, revision {}", told.verb, after.id, after.revision))?;
    let differences = differences(before, after);
    let fields: Vec<_> = differences.iter().map(|one| (one.field, difference(one))).collect();
    printer.fields(&fields)?;
    for line in told.lines {
        printer.line(line)?;
    }
    if told.licenses_differ && after.used > 0 {
        printer.line(format_args!(
            "Next: `chancery license update {} --out DIR` writes new licenses for the {} in use",
            after.id, after.used
        ))?;
    }
    let mut value = describe(after);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("changed".to_owned(), differences_json(before, after));
        fields.extend(more.as_object().cloned().unwrap_or_default());
    }
    Ok(printer.json(&value)?)
}
