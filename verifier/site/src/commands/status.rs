//! `chancery-site status`: what works here, until when, and what to do next, on one screen.

use chancery_carriers::text::shown_path;
use chancery_formats::license::License;
use chancery_verifier::device::{Component, Digester, collect};
use chancery_verifier::{
    Context as Question, Decision, Favorable, Reason, Refusal, Trust, Verdict, VerifiedLicense, decide,
    verify_request,
};
use serde_json::{Value, json};

use super::installed::{kept, refused};
use super::{Context, show};
use crate::error::{CommandError, is_withdrawn};
use crate::store::State;
use crate::time;

/// From when on `status` suggests a renewal, in seconds before the end of the term.
const RENEWAL_SECS: u64 = 30 * 86_400;

/// Show what works here, until when, and what to do next
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery-site status\n  chancery-site status --json")]
pub struct StatusArgs {}

/// A product as people and JSON see it.
struct Entry {
    fields: Vec<(&'static str, String)>,
    json: Value,
}

pub fn run(_args: &StatusArgs, context: &Context) -> Result<(), CommandError> {
    let Some(state) = context.store()?.open()? else { return print_fresh(context) };
    let now = time::now()?;
    let trust = state.trust()?;
    let components = collect::components();
    let products = state.products()?;
    let entries = products
        .iter()
        .map(|product| {
            let (license, trust) = kept(&state, product)?;
            match license.verify(&trust) {
                Ok(verified) => Ok(describe(&verified, &state, &components, now)),
                Err(refusal) if is_withdrawn(&refusal) => Ok(withdrawn(product, &refusal)),
                Err(refusal) => Err(refused(product, &refusal)),
            }
        })
        .collect::<Result<Vec<Entry>, CommandError>>()?;
    let waiting = waiting(&state)?;
    print(context, &state, trust.as_ref(), entries, &waiting)
}

fn describe(verified: &VerifiedLicense<'_>, state: &State, components: &[Component], now: u64) -> Entry {
    let license = verified.license();
    let favorable = Favorable::to(license);
    let question = Question {
        now,
        product: license.product,
        device_key: Some(state.device()),
        components,
        facts: favorable.facts(),
    };
    let decision = decide(verified, &question, None);
    let matched = matched_components(license, components);
    let next = next_action(&decision, now);
    let works = match decision.verdict {
        Verdict::Allow => "yes".into(),
        Verdict::Warn => format!("yes, but {}", decision.reason),
        Verdict::Degrade => format!("reduced: {}", decision.reason),
        Verdict::Deny => format!("no: {}", decision.reason),
    };
    let until = match license.not_after.filter(|end| *end >= now) {
        Some(end) => format!("{}, {} left", show::until(Some(end)), time::span(end - now)),
        None => show::until(license.not_after),
    };
    let mut fields = vec![
        ("product", format!("{} (edition {})", license.product, license.terms.edition)),
        ("works", works),
        ("features", show::features(license)),
        ("until", until),
        ("license", format!("{}, revision {}", license.id, license.terms.revision)),
        ("bound to", show::binding(license)),
    ];
    fields.extend(matched.map(|(matched, of)| ("components", format!("{matched} of {of} match"))));
    fields.extend(show::needs(license).map(|needs| ("needs", needs)));
    fields.push(("next", next.into()));
    let mut value = show::license_json(verified);
    value["verdict"] = json!(decision.verdict.name());
    value["code"] = json!(decision.reason.code());
    value["remaining_secs"] = json!(license.not_after.map(|end| end.saturating_sub(now)));
    value["matched_components"] = json!(matched.map(|(matched, _)| matched));
    value["next"] = json!(next);
    Entry { fields, json: value }
}

/// Describes a license that the authority took back.
fn withdrawn(product: &str, refusal: &Refusal) -> Entry {
    let next = "ask the vendor for a license that counts, or for the proof that this one does";
    Entry {
        fields: vec![
            ("product", product.to_owned()),
            ("works", format!("no: {refusal}")),
            ("next", next.to_owned()),
        ],
        json: json!({
            "product": product,
            "verdict": Verdict::Deny.name(),
            "code": refusal.code(),
            "next": next,
        }),
    }
}

/// Counts all components that match, so that a device that drifts is seen before it is denied.
fn matched_components(license: &License<'_>, components: &[Component]) -> Option<(usize, u64)> {
    let binding = license.terms.device?;
    let digester = Digester::new(&binding.salt);
    let here: Vec<_> = components.iter().map(|one| (one.kind.number(), digester.digest(one))).collect();
    Some((binding.components.iter().filter(|bound| here.contains(bound)).count(), binding.components.len()))
}

fn next_action(decision: &Decision, now: u64) -> &'static str {
    let ends_soon = decision.ends_at.is_some_and(|end| end.saturating_sub(now) < RENEWAL_SECS);
    match decision.reason {
        Reason::Granted if !ends_soon => "nothing to do",
        Reason::Granted | Reason::EndsSoon | Reason::InGrace | Reason::Expired => {
            "ask the vendor for a renewal and install it"
        }
        Reason::NotYetValid => "wait until the term begins, or correct the clock of this machine",
        _ => "make a new request with `chancery-site request` and carry it to the vendor",
    }
}

