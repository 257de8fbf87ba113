//! `chancery key`: the authority's keys, and the devices that hold them.

pub(super) mod attest;
mod audit;
mod move_key;
mod probe;
mod provision;

use std::io::Write;
use std::path::PathBuf;

use chancery_carriers::files;
use chancery_carriers::output::PrintError;
use chancery_formats::id::KeyId;
use chancery_formats::key::Algorithm;
use chancery_hsm_config::KeyRef;
use serde_json::json;

use super::Context;
use super::argument::Reference;
use crate::error::CommandError;
use crate::output::{self, public_key};

/// List, generate and export keys; set up and check their devices
#[derive(Debug, clap::Subcommand)]
pub enum KeyCommand {
    List(ListArgs),
    Generate(GenerateArgs),
    Export(ExportArgs),
    Probe(probe::ProbeArgs),
    Provision(provision::ProvisionArgs),
    VerifyDevice(provision::VerifyArgs),
    Attest(attest::AttestArgs),
    Audit(audit::AuditArgs),
    Move(move_key::MoveArgs),
}

/// List the authority's keys
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery key list\n  chancery key list --json")]
pub struct ListArgs {}

/// Generate a key where a reference names one
///
/// The key stays in its device. It signs nothing until a key record certifies it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery key generate 'pkcs11:token=vendor;object=issuing-2027'\n  \
    chancery key generate file:carol.pem --public carol.public")]
pub struct GenerateArgs {
    /// Where the key is to live
    #[arg(value_name = "REF")]
    pub reference: Reference<KeyRef>,
    /// Algorithm of the key
    #[arg(long, value_enum, default_value_t = KeyAlgorithm::Ed25519)]
    pub algorithm: KeyAlgorithm,
    /// File to create for the public half, in PEM, as others are given it; never overwritten
    #[arg(long, value_name = "FILE")]
    pub public: Option<PathBuf>,
}

/// Algorithm of a key to be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum KeyAlgorithm {
    /// Ed25519 (RFC 8032)
    Ed25519,
    /// ECDSA with P-256 and SHA-256, for devices without Ed25519
    P256,
    /// ML-DSA-87 (FIPS 204), which stands beside Ed25519 in hybrid trust
    #[value(name = "ml-dsa-87")]
    MlDsa87,
}

/// Export a public key
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery key export 0123456789abcdef --format pem")]
pub struct ExportArgs {
    /// Key to export, as `key list` shows it
    #[arg(value_name = "KID")]
    pub key: KeyId,
    /// Form of the key
    #[arg(long, value_enum)]
    pub format: KeyFormat,
    /// File to create; never overwritten [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Form of an exported public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum KeyFormat {
    /// COSE_Key (RFC 9052) with kid and alg
    Cose,
    /// JSON Web Key (RFC 7517)
    Jwk,
    /// SubjectPublicKeyInfo in PEM (RFC 7468)
    Pem,
}

/// Runs a command of `chancery key`.
///
/// # Errors
///
/// What the key backend, the repository and the printer refuse.
pub fn run(command: &KeyCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        KeyCommand::List(_) => list(context),
        KeyCommand::Generate(args) => generate(args, context),
        KeyCommand::Export(args) => export(args, context),
        KeyCommand::Probe(args) => probe::run(args, context),
        KeyCommand::Provision(args) => provision::provision(args, context),
        KeyCommand::VerifyDevice(args) => provision::verify(args, context),
        KeyCommand::Attest(args) => attest::run(args, context),
        KeyCommand::Audit(args) => audit::run(args, context),
        KeyCommand::Move(args) => move_key::run(args, context),
    }
}

fn list(context: &Context) -> Result<(), CommandError> {
    let keys = context.read(|repository| Ok(repository.keys()?))?;
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            vec![
                key.public_key.key_id().to_string(),
                key.role.name().to_owned(),
                key.public_key.algorithm().to_string(),
                key.protection.name().to_owned(),
                key.reference.clone().unwrap_or_else(|| "on another machine".to_owned()),
            ]
        })
        .collect();
    let mut printer = context.printer();
    printer.table(&["KID", "ROLE", "ALGORITHM", "PROTECTION", "REFERENCE"], &rows)?;
    let described = keys.iter().map(|key| {
        json!({
            "kid": key.public_key.key_id().to_string(),
            "thumbprint": key.public_key.thumbprint().to_string(),
            "role": key.role.name(),
            "algorithm": key.public_key.algorithm().name(),
            "protection": key.protection.name(),
            "reference": key.reference,
            "added_at": output::time_json(key.created_at),
        })
    });
    Ok(printer.json(&described.collect())?)
}

fn generate(args: &GenerateArgs, context: &Context) -> Result<(), CommandError> {
    let reference = args.reference.get()?;
    let algorithm = match args.algorithm {
        KeyAlgorithm::Ed25519 => Algorithm::Ed25519,
        KeyAlgorithm::MlDsa87 => Algorithm::MlDsa87,
        KeyAlgorithm::P256 => Algorithm::Esp256,
    };
    let output = args.public.as_deref().map(files::create_new).transpose()?;
    let key = chancery_hsm_config::generate(reference, algorithm, &mut context.pins()?)?;
    if let Some(output) = output {
        output.commit(public_key::pem(&key.public_key())?.as_bytes())?;
    }
    let (public_key, reference) = (key.public_key(), &key.info().reference);
    let mut printer = context.printer();
    printer.line(format_args!("Generated {algorithm} key {}", public_key.key_id()))?;
    printer.fields(&[
        ("thumbprint", public_key.thumbprint().to_string()),
        ("protection", key.protection().name().to_owned()),
        ("reference", reference.to_string()),
    ])?;
    Ok(printer.json(&json!({
        "kid": public_key.key_id().to_string(),
        "thumbprint": public_key.thumbprint().to_string(),
        "algorithm": algorithm.name(),
        "protection": key.protection().name(),
        "reference": reference.to_string(),
        "public": args.public,
    }))?)
}

fn export(args: &ExportArgs, context: &Context) -> Result<(), CommandError> {
    let keys = context.read(|repository| Ok(repository.keys()?))?;
    let found = keys.iter().find(|key| key.public_key.key_id() == args.key).ok_or_else(|| {
        CommandError::failed("key-unknown", format!("key {} is unknown", args.key))
            .hint("list keys with `chancery key list`")
    })?;
    let exported = match args.format {
        KeyFormat::Cose => public_key::cose(&found.public_key),
        KeyFormat::Jwk => public_key::jwk(&found.public_key).into_bytes(),
        KeyFormat::Pem => public_key::pem(&found.public_key)?.into_bytes(),
    };
    if let Some(path) = &args.output {
        files::create_new(path)?.commit(&exported)?;
        let mut printer = context.printer();
        printer.line(format_args!("Exported key {} to {}", args.key, path.display()))?;
        return Ok(printer.json(&json!({"kid": args.key.to_string(), "file": path}))?);
    }
    std::io::stdout().write_all(&exported).map_err(PrintError::from)?;
    Ok(())
}
