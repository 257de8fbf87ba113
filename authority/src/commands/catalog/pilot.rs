//! `chancery catalog promote` and `withdraw`: how a pilot ends.

use serde_json::json;

use super::StatedArgs;
use crate::commands::Context;
use crate::error::CommandError;
use crate::workflow::catalog::change;

/// Make a pilot hold for everybody
///
/// What the customers of the pilot have had becomes the catalog for all, as a change of its own.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery catalog promote 7\n  \
    chancery catalog promote 7 --by 'Dana Keller' --reason 'no complaints in four weeks'")]
pub struct PromoteArgs {
    /// Number of the pilot
    #[arg(value_name = "NUMBER")]
    number: u64,
    #[command(flatten)]
    stated: StatedArgs,
}

/// End a pilot, so that the catalog of everybody holds for its customers again
///
/// What was sold under the pilot keeps what it came to.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery catalog withdraw 7\n  \
    chancery catalog withdraw 7 --by 'Dana Keller' --reason 'the bundle was not understood'")]
pub struct WithdrawArgs {
    /// Number of the pilot
    #[arg(value_name = "NUMBER")]
    number: u64,
    #[command(flatten)]
    stated: StatedArgs,
}

pub(super) fn promote(args: &PromoteArgs, context: &Context) -> Result<(), CommandError> {
    let number = change::promote(&mut context.repository()?, args.number, args.stated.get(), context.now()?)?;
    let mut printer = context.printer();
    printer.line(format_args!("Promoted pilot {} for everybody: catalog change {number}", args.number))?;
    Ok(printer.json(&json!({"change": number, "promoted": args.number}))?)
}

pub(super) fn withdraw(args: &WithdrawArgs, context: &Context) -> Result<(), CommandError> {
    let number =
        change::withdraw(&mut context.repository()?, args.number, args.stated.get(), context.now()?)?;
    let mut printer = context.printer();
    printer.line(format_args!("Withdrew pilot {}: catalog change {number}", args.number))?;
    Ok(printer.json(&json!({"change": number, "withdrawn": args.number}))?)
}
