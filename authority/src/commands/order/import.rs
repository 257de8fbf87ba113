//! `chancery order import`: a file of orders becomes entitlements.

use std::path::PathBuf;

use chancery_carriers::output::Progress;
use chancery_carriers::report::note;
use chancery_carriers::text::shown_path;
use serde_json::{Value, json};

use super::Context;
use crate::commands::entitlement::session_user;
use crate::error::CommandError;
use crate::workflow::order::import::{MOST_TOLD, Stage};
use crate::workflow::order::{Counts, Fault, Imported, Mapping, Options, Source, import, rejects};

/// Import orders from a file of the system that takes them
///
/// The file is CSV with a header, or one JSON object a line; its content tells which. Each line is one line of an
/// order, and known by the number of its order and its own: one that came before and says the same changes nothing, so
/// that a file can be imported again after anything that interrupted it. One that says something else is rejected. The
/// good lines are taken and the others told, or none is taken with --atomic. A file that is not whole, not UTF-8 or
/// not of its form is refused, and nothing of it is taken.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery order import orders.csv\n  \
    chancery order import export.csv --mapping crm.toml --rejects mend.csv\n  \
    chancery order import orders.jsonl --atomic --json")]
pub struct ImportArgs {
    /// File of orders
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How its columns are called, and what its values mean
    #[arg(long, value_name = "FILE.toml")]
    mapping: Option<PathBuf>,
    /// Take every line or none
    #[arg(long)]
    atomic: bool,
    /// Write the lines that were rejected to this new file, as they came
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Who imports it [default: the user of this session]
    #[arg(long, value_name = "NAME", default_value_t = session_user(), hide_default_value = true)]
    by: String,
}

pub(super) fn run(args: &ImportArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let mapping = args.mapping.as_deref().map(Mapping::load).transpose()?.unwrap_or_default();
    let mut repository = context.repository()?;
    // Before anything is taken, so that a name that is taken costs nothing.
    let rejects_file = args.rejects.as_deref().map(rejects::prepare).transpose()?;
    let (mut checking, mut taking) =
        (Progress::new("checking the file, byte"), Progress::new("taking orders, byte"));
    let source = Source::open(&args.file, &mut |done, total| checking.update(done, total))?;
    let options = Options { mapping: &mapping, is_atomic: args.atomic, by: &args.by, now };
    let imported = import(&mut repository, &source, &options, &mut |stage, done, total| match stage {
        Stage::Checking => checking.update(done, total),
        Stage::Taking => taking.update(done, total),
    })?;
    drop((checking, taking));
    if let (Some(output), false) = (rejects_file, imported.rejected.is_empty()) {
        rejects::write(&source, imported.header_end, &imported.rejected, output)?;
    }
    print(args, context, &imported)?;
    match imported.counts.rejected {
        0 => Ok(()),
        _ => Err(rejected(args, &imported)),
    }
}

/// Tells what was taken, and which customers to look at.
fn print(args: &ImportArgs, context: &Context, imported: &Imported) -> Result<(), CommandError> {
    let Counts { lines, granted, amended, renewed, converted, waiting, unchanged, rejected, customers } =
        imported.counts;
    let mut printer = context.printer();
    if imported.stands {
        printer.line(format_args!("Imported {}: {lines} lines", shown_path(&args.file)))?;
        printer.fields(&[
            ("granted", granted.to_string()),
            ("amended", amended.to_string()),
            ("renewed", renewed.to_string()),
            ("converted", converted.to_string()),
            ("waiting", waiting.to_string()),
            ("unchanged", unchanged.to_string()),
            ("rejected", rejected.to_string()),
            ("new customers", customers.to_string()),
        ])?;
        if waiting > 0 {
            printer.line("Next: `chancery approval request --out FILE.capq` asks the approvers")?;
        }
    } else {
        printer.line(format_args!("Nothing was taken of {}: {lines} lines", shown_path(&args.file)))?;
    }
    if !context.is_json() {
        for warning in &imported.warnings {
            note(&format!("warning: {warning}"));
        }
        let more = imported.warning_count - imported.warnings.len() as u64;
        if more > 0 {
            note(&format!("warning: and {more} warnings more"));
        }
    }
    let warnings = imported
        .warnings
        .iter()
        .map(|warning| json!({"line": warning.line, "code": warning.code, "message": warning.message}));
    Ok(printer.json(&json!({
        "file": shown_path(&args.file),
        "taken": imported.stands,
        "lines": lines,
        "granted": granted,
        "amended": amended,
        "renewed": renewed,
        "converted": converted,
        "waiting": waiting,
        "unchanged": unchanged,
        "rejected": rejected,
        "new_customers": customers,
        "rejections": imported.faults.iter().map(describe).collect::<Vec<_>>(),
        "warnings": warnings.collect::<Vec<_>>(),
        "warning_count": imported.warning_count,
    }))?)
}

fn describe(fault: &Fault) -> Value {
    let column = fault.column.as_ref().map(ToString::to_string);
    json!({"line": fault.line, "column": column, "code": fault.code, "reason": fault.message})
}

/// The end of a run in which lines were rejected.
fn rejected(args: &ImportArgs, imported: &Imported) -> CommandError {
    let Counts { lines, rejected, .. } = imported.counts;
    let message = match imported.stands {
        true => format!("{rejected} of {lines} lines are rejected; the others are taken"),
        false => format!("{rejected} of {lines} lines are rejected, so none is taken"),
    };
    let mut error = CommandError::refused("orders-rejected", message);
    let file = shown_path(&args.file);
    for fault in &imported.faults {
        error = error.cause(format!("{file}: {fault}"));
    }
    if rejected > MOST_TOLD as u64 {
        error = error.cause(format!("and {} lines more", rejected - MOST_TOLD as u64));
    }
    error.hint(match &args.rejects {
        Some(path) => format!("mend the lines in {}, and import that file", shown_path(path)),
        None => "mend these lines and import the file again: what was taken is left as it is".to_owned(),
    })
}
