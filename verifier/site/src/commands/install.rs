//! `chancery-site install`: a license that is genuine and for this device replaces the one before.
//!
//! Everything is checked before anything is written.

use std::path::PathBuf;

use chancery_carriers::load;
use chancery_carriers::report::note;
use chancery_carriers::text::shown_path;
use chancery_verifier::device::collect;
use chancery_verifier::{
    Context as Facts, Decision, Pin, Trust, Verdict, VerifiedLicense, decide, verify_license,
};
use serde_json::json;

use super::{Context, load_trust, show};
use crate::error::CommandError;
use crate::store::State;
use crate::time;

/// Install a license that the vendor sent for this device
///
/// The first installation pins the vendor's authority: compare its id with the one that the vendor
/// publishes. A bundle of another authority is an alarm from then on.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery-site install pump.clic --trust vendor.ctrust\n  \
    chancery-site install photo-of-qr.png --trust vendor.ctrust")]
pub struct InstallArgs {
    /// License: a .clic file, its armor, or a picture of its QR code
    #[arg(value_name = "FILE")]
    license: PathBuf,
    /// Trust bundle that came with it
    #[arg(long, value_name = "FILE.ctrust")]
    trust: PathBuf,
}

pub fn run(args: &InstallArgs, context: &Context) -> Result<(), CommandError> {
    let license = load::load(&args.license)?.bytes;
    let before = context.store()?.open()?;
    let pin = before.as_ref().map_or(Pin::FirstUse, State::pin);
    let (trust, bundle) = load_trust(&args.trust, pin)?;
    let file = shown_path(&args.license);
    let verified = verify_license(&license, &trust)
        .map_err(|refusal| CommandError::not_genuine(format!("{file} is not a genuine license"), &refusal))?;
    let decision = decide_here(&verified, before.as_ref())?;
    if decision.verdict == Verdict::Deny {
        return Err(CommandError::denied(format!("{file} cannot be installed"), &decision.reason));
    }

    let lock = context.store()?.lock()?;
    // Opened again under the lock: another process may have installed something meanwhile.
    let (mut state, _) = context.store()?.open_or_make(&lock)?;
    if state.pin() != pin {
        return Err(CommandError::failed("state-changed", "another process changed the state")
            .hint("run the command again"));
    }
    let replaced = refuse_going_back(&state, &trust, &verified)?;
    let claims = verified.license();
    state.keep_trust(&bundle, trust.authority())?;
    state.keep_license(claims.product, &license)?;
    state.drop_request(claims.product, claims.terms.entitlement)?;
    print(context, &trust, &verified, &decision, pin == Pin::FirstUse, replaced.as_deref())
}

fn decide_here(verified: &VerifiedLicense<'_>, state: Option<&State>) -> Result<Decision, CommandError> {
    let components = collect::components();
    let facts = Facts {
        now: time::now()?,
        product: verified.license().product,
        device_key: state.map(State::device),
        components: &components,
    };
    Ok(decide(verified, &facts, None))
}

/// Refuses a bundle that is older than the one kept or would take trust from an installed license, and a
/// license that is older than the installed one. Returns the id of the license that will be replaced.
fn refuse_going_back(
    state: &State,
    trust: &Trust,
    verified: &VerifiedLicense<'_>,
) -> Result<Option<String>, CommandError> {
    let claims = verified.license();
    // A bundle that was lost is what installing repairs; the pin stands without it.
    let kept = state.trust().unwrap_or_else(|error| {
        note(&format!("{}; replacing it", error.report().error));
        None
    });
    if let Some(kept) = kept.as_ref().filter(|kept| kept.root_version() > trust.root_version()) {
        let (found, known) = (trust.root_version(), kept.root_version());
        let error = format!("the trust bundle is of root version {found}, and this site knows {known}");
        return Err(
            CommandError::refused("trust-older", error).hint("get the newest trust bundle from the vendor")
        );
    }
    let mut replaced = None;
    for product in state.products()? {
        let Some(bytes) = state.license(&product)? else { continue };
        let Ok(before) = verify_license(&bytes, kept.as_ref().unwrap_or(trust)) else {
            note(&format!("the installed license of {product} is damaged"));
            continue;
        };
        let before = before.license();
        if product == claims.product {
            let same_entitlement = before.terms.entitlement == claims.terms.entitlement;
            if same_entitlement && before.terms.revision > claims.terms.revision {
                let (found, known) = (claims.terms.revision, before.terms.revision);
                let error = format!("the license is revision {found}, and revision {known} is installed");
                return Err(CommandError::refused("revision-older", error)
                    .hint("install the newest license of this entitlement"));
            }
            replaced = (before.id != claims.id).then(|| before.id.to_string());
        } else if let Err(refusal) = verify_license(&bytes, trust) {
            let what = format!("with this trust bundle the installed license of {product} is not genuine");
            return Err(CommandError::refused(refusal.code(), what)
                .cause(refusal.to_string())
                .hint("get one trust bundle from the vendor that covers both products"));
        }
    }
    Ok(replaced)
}

fn print(
    context: &Context,
    trust: &Trust,
    verified: &VerifiedLicense<'_>,
    decision: &Decision,
    first_use: bool,
    replaced: Option<&str>,
) -> Result<(), CommandError> {
    let claims = verified.license();
    let mut printer = context.printer();
    printer.line(format_args!("Installed license {}", claims.id))?;
    let mut fields = vec![
        ("product", format!("{} (edition {})", claims.product, claims.terms.edition)),
        ("features", show::features(claims)),
        ("until", show::until(claims.not_after)),
        ("bound to", show::binding(claims)),
        ("issuing key", show::protection(verified.protection()).into()),
        ("authority", trust.name().into()),
    ];
    fields.extend(replaced.map(|id| ("replaces", id.into())));
    fields.extend((decision.verdict != Verdict::Allow).then(|| ("note", decision.reason.to_string())));
    if first_use {
        fields.push(("authority id", trust.authority().to_string()));
    }
    printer.fields(&fields)?;
    if first_use {
        printer.line(
            "This site trusts that authority from now on: compare its id with the one the vendor publishes.",
        )?;
    }
    printer.line("Next: `chancery-site check FEATURE` tells whether a feature may run")?;
    printer.json(&json!({
        "license": show::license_json(verified),
        "verdict": decision.verdict.name(),
        "code": decision.reason.code(),
        "authority": show::authority_json(trust),
        "first_use": first_use,
        "replaced": replaced,
    }))?;
    Ok(())
}
