//! `chancery entitlement amend`: more, less, or something else than was sold.

use std::collections::{BTreeMap, BTreeSet};

use chancery_formats::id::EntitlementId;
use serde_json::json;

use super::{Context, NoteArgs, Told, name_argument, print};
use crate::commands::sale::ResaleArgs;
use crate::error::CommandError;
use crate::repository::FeatureValue;
use crate::workflow::entitlement::amend::{Amendment, amend};
use crate::workflow::entitlement::resale::resold;
use crate::workflow::term;

/// Change what an entitlement grants
///
/// What is not named stays as it was sold; another edition, package or add-on brings the catalog of today with
/// it. Activations in use
/// are never taken away. Of an island only activations are given back, which are its parent's again.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery entitlement amend ent_0123456789ABC --quantity 10 --reason 'order 4712'\n  \
    chancery entitlement amend ent_0123456789ABC --edition professional --reason upgrade\n  \
    chancery entitlement amend ent_0123456789ABC --add-on more-channels --reason 'order 4714'\n  \
    chancery entitlement amend ent_0123456789ABC --feature channels=32 --without export --reason 'order 4713'\n  \
    chancery entitlement amend ent_0123456789ABC --until 2028-06-30 --reason 'contract 17' --by 'Dana Keller'")]
pub struct AmendArgs {
    /// Entitlement to change
    #[arg(value_name = "ENTITLEMENT-ID")]
    entitlement: EntitlementId,
    #[command(flatten)]
    sale: ResaleArgs,
    /// Activations, those of its islands among them
    #[arg(long, value_name = "N")]
    quantity: Option<u32>,
    /// Last day or instant of the term
    #[arg(long, value_name = "DATE", value_parser = term::end)]
    until: Option<u64>,
    /// Feature to grant: NAME for a switch, NAME=16 for a limit, NAME=500+50 for a quota with overdraft
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = feature)]
    feature: Vec<(String, FeatureValue)>,
    /// Feature to take away
    #[arg(long, value_name = "NAME", value_parser = name_argument)]
    without: Vec<String>,
    /// Concurrent seats of each license; 0 for none
    #[arg(long, value_name = "N")]
    seats: Option<u32>,
    /// Users who may use it, in place of those named before
    #[arg(long, value_name = "NAME,…", value_parser = name_argument, value_delimiter = ',')]
    users: Option<Vec<String>>,
    /// Groups that may use it, in place of those named before
    #[arg(long, value_name = "NAME,…", value_parser = name_argument, value_delimiter = ',')]
    groups: Option<Vec<String>>,
    #[command(flatten)]
    note: NoteArgs,
}

pub(super) fn run(args: &AmendArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let mut repository = context.repository()?;
    let set = |names: &Option<Vec<String>>| {
        names.as_ref().map(|names| names.iter().cloned().collect::<BTreeSet<_>>())
    };
    let amendment = Amendment {
        sold: resold(&repository, args.entitlement, &args.sale.resale())?,
        quantity: args.quantity.map(u64::from),
        not_after: args.until,
        seats: args.seats.map(u64::from),
        features: features(args)?,
        users: set(&args.users),
        groups: set(&args.groups),
    };
    let changed = amend(&mut repository, args.entitlement, &amendment, &args.note.note(now))?;
    let told = Told { verb: "Amended", lines: &[], licenses_differ: true };
    print(context, &repository, &changed, &told, json!({}))
}

/// Puts features to grant and features to take away together; none is named twice.
fn features(args: &AmendArgs) -> Result<BTreeMap<String, Option<FeatureValue>>, CommandError> {
    let mut features = BTreeMap::new();
    let granted = args.feature.iter().map(|(name, value)| (name, Some(*value)));
    for (name, value) in granted.chain(args.without.iter().map(|name| (name, None))) {
        if features.insert(name.clone(), value).is_some() {
            return Err(CommandError::usage(format!("feature {name} is named twice"))
                .hint("say once what is granted of it"));
        }
    }
    Ok(features)
}

/// Reads `NAME`, `NAME=16` or `NAME=500+50`.
fn feature(text: &str) -> Result<(String, FeatureValue), String> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    let name = name_argument(name)?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| text.parse::<i64>().ok()).flatten();
        number
            .and_then(|number| u64::try_from(number).ok())
            .ok_or("a value is a whole number, or two as 500+50")
    };
    let value = match value.map(|value| value.split_once('+').ok_or(value)) {
        None => FeatureValue::On,
        Some(Err(limit)) => FeatureValue::Limit(number(limit)?),
        Some(Ok((quota, overdraft))) => {
            FeatureValue::Quota { quota: number(quota)?, overdraft: number(overdraft)? }
        }
    };
    Ok((name, value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn features_are_read_as_switch_limit_and_quota() {
        assert_eq!(feature("export").unwrap(), ("export".to_owned(), FeatureValue::On));
        assert_eq!(feature("channels=0").unwrap().1, FeatureValue::Limit(0));
        assert_eq!(feature("prints=500+50").unwrap().1, FeatureValue::Quota { quota: 500, overdraft: 50 });
        for text in ["", "=1", "A", "a=", "a=-1", "a=+1", "a=1+", "a=1.5", "a=on", "a=9223372036854775808"] {
            assert!(feature(text).is_err(), "{text}");
        }
    }
}
