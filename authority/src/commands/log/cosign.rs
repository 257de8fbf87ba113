//! `chancery log cosign`: the checkpoint of the log as a file for a witness.

use chancery_carriers::files;

use crate::commands::Context;
use crate::commands::batch::request::{WitnessArgs, print};
use crate::error::CommandError;
use crate::workflow::witness::ask::for_checkpoint;

/// Ask a witness to cosign the checkpoint of the log
///
/// The witness checks that the log goes on from what it has seen, and adds its line to the note. It never signs a
/// batch that begins below that checkpoint afterwards, so batches that wait for it go first.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery log cosign --out log.cwit")]
pub struct CosignArgs {
    #[command(flatten)]
    pub witness: WitnessArgs,
}

/// Makes the request.
///
/// # Errors
///
/// What the workflow, the file and the printer refuse.
pub fn run(args: &CosignArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let mut repository = context.repository()?;
    let output = files::create_new(&args.witness.out)?;
    let asked = for_checkpoint(&mut repository, &args.witness.terms(), &mut context.pins()?, now)?;
    output.reserve(asked.bytes.len() as u64)?;
    output.commit(&asked.bytes)?;
    print(context, &args.witness.out, &asked)
}
