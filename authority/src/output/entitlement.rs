//! The forms in which commands show entitlements: what one grants, and what a change made of it.
//!
//! Not here: printing.

use std::collections::BTreeSet;

use chancery_formats::grant::State;
use chancery_formats::license::{Enforcement, EnforcementMode, Versions};
use serde_json::{Map, Value, json};

use super::{end, features, features_json, time, time_json};
use crate::repository::{Binding, Entitlement};

/// One value that a change made another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is called.
    pub field: &'static str,
    /// As it was; none where there was none.
    pub from: Option<String>,
    /// As it is; none where there is none.
    pub to: Option<String>,
}

/// Returns what an entitlement grants, for people: without what is used of it.
#[must_use]
pub fn granted(one: &Entitlement) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("state", state(one)),
        ("customer", one.customer.clone()),
        ("product", one.product.clone()),
        ("edition", one.edition.clone()),
    ];
    fields.extend(one.package.clone().map(|package| ("package", package)));
    fields.extend(names("add-ons", &one.add_ons));
    fields.push(("features", features(&one.features)));
    fields.push(("model", one.model.name().to_owned()));
    fields.push(("bound to", bound_to(one)));
    fields.push(("activations", one.quantity.to_string()));
    fields.extend((one.in_islands > 0).then(|| ("in islands", one.in_islands.to_string())));
    fields.extend(one.parent.map(|parent| ("island of", parent.to_string())));
    fields.extend((one.returned > 0).then(|| ("taken back", format!("activations up to {}", one.returned))));
    fields.push(("from", time(one.not_before)));
    fields.push(("until", end(one.not_after)));
    fields.extend(one.versions.as_ref().map(|covered| ("versions", versions(covered))));
    fields.extend(one.seats.map(|seats| ("seats", seats.to_string())));
    fields.extend(one.named_users.map(|most| ("named users", format!("at most {most}"))));
    fields.extend(names("users", &one.users));
    fields.extend(names("groups", &one.groups));
    fields.extend(names("territory", &one.territory));
    fields.extend(one.support.clone().map(|level| ("support", level)));
    fields.extend(
        (one.enforcement != Enforcement::default()).then(|| ("at the end", enforcement(&one.enforcement))),
    );
    fields.extend(one.devices.map(|devices| ("installed on", format!("at most {devices} devices"))));
    fields.extend(names("channels", &one.channels));
    fields.extend(one.bindings.map(|most| ("typed bindings", most.to_string())));
    fields.extend((!one.transferable).then(|| ("transfer", "not allowed".to_owned())));
    fields.push(("catalog", format!("change {}", one.catalog)));
    fields
}

/// Returns what an entitlement grants and how much of it is used, for people.
#[must_use]
pub fn fields(one: &Entitlement) -> Vec<(&'static str, String)> {
    let mut fields = vec![("id", one.id.to_string())];
    fields.extend(granted(one).into_iter().map(|(name, value)| match name {
        "activations" => (name, format!("{} of {} used, {} left", one.used, one.own_quantity(), one.left())),
        _ => (name, value),
    }));
    fields.push(("granted", time(one.granted_at)));
    fields.push(("revision", one.revision.to_string()));
    fields
}

/// Returns every value that differs between two states, in the order in which they are shown.
#[must_use]
pub fn differences(before: &Entitlement, after: &Entitlement) -> Vec<Difference> {
    let (before, after) = (granted(before), granted(after));
    let find = |fields: &[(&'static str, String)], name: &str| {
        fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.clone())
    };
    let mut shown: Vec<&'static str> = after.iter().map(|(name, _)| *name).collect();
    shown.extend(before.iter().map(|(name, _)| *name).filter(|name| find(&after, name).is_none()));
    let difference = |field| Difference { field, from: find(&before, field), to: find(&after, field) };
    shown.into_iter().map(difference).filter(|one| one.from != one.to).collect()
}

/// Returns a difference for people: `from 5 to 10`.
#[must_use]
pub fn difference(one: &Difference) -> String {
    match (&one.from, &one.to) {
        (Some(from), Some(to)) => format!("from {from} to {to}"),
        (None, Some(to)) => format!("now {to}"),
        (Some(from), None) => format!("no longer {from}"),
        (None, None) => String::new(),
    }
}

