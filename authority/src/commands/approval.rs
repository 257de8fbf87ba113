//! `chancery approval`: asking for approvals, giving them, taking them in, and the policy that demands them.

use super::Context;
use crate::error::CommandError;

mod import;
mod policy;
mod request;
mod show;
mod sign;

/// Ask for approvals, give them, take them in
#[derive(Debug, clap::Subcommand)]
pub enum ApprovalCommand {
    Request(request::RequestArgs),
    Show(show::ShowArgs),
    Sign(sign::SignArgs),
    Import(import::ImportArgs),
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
}

/// Runs a command of `chancery approval`.
///
/// # Errors
///
/// Those of the workflow, the files, the repository and the printer.
pub fn run(command: &ApprovalCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        ApprovalCommand::Request(args) => request::run(args, context),
        ApprovalCommand::Show(args) => show::run(args, context),
        ApprovalCommand::Sign(args) => sign::run(args, context),
        ApprovalCommand::Import(args) => import::run(args, context),
        ApprovalCommand::Policy(command) => policy::run(command, context),
    }
}
