//! `chancery demo`: the whole loop in a temporary directory, and four attacks on it.

use chancery_carriers::output::Printer;
use chancery_carriers::picture;
use chancery_carriers::terminal::{self, Theme};
use chancery_carriers::text::shown_path;
use chancery_formats::document::Kind;
use chancery_formats::id::AuthorityId;
use chancery_verifier::Verdict;
use serde_json::json;

use super::Context;
use crate::error::CommandError;
use crate::home::Home;
use crate::output;
use crate::workflow::demo::{self, Authority, FEATURE, Folder, Site};
use crate::workflow::export::Targets;

/// Show the whole loop, from entitlement to a verified license
///
/// Works in a temporary directory with a software key, changes nothing else, and says where its
/// files are.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery demo")]
pub struct DemoArgs {}

/// Runs `chancery demo`.
///
/// # Errors
///
/// What a step refuses; an integrity alarm where an attack is not refused.
pub fn run(_args: &DemoArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let mut printer = context.printer();
    let folder = Folder::create()?;
    let file = |name| folder.file(name);

    printer.line("1. The vendor makes an authority: a root key, an issuing key, a database.")?;
    let mut authority = Authority::create(&folder, &folder.home(), "Example Pumps", now)?;
    printer.line(format_args!("   authority id {}", authority.id))?;

    printer.line(
        "\n2. The vendor sells: a catalog from a file, a customer, an entitlement for one device and a year.",
    )?;
    let entitlement = authority.sell(&file("catalog.toml"), now)?;
    printer.line(format_args!("   {} grants {}", entitlement.id, output::features(&entitlement.features)))?;

    printer.line("\n3. The site asks, from this machine: its own key, and digests of its components.")?;
    let site = Site::here()?;
    let request = site.request(&entitlement, &file("pump.creq"), now)?;
    let (device, components) = (site.device().device_id(), site.components.len());
    printer.line(format_args!("   {device}, {components} components, {} bytes", request.len()))?;

    printer.line("\n4. The vendor issues the license: intent in the log, signature, check, files.")?;
    let picture = file("pump.png");
    let targets = Targets { file: &file("pump.clic"), qr: Some(&picture), armor: Some(&file("pump.txt")) };
    let (id, license) = authority.issue(&entitlement, &request, &targets, now)?;
    let bundle = authority.publish(&file("vendor.ctrust"))?;
    printer.line(format_args!("   {id}, {} bytes, as file, QR code and armor", license.len()))?;
    show_code(&mut printer, &license)?;

    printer.line("\n5. The site verifies it, with no network, and asks whether the feature may run.")?;
    let genuine = site.check(&file("pump.clic"), &bundle, authority.id, now)?;
    let decision = genuine.map_err(|refusal| {
        CommandError::alarm(refusal.code(), "the demo's own license does not verify")
            .cause(refusal.to_string())
    })?;
    if !decision.verdict.may_run() {
        return Err(CommandError::alarm(decision.reason.code(), "the demo's own license denies its feature")
            .cause(decision.reason.to_string()));
    }
    printer.line(format_args!(
        "   verified; {FEATURE}: {}, until {}",
        decision.verdict.name(),
        output::end(decision.ends_at)
    ))?;

    printer.line("\n6. Four attacks:")?;
    let attacks = attack(&folder, &site, &license, &bundle, authority.id, now)?;
    for (name, code, reason) in &attacks {
        printer.line(format_args!("   {name:<16} refused: {reason} [{code}]"))?;
    }

    printer.line(format_args!(
        "\nThe license is verified, and every attack is refused. The files are in {}",
        shown_path(&folder.path)
    ))?;
    next_steps(&mut printer, &folder, &id.to_string())?;
    let attacks: Vec<_> =
        attacks.iter().map(|(name, code, _)| json!({"attack": name, "refused": code})).collect();
    Ok(printer.json(&json!({
        "folder": folder.path,
        "authority_id": authority.id.to_string(),
        "license": id.to_string(),
        "verified": true,
        "verdict": decision.verdict.name(),
        "attacks": attacks,
    }))?)
}

/// Tries the four attacks and returns name, code and reason of each refusal.
fn attack(
    folder: &Folder,
    site: &Site,
    license: &[u8],
    bundle: &[u8],
    pin: AuthorityId,
    now: u64,
) -> Result<Vec<(&'static str, &'static str, String)>, CommandError> {
    let genuine = folder.file("pump.clic");
    let changed = folder.file("attack-flipped-byte.clic");
    demo::flip_a_bit(license, &changed)?;

    let foreign_home = Home::new(folder.file("attack-authority"));
    let mut foreign = Authority::create(folder, &foreign_home, "Example Pumps", now)?;
    let sold = foreign.sell(&folder.file("catalog.toml"), now)?;
    let request = site.request(&sold, &folder.file("attack-request.creq"), now)?;
    let forged = folder.file("attack-other-authority.clic");
    foreign.issue(&sold, &request, &Targets { file: &forged, qr: None, armor: None }, now)?;
    demo::remove(&foreign_home)?;

    let other_device = Site::here()?;
    let expired = now + 2 * 365 * 24 * 60 * 60;
    let attempts = [
        ("flipped byte", site.check(&changed, bundle, pin, now)?),
        ("other device", other_device.check(&genuine, bundle, pin, now)?),
        ("after expiry", site.check(&genuine, bundle, pin, expired)?),
        ("other authority", site.check(&forged, bundle, pin, now)?),
    ];
    attempts
        .into_iter()
        .map(|(name, judged)| match judged {
            Err(refusal) => Ok((name, refusal.code(), refusal.to_string())),
            Ok(decision) if decision.verdict == Verdict::Deny => {
                Ok((name, decision.reason.code(), decision.reason.to_string()))
            }
            Ok(_) => Err(CommandError::alarm("attack-accepted", format!("attack is not refused: {name}"))
                .hint("do not use this build, and report it")),
        })
        .collect()
}

/// Shows the license's QR code where the terminal has room for it.
fn show_code(printer: &mut Printer, license: &[u8]) -> Result<(), CommandError> {
    for symbol in picture::encode(Kind::License, license)? {
        match terminal::draw(&symbol, Theme::Dark) {
            Ok(code) => printer.raw(&code)?,
            Err(small) => printer.line(format_args!("   {small}: see pump.png instead"))?,
        }
    }
    Ok(())
}

fn next_steps(printer: &mut Printer, folder: &Folder, license: &str) -> Result<(), CommandError> {
    let path = shown_path(&folder.path);
    printer.line("What to run next:")?;
    for command in [
        format!("chancery inspect {path}/pump.png"),
        format!("chancery --home {path}/authority license show {license}"),
        format!("chancery --home {path}/authority doctor"),
        format!("chancery-site verify {path}/pump.clic --trust {path}/vendor.ctrust"),
        "chancery init --help".to_owned(),
    ] {
        printer.line(format_args!("   {command}"))?;
    }
    Ok(())
}
