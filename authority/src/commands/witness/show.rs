//! `chancery witness show`: who a witness is, and how far it has seen the log.

use std::path::PathBuf;

use chancery_carriers::files;
use serde_json::json;

use crate::commands::Context;
use crate::error::CommandError;
use crate::output::{self, public_key};
use crate::witness::Memory;

/// Show a witness and what it remembers
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery witness show --home /srv/witness\n  \
    chancery witness show --home /srv/witness -o witness.pem")]
pub struct ShowArgs {
    /// File to write the public key to, in PEM; never overwritten
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Shows a witness.
///
/// # Errors
///
/// What the memory, the file and the printer refuse.
pub fn run(args: &ShowArgs, context: &Context) -> Result<(), CommandError> {
    let memory = Memory::open(&context.home()?)?;
    let (identity, newest) = (memory.identity(), memory.newest()?);
    if let Some(path) = &args.output {
        files::create_new(path)?.commit(public_key::pem(&identity.public_key)?.as_bytes())?;
    }
    let signed = || memory.entries().iter().filter_map(|entry| Some((entry.number, entry.signed.as_ref()?)));
    let batches = signed().filter(|(_, signed)| signed.statement.is_some()).count();
    let checkpoints = signed().count();
    let mut unanswered = Vec::new();
    for (number, _) in signed() {
        if memory.answer(number)?.is_none() {
            unanswered.push(number);
        }
    }
    let root: String = newest.head.root.iter().map(|byte| format!("{byte:02x}")).collect();
    let thumbprint = identity.public_key.thumbprint();
    let mut printer = context.printer();
    printer.fields(&[
        ("authority id", identity.authority.to_string()),
        ("key", format!("{} ({})", thumbprint.key_id(), identity.public_key.algorithm())),
        ("thumbprint", thumbprint.to_string()),
        ("reference", identity.reference.clone()),
        ("made", output::time(identity.made_at)),
        ("has seen", format!("{} documents", newest.head.size)),
        ("root hash", root.clone()),
        ("last used", output::time(newest.noted_at)),
        ("signed", format!("{batches} batches, {checkpoints} checkpoints")),
        ("unanswered", unanswered.len().to_string()),
        ("root version", newest.minima.root.0.to_string()),
        ("closed keys", newest.closed.len().to_string()),
    ])?;
    Ok(printer.json(&json!({
        "authority_id": identity.authority.to_string(),
        "kid": thumbprint.key_id().to_string(),
        "thumbprint": thumbprint.to_string(),
        "algorithm": identity.public_key.algorithm().name(),
        "reference": identity.reference,
        "made_at": output::time_json(identity.made_at),
        "size": newest.head.size,
        "root": root,
        "noted_at": output::time_json(newest.noted_at),
        "batches": batches,
        "checkpoints": checkpoints,
        "unanswered": unanswered,
        "root_version": newest.minima.root.0,
        "closed_keys": newest.closed.iter().map(|key| key.to_string()).collect::<Vec<_>>(),
        "public_key": public_key::pem(&identity.public_key)?,
    }))?)
}
