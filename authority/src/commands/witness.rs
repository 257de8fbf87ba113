//! `chancery witness`: a second machine that signs beside an authority, and never twice over one range of its log.

use super::Context;
use crate::error::CommandError;

pub mod init;
pub mod show;
pub mod sign;

/// Witness an authority from a second machine
///
/// The home named by `--home` is the witness's own, on a machine of its own.
#[derive(Debug, clap::Subcommand)]
pub enum WitnessCommand {
    Init(Box<init::InitArgs>),
    Sign(sign::SignArgs),
    Show(show::ShowArgs),
}

/// Runs a command of `chancery witness`.
///
/// # Errors
///
/// What the workflow, files and the printer refuse.
pub fn run(command: &WitnessCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        WitnessCommand::Init(args) => init::run(args, context),
        WitnessCommand::Sign(args) => sign::run(args, context),
        WitnessCommand::Show(args) => show::run(args, context),
    }
}
