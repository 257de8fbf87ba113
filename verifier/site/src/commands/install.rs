//! `chancery-site install`: a license that is genuine and for this device replaces the one before, and a trust bundle
//! that follows from the one before replaces it.
//!
//! Everything is checked before anything is written. A bundle that revokes an installed license is taken: that is
//! what it came for.

use std::path::{Path, PathBuf};

use chancery_carriers::files;
use chancery_carriers::load;
use chancery_carriers::report::note;
use chancery_carriers::text::shown_path;
use chancery_formats::document::MAX_BUNDLE;
use chancery_formats::trust::Bundle;
use chancery_verifier::device::collect;
use chancery_verifier::{
    Context as Question, Decision, Favorable, Pin, Trust, Verdict, VerifiedLicense, decide,
};
use serde_json::{Value, json};

use super::installed::{Installed, read_proof, verify};
use super::{Context, load_trust, show};
use crate::error::{CommandError, is_withdrawn};
use crate::store::State;
use crate::time;

/// Install a license or a trust bundle that the vendor sent
///
/// The first installation pins the vendor's authority: compare its id with the one that the vendor
/// publishes. A bundle of another authority is an alarm from then on, and an older one is refused.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery-site install pump.clic --trust vendor.ctrust\n  \
    chancery-site install photo-of-qr.png\n  \
    chancery-site install vendor.ctrust\n  \
    chancery-site install ent_0123456789ABC-3\n  \
    chancery-site install pump.clic --proof pump.tlog-proof")]
pub struct InstallArgs {
    /// License, as a .clic file, its armor or a picture of its QR code; a folder of licenses with one for this device;
    /// or a trust bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Trust bundle that came with the license; the one installed where none is named
    #[arg(long, value_name = "FILE.ctrust")]
    trust: Option<PathBuf>,
    /// Proof that the license is in the vendor's log, for one whose key was stolen since
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
}

/// A bundle that is to be kept, and what it is believed for.
struct Offered {
    trust: Trust,
    /// None for the bundle that is kept already.
    bytes: Option<Vec<u8>>,
    /// How it was pinned.
    pin: Pin,
}

pub fn run(args: &InstallArgs, context: &Context) -> Result<(), CommandError> {
    if args.file.is_dir() {
        return install_license(&args.file.join(own_file(&args.file, context)?), args, context);
    }
    if !is_bundle(&args.file)? {
        return install_license(&args.file, args, context);
    }
    if args.trust.is_some() || args.proof.is_some() {
        return Err(CommandError::usage("--trust and --proof go with a license, and this is a trust bundle")
            .hint("name the trust bundle alone"));
    }
    install_bundle(&args.file, context)
}

/// Returns whether a file holds a trust bundle, as it is or armored.
fn is_bundle(path: &Path) -> Result<bool, CommandError> {
    let bytes = files::read_document(path, MAX_BUNDLE as u64)?;
    Ok(Bundle::looks_like(&bytes) || load::load(path).is_ok_and(|loaded| Bundle::looks_like(&loaded.bytes)))
}

/// Returns the name of this device's license in a folder of them: that of the device.
fn own_file(folder: &Path, context: &Context) -> Result<String, CommandError> {
    let Some(state) = context.store()?.open()? else {
        return Err(CommandError::refused(
            "device-none",
            "this device has no key yet, and no license is for it",
        )
        .hint("ask the vendor for a first license with `chancery-site request`"));
    };
    let device = state.device().device_id();
    let name = format!("{device}.clic");
    if folder.join(&name).is_file() {
        return Ok(name);
    }
    let message = format!("{} holds no license for device {device}", shown_path(folder));
    Err(CommandError::refused("update-none", message)
        .hint("ask the vendor for a license of this device, or name the right folder"))
}

