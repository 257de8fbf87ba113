//! `chancery bundle`: what a site needs to trust the authority.

use std::path::PathBuf;

use chancery_carriers::files;
use serde_json::json;

use super::Context;
use crate::error::CommandError;
use crate::workflow::trust;

/// Publish trust bundles
#[derive(Debug, clap::Subcommand)]
pub enum BundleCommand {
    Publish(PublishArgs),
}

/// Write the roots and key records that a site needs into one file
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery bundle publish -o vendor.ctrust")]
pub struct PublishArgs {
    /// Trust bundle to create; never overwritten
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// Runs a command of `chancery bundle`.
///
/// # Errors
///
/// What the workflow and the printer refuse.
pub fn run(command: &BundleCommand, context: &Context) -> Result<(), CommandError> {
    let BundleCommand::Publish(args) = command;
    let output = files::create_new(&args.output)?;
    let (bundle, trust) = trust::bundle(&context.repository()?)?;
    output.commit(&bundle)?;
    let mut printer = context.printer();
    printer.line(format_args!("Published trust bundle {}", args.output.display()))?;
    printer.fields(&[
        ("authority", trust.name().to_owned()),
        ("authority id", trust.authority().to_string()),
        ("root version", trust.root_version().to_string()),
        ("keys", trust.keys().count().to_string()),
    ])?;
    Ok(printer.json(&json!({
        "file": args.output,
        "authority": trust.name(),
        "authority_id": trust.authority().to_string(),
        "root_version": trust.root_version(),
        "keys": trust.keys().count(),
    }))?)
}
