//! `chancery catalog history`: every change, who made it and why.

use serde_json::{Value, json};

use crate::commands::Context;
use crate::error::CommandError;
use crate::output;
use crate::repository::{Change, ChangeKind};
use crate::workflow::catalog::change::{Fate, fate};
use crate::workflow::pilot::Share;

/// List every change of the catalog, and what became of pilots
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery catalog history\n  chancery catalog history --json")]
pub struct HistoryArgs {}

pub(super) fn run(_: &HistoryArgs, context: &Context) -> Result<(), CommandError> {
    let changes = context.read(|repository| Ok(repository.catalog_changes()?))?;
    let rows: Vec<_> = changes.iter().map(|change| row(change, &changes)).collect();
    let mut printer = context.printer();
    printer.table(&["NUMBER", "WHAT", "APPLIED", "BY", "REASON"], &rows)?;
    let described: Vec<Value> = changes.iter().map(|change| describe(change, &changes)).collect();
    Ok(printer.json(&Value::Array(described))?)
}

fn row(change: &Change, all: &[Change]) -> Vec<String> {
    let what = match change.kind {
        ChangeKind::Apply => "applied".to_owned(),
        ChangeKind::Promote(pilot) => format!("promoted pilot {pilot}"),
        ChangeKind::Withdraw(pilot) => format!("withdrew pilot {pilot}"),
        ChangeKind::Pilot { share, .. } => {
            let share = Share::new(share).map(|share| share.to_string()).unwrap_or_default();
            let fate = match fate(change.number, all) {
                Fate::Open => "open".to_owned(),
                Fate::Overtaken(by) => format!("overtaken by {by}"),
                Fate::Promoted(by) => format!("promoted by {by}"),
                Fate::Withdrawn(by) => format!("withdrawn by {by}"),
            };
            format!("pilot for {share}, {fate}")
        }
    };
    let stated = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        change.number.to_string(),
        what,
        output::time(change.applied_at),
        stated(&change.by),
        stated(&change.reason),
    ]
}

fn describe(change: &Change, all: &[Change]) -> Value {
    let mut value = json!({
        "number": change.number,
        "kind": change.kind.name(),
        "sha256": change.sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        "applied_at": output::time_json(change.applied_at),
        "by": change.by,
        "reason": change.reason,
    });
    let Value::Object(fields) = &mut value else { return value };
    let mut insert = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    match change.kind {
        ChangeKind::Apply => {}
        ChangeKind::Promote(pilot) | ChangeKind::Withdraw(pilot) => insert("pilot", json!(pilot)),
        ChangeKind::Pilot { share, seed } => {
            let (state, by) = match fate(change.number, all) {
                Fate::Open => ("open", None),
                Fate::Overtaken(by) => ("overtaken", Some(by)),
                Fate::Promoted(by) => ("promoted", Some(by)),
                Fate::Withdrawn(by) => ("withdrawn", Some(by)),
            };
            insert("share", json!(Share::new(share).map(|share| share.to_string())));
            insert("seed", json!(seed));
            insert("state", json!(state));
            insert("ended_by", json!(by));
        }
    }
    value
}
