//! The clock and how instants are shown: UTC always, local time beside it where it differs.
//!
//! Not here: whether the clock is right. Nothing at a site can tell; the license's term is judged by it.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::error::CommandError;

const DAY_SECS: u64 = 86_400;

/// Returns the time of the system clock, in Unix seconds.
pub fn now() -> Result<u64, CommandError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map(|since| since.as_secs()).map_err(|_| {
        CommandError::failed("clock-wrong", "the clock of this machine is before 1970")
            .hint("correct the clock, then try again")
    })
}

/// Reads an RFC 3339 instant such as `2027-06-30T23:59:59Z` as Unix seconds.
pub fn parse(text: &str) -> Result<u64, String> {
    let instant: Timestamp = text.parse().map_err(|_| "not an instant such as 2027-06-30T23:59:59Z")?;
    u64::try_from(instant.as_second()).map_err(|_| "before 1970".into())
}

/// Shows an instant as `2027-06-30 23:59:59 UTC`.
pub fn utc(at: u64) -> String {
    // Civil time reaches the end of 9999, as documents do; a timestamp ends a day before.
    let since = i64::try_from(at).map(SignedDuration::from_secs).ok();
    let at_utc = since.and_then(|since| DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(since).ok());
    at_utc
        .map_or_else(|| format!("{at} (Unix seconds)"), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// Shows an instant in UTC and, where this machine's zone differs, in local time.
pub fn utc_and_local(at: u64) -> String {
    let utc = utc(at);
    let instant = i64::try_from(at).ok().and_then(|secs| Timestamp::from_second(secs).ok());
    match instant.map(|instant| instant.to_zoned(local_zone())) {
        Some(local) if !local.offset().is_zero() => {
            format!("{utc} ({})", local.strftime("%Y-%m-%d %H:%M:%S %Z"))
        }
        _ => utc,
    }
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

/// Shows a span in its largest whole unit, rounded down: `218 days`, `5 hours`, `40 minutes`.
pub fn span(secs: u64) -> String {
    let (count, unit) = match secs {
        0..60 => (secs, "second"),
        60..3_600 => (secs / 60, "minute"),
        3_600..DAY_SECS => (secs / 3_600, "hour"),
        _ => (secs / DAY_SECS, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_and_shown_in_utc() {
        let at = parse("2027-06-30T23:59:59Z").unwrap();
        assert_eq!(utc(at), "2027-06-30 23:59:59 UTC");
        assert_eq!(parse("2027-07-01T01:59:59+02:00"), Ok(at));
        assert_eq!(utc(253_402_300_799), "9999-12-31 23:59:59 UTC", "the latest instant of documents");
        for other in ["2027-06-30", "yesterday", "1969-12-31T23:59:59Z", "2027-06-30T23:59:59"] {
            assert!(parse(other).is_err(), "{other}");
        }
    }

    #[test]
    fn spans_are_shown_in_their_largest_unit() {
        for (secs, text) in [(0, "0 seconds"), (61, "1 minute"), (7_199, "1 hour"), (172_800, "2 days")] {
            assert_eq!(span(secs), text);
        }
    }
}
