//! `chancery root sign`: a custodian, on a machine of their own, sees what a request asks for, and signs it.

use std::io;
use std::path::{Path, PathBuf};

use chancery_carriers::files;
use chancery_carriers::load::load;
use chancery_formats::id::AuthorityId;
use chancery_formats::trust::Exchange;
use chancery_hsm_config::KeyRef;
use chancery_verifier::Minima;
use serde_json::json;

use crate::commands::Context;
use crate::commands::argument::Reference;
use crate::commands::confirm::confirm;
use crate::error::CommandError;
use crate::output::exchange;
use crate::workflow::custodian::{Review, review, sign};

/// Largest file of what is remembered of an authority, in bytes.
const MAX_REMEMBERED_BYTES: u64 = 4 * 1024;

/// Sign what custodians are asked to sign, on a machine of your own
///
/// Needs no home. Shows every document below every statement, and asks before it signs. Compare the authority id,
/// and every key that is new, with what was agreed on: nobody else vouches for a request.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery root sign request.ccer --key file:alice.pem --out alice.ccer\n  \
    chancery root sign request.ccer --key 'pkcs11:token=alice;object=custodian' --out alice.ccer \\\n    \
    --remember vendor.minima --authority-id 1f0c…")]
pub struct SignArgs {
    /// Request to be signed
    #[arg(value_name = "FILE")]
    request: PathBuf,
    /// The custodian's key
    #[arg(long, value_name = "REF")]
    key: Reference<KeyRef>,
    /// The ML-DSA-87 key that signs beside it, in hybrid trust
    #[arg(long, value_name = "REF")]
    partner_key: Option<Reference<KeyRef>>,
    /// Answer to create; never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The authority that the custodian serves, as `root show` prints it
    #[arg(long, value_name = "ID")]
    authority_id: Option<AuthorityId>,
    /// File that remembers the authority and its newest root from one use to the next; made where `--authority-id`
    /// is given
    #[arg(long, value_name = "FILE")]
    remember: Option<PathBuf>,
    /// Sign without asking
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: &SignArgs, context: &Context) -> Result<(), CommandError> {
    let (key, partner) = (args.key.get()?, args.partner_key.as_ref().map(Reference::get).transpose()?);
    let loaded = load(&args.request)?;
    let Exchange::Request(request) = Exchange::decode(&loaded.bytes)? else {
        return Err(CommandError::refused("not-a-request", "this is an answer, not a request to custodians")
            .hint("name the file that the authority made"));
    };
    let known =
        args.remember.as_deref().map(|path| remembered(path, args.authority_id)).transpose()?.flatten();
    let review = review(request, args.authority_id)?;
    if let Some(known) = &known {
        review.check_minima(known)?;
    }
    let output = files::create_new(&args.out)?;
    let mut printer = context.printer();
    for (heading, fields) in exchange::sections(&review) {
        printer.line(heading)?;
        printer.fields(&fields)?;
        printer.line("")?;
    }
    confirm("Sign all of this?", args.yes)?;
    let mut pins = context.pins()?;
    let key = chancery_hsm_config::open(key, &mut pins)?;
    let partner = partner.map(|partner| chancery_hsm_config::open(partner, &mut pins)).transpose()?;
    let answer = sign(&review, &key, partner.as_ref())?;
    output.reserve(answer.len() as u64)?;
    if let Some(path) = &args.remember {
        files::replace_private(path, &review.minima(known.as_ref()).encode())?;
    }
    output.commit(&answer)?;
    let kid = key.public_key().key_id();
    printer
        .line(format_args!("Signed with key {kid}. Bring {} back to the authority.", args.out.display()))?;
    Ok(printer.json(&described(&review, &args.out, &kid.to_string()))?)
}

fn described(review: &Review<'_>, out: &Path, kid: &str) -> serde_json::Value {
    json!({
        "authority_id": review.request.authority.to_string(),
        "root_version": review.root_version,
        "documents": exchange::json(review),
        "signed_by": kid,
        "file": out,
    })
}

/// Reads what is remembered; none only where the custodian names the authority, so that what was lost is not taken
/// for what never was.
fn remembered(path: &Path, named: Option<AuthorityId>) -> Result<Option<Minima>, CommandError> {
    if path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return match named {
            Some(_) => Ok(None),
            None => Err(CommandError::refused(
                "memory-missing",
                "what was remembered of the authority is not there",
            )
            .hint("put the file back; for the first use name the authority with `--authority-id ID`")),
        };
    }
    let bytes = files::read_private(path, MAX_REMEMBERED_BYTES)?;
    let minima = Minima::decode(&bytes).map_err(|error| {
        CommandError::alarm("memory-damaged", "what was remembered of the authority is damaged")
            .cause(error.to_string())
            .hint("sign nothing; put a good copy of the file back")
    })?;
    Ok(Some(minima))
}
