//! The clock and how instants are shown: UTC always, local time beside it where it differs.
//!
//! Not here: whether the clock is right. Nothing at a site can tell; the license's term is judged by it.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

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
    shown(at, TimeZone::UTC, "%Y-%m-%d %H:%M:%S UTC")
}

/// Shows an instant in UTC and, where this machine's zone differs, in local time.
pub fn utc_and_local(at: u64) -> String {
    let local = shown(at, TimeZone::system(), "%Y-%m-%d %H:%M:%S %Z");
    let utc = utc(at);
    if utc == local { utc } else { format!("{utc} ({local})") }
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

fn shown(at: u64, zone: TimeZone, format: &str) -> String {
    let instant = i64::try_from(at).ok().and_then(|secs| Timestamp::from_second(secs).ok());
    // Documents hold no instant that jiff does not; a number is still better than no answer.
    instant
        .map_or_else(|| format!("{at} (Unix seconds)"), |at| at.to_zoned(zone).strftime(format).to_string())
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
