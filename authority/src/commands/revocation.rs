//! `chancery revocation`: what counts no more, and the lists that tell sites so.

use std::str::FromStr;

use chancery_formats::id::{DeviceId, EntitlementId, KeyId, LicenseId, Thumbprint};
use serde_json::{Value, json};

use super::{Context, name_argument};
use crate::error::CommandError;
use crate::output;
use crate::repository::{RevocationRecord, RevocationTarget};
use crate::workflow::revocation::{Named, add, publish};

/// Revoke licenses, devices, entitlements, customers and keys
#[derive(Debug, clap::Subcommand)]
pub enum RevocationCommand {
    Add(AddArgs),
    List(ListArgs),
    Publish(PublishArgs),
}

/// Revoke something, for ever
///
/// Nothing more is issued to what is revoked from this moment. Sites learn of it with the next list: publish it, then
/// publish a trust bundle and bring it to them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery revocation add --license lic_0123456789ABCDEFGHJKMNPQRS --reason 'returned'\n  \
    chancery revocation add --device dev_0123456789ABCDEF --reason 'stolen from the van'\n  \
    chancery revocation add --key 0123456789abcdef --reason 'laptop stolen' --at-size 1042")]
pub struct AddArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Size of the log below which licenses of the key stand; that of the newest checkpoint where none is named
    #[arg(long, value_name = "N")]
    at_size: Option<u64>,
    /// Why, for those who read the list of revocations here; it does not travel
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// What is revoked: one of these.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct TargetArgs {
    /// License
    #[arg(long, value_name = "LICENSE-ID")]
    license: Option<LicenseId>,
    /// Device, by its id or the whole thumbprint of its key: every license that is bound to it
    #[arg(long, value_name = "DEVICE-ID|THUMBPRINT")]
    device: Option<Device>,
    /// Entitlement: every license that draws from it
    #[arg(long, value_name = "ENTITLEMENT-ID")]
    entitlement: Option<EntitlementId>,
    /// Customer: every license issued to it
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    customer: Option<String>,
    /// Key that somebody else may have: every license of it that is not proven to be older
    #[arg(long, value_name = "KID")]
    key: Option<KeyId>,
}

/// A device as the command line names it.
#[derive(Clone, Copy, Debug)]
pub enum Device {
    /// As people see it.
    Id(DeviceId),
    /// The whole thumbprint.
    Thumbprint(Thumbprint),
}

impl FromStr for Device {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text.parse(), text.parse()) {
            (Ok(id), _) => Ok(Self::Id(id)),
            (_, Ok(thumbprint)) => Ok(Self::Thumbprint(thumbprint)),
            _ => Err("dev_ and 16 letters or digits, or 64 hexadecimal digits"),
        }
    }
}

/// List what is revoked
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery revocation list\n  chancery revocation list --json")]
pub struct ListArgs {}

/// Publish the next revocation list
///
/// The list holds all that was ever revoked, names the list before it, and is sealed by the revoker's key.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery revocation publish\n  \
    chancery revocation publish --empty")]
pub struct PublishArgs {
    /// Publish a list although nothing is new, so that licenses can demand one, or for a new revoker key
    #[arg(long)]
    empty: bool,
}

/// Runs a command of `chancery revocation`.
///
/// # Errors
///
/// Those of the workflow, the repository and the printer.
pub fn run(command: &RevocationCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        RevocationCommand::Add(args) => run_add(args, context),
        RevocationCommand::List(_) => list(context),
        RevocationCommand::Publish(args) => run_publish(args, context),
    }
}

impl AddArgs {
    fn named(&self) -> Option<Named> {
        let TargetArgs { license, device, entitlement, customer, key } = &self.target;
        let device = device.map(|device| match device {
            Device::Id(id) => Named::DeviceId(id),
            Device::Thumbprint(thumbprint) => Named::Device(thumbprint),
        });
        license
            .map(Named::License)
            .or(device)
            .or(entitlement.map(Named::Entitlement))
            .or_else(|| customer.clone().map(Named::Customer))
            .or(key.map(|key| Named::Key(key, self.at_size)))
    }
}

fn run_add(args: &AddArgs, context: &Context) -> Result<(), CommandError> {
    let named = args.named().ok_or_else(|| {
        CommandError::usage("nothing to revoke is named").hint("see `chancery revocation add --help`")
    })?;
    if args.at_size.is_some() && !matches!(named, Named::Key(..)) {
        // The parser drops what an argument requires where its group excludes it.
        return Err(CommandError::usage("--at-size says when a key was stolen, and no key is named")
            .hint("name it with `--key KID`, or leave `--at-size` out"));
    }
    let target = add(&mut context.repository()?, &named, &args.reason, context.now()?)?;
    let mut printer = context.printer();
    printer.line(format_args!("Revoked {target}"))?;
    if let RevocationTarget::Key { head, .. } = &target {
        printer.line(format_args!(
            "Its licenses stand where they are proven to be in the log of {}",
            head.size
        ))?;
    }
    printer.line("Next: `chancery revocation publish`, then `chancery bundle publish --out FILE`")?;
    Ok(printer.json(&target_json(&target))?)
}

fn list(context: &Context) -> Result<(), CommandError> {
    let (entries, newest) =
        context.read(|repository| Ok((repository.revocations()?, repository.newest_revocation_list()?)))?;
    let rows: Vec<_> = entries.iter().map(row).collect();
    let mut printer = context.printer();
    printer.table(&["KIND", "NAME", "LIST", "REVOKED", "REASON"], &rows)?;
    Ok(printer.json(&json!({
        "list": newest.map(|list| list.number),
        "revocations": entries.iter().map(describe).collect::<Vec<_>>(),
    }))?)
}

fn row(entry: &RevocationRecord) -> Vec<String> {
    vec![
        entry.target.kind().to_owned(),
        entry.target.name(),
        entry.list.map_or_else(|| "draft".to_owned(), |number| number.to_string()),
        output::time(entry.added_at),
        entry.reason.clone(),
    ]
}

fn describe(entry: &RevocationRecord) -> Value {
    let mut value = target_json(&entry.target);
    if let Value::Object(fields) = &mut value {
        fields.insert("reason".to_owned(), json!(entry.reason));
        fields.insert("revoked_at".to_owned(), output::time_json(entry.added_at));
        fields.insert("list".to_owned(), json!(entry.list));
    }
    value
}

fn target_json(target: &RevocationTarget) -> Value {
    match target {
        RevocationTarget::Device(thumbprint) => json!({
            "kind": target.kind(), "name": target.name(), "thumbprint": thumbprint.to_string()
        }),
        RevocationTarget::Key { thumbprint, head } => json!({
            "kind": target.kind(), "name": target.name(), "thumbprint": thumbprint.to_string(),
            "tree_size": head.size,
        }),
        _ => json!({"kind": target.kind(), "name": target.name()}),
    }
}

fn run_publish(args: &PublishArgs, context: &Context) -> Result<(), CommandError> {
    let published = publish(&mut context.repository()?, args.empty, &mut context.pins()?, context.now()?)?;
    let mut printer = context.printer();
    printer.line(format_args!("Published revocation list {}", published.number))?;
    printer.fields(&[
        ("entries", published.entries.to_string()),
        ("new", published.new.to_string()),
        ("log index", published.log_index.to_string()),
    ])?;
    printer.line("Next: `chancery bundle publish --out FILE` brings it to sites")?;
    Ok(printer.json(&json!({
        "number": published.number,
        "entries": published.entries,
        "new": published.new,
        "log_index": published.log_index,
    }))?)
}
