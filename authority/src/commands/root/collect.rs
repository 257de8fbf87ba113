//! `chancery root collect`: answers of custodians come in, and what all have signed stands.

use std::path::PathBuf;

use chancery_carriers::load::load;
use serde_json::json;

use crate::commands::Context;
use crate::commands::custodians::{CustodianArgs, join};
use crate::error::CommandError;
use crate::workflow::change::{Change, Proposed};

/// Bring in what custodians have signed
///
/// Checks every signature, signs with the keys of this machine that have not, and lets the change stand once
/// everybody has signed. Answers may come in one by one; without any, the change goes on as far as it can here.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery root collect alice.ccer bob.ccer\n  \
    chancery root collect --out again.ccer")]
pub struct CollectArgs {
    /// Answers, as `root sign` writes them
    #[arg(value_name = "ANSWER")]
    answers: Vec<PathBuf>,
    /// File to create for those who have not signed; never overwritten
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &CollectArgs, context: &Context) -> Result<(), CommandError> {
    let answers: Vec<_> =
        args.answers.iter().map(|path| Ok(load(path)?.bytes)).collect::<Result<_, CommandError>>()?;
    let custodians = CustodianArgs::with_out(args.out.clone());
    let output = custodians.reserve()?;
    let mut repository = context.repository()?;
    let now = context.now()?;
    let change = Change::require_pending(&repository)?;
    let accepted = change.take(&mut repository, &answers, now)?;
    let hands = change.hands(&repository, &mut context.pins()?)?;
    let progress = change.advance(&mut repository, &hands, now)?;
    let mut printer = context.printer();
    let signed: Vec<_> = accepted.iter().map(|signer| signer.thumbprint.key_id().to_string()).collect();
    if !signed.is_empty() {
        printer.line(format_args!("Accepted the signatures of {}.", signed.join(", ")))?;
    }
    let told = custodians.tell(output, &repository, &Proposed { change, progress }, &mut printer)?;
    Ok(printer.json(&join(json!({"accepted": signed}), told))?)
}
