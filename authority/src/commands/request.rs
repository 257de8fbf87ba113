//! `chancery request`: changes of entitlements that wait to be approved.

use chancery_formats::grant::Grant;
use serde_json::{Value, json};

use super::Context;
use super::entitlement::WhoArgs;
use crate::error::CommandError;
use crate::output;
use crate::output::approval::{COLUMNS, hex, row};
use crate::repository::proposal::{End, Proposal};
use crate::repository::{Proposed, Repository};
use crate::workflow::approval::ask::item;
use crate::workflow::label;

/// See and withdraw changes that wait to be approved
#[derive(Debug, clap::Subcommand)]
pub enum RequestCommand {
    List(ListArgs),
    Show(ShowArgs),
    Withdraw(WithdrawArgs),
}

/// List changes that wait to be approved
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery request list\n  chancery request list --all --json")]
pub struct ListArgs {
    /// Also those that were decided or withdrawn
    #[arg(long)]
    all: bool,
}

/// Show a change that waits, or waited
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery request show 17")]
pub struct ShowArgs {
    /// Number of the proposal
    #[arg(value_name = "PROPOSAL")]
    proposal: u64,
}

/// Take changes back before they are decided
///
/// A request to approvers that holds one of them is void: the others in it are asked anew.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  chancery request withdraw 17 18 --reason 'order 4711 was cancelled'"
)]
pub struct WithdrawArgs {
    /// Numbers of the proposals
    #[arg(value_name = "PROPOSAL", required = true)]
    proposals: Vec<u64>,
    /// Why, for those who read the list
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    who: WhoArgs,
}

/// Runs a command of `chancery request`.
///
/// # Errors
///
/// Those of the repository and the printer.
pub fn run(command: &RequestCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        RequestCommand::List(args) => list(args, context),
        RequestCommand::Show(args) => show(args, context),
        RequestCommand::Withdraw(args) => withdraw(args, context),
    }
}

fn list(args: &ListArgs, context: &Context) -> Result<(), CommandError> {
    let found = context.read(|repository| Ok(repository.proposals(args.all)?))?;
    let rows: Vec<_> = found
        .iter()
        .map(|one| {
            vec![
                one.id.to_string(),
                output::time(one.proposed_at),
                one.requester.clone(),
                one.reason.clone(),
                one.request.map_or_else(|| "not asked".to_owned(), |request| request.to_string()),
                state(one).to_owned(),
            ]
        })
        .collect();
    let mut printer = context.printer();
    printer.table(&["NUMBER", "PROPOSED", "BY", "REASON", "REQUEST", "STATE"], &rows)?;
    Ok(printer.json(&Value::Array(found.iter().map(|one| describe(one, &[])).collect()))?)
}

fn show(args: &ShowArgs, context: &Context) -> Result<(), CommandError> {
    let (one, grants) = context.read(|repository| {
        let one = find(repository, args.proposal)?;
        Ok((one, repository.proposed_grants(args.proposal)?))
    })?;
    let mut printer = context.printer();
    let mut fields = vec![
        ("number", one.id.to_string()),
        ("state", state(&one).to_owned()),
        ("proposed", format!("{}, by {}", output::time(one.proposed_at), one.requester)),
        ("because", one.reason.clone()),
        ("policy", one.policy.to_string()),
        ("request", one.request.map_or_else(|| "not asked".to_owned(), |request| request.to_string())),
    ];
    if let Some(End { by, reason, at, .. }) = &one.end {
        fields.push(("ended", format!("{}, by {by}: {reason}", output::time(*at))));
    }
    printer.fields(&fields)?;
    printer.line("")?;
    let rows: Vec<_> = grants.iter().map(|proposed| row(&item(proposed))).collect();
    printer.table(&COLUMNS, &rows)?;
    Ok(printer.json(&describe(&one, &grants))?)
}

fn withdraw(args: &WithdrawArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    for text in [&args.who.by, &args.reason] {
        label::check(text).map_err(|error| {
            CommandError::refused("reason-refused", "a name or a reason cannot be used")
                .cause(error.to_string())
                .hint("give 1 to 128 bytes of plain text")
        })?;
    }
    let mut repository = context.repository()?;
    let mut printer = context.printer();
    for id in &args.proposals {
        find(&repository, *id)?;
        if let Some(outcome) = repository.withdraw_proposal(*id, &args.who.by, &args.reason, now)? {
            let message = format!("proposal {id} has ended: it is {}", outcome.name());
            return Err(CommandError::refused("proposal-ended", message)
                .hint("see it with `chancery request show`; change the entitlement again instead"));
        }
        printer.line(format_args!("Withdrew proposal {id}"))?;
    }
    Ok(printer.json(&json!({"withdrawn": args.proposals}))?)
}

fn find(repository: &Repository, id: u64) -> Result<Proposal, CommandError> {
    repository.proposal(id)?.ok_or_else(|| {
        CommandError::failed("proposal-unknown", format!("there is no proposal {id}"))
            .hint("list what waits with `chancery request list`")
    })
}

fn state(one: &Proposal) -> &'static str {
    match (&one.end, one.request) {
        (Some(end), _) => end.outcome.name(),
        (None, Some(_)) => "asked",
        (None, None) => "waiting",
    }
}

fn describe(one: &Proposal, grants: &[Proposed]) -> Value {
    let end = one.end.as_ref().map(|end| {
        json!({
            "outcome": end.outcome.name(),
            "request": end.request,
            "by": end.by,
            "reason": end.reason,
            "at": output::time_json(end.at),
        })
    });
    let grants = grants.iter().map(|proposed| {
        json!({
            "entitlement": proposed.entitlement.to_string(),
            "sha256": hex(&Grant::hash(&proposed.bytes)),
        })
    });
    json!({
        "number": one.id,
        "state": state(one),
        "proposed_at": output::time_json(one.proposed_at),
        "by": one.requester,
        "reason": one.reason,
        "policy": one.policy,
        "request": one.request,
        "end": end,
        "grants": grants.collect::<Vec<_>>(),
    })
}
