//! `chancery demo`: the whole loop in a temporary directory, and four attacks on it.

use super::Context;
use crate::error::CommandError;

/// Show the whole loop, from entitlement to a verified license
///
/// Works in a temporary directory with a software key, changes nothing else, and says where its
/// files are.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery demo")]
pub struct DemoArgs {}

/// Runs `chancery demo`.
///
/// # Errors
///
/// What the workflow and the printer refuse.
pub fn run(_args: &DemoArgs, _context: &Context) -> Result<(), CommandError> {
    Err(CommandError::failed("internal", "this command is not wired to its workflow"))
}
