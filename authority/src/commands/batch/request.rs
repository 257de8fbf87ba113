//! `chancery batch request`: a batch as a file for its witness.

use std::path::{Path, PathBuf};

use chancery_carriers::files;
use chancery_formats::id::KeyId;
use serde_json::json;

use crate::commands::Context;
use crate::error::CommandError;
use crate::workflow::witness::ask::{Asked, Terms, for_batch};

/// Ask a witness to sign a batch
///
/// Writes every license of the batch, the signatures that it has, a checkpoint of the log that it ends and the
/// trust bundle into one file. Take it to the witness, who runs `chancery witness sign`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery batch request 120 --out batch-120.cwit\n  \
    chancery batch request 120 --known 96 --out batch-120.cwit")]
pub struct RequestArgs {
    /// Batch, by the log index of its first license
    #[arg(value_name = "BATCH")]
    pub batch: u64,
    #[command(flatten)]
    pub witness: WitnessArgs,
}

/// Which witness is asked, and how.
#[derive(Debug, clap::Args)]
pub struct WitnessArgs {
    /// Exchange file to create; never overwritten
    #[arg(long = "out", short, visible_alias = "output", value_name = "FILE")]
    pub out: PathBuf,
    /// Witness to ask, where there are several
    #[arg(long, value_name = "KID")]
    pub witness: Option<KeyId>,
    /// Number of documents that the witness remembers, as `witness show` says [default: what it has signed]
    #[arg(long, value_name = "SIZE")]
    pub known: Option<u64>,
    /// Give up older batches that wait for the same witness: it never signs them
    #[arg(long)]
    pub pass_over: bool,
}

impl WitnessArgs {
    /// Returns them as the workflow takes them.
    #[must_use]
    pub const fn terms(&self) -> Terms {
        Terms { witness: self.witness, known: self.known, pass_over: self.pass_over }
    }
}

/// Makes the request.
///
/// # Errors
///
/// What the workflow, the file and the printer refuse.
pub fn run(args: &RequestArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let mut repository = context.repository()?;
    let output = files::create_new(&args.witness.out)?;
    let asked = for_batch(&mut repository, args.batch, &args.witness.terms(), &mut context.pins()?, now)?;
    output.reserve(asked.bytes.len() as u64)?;
    output.commit(&asked.bytes)?;
    print(context, &args.witness.out, &asked)
}

/// Says what was asked.
pub(in crate::commands) fn print(context: &Context, path: &Path, asked: &Asked) -> Result<(), CommandError> {
    let mut printer = context.printer();
    let path = path.display();
    printer.line(match asked.documents {
        0 => format!("Asked the witness to cosign the checkpoint of {} documents: {path}", asked.head.size),
        1 => format!("Asked the witness to sign 1 license: {path}"),
        many => format!("Asked the witness to sign {many} licenses: {path}"),
    })?;
    printer.fields(&[
        ("witness", asked.witness.key_id().to_string()),
        ("goes on from", format!("{} documents", asked.known)),
        ("ends at", format!("{} documents", asked.head.size)),
        ("size", format!("{} bytes", asked.bytes.len())),
    ])?;
    printer.line("Take the file to the witness, and its answer to `chancery batch complete`")?;
    Ok(printer.json(&json!({
        "file": path.to_string(),
        "witness": asked.witness.key_id().to_string(),
        "known": asked.known,
        "size": asked.head.size,
        "documents": asked.documents,
        "bytes": asked.bytes.len(),
    }))?)
}
