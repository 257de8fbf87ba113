//! The forms in which commands show times, terms and features.
//!
//! Times are shown in UTC, and in the zone of this machine where that differs; JSON holds RFC 3339 in UTC.
//! Not here: printing (`chancery-carriers`), reading dates (`workflow::term`).

pub mod approval;
pub mod document;
pub mod entitlement;
pub mod exchange;
pub mod public_key;
pub mod transcript;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::repository::FeatureValue;
use crate::repository::catalog::Features;

/// Shows an instant, given in Unix seconds: `2027-06-30 22:00:00 UTC (2027-07-01 00:00:00 CEST)`.
#[must_use]
pub fn time(seconds: u64) -> String {
    let Some(instant) = instant(seconds) else { return format!("{seconds} seconds after 1970") };
    let utc = instant.strftime("%Y-%m-%d %H:%M:%S UTC");
    let local = instant.to_zoned(local_zone());
    if local.offset().is_zero() {
        return utc.to_string();
    }
    format!("{utc} ({})", local.strftime("%Y-%m-%d %H:%M:%S %Z"))
}

/// Returns the zone of this machine.
///
/// Where `TZ` names none, its file is read by itself: a look-up by name first lists every zone there is,
/// which takes longer than all else that a short command does.
fn local_zone() -> TimeZone {
    let named = std::env::var_os("TZ").is_some_and(|name| !name.is_empty());
    let file = if named { None } else { std::fs::read("/etc/localtime").ok() };
    file.and_then(|file| TimeZone::tzif("local", &file).ok()).unwrap_or_else(TimeZone::system)
}

/// Shows the end of a term; none is perpetual.
#[must_use]
pub fn end(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "perpetual".to_owned(), time)
}

/// Returns an instant, given in Unix seconds, as JSON: RFC 3339 in UTC.
#[must_use]
pub fn time_json(seconds: u64) -> Value {
    instant(seconds).map_or_else(|| json!(seconds), |instant| json!(instant.to_string()))
}

/// Shows features: `channels 16, logging, prints 500 metered and 50 beyond`.
#[must_use]
pub fn features(features: &Features) -> String {
    if features.is_empty() {
        return "none".to_owned();
    }
    let shown = features.iter().map(|(name, value)| match value {
        FeatureValue::Limit(limit) => format!("{name} {limit}"),
        FeatureValue::On => name.clone(),
        FeatureValue::Quota { quota, overdraft: 0 } => format!("{name} {quota} metered"),
        FeatureValue::Quota { quota, overdraft } => format!("{name} {quota} metered and {overdraft} beyond"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Returns features as JSON: `{"channels": 16, "logging": true, "prints": {"quota": 500, "overdraft": 50}}`.
#[must_use]
pub fn features_json(features: &Features) -> Value {
    let values = features.iter().map(|(name, value)| {
        let value = match value {
            FeatureValue::Limit(limit) => json!(limit),
            FeatureValue::On => json!(true),
            FeatureValue::Quota { quota, overdraft } => json!({"quota": quota, "overdraft": overdraft}),
        };
        (name.clone(), value)
    });
    Value::Object(values.collect())
}

fn instant(seconds: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}
