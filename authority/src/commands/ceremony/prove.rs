//! `chancery ceremony prove`: somebody on another machine shows that they have their key.

use std::path::PathBuf;

use chancery_carriers::files;
use chancery_formats::id::{AuthorityId, Thumbprint};
use chancery_formats::key::Algorithm;
use chancery_formats::merkle::Hash;
use chancery_hsm_config::{Key, KeyRef, PinSource, open, open_or_generate};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{invalid, text};
use crate::commands::Context;
use crate::commands::argument::Reference;
use crate::commands::key::KeyAlgorithm;
use crate::error::CommandError;
use crate::workflow::ceremony::{grouped, plan, proof};

/// Show a ceremony that you have your key, from a machine of your own
///
/// Needs no home. Before the ceremony, with the plan: opens the key, or makes it where it does not exist. In the
/// ceremony, with the authority id: shows that the recovery set could act. Read the fingerprint aloud when asked.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery ceremony prove ceremony.toml --name 'Alice Arnold' --key file:alice.pem --out alice.cpos\n  \
    chancery ceremony prove --authority-id 1f0c… --name 'Grace Graf' \\\n    \
    --key 'pkcs11:token=grace;object=recovery' --out grace.cpos")]
pub struct ProveArgs {
    /// Plan of the ceremony, as it was reviewed
    #[arg(value_name = "PLAN", required_unless_present = "authority_id")]
    plan: Option<PathBuf>,
    /// Authority of the ceremony, as it is shown there
    #[arg(long, value_name = "ID", conflicts_with = "plan")]
    authority_id: Option<AuthorityId>,
    /// Name that the plan gives you, or the key
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Where the key is, or is to be made
    #[arg(long, value_name = "REF")]
    key: Reference<KeyRef>,
    /// The ML-DSA-87 key beside it, in a hybrid plan
    #[arg(long, value_name = "REF")]
    partner_key: Option<Reference<KeyRef>>,
    /// Algorithm of a key that is made
    #[arg(long, value_enum, default_value_t = KeyAlgorithm::Ed25519)]
    algorithm: KeyAlgorithm,
    /// Proof to create; never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(args: &ProveArgs, context: &Context) -> Result<(), CommandError> {
    let (key, partner) = (args.key.get()?, args.partner_key.as_ref().map(Reference::get).transpose()?);
    let challenge = challenge(args)?;
    let output = files::create_new(&args.out)?;
    let mut pins = context.pins()?;
    let may_make = args.authority_id.is_none();
    let algorithm = match args.algorithm {
        KeyAlgorithm::Ed25519 => Algorithm::Ed25519,
        KeyAlgorithm::MlDsa87 => Algorithm::MlDsa87,
        KeyAlgorithm::P256 => Algorithm::Esp256,
    };
    let key = take(key, algorithm, may_make, &mut pins)?;
    let partner =
        partner.map(|partner| take(partner, Algorithm::MlDsa87, may_make, &mut pins)).transpose()?;
    let bytes = proof::make(challenge, &args.name, &key, partner.as_ref())?;
    output.reserve(bytes.len() as u64)?;
    output.commit(&bytes)?;
    let thumbprint = key.public_key().thumbprint();
    let mut printer = context.printer();
    printer.line(format_args!("{} has key {}", args.name, thumbprint.key_id()))?;
    printer.fields(&[
        ("fingerprint", grouped(&thumbprint.0)),
        ("protection", key.protection().name().to_owned()),
        ("proof for", Thumbprint(challenge).to_string()),
        ("file", args.out.display().to_string()),
    ])?;
    printer.line("Bring the file to the ceremony. Read the fingerprint aloud there, from this screen.")?;
    Ok(printer.json(&json!({
        "name": args.name,
        "fingerprint": thumbprint.to_string(),
        "partner": partner.map(|key| key.public_key().thumbprint().to_string()),
        "protection": key.protection().name(),
        "challenge": Thumbprint(challenge).to_string(),
        "file": args.out,
    }))?)
}

/// Returns what the proof is for: the plan's hash, or the authority's id.
fn challenge(args: &ProveArgs) -> Result<Hash, CommandError> {
    let path = match (&args.plan, args.authority_id) {
        (_, Some(authority)) => return Ok(authority.0),
        (Some(path), None) => path,
        (None, None) => return Err(CommandError::usage("neither a plan nor an authority is named")),
    };
    let text = text(path)?;
    let names = plan::names(&text).map_err(|faults| invalid(path, &faults))?;
    if !names.contains(&args.name) {
        return Err(CommandError::refused(
            "name-unknown",
            format!("the plan has nobody named `{}`", args.name),
        )
        .cause(format!("it has: {}", names.join(", ")))
        .hint("give the name as the plan has it"));
    }
    Ok(Sha256::digest(text).into())
}

fn take(
    reference: &KeyRef,
    algorithm: Algorithm,
    may_make: bool,
    pins: &mut PinSource,
) -> Result<Key, CommandError> {
    Ok(if may_make { open_or_generate(reference, algorithm, pins)?.key } else { open(reference, pins)? })
}
