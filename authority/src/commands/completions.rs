//! `chancery completions`: the script that lets a shell complete the command line.

use chancery_carriers::output::Printer;
use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Context};
use crate::error::CommandError;

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery completions bash > /etc/bash_completion.d/chancery")]
pub struct CompletionsArgs {
    /// Shell to complete for
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs `chancery completions`.
///
/// # Errors
///
/// When the script cannot be printed.
pub fn run(args: &CompletionsArgs, _context: &Context) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "chancery", &mut script);
    // The script is the result, with `--json` as well: a shell reads it, not a person.
    Ok(Printer::new(false).raw(&String::from_utf8_lossy(&script))?)
}
