//! `chancery-site verify`: is this license genuine, and does its term cover an instant?
//!
//! Stateless: it reads two files and knows nothing of this device. Not here: whether a feature may run
//! (`check`).

use std::path::PathBuf;

use chancery_carriers::load;
use chancery_carriers::text::shown_path;
use chancery_verifier::{Decision, Pin, Reason, Trust, Verdict, VerifiedLicense, decide_term};
use serde_json::json;

use super::installed::{read_proof, verify};
use super::{Context, load_trust, show};
use crate::error::CommandError;
use crate::time;

/// Verify a license file against a trust bundle, without this site's state
///
/// Tells whether the license is genuine and whether its term covers the instant; whether it is for this
/// device is not checked.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery-site verify pump.clic --trust vendor.ctrust\n  \
    chancery-site verify pump.clic --trust vendor.ctrust --at 2027-07-01T00:00:00Z\n  \
    chancery-site verify pump.clic --trust vendor.ctrust --proof pump.tlog-proof")]
pub struct VerifyArgs {
    /// License: a .clic file, its armor, or a picture of its QR code
    #[arg(value_name = "FILE")]
    license: PathBuf,
    /// Trust bundle of the vendor; the authority is whichever it is of
    #[arg(long, value_name = "FILE.ctrust")]
    trust: PathBuf,
    /// Proof that the license is in the vendor's log, for one whose key was stolen since
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
    /// Instant to judge the term at, instead of now
    #[arg(long, value_name = "RFC3339", value_parser = time::parse)]
    at: Option<u64>,
}

pub fn run(args: &VerifyArgs, context: &Context) -> Result<(), CommandError> {
    let license = load::load(&args.license)?.bytes;
    let (trust, _) = load_trust(&args.trust, Pin::FirstUse)?;
    let file = shown_path(&args.license);
    let proof = args.proof.as_deref().map(|path| read_proof(path, &license)).transpose()?;
    let verified = verify(&license, proof.as_deref(), &trust)
        .map_err(|refusal| CommandError::license(&file, &refusal))?;
    let at = args.at.map_or_else(time::now, Ok)?;
    let Decision { verdict, reason, .. } = decide_term(&verified, at);
    if verdict == Verdict::Deny {
        let what = format!("{file} is genuine, but not valid at {}", time::utc(at));
        return Err(CommandError::denied(what, &reason));
    }
    print(context, &trust, &verified, &reason, at)
}

fn print(
    context: &Context,
    trust: &Trust,
    verified: &VerifiedLicense<'_>,
    reason: &Reason,
    at: u64,
) -> Result<(), CommandError> {
    let license = verified.license();
    let customer = license
        .site()
        .map_or_else(|| license.customer().into(), |site| format!("{}, site {site}", license.customer()));
    let bound = match (license.device_key, license.terms.device) {
        (None, None) => show::binding(license),
        _ => format!("{} (not checked)", show::binding(license)),
    };
    let mut fields = vec![
        ("product", format!("{} (edition {})", license.product, license.terms.edition)),
        ("customer", customer),
        ("entitlement", format!("{}, revision {}", license.terms.entitlement, license.terms.revision)),
        ("features", show::features(license)),
        ("issued", time::utc_and_local(license.issued_at)),
        ("from", license.not_before.map_or_else(|| "when issued".into(), time::utc_and_local)),
        ("until", show::until(license.not_after)),
        ("bound to", bound),
        (
            "issuing key",
            format!("{}, {}", verified.issuer().key_id(), show::protection(verified.protection())),
        ),
        ("authority", trust.name().into()),
        ("authority id", trust.authority().to_string()),
    ];
    fields.extend(show::needs(license).map(|needs| ("needs", needs)));
    fields.extend((*reason != Reason::Granted).then(|| ("note", reason.to_string())));
    let mut printer = context.printer();
    printer.line(format_args!("Genuine license {}, valid at {}", license.id, time::utc(at)))?;
    printer.fields(&fields)?;
    printer.json(&json!({
        "genuine": true,
        "at": at,
        "code": reason.code(),
        "device_checked": false,
        "license": show::license_json(verified),
        "authority": show::authority_json(trust),
    }))?;
    Ok(())
}
