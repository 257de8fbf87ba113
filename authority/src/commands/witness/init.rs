//! `chancery witness init`: a new witness in a home of its own.

use std::path::PathBuf;

use chancery_carriers::files::{self, read_document};
use chancery_formats::id::AuthorityId;
use chancery_hsm_config::KeyRef;
use serde_json::json;

use crate::commands::Context;
use crate::commands::argument::Reference;
use crate::error::CommandError;
use crate::output::public_key;
use crate::workflow::witness::found::{MAX_CHECKPOINT, MAX_TRUST, Plan, found};

/// Create a witness: its home, its key and its memory
///
/// Pins one authority for ever. Compare its id with the vendor on another way than the bundle came. Have the public
/// key that this prints certified with `chancery role add witness --public-key FILE`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery witness init --home /srv/witness --trust vendor.ctrust --authority AUTHORITY-ID -o witness.pem\n  \
    chancery witness init --trust vendor.ctrust --authority AUTHORITY-ID --checkpoint today.checkpoint \\\n    \
    --key 'pkcs11:token=witness;object=witness-2027'")]
pub struct InitArgs {
    /// Trust bundle of the authority
    #[arg(long, value_name = "FILE")]
    pub trust: PathBuf,
    /// Id of the authority: the hash of its first root
    #[arg(long, value_name = "AUTHORITY-ID")]
    pub authority: AuthorityId,
    /// Checkpoint of its log to begin from: nothing before it is ever witnessed [default: the log's beginning]
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Where the key is, or is to be made [default: a new key file]
    #[arg(long, value_name = "REF")]
    pub key: Option<Reference<KeyRef>>,
    /// File to write the public key to as well, in PEM; never overwritten
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Makes a witness.
///
/// # Errors
///
/// What files, the workflow and the printer refuse.
pub fn run(args: &InitArgs, context: &Context) -> Result<(), CommandError> {
    let home = context.home()?;
    let bundle = read_document(&args.trust, MAX_TRUST)?;
    let checkpoint =
        args.checkpoint.as_deref().map(|path| read_document(path, MAX_CHECKPOINT)).transpose()?;
    let key = args.key.as_ref().map(Reference::get).transpose()?;
    let output = args.output.as_deref().map(files::create_new).transpose()?;
    let plan = Plan { authority: args.authority, bundle: &bundle, checkpoint: checkpoint.as_deref(), key };
    let founded = found(&home, &plan, &mut context.pins()?, context.now()?)?;
    let pem = public_key::pem(&founded.identity.public_key)?;
    if let Some(output) = output {
        output.commit(pem.as_bytes())?;
    }
    let (kid, protection) = (founded.identity.public_key.key_id(), founded.opened.key.protection().name());
    let origin = if founded.opened.generated { "generated" } else { "found" };
    let mut printer = context.printer();
    printer.line(format_args!("Created a witness of {} in {}", founded.name, home.path().display()))?;
    printer.line(format_args!("{origin} witness key {kid}, {protection}: {}", founded.identity.reference))?;
    printer.fields(&[
        ("authority id", args.authority.to_string()),
        ("begins at", format!("{} documents", founded.head.size)),
    ])?;
    printer.raw(&pem)?;
    printer.line("Next, on the authority's machine: `chancery role add witness --public-key FILE`")?;
    Ok(printer.json(&json!({
        "authority_id": args.authority.to_string(),
        "authority": founded.name,
        "kid": kid.to_string(),
        "thumbprint": founded.identity.public_key.thumbprint().to_string(),
        "protection": protection,
        "reference": founded.identity.reference,
        "generated": founded.opened.generated,
        "size": founded.head.size,
        "public_key": pem,
    }))?)
}
