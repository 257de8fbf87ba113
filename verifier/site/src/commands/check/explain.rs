//! `check --explain`: the rules that were asked, and what would give another answer, in words and as JSON.
//!
//! Not here: what they find (`chancery-verifier`).

use chancery_carriers::output::Printer;
use chancery_formats::license::{Names, Users};
use chancery_verifier::Explanation;
use chancery_verifier::decision::{Change, Finding, Rule};
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::time;

/// Shows an explanation below the answer.
pub fn print(printer: &mut Printer, explanation: &Explanation<'_>) -> Result<(), CommandError> {
    let mut fields = vec![("decided by", decided_by(explanation))];
    let of = |wanted: fn(&Finding) -> bool| {
        let rules = explanation.steps().filter(|(_, finding)| wanted(finding));
        rules.map(|(rule, _)| words(rule)).collect::<Vec<_>>().join(", ")
    };
    for (name, rules) in [
        ("passed", of(|finding| *finding == Finding::Passed)),
        ("no such term", of(|finding| *finding == Finding::Absent)),
        ("not asked", of(|finding| *finding == Finding::NotAsked)),
    ] {
        fields.extend((!rules.is_empty()).then_some((name, rules)));
    }
    fields.extend(explanation.changes().map(|change| ("would change", sentence(&change))));
    Ok(printer.fields(&fields)?)
}

fn decided_by(explanation: &Explanation<'_>) -> String {
    match explanation.decided_by() {
        Some(rule) => format!("{}: {}", words(rule), explanation.decision().reason),
        None => "no rule stands against it".into(),
    }
}

/// Returns an explanation as JSON.
pub fn to_json(explanation: &Explanation<'_>) -> Value {
    let steps = explanation.steps().map(|(rule, finding)| match finding {
        Finding::Objects { verdict, reason } => {
            json!({"rule": rule.name(), "finding": verdict.name(), "code": reason.code()})
        }
        Finding::Absent => json!({"rule": rule.name(), "finding": "absent"}),
        Finding::Passed => json!({"rule": rule.name(), "finding": "passed"}),
        Finding::NotAsked => json!({"rule": rule.name(), "finding": "not-asked"}),
    });
    let changes = explanation.changes().map(|change| {
        let mut value = values(&change);
        value["change"] = json!(change.code());
        value["words"] = json!(sentence(&change));
        value
    });
    json!({
        "decided_by": explanation.decided_by().map(Rule::name),
        "steps": steps.collect::<Vec<_>>(),
        "changes": changes.collect::<Vec<_>>(),
    })
}

const fn words(rule: Rule) -> &'static str {
    match rule {
        Rule::DeviceComponents => "device components",
        Rule::DeviceKey => "device key",
        Rule::Beginning => "beginning of the term",
        Rule::End => "end of the term",
        _ => rule.name(),
    }
}