/// Lists the requests that no license has answered, as product, entitlement and the clock they were made at.
fn waiting(state: &State) -> Result<Vec<(String, String, u64)>, CommandError> {
    let requests = state.requests()?;
    let read = requests.iter().filter_map(|bytes| verify_request(bytes).ok());
    Ok(read
        .map(|verified| verified.request().clone())
        .map(|request| (request.product.into(), request.entitlement.to_string(), request.site_clock))
        .collect())
}

fn print(
    context: &Context,
    state: &State,
    trust: Option<&Trust>,
    entries: Vec<Entry>,
    waiting: &[(String, String, u64)],
) -> Result<(), CommandError> {
    let mut printer = context.printer();
    for entry in &entries {
        printer.fields(&entry.fields)?;
        printer.line("")?;
    }
    if entries.is_empty() {
        printer.line("No license is installed.")?;
    }
    for (product, entitlement, made_at) in waiting {
        printer.line(format_args!(
            "Waiting for a license of {product} under {entitlement}, asked for {}",
            time::utc(*made_at)
        ))?;
    }
    let mut fields = vec![("device", state.device().device_id().to_string())];
    fields.extend(trust.map(|trust| ("authority", format!("{}, {}", trust.name(), trust.authority()))));
    fields.push(("state", shown_path(context.store()?.path())));
    let next = match (entries.is_empty(), waiting.is_empty()) {
        (true, true) => "make a request with `chancery-site request`",
        (true, false) => {
            "carry the request to the vendor, then `chancery-site install LICENSE.clic --trust BUNDLE.ctrust`"
        }
        (false, _) => "",
    };
    if !next.is_empty() {
        fields.push(("next", next.into()));
    }
    printer.fields(&fields)?;
    let requests = waiting.iter().map(|(product, entitlement, made_at)| {
        json!({"product": product, "entitlement": entitlement, "made_at": made_at})
    });
    printer.json(&json!({
        "state": shown_path(context.store()?.path()),
        "device": state.device().device_id().to_string(),
        "authority": trust.map(show::authority_json),
        "licenses": entries.into_iter().map(|entry| entry.json).collect::<Vec<_>>(),
        "requests": requests.collect::<Vec<_>>(),
        "next": (!next.is_empty()).then_some(next),
    }))?;
    Ok(())
}

fn print_fresh(context: &Context) -> Result<(), CommandError> {
    let next = "make a request with `chancery-site request`";
    let path = shown_path(context.store()?.path());
    let mut printer = context.printer();
    printer.line("No license is installed; this machine has made no request.")?;
    printer.fields(&[("state", format!("{path} (not made yet)")), ("next", next.into())])?;
    printer.json(&json!({
        "state": path, "device": null, "authority": null, "licenses": [], "requests": [], "next": next
    }))?;
    Ok(())
}
