//! `chancery approval sign`: an approver, on a machine of their own, sees what is asked, and signs the decision.

use std::path::PathBuf;

use chancery_carriers::files::{self, read_document};
use chancery_formats::approval::Decision;
use chancery_formats::document::MAX_APPROVAL_REQUEST;
use chancery_formats::id::AuthorityId;
use chancery_hsm_config::KeyRef;
use serde_json::json;

use super::show;
use crate::commands::Context;
use crate::commands::argument::Reference;
use crate::commands::confirm::confirm;
use crate::error::CommandError;
use crate::output::approval::{hex, tail};
use crate::workflow::approval::review::{review, sign};

/// Sign what is asked, or reject it, on a machine of your own
///
/// Needs no home. Shows every change that is asked for, and asks before it signs. Compare the authority id with what
/// was agreed on, and the end of the digest with what the authority told: nobody else vouches for a request.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery approval sign import.capq --key file:dana.pem --out dana.cappr\n  \
    chancery approval sign import.capq --key 'pkcs11:token=dana;object=approver' --out dana.cappr \\\n    \
    --reject --reason 'order 4711 was cancelled'")]
pub struct SignArgs {
    /// Request file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The approver's key
    #[arg(long, value_name = "REF")]
    key: Reference<KeyRef>,
    /// Approval to create; never overwritten
    #[arg(long = "out", short, visible_alias = "output", value_name = "FILE")]
    out: PathBuf,
    /// Reject all of it
    #[arg(long, requires = "reason")]
    reject: bool,
    /// Why, for those who read the decision
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The authority that is served, as `root show` prints it
    #[arg(long, value_name = "ID")]
    authority_id: Option<AuthorityId>,
    /// Show every grant, however many
    #[arg(long)]
    all: bool,
    /// Sign without asking
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: &SignArgs, context: &Context) -> Result<(), CommandError> {
    if context.is_json() && !args.yes {
        return Err(CommandError::usage("with `--json` nothing is shown that a person could agree to")
            .hint("leave `--json` out, or add `--yes`"));
    }
    let reference = args.key.get()?;
    let now = context.now()?;
    let bytes = read_document(&args.file, MAX_APPROVAL_REQUEST as u64)?;
    let review = review(&bytes, args.authority_id)?;
    let output = files::create_new(&args.out)?;
    let mut printer = context.printer();
    show::print(&mut printer, &review, args.all)?;
    let (decision, verb) =
        if args.reject { (Decision::Reject, "Reject") } else { (Decision::Approve, "Approve") };
    let (count, digest) = (review.request.count(), review.covers.digest);
    confirm(&format!("{verb} {count} grants, whose digest ends in {}?", tail(&digest)), args.yes)?;
    let key = chancery_hsm_config::open(reference, &mut context.pins()?)?;
    let approval = sign(&review, &key, decision, args.reason.as_deref(), now)?;
    output.reserve(approval.len() as u64)?;
    output.commit(&approval)?;
    let kid = key.public_key().key_id();
    let done = if args.reject { "Rejected" } else { "Approved" };
    printer.line(format_args!(
        "{done} {count} grants with key {kid}. Bring {} to the authority.",
        args.out.display()
    ))?;
    Ok(printer.json(&json!({
        "file": args.out,
        "decision": decision.name(),
        "grants": count,
        "digest": hex(&digest),
        "signed_by": kid.to_string(),
    }))?)
}
