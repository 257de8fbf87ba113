//! `chancery role`: which keys may sign what, by the word of the custodians.

mod close;

use std::path::PathBuf;

use chancery_formats::cose::Envelope;
use chancery_formats::key::Protection;
use chancery_formats::seal::Role;
use chancery_formats::trust::{self, KeyMode};
use chancery_hsm_config::KeyRef;
use serde_json::{Value, json};

use super::argument::Reference;
use super::custodians::{CustodianArgs, join};
use super::key::attest::{read_intermediates, read_roots};
use super::{Context, name_argument};
use crate::error::CommandError;
use crate::output::{self, document};
use crate::repository::{KeyRecord, Repository};
use crate::workflow::attestation::Vendor;
use crate::workflow::change::Progress;
use crate::workflow::role::{Addition, Bounds, Place, Vouching, add};
use crate::workflow::roster::read_public_key;
use crate::workflow::term;

/// Certify keys for roles, close them, and list which keys have which
#[derive(Debug, clap::Subcommand)]
pub enum RoleCommand {
    Add(Box<AddArgs>),
    Close(close::CloseArgs),
    List(ListArgs),
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RoleName {
    /// Signs licenses
    Issuer,
    /// Binds licenses to devices by typed code
    Binder,
    /// Signs revocation lists
    Revoker,
    /// Signs checkpoints of the log, bundles and transcripts
    Log,
    /// Cosigns what it has seen to be in the log
    Witness,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Issuer => Self::Issuer,
            RoleName::Binder => Self::Binder,
            RoleName::Revoker => Self::Revoker,
            RoleName::Log => Self::Log,
            RoleName::Witness => Self::Witness,
        }
    }
}

/// How documents are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ModeName {
    /// One signature over each document
    Direct,
    /// A seal over a batch, which other roles can sign as well
    Seal,
}

/// Where a private key is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ProtectionName {
    /// In a device that signs and never lets it out
    Hardware,
    /// Anywhere else
    #[default]
    Software,
}

/// Certify a key for a role
///
/// The custodians seal the key's record; what it says never changes. A named key that does not exist is made, and
/// said so. Tighter bounds need a new key, and closing the old one. Custodians on other machines are asked with the
/// file of `--out`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery role add log --key file:keys/log.pem\n  \
    chancery role add issuer --key 'pkcs11:token=vendor;object=issuing-2027' --mode seal \\\n    \
    --co-signer witness --product pump --longest-term 400\n  \
    chancery role add witness --public-key witness.pem --out witness.ccer\n  \
    chancery role add issuer --key 'pkcs11:token=vendor;object=issuing-2027' \\\n    \
    --partner-key file:keys/issuing-2027-partner.pem")]
pub struct AddArgs {
    /// What the key is for
    #[arg(value_enum, value_name = "ROLE")]
    role: RoleName,
    /// Where the key is, or is to be made
    #[arg(long, value_name = "REF", required_unless_present = "public_key")]
    key: Option<Reference<KeyRef>>,
    /// Public half of a key on another machine, as `key export` writes it
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    public_key: Option<PathBuf>,
    /// Where the ML-DSA-87 key is, or is to be made, that signs beside it where trust is hybrid
    #[arg(long, value_name = "REF", requires = "key", conflicts_with = "public_key")]
    partner_key: Option<Reference<KeyRef>>,
    /// Public half of the ML-DSA-87 key on another machine that signs beside it where trust is hybrid
    #[arg(long, value_name = "FILE", requires = "public_key", conflicts_with = "key")]
    partner_public_key: Option<PathBuf>,
    /// Where the private half of that key is, as its keeper assures
    #[arg(long, value_enum, value_name = "PROTECTION", requires = "public_key", default_value_t)]
    protection: ProtectionName,
    /// How its documents are signed [default: direct for issuer and binder, seal for the others]
    #[arg(long, value_enum, value_name = "MODE")]
    mode: Option<ModeName>,
    /// Role that must sign beside it; more than once for several
    #[arg(long, value_enum, value_name = "ROLE")]
    co_signer: Vec<RoleName>,
    /// Product that it may sign for; more than once for several [default: all]
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    product: Vec<String>,
    /// Country that its licenses may name, by ISO 3166 code; more than once for several [default: all]
    #[arg(long, value_name = "CC", value_parser = country_argument)]
    territory: Vec<String>,
    /// Longest term of a license, in days [default: none]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=36_525))]
    longest_term: Option<u64>,
    /// First day or instant of its validity [default: now]
    #[arg(long, value_name = "DATE", value_parser = term::start)]
    from: Option<u64>,
    /// Last day or instant in which it may sign [default: none]
    #[arg(long, value_name = "DATE", value_parser = term::end)]
    until: Option<u64>,
    #[command(flatten)]
    vendor: VendorArgs,
    #[command(flatten)]
    custodians: CustodianArgs,
}

