//! `chancery site`: in which country sites stand, as somebody attests.

use std::path::PathBuf;

use chancery_carriers::files;
use chancery_carriers::load::load;
use chancery_formats::cose::Envelope;
use chancery_formats::id::AuthorityId;
use chancery_formats::site_record::SiteRecord;
use chancery_hsm_config::KeyRef;
use serde_json::{Value, json};

use super::argument::Reference;
use super::confirm::confirm;
use super::{Context, name_argument};
use crate::error::CommandError;
use crate::output;
use crate::output::approval::describe_site;
use crate::repository::SiteRecordRow;
use crate::workflow::site::{Attestation, attest, import};
use crate::workflow::term;

/// Attest where sites stand, and keep the records
#[derive(Debug, clap::Subcommand)]
pub enum SiteCommand {
    Attest(Box<AttestArgs>),
    Import(ImportArgs),
    List(ListArgs),
}

/// Attest in which country a site stands, on a machine of your own
///
/// Needs no home. The authority believes it where the key is that of somebody who may attest.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery site attest --authority-id 1f0c… --customer acme --site north --territory DE \\\n    \
    --evidence 'seen on 2027-03-02, protocol 17' --until 2029-03-31 --key file:lee.pem --out north.csite")]
pub struct AttestArgs {
    /// The authority that is to believe it, as `root show` prints it
    #[arg(long, value_name = "ID")]
    authority_id: AuthorityId,
    /// Customer whose site it is
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    customer: String,
    /// Site of that customer
    #[arg(long, value_name = "SITE", value_parser = name_argument)]
    site: String,
    /// Country in which it stands, by ISO 3166 code
    #[arg(long, value_name = "CC")]
    territory: String,
    /// By what that was seen
    #[arg(long, value_name = "TEXT")]
    evidence: String,
    /// Last day or instant in which it is believed
    #[arg(long, value_name = "DATE", value_parser = term::end)]
    until: u64,
    /// The key of whoever attests
    #[arg(long, value_name = "REF")]
    key: Reference<KeyRef>,
    /// Site record to create; never overwritten
    #[arg(long = "out", short, visible_alias = "output", value_name = "FILE")]
    out: PathBuf,
    /// Sign without asking
    #[arg(long)]
    yes: bool,
}

/// Take site records in
///
/// Of one site the newest record counts.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery site import north.csite")]
pub struct ImportArgs {
    /// Site records, as `chancery site attest` made them
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// List site records
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery site list --json")]
pub struct ListArgs {}

/// Runs a command of `chancery site`.
///
/// # Errors
///
/// Those of the workflow, the key, the files, the repository and the printer.
pub fn run(command: &SiteCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        SiteCommand::Attest(args) => run_attest(args, context),
        SiteCommand::Import(args) => run_import(args, context),
        SiteCommand::List(_) => list(context),
    }
}

fn run_attest(args: &AttestArgs, context: &Context) -> Result<(), CommandError> {
    if context.is_json() && !args.yes {
        return Err(CommandError::usage("with `--json` nothing is shown that a person could agree to")
            .hint("leave `--json` out, or add `--yes`"));
    }
    let reference = args.key.get()?;
    let now = context.now()?;
    let attestation = Attestation {
        authority: args.authority_id,
        customer: &args.customer,
        site: &args.site,
        territory: &args.territory,
        evidence: &args.evidence,
        not_after: args.until,
    };
    let output = files::create_new(&args.out)?;
    let AttestArgs { site, customer, territory, .. } = args;
    // The key first: nobody agrees to what cannot be signed.
    let key = chancery_hsm_config::open(reference, &mut context.pins()?)?;
    confirm(&format!("Attest that site {site} of {customer} stands in {territory}?"), args.yes)?;
    let record = attest(&attestation, &key, now)?;
    output.reserve(record.len() as u64)?;
    output.commit(&record)?;
    let mut printer = context.printer();
    printer.line(format_args!(
        "Attested that site {site} of {customer} stands in {territory}. Bring {} to the authority.",
        args.out.display()
    ))?;
    Ok(printer.json(&json!({
        "file": args.out,
        "customer": customer,
        "site": site,
        "territory": territory,
        "signed_by": key.public_key().key_id().to_string(),
        "not_after": output::time_json(args.until),
    }))?)
}

fn run_import(args: &ImportArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let mut repository = context.repository()?;
    let mut printer = context.printer();
    let mut told = Vec::new();
    for path in &args.files {
        let loaded = load(path)?;
        let row = import(&mut repository, &loaded.bytes, now)?;
        let described = describe(&row)?;
        let country = described.get("territory").and_then(Value::as_str).unwrap_or_default().to_owned();
        printer.line(format_args!(
            "Site {} of {} stands in {country}, by record {}",
            row.site, row.customer, row.id
        ))?;
        told.push(described);
    }
    Ok(printer.json(&Value::Array(told))?)
}

fn list(context: &Context) -> Result<(), CommandError> {
    let rows = context.read(|repository| Ok(repository.site_records()?))?;
    let mut table = Vec::new();
    let mut told = Vec::new();
    for row in &rows {
        let envelope = Envelope::decode(&row.bytes)?;
        let record = SiteRecord::decode(envelope.payload)?;
        table.push(vec![
            row.id.to_string(),
            row.customer.clone(),
            row.site.clone(),
            record.territory.to_owned(),
            output::time(record.attested_at),
            output::time(record.not_after),
            record.evidence.to_owned(),
        ]);
        told.push(describe(row)?);
    }
    let mut printer = context.printer();
    printer.table(&["NUMBER", "CUSTOMER", "SITE", "COUNTRY", "ATTESTED", "UNTIL", "EVIDENCE"], &table)?;
    Ok(printer.json(&Value::Array(told))?)
}

fn describe(row: &SiteRecordRow) -> Result<Value, CommandError> {
    let envelope = Envelope::decode(&row.bytes)?;
    let (_, mut value) = describe_site(&SiteRecord::decode(envelope.payload)?);
    if let Value::Object(fields) = &mut value {
        fields.insert("number".to_owned(), json!(row.id));
        fields.insert("approver".to_owned(), json!(row.approver));
        fields.insert("imported_at".to_owned(), output::time_json(row.imported_at));
    }
    Ok(value)
}