/// Returns an entitlement as JSON.
#[must_use]
pub fn describe(one: &Entitlement) -> Value {
    let mut fields = granted_json(one);
    for (name, value) in [
        ("id", json!(one.id.to_string())),
        ("used", json!(one.used)),
        ("left", json!(one.left())),
        ("standing", json!(one.standing().name())),
        ("granted_at", time_json(one.granted_at)),
        ("revision", json!(one.revision)),
    ] {
        fields.insert(name.to_owned(), value);
    }
    Value::Object(fields)
}

/// Returns every value that differs between two states as JSON, by its name in [`describe`].
#[must_use]
pub fn differences_json(before: &Entitlement, after: &Entitlement) -> Value {
    let (before, after) = (granted_json(before), granted_json(after));
    let changed = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
    let one =
        |(name, value): (&String, &Value)| (name.clone(), json!({"from": before.get(name), "to": value}));
    Value::Object(changed.map(one).collect())
}

fn granted_json(one: &Entitlement) -> Map<String, Value> {
    let fields = json!({
        "state": one.state.name(),
        "customer": one.customer,
        "site": one.site,
        "product": one.product,
        "edition": one.edition,
        "package": one.package,
        "add_ons": one.add_ons,
        "features": features_json(&one.features),
        "model": one.model.name(),
        "binding": one.binding.name(),
        "quantity": one.quantity,
        "in_islands": one.in_islands,
        "island_of": one.parent.map(|parent| parent.to_string()),
        "taken_back": one.returned,
        "not_before": time_json(one.not_before),
        "not_after": one.not_after.map(time_json),
        "versions": one.versions.as_ref().map(versions_json),
        "seats": one.seats,
        "named_users": one.named_users,
        "users": one.users,
        "groups": one.groups,
        "territory": one.territory,
        "support": one.support,
        "enforcement": {
            "mode": one.enforcement.mode.name(),
            "grace_secs": one.enforcement.grace_secs,
            "notice_secs": one.enforcement.notice_secs,
        },
        "devices": one.devices,
        "channels": one.channels,
        "typed_bindings": one.bindings,
        "transferable": one.transferable,
        "catalog": one.catalog,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn state(one: &Entitlement) -> String {
    match (one.standing() == one.state, one.parent) {
        (false, Some(parent)) => format!("{}: entitlement {parent} is", one.standing().name()),
        _ => one.state.name().to_owned(),
    }
}

/// Shows whether an entitlement is in force, in a word.
#[must_use]
pub fn standing(one: &Entitlement, now: u64) -> &'static str {
    match one.standing() {
        State::Active if one.not_after.is_some_and(|last| last < now) => "expired",
        other => other.name(),
    }
}

fn names(field: &'static str, names: &BTreeSet<String>) -> Option<(&'static str, String)> {
    let shown = || names.iter().cloned().collect::<Vec<_>>().join(", ");
    (!names.is_empty()).then(|| (field, shown()))
}

fn bound_to(one: &Entitlement) -> String {
    match (one.binding, &one.site) {
        (Binding::Device, Some(site)) => format!("the device that asks, of site {site}"),
        (Binding::Device, None) => "the device that asks".to_owned(),
        (Binding::Site, site) => format!("site {}", site.as_deref().unwrap_or_default()),
        (Binding::None, Some(site)) => format!("nothing; they name site {site}"),
        (Binding::None, None) => "nothing".to_owned(),
    }
}

fn versions(covered: &Versions) -> String {
    let parts = [
        covered.lowest.map(|lowest| format!("from {lowest}")),
        covered.highest.map(|highest| format!("up to {highest}")),
        covered.released_until.map(|last| format!("released until {}", time(last))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn versions_json(covered: &Versions) -> Value {
    json!({
        "lowest": covered.lowest.map(|lowest| lowest.to_string()),
        "highest": covered.highest.map(|highest| highest.to_string()),
        "released_until": covered.released_until.map(time_json),
    })
}

fn enforcement(one: &Enforcement) -> String {
    let Enforcement { mode, grace_secs, notice_secs } = one;
    let mode = match mode {
        EnforcementMode::Deny => "features stop",
        EnforcementMode::Warn => "features run on and say so",
        EnforcementMode::Degrade => "features run on in a reduced way",
    };
    format!("{mode}; {grace_secs} s of grace, {notice_secs} s of notice")
}
