//! `chancery bundle`: what a site needs to trust the authority.

use std::path::PathBuf;

use chancery_carriers::files;
use chancery_verifier::{Pin, Trust};
use serde_json::{Value, json};

use super::Context;
use crate::error::CommandError;
use crate::output::{self, document};
use crate::repository::BundleRecord;
use crate::workflow::bundle::{Published, checkpoint_size, publish};

/// Publish trust bundles
#[derive(Debug, clap::Subcommand)]
pub enum BundleCommand {
    Publish(PublishArgs),
    List(ListArgs),
    Show(ShowArgs),
}

/// Write what a site needs to trust the authority into one file
///
/// Roots, key records, closings, the newest revocation list and the newest checkpoint, under the next numbered
/// manifest, which the log key seals. Without anything new the bundle that is there is written again.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery bundle publish --out vendor.ctrust\n  \
    chancery bundle publish --out vendor.ctrust --renew")]
pub struct PublishArgs {
    /// Trust bundle to create; never overwritten
    #[arg(long, short, visible_alias = "out", value_name = "FILE")]
    pub output: PathBuf,
    /// Publish a bundle with a new number and today's time although nothing else is new
    #[arg(long)]
    pub renew: bool,
}

/// List the bundles that were published
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery bundle list\n  chancery bundle list --json")]
pub struct ListArgs {}

/// Show a bundle that was published
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery bundle show\n  chancery bundle show 3")]
pub struct ShowArgs {
    /// Number of the bundle; the newest one where none is named
    #[arg(value_name = "NUMBER")]
    pub number: Option<u64>,
}

/// Runs a command of `chancery bundle`.
///
/// # Errors
///
/// What the workflow and the printer refuse.
pub fn run(command: &BundleCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        BundleCommand::Publish(args) => run_publish(args, context),
        BundleCommand::List(_) => list(context),
        BundleCommand::Show(args) => show(args, context),
    }
}

fn run_publish(args: &PublishArgs, context: &Context) -> Result<(), CommandError> {
    let output = files::create_new(&args.output)?;
    let mut repository = context.repository()?;
    let published = publish(&mut repository, args.renew, &mut context.pins()?, context.now()?)?;
    let Published { bytes, trust, known } = &published;
    output.commit(bytes).map_err(|error| match trust.bundle_number() {
        Some(number) => CommandError::from(error)
            .cause(format!("bundle {number} is published and recorded, but its file is not written"))
            .hint("free the target, then run the command again: the same bundle is written"),
        None => error.into(),
    })?;
    let file = args.output.display();
    let mut printer = context.printer();
    printer.line(match (trust.bundle_number(), known) {
        (Some(number), true) => {
            format!("Trust bundle {number} holds all there is; the same is written to {file}")
        }
        (Some(number), false) => format!("Published trust bundle {number} as {file}"),
        (None, _) => format!("Published trust bundle {file}"),
    })?;
    let mut fields = vec![
        ("authority", trust.name().to_owned()),
        ("authority id", trust.authority().to_string()),
        ("root version", trust.root_version().to_string()),
        ("keys", trust.keys().count().to_string()),
    ];
    fields.extend(numbered(trust));
    if trust.bundle_number().is_none() {
        fields.push(("note", "without a number: no log key is certified to seal a manifest".to_owned()));
    }
    printer.fields(&fields)?;
    let mut value = trust_json(trust);
    if let Value::Object(fields) = &mut value {
        fields.insert("file".to_owned(), json!(args.output));
        fields.insert("published_before".to_owned(), json!(known));
    }
    Ok(printer.json(&value)?)
}

/// What a manifest adds.
fn numbered(trust: &Trust) -> document::Fields {
    let mut fields = Vec::new();
    if trust.revocation_list() > 0 {
        fields.push(("revocation list", trust.revocation_list().to_string()));
    }
    fields
        .extend(checkpoint_size(trust).map(|size| ("checkpoint", format!("of the log of {size} documents"))));
    fields.extend(trust.anchor().map(|anchor| ("time", output::time(anchor))));
    fields
}

fn trust_json(trust: &Trust) -> Value {
    json!({
        "number": trust.bundle_number(),
        "authority": trust.name(),
        "authority_id": trust.authority().to_string(),
        "root_version": trust.root_version(),
        "keys": trust.keys().count(),
        "revocation_list": trust.revocation_list(),
        "checkpoint_size": checkpoint_size(trust),
        "time": trust.anchor().map(output::time_json),
    })
}

/// A bundle that was published and still verifies as it did.
fn load(record: &BundleRecord, pin: Pin) -> Result<Trust, CommandError> {
    Trust::load(&record.bytes, pin).map_err(|refusal| {
        let message = format!("trust bundle {} as it was published does not verify", record.number);
        CommandError::alarm(refusal.code(), message)
            .cause(refusal.to_string())
            .hint("stop issuing, keep the home as it is, and call the auditor")
    })
}

fn list(context: &Context) -> Result<(), CommandError> {
    let (bundles, authority) =
        context.read(|repository| Ok((repository.bundles()?, repository.authority()?.id)))?;
    let trusts = bundles
        .iter()
        .map(|record| load(record, Pin::Authority(authority)))
        .collect::<Result<Vec<_>, _>>()?;
    let rows: Vec<_> = trusts
        .iter()
        .map(|trust| {
            vec![
                trust.bundle_number().unwrap_or_default().to_string(),
                trust.anchor().map_or_else(String::new, output::time),
                trust.root_version().to_string(),
                trust.keys().count().to_string(),
                trust.revocation_list().to_string(),
                checkpoint_size(trust).map_or_else(|| "none".to_owned(), |size| size.to_string()),
            ]
        })
        .collect();
    let mut printer = context.printer();
    printer.table(&["NUMBER", "TIME", "ROOT", "KEYS", "REVOCATIONS", "LOG SIZE"], &rows)?;
    Ok(printer.json(&trusts.iter().map(trust_json).collect())?)
}

fn show(args: &ShowArgs, context: &Context) -> Result<(), CommandError> {
    let (found, authority) = context.read(|repository| {
        let found = match args.number {
            Some(number) => repository.bundle(number)?,
            None => repository.newest_bundle()?,
        };
        Ok((found, repository.authority()?.id))
    })?;
    let record = found.ok_or_else(|| {
        let error = match args.number {
            Some(number) => format!("no trust bundle has the number {number}"),
            None => "no trust bundle has a number yet".to_owned(),
        };
        CommandError::failed("bundle-unknown", error).hint("list bundles with `chancery bundle list`")
    })?;
    let trust = load(&record, Pin::Authority(authority))?;
    let described = document::describe(&record.bytes)?;
    let mut fields = vec![
        ("bundle", record.number.to_string()),
        ("log index", record.log_index.to_string()),
        ("size", format!("{} bytes", record.bytes.len())),
        ("root version", trust.root_version().to_string()),
    ];
    fields.extend(numbered(&trust));
    fields.extend(described.fields);
    context.printer().fields(&fields)?;
    let mut value = trust_json(&trust);
    if let Value::Object(fields) = &mut value {
        fields.insert("log_index".to_owned(), json!(record.log_index));
        fields.insert("bytes".to_owned(), json!(record.bytes.len()));
        fields.insert("members".to_owned(), described.json);
    }
    Ok(context.printer().json(&value)?)
}
