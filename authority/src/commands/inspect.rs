//! `chancery inspect`: what a document says, whoever made it.

use std::path::PathBuf;

use chancery_carriers::load::load;
use chancery_formats::document::Kind;
use chancery_verifier::{Pin, Trust, verify_license, verify_request};
use serde_json::json;

use super::Context;
use crate::error::CommandError;
use crate::output::document;
use crate::repository::Repository;
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
    printer.fields(&[
        ("document", described.kind.name().to_owned()),
        ("carrier", loaded.carrier.name().to_owned()),
        ("size", format!("{} bytes", loaded.bytes.len())),
        ("signature", standing.text()),
    ])?;
    printer.fields(&described.fields)?;
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

/// Verifies what can be verified here: by the authority of the home, or by a key inside the document.
fn verify(bytes: &[u8], kind: Kind, context: &Context) -> Standing {
    let judged = match kind {
        Kind::Request => verify_request(bytes).map(|_| "signed by the device key inside".to_owned()),
        Kind::TrustBundle => Trust::load(bytes, Pin::FirstUse)
            .map(|trust| format!("consistent in itself; compare the authority id: {}", trust.authority())),
        _ => match own_trust(context) {
            None => return Standing::Not("no authority in the home to verify it with".to_owned()),
            Some(trust) if kind == Kind::License => {
                verify_license(bytes, &trust).map(|_| format!("issued by {}", trust.name()))
            }
            Some(_) => return Standing::Not("verified as part of a trust bundle only".to_owned()),
        },
    };
    match judged {
        Ok(by) => Standing::Verified(by),
        Err(refusal) => Standing::Not(refusal.to_string()),
    }
}

fn own_trust(context: &Context) -> Option<Trust> {
    let repository = Repository::open_read_only(&context.home().ok()?).ok()?;
    trust::bundle(&repository).ok().map(|(_, trust)| trust)
}
