//! `chancery batch issue`: a license for each row of a file.

use std::path::PathBuf;

use chancery_carriers::output::Progress;
use serde_json::{Value, json};

use super::{describe, waiting_for};
use crate::commands::Context;
use crate::error::CommandError;
use crate::workflow::batch::{self, Input, Stage, how_to_go_on};

/// Issue a license for each row of a file, with one operation of the issuing key
///
/// Every row is checked first, and either all rows are issued or none. A row is one line of JSON:
/// {"entitlement": ID, "request": FILE}; the request is left out where licenses are bound to a site or to
/// nothing, and a relative name counts from the folder of the input. The same rows are one batch for ever: run
/// again, the command goes on where it was interrupted, and signs nothing twice.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery batch issue --input rows.jsonl\n  \
    chancery batch issue --input renewal.jsonl --label 2027\n  \
    chancery batch issue --input rows.jsonl --json --pin-fd 3 3<pin")]
pub struct IssueArgs {
    /// File with one row a license
    #[arg(long, value_name = "FILE.jsonl")]
    pub input: PathBuf,
    /// Name of this run: the same rows under another name are issued once more, where they draw on no request
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub label: String,
}

/// Runs the command.
///
/// # Errors
///
/// What the workflow and the printer refuse.
pub fn run(args: &IssueArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let mut repository = context.repository()?;
    let input = Input { path: &args.input, label: &args.label };
    let (mut checking, mut writing) =
        (Progress::new("checking the input, byte"), Progress::new("writing licenses"));
    let issued = batch::issue(
        &mut repository,
        &input,
        &mut context.pins()?,
        now,
        &mut |stage, done, total| match stage {
            Stage::Checking => checking.update(done, total),
            Stage::Writing => writing.update(done, total),
        },
    )?;
    drop((checking, writing));
    let record = &issued.batch;
    let mut printer = context.printer();
    let (id, count) = (record.first_index, record.leaf_count);
    printer.line(match (issued.known, record.sealed_at) {
        (false, Some(_)) => format!("Issued batch {id} of {count} licenses"),
        (true, Some(_)) => format!("These rows are batch {id} of {count} licenses, which is sealed"),
        (_, None) => format!(
            "Batch {id} of {count} licenses is recorded, and waits for {}",
            waiting_for(&issued.missing)
        ),
    })?;
    printer.line(match record.sealed_at {
        Some(_) => format!("Write its files with `chancery batch export {id} --out DIR`"),
        None => format!("Next: {}", how_to_go_on(record)),
    })?;
    let mut value = describe(&repository, record)?;
    if let Value::Object(fields) = &mut value {
        fields.insert("issued_before".to_owned(), json!(issued.known));
    }
    Ok(printer.json(&value)?)
}
