//! `chancery-site check`: may a feature run here, now?

use chancery_verifier::device::collect;
use chancery_verifier::{Context as Question, Decision, Reason, Verdict, explain};
use serde_json::{Value, json};

use super::installed::{kept, refused};
use super::{Context, show};
use crate::error::{CommandError, is_withdrawn};
use crate::store::State;
use crate::time;

mod explain;
mod facts;

/// Tell whether a feature may run: exit 0 when it may, 3 when it is denied
///
/// `warn` and `degrade` may run as well, and say why that cannot last. Some licenses need facts that only who asks
/// can know, such as the version of the product; without them they deny.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery-site check logging\n  \
    chancery-site check channels --product pump --json\n  \
    chancery-site check reports --used 498 --version 3.1 --explain")]
pub struct CheckArgs {
    /// Feature to run
    #[arg(value_name = "FEATURE", value_parser = super::name)]
    feature: String,
    /// Product that asks; needed where licenses of several are installed
    #[arg(long, value_name = "PRODUCT", value_parser = super::name)]
    product: Option<String>,
    /// Tell which rule decided, and what would give another answer
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    facts: facts::FactArgs,
}

pub fn run(args: &CheckArgs, context: &Context) -> Result<(), CommandError> {
    let state = context.store()?.open()?;
    let Some((state, product)) = installed(state, args)? else {
        let what = args.product.as_deref().map_or(String::new(), |product| format!(" of {product}"));
        context.printer().json(&denied_json(args, args.product.as_deref(), "not-installed"))?;
        return Err(CommandError::refused("not-installed", format!("no license{what} is installed"))
            .hint("make a request with `chancery-site request`, or install the license that came back"));
    };
    let now = time::now()?;
    let (license, trust) = kept(&state, &product)?;
    let verified = match license.verify(&trust) {
        Ok(verified) => verified,
        Err(refusal) => {
            if is_withdrawn(&refusal) {
                context.printer().json(&denied_json(args, Some(&product), refusal.code()))?;
            }
            return Err(refused(&product, &refusal));
        }
    };
    let components = collect::components();
    let groups = args.facts.groups();
    let question = Question {
        now,
        product: &product,
        device_key: Some(state.device()),
        components: &components,
        facts: args.facts.facts(&groups),
    };
    let explanation = explain(&verified, &question, Some(&args.feature));
    let decision = explanation.decision();

    let mut printer = context.printer();
    let mut value = decision_json(args, &product, decision, now);
    if args.explain {
        value["explain"] = explain::to_json(&explanation);
    }
    printer.json(&value)?;
    if decision.verdict != Verdict::Deny {
        printer.line(sentence(&args.feature, decision, now))?;
    }
    if args.explain {
        explain::print(&mut printer, &explanation)?;
    }
    if decision.verdict == Verdict::Deny {
        return Err(CommandError::denied(format!("{} is denied", args.feature), &decision.reason));
    }
    Ok(())
}

/// Returns the open state and the product asked for; none where it has no license.
fn installed(state: Option<State>, args: &CheckArgs) -> Result<Option<(State, String)>, CommandError> {
    let Some(state) = state else { return Ok(None) };
    let products = state.products()?;
    let product = match (&args.product, products.as_slice()) {
        (Some(product), _) => products.contains(product).then(|| product.clone()),
        (None, []) => None,
        (None, [only]) => Some(only.clone()),
        (None, _) => {
            let error = format!("licenses of several products are installed: {}", products.join(", "));
            return Err(CommandError::usage(error).hint("name the one that asks with --product"));
        }
    };
    Ok(product.map(|product| (state, product)))
}

fn sentence(feature: &str, decision: &Decision, now: u64) -> String {
    let feature = decision.grant.map_or_else(|| feature.into(), |grant| show::grant(feature, grant));
    let verdict = decision.verdict.name();
    let end = match (decision.ends_at, decision.reason) {
        (None, _) => "without end".into(),
        (Some(at), Reason::Expired | Reason::InGrace) => format!("ended {}", time::utc(at)),
        (Some(at), _) => format!("until {}", time::utc(at)),
    };
    let stops = match (decision.reason, decision.changes_at) {
        (Reason::InGrace, Some(at)) => {
            format!("; grace lasts another {}", time::span(at.saturating_sub(now)))
        }
        _ => String::new(),
    };
    match decision.reason {
        Reason::Granted => format!("{verdict}: {feature}, granted {end}"),
        reason => format!("{verdict}: {feature}, {reason}, {end}{stops}"),
    }
}

fn decision_json(args: &CheckArgs, product: &str, decision: &Decision, now: u64) -> Value {
    json!({
        "verdict": decision.verdict.name(),
        "code": decision.reason.code(),
        "product": product,
        "feature": args.feature,
        "grant": decision.grant.map(show::grant_json),
        "ends_at": decision.ends_at,
        "remaining_secs": decision.ends_at.map(|end| end.saturating_sub(now)),
        "changes_at": decision.changes_at,
    })
}

/// What there is to say where nothing is decided: no license, or one that was taken back.
fn denied_json(args: &CheckArgs, product: Option<&str>, code: &str) -> Value {
    json!({
        "verdict": Verdict::Deny.name(),
        "code": code,
        "product": product,
        "feature": args.feature,
        "grant": null,
        "ends_at": null,
        "remaining_secs": null,
        "changes_at": null,
    })
}