fn sentence(change: &Change<'_>) -> String {
    match *change {
        Change::AskingAs { product } => format!("asking for {product}"),
        Change::AskingOn { device } => format!("asking on device {}", device.device_id()),
        Change::ComponentsMatching { more } => {
            format!("another {} that {}", count(more, "component"), plural(more, "matches", "match"))
        }
        Change::FactTold { fact } => format!("telling {fact}"),
        Change::InstallsRemoved { devices } => {
            format!("removing it from {}", count(devices, "other device"))
        }
        Change::LicenseForBindings { bindings } => {
            format!("a license for {}", count(bindings, "typed binding"))
        }
        Change::LicenseForChannel { channel } => format!("a license for the channel {channel}"),
        Change::LicenseForDevice => "a license for this device".into(),
        Change::LicenseForFeature { feature } => format!("a license that grants {feature}"),
        Change::LicenseForInstalls { devices } => format!("a license for {}", count(devices, "device")),
        Change::LicenseForProduct { product } => format!("a license for {product}"),
        Change::LicenseForRelease { released_at } => {
            format!("a license with maintenance until {}", time::utc(released_at))
        }
        Change::LicenseForTerritory { territory } => format!("a license for {territory}"),
        Change::LicenseForUser => "a license that names this user or a group of theirs".into(),
        Change::LicenseForVersion { version } => format!("a license for version {version}"),
        Change::LicenseUntil { after } => format!("a license that ends after {}", time::utc(after)),
        Change::PassingThrough { channels } => format!("passing it on through {}", list(&channels)),
        Change::ReleasedBy { until } => format!("a version released by {}", time::utc(until)),
        Change::SeatsFreed { seats } => format!("{} that others give back", count(seats, "seat")),
        Change::SeatsSold { seats } => format!("a license with another {}", count(seats, "seat")),
        Change::SeatsTaken { seats } => format!("another {} that others take", count(seats, "seat")),
        Change::Time { at } => format!("time, from {} on", time::utc(at)),
        Change::UnitsSold { units } => format!("a license with another {}", count(units, "unit")),
        Change::UnitsUsed { units } => format!("using another {}", count(units, "unit")),
        Change::Users { named } => match (&named.users, &named.groups) {
            (Some(users), Some(groups)) => {
                format!("asking as {}, or as a member of {}", list(users), list(groups))
            }
            (Some(users), None) => format!("asking as {}", list(users)),
            (None, Some(groups)) => format!("asking as a member of {}", list(groups)),
            (None, None) => String::new(),
        },
        Change::UsingIn { territory } => format!("using it in {}", list(&territory)),
        Change::VersionFrom { lowest } => format!("version {lowest} or later"),
        Change::VersionUpTo { highest } => format!("version {highest} or earlier"),
        _ => change.code().into(),
    }
}

/// Returns the values of a change, for programs.
fn values(change: &Change<'_>) -> Value {
    match *change {
        Change::AskingAs { product } | Change::LicenseForProduct { product } => json!({"product": product}),
        Change::AskingOn { device } => json!({"device": device.device_id().to_string()}),
        Change::ComponentsMatching { more } => json!({"components": more}),
        Change::FactTold { fact } => json!({"fact": fact.name()}),
        Change::InstallsRemoved { devices } | Change::LicenseForInstalls { devices } => {
            json!({"devices": devices})
        }
        Change::LicenseForBindings { bindings } => json!({"bindings": bindings}),
        Change::LicenseForChannel { channel } => json!({"channel": channel}),
        Change::LicenseForFeature { feature } => json!({"feature": feature}),
        Change::LicenseForRelease { released_at } => json!({"released_at": released_at}),
        Change::LicenseForTerritory { territory } => json!({"territory": territory}),
        Change::LicenseForVersion { version } => json!({"version": version.to_string()}),
        Change::LicenseUntil { after } => json!({"after": after}),
        Change::PassingThrough { channels } => json!({"channels": names(&channels)}),
        Change::ReleasedBy { until } => json!({"until": until}),
        Change::SeatsFreed { seats } | Change::SeatsSold { seats } | Change::SeatsTaken { seats } => {
            json!({"seats": seats})
        }
        Change::Time { at } => json!({"at": at}),
        Change::UnitsSold { units } | Change::UnitsUsed { units } => json!({"units": units}),
        Change::Users { named: Users { users, groups } } => {
            json!({"users": users.as_ref().map(names), "groups": groups.as_ref().map(names)})
        }
        Change::UsingIn { territory } => json!({"territory": names(&territory)}),
        Change::VersionFrom { lowest } => json!({"lowest": lowest.to_string()}),
        Change::VersionUpTo { highest } => json!({"highest": highest.to_string()}),
        _ => json!({}),
    }
}

fn names<'a>(names: &Names<'a>) -> Vec<&'a str> {
    names.iter().collect()
}

/// `CH, DE or FR`.
fn list(listed: &Names<'_>) -> String {
    let names = names(listed);
    match names.split_last() {
        Some((last, [])) => (*last).into(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}

fn count(count: u64, unit: &str) -> String {
    format!("{count} {unit}{}", plural(count, "", "s"))
}

const fn plural(count: u64, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}
