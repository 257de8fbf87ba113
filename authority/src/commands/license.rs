//! `chancery license`: issuing licenses, and handing them out again.

use std::path::PathBuf;

use chancery_carriers::load::load;
use chancery_formats::document::Kind;
use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use chancery_formats::license::License;
use serde_json::{Value, json};

use super::Context;
use crate::error::CommandError;
use crate::log::sealed;
use crate::output::{self, document};
use crate::repository::LicenseRecord;
use crate::workflow::approval::recheck::Vouching;
use crate::workflow::export::{Targets, reserve};
use crate::workflow::issue::prepare;

mod update;

/// Issue, update, list, show and export licenses
#[derive(Debug, clap::Subcommand)]
pub enum LicenseCommand {
    Issue(IssueArgs),
    List(ListArgs),
    Show(ShowArgs),
    Export(ExportArgs),
    Update(update::UpdateArgs),
}

/// Issue a license for a device, or for a site
///
/// Records the intent in the log, signs with the issuing key, and checks the result as a product
/// would before it is handed out. The same request gives the same license again; without a request,
/// each run draws one more activation of an entitlement that is bound to a site or to nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery license issue --entitlement ent_0123456789ABC --request pump.creq -o pump.clic\n  \
    chancery license issue --entitlement ent_0123456789ABC --request photo.jpg -o pump.clic --qr pump.png")]
pub struct IssueArgs {
    /// Entitlement to draw one activation from
    #[arg(long, value_name = "ENTITLEMENT-ID")]
    pub entitlement: EntitlementId,
    /// Activation request: a .creq file, its armor, or a picture of its QR code; none for a license bound to none
    #[arg(long, value_name = "FILE")]
    pub request: Option<PathBuf>,
    /// License file to create; never overwritten
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Picture of the license's QR code to create, .png or .svg
    #[arg(long, value_name = "FILE")]
    pub qr: Option<PathBuf>,
    /// Armored text of the license to create, for mail
    #[arg(long, value_name = "FILE")]
    pub armor: Option<PathBuf>,
}

/// List licenses
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery license list\n  chancery license list --json")]
pub struct ListArgs {}

/// Show a license
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery license show lic_0123456789ABCDEFGHJKMNPQRS")]
pub struct ShowArgs {
    /// License to show
    #[arg(value_name = "LICENSE-ID")]
    pub license: LicenseId,
}

/// Write the file of a license that was issued again
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  chancery license export lic_0123456789ABCDEFGHJKMNPQRS -o pump.clic"
)]
pub struct ExportArgs {
    /// License to export
    #[arg(value_name = "LICENSE-ID")]
    pub license: LicenseId,
    /// License file to create; never overwritten
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Picture of the license's QR code to create, .png or .svg
    #[arg(long, value_name = "FILE")]
    pub qr: Option<PathBuf>,
    /// Armored text of the license to create, for mail
    #[arg(long, value_name = "FILE")]
    pub armor: Option<PathBuf>,
}

/// Runs a command of `chancery license`.
///
/// # Errors
///
/// What the workflow and the printer refuse.
pub fn run(command: &LicenseCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        LicenseCommand::Issue(args) => issue(args, context),
        LicenseCommand::List(_) => list(context),
        LicenseCommand::Show(args) => show(args, context),
        LicenseCommand::Export(args) => export_again(args, context),
        LicenseCommand::Update(args) => update::run(args, context),
    }
}

