//! `chancery ceremony`: an authority made by several people, from a plan that they reviewed.

use std::path::Path;

use chancery_carriers::files;
use chancery_carriers::text::shown_path;

use super::Context;
use crate::error::CommandError;
use crate::workflow::ceremony::plan::{Fault, MAX_BYTES, Plan};

mod plan;
mod prove;
mod run;
mod show;

/// Make an authority together: plan it, run it, take part in it, read its transcript
#[derive(Debug, clap::Subcommand)]
pub enum CeremonyCommand {
    Plan(plan::PlanArgs),
    Run(run::RunArgs),
    Prove(Box<prove::ProveArgs>),
    Show(show::ShowArgs),
}

/// Runs a command of `chancery ceremony`.
///
/// # Errors
///
/// Those of the workflow, the files and the printer.
pub fn run(command: &CeremonyCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        CeremonyCommand::Plan(args) => plan::run(args, context),
        CeremonyCommand::Run(args) => run::run(args, context),
        CeremonyCommand::Prove(args) => prove::run(args, context),
        CeremonyCommand::Show(args) => show::run(args, context),
    }
}

/// Reads the text of a plan.
fn text(path: &Path) -> Result<String, CommandError> {
    let bytes = files::read_document(path, MAX_BYTES)?;
    String::from_utf8(bytes).map_err(|error| {
        CommandError::refused("ceremony-plan-invalid", format!("{} is not a plan", shown_path(path)))
            .cause(error.to_string())
            .hint("write it as UTF-8 text; begin with `chancery ceremony plan --example`")
    })
}

/// Reads a plan without faults, and its text.
fn read(path: &Path) -> Result<(Plan, String), CommandError> {
    let text = text(path)?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    match Plan::read(&text, folder) {
        Ok(plan) => Ok((plan, text)),
        Err(faults) => Err(invalid(path, &faults)),
    }
}

/// Tells every fault of a plan.
fn invalid(path: &Path, faults: &[Fault]) -> CommandError {
    let path = shown_path(path);
    let message = match faults.len() {
        1 => format!("{path} is not a plan that can be carried out"),
        count => format!("{path} has {count} faults"),
    };
    let error = CommandError::refused("ceremony-plan-invalid", message)
        .hint("correct the file, and check it with `chancery ceremony plan`; nothing was done");
    faults.iter().fold(error, |error, fault| error.cause(fault.to_string()))
}