/// How the device's attestation is checked.
#[derive(Debug, clap::Args)]
pub struct VendorArgs {
    /// Root certificates of the device's vendor, in PEM: its attestation is checked and recorded
    #[arg(long, value_name = "FILE", conflicts_with = "public_key")]
    attestation_roots: Option<PathBuf>,
    /// The vendor's intermediate certificates, in PEM, where the device does not give them
    #[arg(long, value_name = "FILE", requires = "attestation_roots")]
    attestation_intermediates: Option<PathBuf>,
    /// Accept a key that can leave the device under a wrap key, as backups need
    #[arg(long, requires = "attestation_roots")]
    wrapped_backup: bool,
    /// Record no attestation, though the device gives one
    #[arg(long, conflicts_with = "attestation_roots")]
    without_attestation: bool,
}

/// List keys with their roles and bounds
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery role list\n  chancery role list --json")]
pub struct ListArgs {}

fn country_argument(text: &str) -> Result<String, &'static str> {
    let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_code { Ok(text.to_owned()) } else { Err("two capital letters, such as DE") }
}

/// Runs a command of `chancery role`.
///
/// # Errors
///
/// Those of the workflow, the repository and the printer.
pub fn run(command: &RoleCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        RoleCommand::Add(args) => run_add(args, context),
        RoleCommand::Close(args) => close::run(args, context),
        RoleCommand::List(_) => list(context),
    }
}

fn run_add(args: &AddArgs, context: &Context) -> Result<(), CommandError> {
    let vendor = read_vendor(&args.vendor)?;
    let vouching = match &vendor {
        Some(vendor) => Vouching::Checked(vendor),
        None if args.vendor.without_attestation => Vouching::Without,
        None => Vouching::Undecided,
    };
    let wanted = Addition {
        role: args.role.into(),
        place: place(args)?,
        mode: args.mode.map(|mode| match mode {
            ModeName::Direct => KeyMode::Direct,
            ModeName::Seal => KeyMode::Seal,
        }),
        co_signers: args.co_signer.iter().map(|name| Role::from(*name)).collect(),
        bounds: Bounds {
            products: args.product.clone(),
            territories: args.territory.clone(),
            longest_term_days: args.longest_term,
            not_before: args.from,
            not_after: args.until,
        },
        vouching,
    };
    let output = args.custodians.reserve()?;
    let mut repository = context.repository()?;
    let asked = args.custodians.asked();
    let (added, proposed) = add(&mut repository, &wanted, &asked, &mut context.pins()?, context.now()?)?;
    let (kid, protection) = (added.public_key.key_id(), added.protection.name());
    let origin = if added.generated { "generated" } else { "found" };
    let mut printer = context.printer();
    let role = wanted.role.name();
    match &added.reference {
        Some(reference) => {
            printer.line(format_args!("{origin} {role} key {kid}, {protection}: {reference}"))?;
        }
        None => printer.line(format_args!("{role} key {kid}, {protection}, is on another machine"))?,
    }
    let partner = added.partner.as_ref().map(|partner| partner.key_id().to_string());
    if let Some(partner) = &partner {
        printer.line(format_args!("ML-DSA-87 partner {partner} signs beside it"))?;
    }
    let told = args.custodians.tell(output, &repository, &proposed, &mut printer)?;
    let log_index = match &proposed.progress {
        Progress::Stands(documents) => {
            printer.line(format_args!(
                "Certified key {kid} as {role}. Next: `chancery bundle publish -o FILE`"
            ))?;
            documents.first().map(|(index, _)| *index)
        }
        Progress::Waits(_) => None,
    };
    let described = json!({
        "kid": kid.to_string(),
        "thumbprint": added.public_key.thumbprint().to_string(),
        "role": role,
        "partner": partner,
        "protection": protection,
        "reference": added.reference,
        "generated": added.generated,
        "attested": added.attested,
        "log_index": log_index,
    });
    Ok(printer.json(&join(described, told))?)
}

