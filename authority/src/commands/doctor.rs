//! `chancery doctor`: what is wrong with a home.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::Context;
use crate::error::CommandError;
use crate::workflow::doctor::{Finding, Level, examine};

/// Examine the home, the database, the keys and interrupted work
///
/// Changes nothing, asks no key device, and needs no PIN. Ends with 0 when all is well or only worth a
/// look, 1 for problems, and 5 when what was kept contradicts itself.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery doctor\n  \
    chancery doctor --home /srv/authority --json\n  \
    chancery doctor /media/stick")]
pub struct DoctorArgs {
    /// Folders that documents are written to, to look there as well for what an interrupted command left
    #[arg(value_name = "FOLDER")]
    pub folders: Vec<PathBuf>,
}

/// Runs `chancery doctor`.
///
/// # Errors
///
/// The worst finding, where it is a problem or an alarm.
pub fn run(args: &DoctorArgs, context: &Context) -> Result<(), CommandError> {
    let findings = examine(&context.home()?, &args.folders);
    let worst = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    let mut printer = context.printer();
    for finding in &findings {
        printer.line(format_args!("{:<8} {}", finding.level.name(), finding.message.replace('\n', " ")))?;
        if let Some(hint) = finding.hint {
            printer.line(format_args!("{:<8} hint: {hint}", ""))?;
        }
    }
    printer.json(
        &json!({"level": worst.name(), "findings": findings.iter().map(describe).collect::<Vec<_>>()}),
    )?;
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    match worst {
        Level::Ok | Level::Warning => Ok(()),
        Level::Problem => {
            Err(CommandError::failed("problems-found", found(count(Level::Problem), "problem"))
                .hint("do what the hint below each problem says"))
        }
        Level::Alarm => Err(CommandError::alarm("alarms-found", found(count(Level::Alarm), "alarm"))
            .hint("stop issuing and call the auditor")),
    }
}

fn found(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("doctor found {count} {what}{plural}")
}

fn describe(finding: &Finding) -> Value {
    json!({
        "level": finding.level.name(),
        "code": finding.code,
        "message": finding.message,
        "hint": finding.hint,
    })
}
