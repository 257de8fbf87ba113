//! `chancery ceremony show`: a transcript, verified with public keys alone.

use std::path::PathBuf;

use chancery_carriers::files;
use chancery_carriers::load::load;
use chancery_carriers::report::Exit;
use chancery_formats::document::MAX_BUNDLE;
use chancery_formats::id::AuthorityId;
use chancery_verifier::{Pin, Refusal, Trust};
use serde_json::json;

use crate::commands::Context;
use crate::error::CommandError;
use crate::output::transcript;

/// Show the transcript of a ceremony, and verify that nothing in it was changed
///
/// Needs no home. Compare the values after each step with what observers wrote down: the log key alone vouches for
/// the file.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery ceremony show transcript.cose --trust ceremony.ctrust --authority-id 1f0c…\n  \
    chancery ceremony show transcript.cose --trust ceremony.ctrust --json")]
pub struct ShowArgs {
    /// Transcript
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Trust bundle of the authority
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// The authority that it must be [default: that of the bundle]
    #[arg(long, value_name = "ID")]
    authority_id: Option<AuthorityId>,
}

pub(super) fn run(args: &ShowArgs, context: &Context) -> Result<(), CommandError> {
    let bundle = files::read_document(&args.trust, MAX_BUNDLE as u64)?;
    let pin = args.authority_id.map_or(Pin::FirstUse, Pin::Authority);
    let trust = Trust::load(&bundle, pin)
        .map_err(|refusal| refused(&refusal, "the trust bundle is not that of the authority"))?;
    let loaded = load(&args.file)?;
    let told = trust
        .verify_transcript(&loaded.bytes)
        .map_err(|refusal| refused(&refusal, "the transcript is not the one that was sealed"))?;
    let mut printer = context.printer();
    printer.line(transcript::text(&told, Some(&loaded.bytes)).trim_end())?;
    let mut value = transcript::json(&told);
    if let serde_json::Value::Object(fields) = &mut value {
        fields.insert("verified".to_owned(), json!(true));
    }
    Ok(printer.json(&value)?)
}

fn refused(refusal: &Refusal, what: &str) -> CommandError {
    let exit = if refusal.is_alarm() { Exit::Alarm } else { Exit::Refused };
    CommandError::from_error(exit, refusal.code(), refusal)
        .cause(what)
        .hint("get both files again from the people who were in the ceremony")
}