fn place(args: &AddArgs) -> Result<Place<'_>, CommandError> {
    match (&args.key, &args.public_key) {
        (Some(key), _) => {
            let partner = args.partner_key.as_ref().map(Reference::get).transpose()?;
            Ok(Place::Here { key: key.get()?, partner })
        }
        (None, Some(path)) => {
            let protection = match args.protection {
                ProtectionName::Hardware => Protection::Hardware,
                ProtectionName::Software => Protection::Software,
            };
            let partner = args.partner_public_key.as_deref().map(read_public_key).transpose()?;
            Ok(Place::Elsewhere { public_key: read_public_key(path)?, partner, protection })
        }
        (None, None) => Err(CommandError::usage("no key is named").hint("name it with `--key REF`")),
    }
}

fn read_vendor(args: &VendorArgs) -> Result<Option<Vendor>, CommandError> {
    let Some(roots) = &args.attestation_roots else { return Ok(None) };
    let intermediates = args.attestation_intermediates.as_deref().map(read_intermediates).transpose()?;
    Ok(Some(Vendor {
        roots: read_roots(roots)?,
        intermediates: intermediates.unwrap_or_default(),
        wrapped_backup: args.wrapped_backup,
    }))
}

fn list(context: &Context) -> Result<(), CommandError> {
    let found = context.read(|repository| {
        let keys = repository.keys()?.into_iter();
        keys.filter_map(|key| certified(repository, key).transpose()).collect::<Result<Vec<_>, _>>()
    })?;
    let mut printer = context.printer();
    for (index, (key, payload)) in found.iter().enumerate() {
        if index > 0 {
            printer.line("")?;
        }
        let mut fields = document::key_record_fields(&trust::KeyRecord::decode(payload)?);
        fields.push(("reference", key.reference.clone().unwrap_or_else(|| "on another machine".to_owned())));
        fields.push(("state", state(key)));
        printer.fields(&fields)?;
    }
    let rows = found.iter().map(|(key, payload)| describe(key, payload));
    Ok(printer.json(&rows.collect::<Result<_, _>>()?)?)
}

/// Returns a key with the payload of its record, where it has one.
fn certified(repository: &Repository, key: KeyRecord) -> Result<Option<(KeyRecord, Vec<u8>)>, CommandError> {
    let Some(index) = key.record_index else { return Ok(None) };
    let Some(bytes) = repository.signed_document(index)? else { return Ok(None) };
    let payload = Envelope::decode(&bytes)?.payload.to_vec();
    Ok(Some((key, payload)))
}

fn state(key: &KeyRecord) -> String {
    match &key.closing {
        None => match key.revoked_at {
            None => "open".to_owned(),
            Some(at) => format!("revoked {}", output::time(at)),
        },
        Some(closing) => {
            let how = match closing.compromised_at {
                Some((size, _)) => format!("compromised at log size {size}"),
                None => "retired".to_owned(),
            };
            format!("{how}, closed {}: {}", output::time(closing.closed_at), closing.reason)
        }
    }
}

fn describe(key: &KeyRecord, payload: &[u8]) -> Result<Value, CommandError> {
    let mut value = document::key_record_json(&trust::KeyRecord::decode(payload)?);
    if let Value::Object(fields) = &mut value {
        fields.insert("reference".to_owned(), json!(key.reference));
        fields.insert("open".to_owned(), json!(key.is_open()));
        fields.insert("closing".to_owned(), closing_json(key));
    }
    Ok(value)
}

fn closing_json(key: &KeyRecord) -> Value {
    let Some(closing) = &key.closing else { return Value::Null };
    json!({
        "how": if closing.compromised_at.is_some() { "compromised" } else { "retired" },
        "tree_size": closing.compromised_at.map(|(size, _)| size),
        "reason": closing.reason,
        "closed_at": output::time_json(closing.closed_at),
    })
}