fn install_license(path: &Path, args: &InstallArgs, context: &Context) -> Result<(), CommandError> {
    let license = load::load(path)?.bytes;
    let before = context.store()?.open()?;
    let offered = offered(args.trust.as_deref(), before.as_ref())?;
    let file = shown_path(path);
    let proof = args.proof.as_deref().map(|path| read_proof(path, &license)).transpose()?;
    let verified = verify(&license, proof.as_deref(), &offered.trust)
        .map_err(|refusal| CommandError::license(&file, &refusal))?;
    let decision = decide_here(&verified, before.as_ref())?;
    if decision.verdict == Verdict::Deny {
        return Err(CommandError::denied(format!("{file} cannot be installed"), &decision.reason));
    }

    let lock = context.store()?.lock()?;
    // Opened again under the lock: another process may have installed something meanwhile.
    let (mut state, _) = context.store()?.open_or_make(&lock)?;
    let first_use = state.is_unpinned();
    let replaced = refuse_going_back(&state, &offered, Some(&verified))?.replaced;
    let claims = verified.license();
    if let Some(bundle) = &offered.bytes {
        state.keep_trust(bundle, &offered.trust)?;
    }
    if let Some(proof) = &proof {
        state.keep_proof(claims.id, proof)?;
    }
    state.keep_license(claims.product, &license)?;
    state.drop_request(claims.product, claims.terms.entitlement)?;
    print(context, &offered.trust, &verified, &decision, first_use, replaced.as_deref())
}

fn install_bundle(file: &Path, context: &Context) -> Result<(), CommandError> {
    let before = context.store()?.open()?;
    let offered = offered(Some(file), before.as_ref())?;
    let lock = context.store()?.lock()?;
    let (mut state, _) = context.store()?.open_or_make(&lock)?;
    let first_use = state.is_unpinned();
    let checked = refuse_going_back(&state, &offered, None)?;
    if let Some(bundle) = &offered.bytes {
        state.keep_trust(bundle, &offered.trust)?;
    }
    print_bundle(context, &offered.trust, first_use, &checked.withdrawn)
}

/// Loads the bundle that was brought, or else the one that is kept.
fn offered(path: Option<&Path>, state: Option<&State>) -> Result<Offered, CommandError> {
    let pin = state.map_or(Ok(Pin::FirstUse), State::pin)?;
    if let Some(path) = path {
        let (trust, bytes) = load_trust(path, pin)?;
        if let Some(minima) = state.map(State::minima).transpose()?.flatten() {
            trust.check_minima(&minima).map_err(|refusal| {
                CommandError::not_genuine(format!("{} cannot be installed", shown_path(path)), &refusal)
            })?;
        }
        return Ok(Offered { trust, bytes: Some(bytes), pin });
    }
    let kept = state.map(State::trust).transpose()?.flatten();
    let trust = kept.ok_or_else(|| {
        CommandError::refused("trust-none", "no trust bundle is installed here")
            .hint("name the one that came with the license with `--trust FILE.ctrust`")
    })?;
    Ok(Offered { trust, bytes: None, pin })
}

/// Decides for this device. What only the product will know when it asks does not keep a license from being installed.
fn decide_here(verified: &VerifiedLicense<'_>, state: Option<&State>) -> Result<Decision, CommandError> {
    let components = collect::components();
    let favorable = Favorable::to(verified.license());
    let question = Question {
        now: time::now()?,
        product: verified.license().product,
        device_key: state.map(State::device),
        components: &components,
        facts: favorable.facts(),
    };
    Ok(decide(verified, &question, None))
}

/// What installing would do to what is installed.
#[derive(Default)]
struct Checked {
    /// Id of the license that will be replaced.
    replaced: Option<String>,
    /// Products whose license the bundle takes back, and why.
    withdrawn: Vec<(String, String)>,
}

