//! `chancery inspect`: what a document says, whoever made it.

use std::path::PathBuf;

use chancery_carriers::load::load;
use chancery_formats::document::Kind;
use chancery_verifier::{Pin, Trust, verify_license, verify_request};
use serde_json::json;

use super::Context;
use crate::error::CommandError;
use crate::output::document;
use crate::workflow::approval::{geo, judge};
use crate::workflow::trust;

/// Show what a document says
///
/// Reads any document in any carrier: its file, armor, or a picture of its QR code. Says "not verified"
/// where the signature was not checked.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery inspect pump.clic\n  chancery inspect photo.jpg --json")]
pub struct InspectArgs {
    /// Document, armored text or picture
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Runs `chancery inspect`.
///
/// # Errors
///
/// What the carrier and the decoders refuse, and what the printer does.
pub fn run(args: &InspectArgs, context: &Context) -> Result<(), CommandError> {
    let loaded = load(&args.file)?;
    let described = document::describe(&loaded.bytes)?;
    let standing = verify(&loaded.bytes, described.kind, context);
    let mut printer = context.printer();
    let mut fields = vec![
        ("document", described.kind.name().to_owned()),
        ("carrier", loaded.carrier.name().to_owned()),
        ("size", format!("{} bytes", loaded.bytes.len())),
        ("signature", standing.text()),
    ];
    fields.extend(described.fields);
    printer.fields(&fields)?;
    Ok(printer.json(&json!({
        "document": described.kind.name(),
        "typ": described.kind.typ(),
        "carrier": loaded.carrier.name(),
        "bytes": loaded.bytes.len(),
        "verified": matches!(standing, Standing::Verified(_)),
        "signature": standing.text(),
        "content": described.json,
    }))?)
}

/// What is known of a document's signatures.
enum Standing {
    Verified(String),
    Not(String),
}

impl Standing {
    fn text(&self) -> String {
        match self {
            Self::Verified(by) => format!("verified: {by}"),
            Self::Not(why) => format!("not verified: {why}"),
        }
    }
}

/// Verifies what can be verified here: by the authority of the home, or by the key inside a request.
fn verify(bytes: &[u8], kind: Kind, context: &Context) -> Standing {
    match kind {
        Kind::Approval | Kind::SiteRecord => return by_approver(bytes, kind, context),
        Kind::ApprovalRequest => return Standing::Not("nobody signs what approvers are asked".to_owned()),
        _ => {}
    }
    let own = own_trust(context);
    let judged = match (kind, &own) {
        (Kind::Request, _) => verify_request(bytes).map(|_| "signed by the device key inside".to_owned()),
        (Kind::TrustBundle, Ok(own)) => Trust::load(bytes, Pin::Authority(own.authority()))
            .map(|trust| format!("signed by the roots of {}", trust.name())),
        (Kind::TrustBundle, Err(_)) => return alone(bytes),
        (_, Err(why)) => return Standing::Not(why.clone()),
        (Kind::License, Ok(own)) => verify_license(bytes, own).map(|_| format!("issued by {}", own.name())),
        (_, Ok(_)) => return Standing::Not("inspect the trust bundle that holds it".to_owned()),
    };
    match judged {
        Ok(by) => Standing::Verified(by),
        Err(refusal) => Standing::Not(refusal.to_string()),
    }
}

/// Verifies what an approver of the home signs: by the key that the header names.
fn by_approver(bytes: &[u8], kind: Kind, context: &Context) -> Standing {
    let known = context.read(|repository| Ok((repository.authority()?.id, repository.approvers()?)));
    let (authority, approvers) = match known {
        Ok(known) => known,
        Err(error) => return Standing::Not(unasked(&error)),
    };
    let signer = match kind {
        Kind::SiteRecord => {
            let all: Vec<_> = approvers.iter().collect();
            let verified = geo::verify(bytes, authority, &all).map(|record| record.approver());
            verified.map_err(|error| error.report().error.clone())
        }
        _ => judge::signed_by(bytes, &approvers).map_err(|error| error.report().error.clone()),
    };
    let named = signer.map(|id| approvers.iter().find(|approver| approver.id == id));
    match named {
        Ok(Some(approver)) => Standing::Verified(format!("signed by {}, {}", approver.name, approver.role)),
        Ok(None) => Standing::Not("its approver is not in the home".to_owned()),
        Err(why) => Standing::Not(why),
    }
}

/// A bundle signs itself: without an authority id to compare, anybody can make one that holds together.
fn alone(bytes: &[u8]) -> Standing {
    Standing::Not(match Trust::load(bytes, Pin::FirstUse) {
        Ok(trust) => {
            format!("consistent in itself; compare authority id {} with the vendor's", trust.authority())
        }
        Err(refusal) => refusal.to_string(),
    })
}

/// Returns what the authority of the home trusts, or why nothing can be verified with it.
fn own_trust(context: &Context) -> Result<Trust, String> {
    let own = context.read(|repository| trust::bundle(repository).map(|(_, trust)| trust));
    own.map_err(|error| unasked(&error))
}

fn unasked(error: &CommandError) -> String {
    match error.code() {
        "not-initialized" | "usage" => "no authority in the home to verify it with".to_owned(),
        _ => format!("the authority in the home cannot be asked: {}", error.report().error),
    }
}
