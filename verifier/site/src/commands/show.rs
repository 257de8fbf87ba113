//! How licenses, grants and bindings are worded, for people and for `--json`.
//!
//! Not here: what a license allows (`chancery-verifier`), escaping (`chancery-carriers`).

use chancery_formats::key::Protection;
use chancery_formats::license::{Feature, License};
use chancery_verifier::{Fact, Trust, VerifiedLicense};
use serde_json::{Value, json};

use crate::time;

/// Words a grant: `logging`, `channels up to 16`.
pub fn grant(name: &str, feature: Feature) -> String {
    match feature {
        Feature::On => name.into(),
        Feature::Limit(limit) => format!("{name} up to {limit}"),
        Feature::Quota { quota, overdraft: 0 } => format!("{name} with a quota of {quota}"),
        Feature::Quota { quota, overdraft } => {
            format!("{name} with a quota of {quota} and an overdraft of {overdraft}")
        }
    }
}

/// Returns a grant as JSON: `true`, `{"limit"}` or `{"quota", "overdraft"}`.
pub fn grant_json(feature: Feature) -> Value {
    match feature {
        Feature::On => json!(true),
        Feature::Limit(limit) => json!({"limit": limit}),
        Feature::Quota { quota, overdraft } => json!({"quota": quota, "overdraft": overdraft}),
    }
}

/// Words the features of a license, in its order.
pub fn features(license: &License<'_>) -> String {
    let words: Vec<String> =
        license.terms.features.iter().map(|(name, feature)| grant(name, feature)).collect();
    if words.is_empty() { "none".into() } else { words.join(", ") }
}

/// Words the end of the term.
pub fn until(ends_at: Option<u64>) -> String {
    ends_at.map_or_else(|| "no end".into(), time::utc_and_local)
}

/// Words what a license is bound to.
pub fn binding(license: &License<'_>) -> String {
    let key = license.device_key.map(|key| format!("device {}", key.device_id()));
    let components =
        license.terms.device.map(|device| format!("{} of {} components", device.k, device.components.len()));
    match (key, components) {
        (Some(key), Some(components)) => format!("{key} and {components}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "no device".into(),
    }
}

/// Words what a product has to tell when it asks; none where the license needs nothing.
pub fn needs(license: &License<'_>) -> Option<String> {
    let facts: Vec<String> = needed(license).map(|fact| fact.to_string()).collect();
    (!facts.is_empty()).then(|| facts.join(", "))
}

fn needed(license: &License<'_>) -> impl Iterator<Item = Fact> {
    Fact::ALL.into_iter().filter(|fact| fact.is_needed(license))
}

/// Words where the issuing key lives; a software key is marked.
pub const fn protection(protection: Protection) -> &'static str {
    match protection {
        Protection::Hardware => "hardware",
        Protection::Software => "software (a key file: whoever copies it can issue licenses)",
    }
}

/// Returns the claims of a verified license as JSON.
pub fn license_json(verified: &VerifiedLicense<'_>) -> Value {
    let license = verified.license();
    let features =
        license.terms.features.iter().map(|(name, feature)| (name.to_owned(), grant_json(feature)));
    let components =
        license.terms.device.map(|device| json!({"needed": device.k, "bound": device.components.len()}));
    json!({
        "id": license.id.to_string(),
        "product": license.product,
        "edition": license.terms.edition,
        "customer": license.customer(),
        "site": license.site(),
        "entitlement": license.terms.entitlement.to_string(),
        "revision": license.terms.revision,
        "features": Value::Object(features.collect()),
        "issued_at": license.issued_at,
        "starts_at": license.not_before,
        "ends_at": license.not_after,
        "grace_secs": license.terms.enforcement.grace_secs,
        "enforcement": license.terms.enforcement.mode.name(),
        "device": license.device_key.map(|key| key.device_id().to_string()),
        "components": components,
        "needs": needed(license).map(Fact::name).collect::<Vec<_>>(),
        "issuer": license.issuer,
        "key": verified.issuer().to_string(),
        "protection": verified.protection().name(),
    })
}

/// Returns an authority as JSON.
pub fn authority_json(trust: &Trust) -> Value {
    json!({"id": trust.authority().to_string(), "name": trust.name(), "root_version": trust.root_version()})
}