fn issue(args: &IssueArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let mut repository = context.repository()?;
    let request = args.request.as_deref().map(load).transpose()?.map(|loaded| loaded.bytes);
    let prepared = prepare(&repository, args.entitlement, request.as_deref(), now)?;
    let targets = Targets { file: &args.output, qr: args.qr.as_deref(), armor: args.armor.as_deref() };
    let reserved = reserve(&targets, prepared.document_len())?;
    let (id, device, end, done) = (prepared.id, prepared.device, prepared.not_after, prepared.is_done());
    let license = prepared.sign(&mut repository, request.as_deref(), &mut context.pins()?, now)?;
    let files = reserved.write(Kind::License, &license).map_err(|error| {
        error
            .cause(format!("license {id} is issued and recorded, but its file is not written"))
            .hint(format!("free the target, then `chancery license export {id} -o FILE`"))
    })?;
    let mut printer = context.printer();
    printer.line(if done {
        format!("License {id} answers this request already; the same license is written again")
    } else {
        format!("Issued license {id}")
    })?;
    printer.fields(&[
        ("device", shown_device(device)),
        ("until", output::end(end)),
        ("files", files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")),
    ])?;
    Ok(printer.json(&json!({
        "id": id.to_string(),
        "entitlement": args.entitlement.to_string(),
        "device": device.map(|device| device.device_id().to_string()),
        "until": end.map(output::time_json),
        "issued_before": done,
        "files": files,
    }))?)
}

fn list(context: &Context) -> Result<(), CommandError> {
    let licenses = context.read(|repository| Ok(repository.licenses()?))?;
    let rows: Vec<_> = licenses
        .iter()
        .map(|one| {
            vec![
                one.id.to_string(),
                one.customer.clone(),
                one.product.clone(),
                shown_device(one.device),
                one.signed_at.map_or_else(|| "interrupted".to_owned(), output::time),
            ]
        })
        .collect();
    let mut printer = context.printer();
    printer.table(&["ID", "CUSTOMER", "PRODUCT", "DEVICE", "ISSUED"], &rows)?;
    Ok(printer.json(&licenses.iter().map(describe).collect())?)
}

fn show(args: &ShowArgs, context: &Context) -> Result<(), CommandError> {
    let (found, leaf) = context.read(|repository| {
        let found = repository.license(args.license)?;
        let leaf = repository.leaf(found.log_index)?;
        Ok((found, leaf))
    })?;
    let license = License::decode(&leaf.payload)?;
    let mut printer = context.printer();
    let mut fields = document::license_fields(&license);
    fields.push(("log index", found.log_index.to_string()));
    fields.push(("signed", found.signed_at.map_or_else(|| "no: interrupted".to_owned(), output::time)));
    printer.fields(&fields)?;
    let mut value = describe(&found);
    if let Value::Object(fields) = &mut value {
        fields.insert("license".to_owned(), document::license_json(&license));
    }
    Ok(printer.json(&value)?)
}

fn export_again(args: &ExportArgs, context: &Context) -> Result<(), CommandError> {
    let signed = context.read(|repository| {
        let found = repository.license(args.license)?;
        repository.entitlement(found.entitlement)?.require_active()?;
        Vouching::load(repository)?.require(repository, found.entitlement)?;
        Ok(sealed::document(repository, found.log_index)?)
    })?;
    let bytes = signed.ok_or_else(|| {
        CommandError::failed(
            "not-signed",
            format!("license {} was interrupted before it was signed", args.license),
        )
        .hint("run `chancery license issue` again with the same request")
    })?;
    let targets = Targets { file: &args.output, qr: args.qr.as_deref(), armor: args.armor.as_deref() };
    let files = reserve(&targets, bytes.len())?.write(Kind::License, &bytes)?;
    let mut printer = context.printer();
    printer.line(format_args!("Exported license {}", args.license))?;
    Ok(printer.json(&json!({"id": args.license.to_string(), "files": files}))?)
}

fn shown_device(device: Option<Thumbprint>) -> String {
    device.map_or_else(|| "none".to_owned(), |device| device.device_id().to_string())
}

fn describe(one: &LicenseRecord) -> Value {
    json!({
        "id": one.id.to_string(),
        "entitlement": one.entitlement.to_string(),
        "customer": one.customer,
        "product": one.product,
        "device": one.device.map(|device| device.device_id().to_string()),
        "revision": one.revision,
        "log_index": one.log_index,
        "issued_at": one.signed_at.map(output::time_json),
    })
}
