//! `chancery approval import`: what approvers decided.

use std::path::PathBuf;

use chancery_carriers::load::load;
use chancery_carriers::text::shown_path;
use serde_json::{Value, json};

use crate::commands::Context;
use crate::error::CommandError;
use crate::repository::Decided;
use crate::workflow::approval::import::{Taken, import};

/// Take in what approvers decided
///
/// Each file is checked against the request as it stands here. Once the policy is satisfied, all changes of the
/// request stand; one rejection ends them. A file that is refused stops the command; those before it are taken in.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery approval import dana.cappr robin.cappr")]
pub struct ImportArgs {
    /// Approvals, as `chancery approval sign` made them
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

pub(super) fn run(args: &ImportArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let mut repository = context.repository()?;
    let mut printer = context.printer();
    let mut told = Vec::new();
    for path in &args.files {
        let loaded = load(path)?;
        let taken = import(&mut repository, &loaded.bytes, now)
            .map_err(|error| error.cause(format!("the file is {}", shown_path(path))))?;
        printer.line(line(&taken))?;
        told.push(describe(&taken));
    }
    Ok(printer.json(&Value::Array(told))?)
}

fn line(taken: &Taken) -> String {
    let Taken { request, approver, decision, lacks, decided } = taken;
    let did = match decision.name() {
        "approve" => "approves",
        _ => "rejects",
    };
    let then = match (lacks, decided) {
        (Some(lacks), _) => format!("still needed: {lacks}"),
        (None, None) => "nothing is decided".to_owned(),
        (None, Some(Decided { ended, stale })) => {
            let done = match (did, ended) {
                ("approves", 1) => "1 change stands now".to_owned(),
                ("approves", many) => format!("{many} changes stand now"),
                (_, 1) => "1 change will not be made".to_owned(),
                (_, many) => format!("{many} changes will not be made"),
            };
            let numbers: Vec<_> = stale.iter().map(ToString::to_string).collect();
            match stale.is_empty() {
                true => done,
                false => format!("{done}; overtaken, to be made again: {}", numbers.join(", ")),
            }
        }
    };
    format!("{approver} {did} request {request}; {then}")
}

fn describe(taken: &Taken) -> Value {
    json!({
        "request": taken.request,
        "approver": taken.approver,
        "decision": taken.decision.name(),
        "lacks": taken.lacks,
        "ended": taken.decided.as_ref().map(|decided| decided.ended),
        "stale": taken.decided.as_ref().map(|decided| &decided.stale),
    })
}
