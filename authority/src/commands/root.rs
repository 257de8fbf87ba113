//! `chancery root`: who the custodians are, and what they sign.

use super::Context;
use crate::error::CommandError;

mod abandon;
mod collect;
mod rotate;
mod show;
mod sign;

/// Show and change the custodians; sign what they are asked to sign
#[derive(Debug, clap::Subcommand)]
pub enum RootCommand {
    Show(show::ShowArgs),
    Rotate(Box<rotate::RotateArgs>),
    Sign(Box<sign::SignArgs>),
    Collect(collect::CollectArgs),
    Abandon(abandon::AbandonArgs),
}

/// Runs a command of `chancery root`.
///
/// # Errors
///
/// Those of the workflow, the repository and the printer.
pub fn run(command: &RootCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        RootCommand::Show(args) => show::run(args, context),
        RootCommand::Rotate(args) => rotate::run(args, context),
        RootCommand::Sign(args) => sign::run(args, context),
        RootCommand::Collect(args) => collect::run(args, context),
        RootCommand::Abandon(args) => abandon::run(args, context),
    }
}