/// Refuses what another process overtook, a bundle that would take trust from an installed license without saying
/// that it is revoked, and a license that is older than the installed one.
fn refuse_going_back(
    state: &State,
    offered: &Offered,
    verified: Option<&VerifiedLicense<'_>>,
) -> Result<Checked, CommandError> {
    let minima = state.minima()?;
    let follows = minima.is_none_or(|minima| offered.trust.check_minima(&minima).is_ok());
    if state.pin()? != offered.pin || !follows {
        return Err(CommandError::failed("state-changed", "another process changed the state")
            .hint("run the command again"));
    }
    // A bundle that was lost is what installing repairs; pin and minima stand without it.
    let kept = state.trust().unwrap_or_else(|error| {
        note(&format!("{}; replacing it", error.report().error));
        None
    });
    let mut checked = Checked::default();
    for product in state.products()? {
        let Some(installed) = Installed::read(state, &product)? else { continue };
        let replaces = verified.filter(|verified| verified.license().product == product);
        if let Some(verified) = replaces {
            match installed.verify(kept.as_ref().unwrap_or(&offered.trust)) {
                Ok(before) => checked.replaced = replaced(&before, verified)?,
                Err(refusal) if is_withdrawn(&refusal) => {}
                Err(_) => note(&format!("the installed license of {product} is damaged")),
            }
            continue;
        }
        match installed.verify(&offered.trust) {
            Ok(_) => {}
            Err(refusal) if is_withdrawn(&refusal) => checked.withdrawn.push((product, refusal.to_string())),
            Err(_) if kept.as_ref().is_some_and(|kept| installed.verify(kept).is_err()) => {
                note(&format!("the installed license of {product} is damaged"));
            }
            Err(refusal) => {
                let what =
                    format!("with this trust bundle the installed license of {product} is not genuine");
                return Err(CommandError::refused(refusal.code(), what)
                    .cause(refusal.to_string())
                    .hint("get one trust bundle from the vendor that covers every product installed here"));
            }
        }
    }
    Ok(checked)
}

/// Returns the id of the license that another one replaces, which must not be newer.
fn replaced(
    before: &VerifiedLicense<'_>,
    verified: &VerifiedLicense<'_>,
) -> Result<Option<String>, CommandError> {
    let (before, claims) = (before.license(), verified.license());
    let same_entitlement = before.terms.entitlement == claims.terms.entitlement;
    if same_entitlement && before.terms.revision > claims.terms.revision {
        let (found, known) = (claims.terms.revision, before.terms.revision);
        let error = format!("the license is revision {found}, and revision {known} is installed");
        return Err(CommandError::refused("revision-older", error)
            .hint("install the newest license of this entitlement"));
    }
    Ok((before.id != claims.id).then(|| before.id.to_string()))
}

const COMPARE: &str =
    "This site trusts that authority from now on: compare its id with the one the vendor publishes.";

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
    fields.extend(show::needs(claims).map(|needs| ("needs", needs)));
    fields.extend((decision.verdict != Verdict::Allow).then(|| ("note", decision.reason.to_string())));
    if first_use {
        fields.push(("authority id", trust.authority().to_string()));
    }
    printer.fields(&fields)?;
    if first_use {
        printer.line(COMPARE)?;
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

fn print_bundle(
    context: &Context,
    trust: &Trust,
    first_use: bool,
    withdrawn: &[(String, String)],
) -> Result<(), CommandError> {
    let mut printer = context.printer();
    printer.line(match trust.bundle_number() {
        Some(number) => format!("Installed trust bundle {number}"),
        None => "Installed the trust bundle".into(),
    })?;
    let mut fields = vec![
        ("authority", trust.name().to_owned()),
        ("authority id", trust.authority().to_string()),
        ("root version", trust.root_version().to_string()),
        ("revocation list", trust.revocation_list().to_string()),
    ];
    fields.extend(trust.anchor().map(|anchor| ("made", time::utc_and_local(anchor))));
    fields.extend(withdrawn.iter().map(|(product, why)| ("denied now", format!("{product}: {why}"))));
    printer.fields(&fields)?;
    if first_use {
        printer.line(COMPARE)?;
    }
    let denied: Vec<Value> =
        withdrawn.iter().map(|(product, why)| json!({"product": product, "reason": why})).collect();
    printer.json(&json!({
        "bundle": trust.bundle_number(),
        "revocation_list": trust.revocation_list(),
        "made_at": trust.anchor(),
        "authority": show::authority_json(trust),
        "first_use": first_use,
        "denied": denied,
    }))?;
    Ok(())
}
