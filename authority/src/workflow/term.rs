//! Dates of a term, as people write them, made instants.
//!
//! `2027-06-30` is a whole day in UTC, `2027-06-30[Europe/Berlin]` a whole day there, and
//! `2027-06-30T12:00:00Z` (RFC 3339) an instant. A term ends with the last second of its last day.
//! Not here: how times are shown (`output`).

use chancery_formats::license::MAX_TIME;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Why a text is not a date of a term.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermError {
    /// Neither a date nor an instant.
    #[error("not a date such as 2027-06-30, 2027-06-30[Europe/Berlin] or 2027-06-30T12:00:00Z")]
    NotADate,
    /// An instant that documents cannot hold.
    #[error("a term lies between the years 1970 and 9999")]
    OutOfRange,
    /// No time zone of that name.
    #[error("{zone} is not a time zone of the IANA database")]
    UnknownZone {
        /// As written.
        zone: String,
    },
}

/// Reads the start of a term: the first second of a day, or an instant; in Unix seconds.
///
/// # Errors
///
/// [`TermError`].
///
/// # Examples
///
/// ```
/// assert_eq!(chancery_authority::workflow::term::start("1970-01-02"), Ok(86_400));
/// ```
pub fn start(text: &str) -> Result<u64, TermError> {
    match read(text)? {
        Day::Instant(instant) => seconds(instant.as_second()),
        Day::Whole(date, zone) => seconds(first_second(date, zone)?),
    }
}

/// Reads the end of a term: the last second of a day, or an instant; in Unix seconds.
///
/// # Errors
///
/// [`TermError`].
///
/// # Examples
///
/// ```
/// assert_eq!(chancery_authority::workflow::term::end("1970-01-01"), Ok(86_399));
/// ```
pub fn end(text: &str) -> Result<u64, TermError> {
    match read(text)? {
        Day::Instant(instant) => seconds(instant.as_second()),
        Day::Whole(date, zone) => {
            let next = date.tomorrow().map_err(|_| TermError::OutOfRange)?;
            seconds(first_second(next, zone)? - 1)
        }
    }
}

/// Returns the first second of the UTC day that `now` lies in; both in Unix seconds.
#[must_use]
pub fn start_of_day(now: u64) -> u64 {
    now - now % 86_400
}

enum Day {
    Instant(Timestamp),
    Whole(Date, TimeZone),
}

fn read(text: &str) -> Result<Day, TermError> {
    const DATE_LEN: usize = "2027-06-30".len();
    let Some((date, rest)) = text.split_at_checked(DATE_LEN) else { return Err(TermError::NotADate) };
    let is_digit_or_dash = |(index, byte): (usize, u8)| {
        if index == 4 || index == 7 { byte == b'-' } else { byte.is_ascii_digit() }
    };
    if !date.bytes().enumerate().all(is_digit_or_dash) {
        return Err(TermError::NotADate);
    }
    let date: Date = date.parse().map_err(|_| TermError::NotADate)?;
    if rest.is_empty() {
        return Ok(Day::Whole(date, TimeZone::UTC));
    }
    if let Some(zone) = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let known = TimeZone::get(zone).map_err(|_| TermError::UnknownZone { zone: zone.to_owned() })?;
        return Ok(Day::Whole(date, known));
    }
    text.parse().map(Day::Instant).map_err(|_| TermError::NotADate)
}

fn first_second(date: Date, zone: TimeZone) -> Result<i64, TermError> {
    let start = date.to_zoned(zone).and_then(|day: Zoned| day.start_of_day());
    start.map(|start| start.timestamp().as_second()).map_err(|_| TermError::OutOfRange)
}

fn seconds(instant: i64) -> Result<u64, TermError> {
    u64::try_from(instant).ok().filter(|seconds| *seconds <= MAX_TIME).ok_or(TermError::OutOfRange)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Result<u64, TermError> {
        Ok(text.parse::<Timestamp>().unwrap().as_second() as u64)
    }

    #[test]
    fn a_date_is_its_whole_day() {
        assert_eq!(start("2027-06-30"), instant("2027-06-30T00:00:00Z"));
        assert_eq!(end("2027-06-30"), instant("2027-06-30T23:59:59Z"));
        assert_eq!(end("2028-02-29"), instant("2028-02-29T23:59:59Z"));
    }

    #[test]
    fn a_zone_moves_the_day_and_its_change_of_clocks_counts() {
        assert_eq!(start("2027-06-30[Europe/Berlin]"), instant("2027-06-29T22:00:00Z"));
        assert_eq!(end("2027-06-30[Europe/Berlin]"), instant("2027-06-30T21:59:59Z"));
        // Clocks go back on this day: it has 25 hours.
        let (first, last) = (start("2027-10-31[Europe/Berlin]"), end("2027-10-31[Europe/Berlin]"));
        assert_eq!(last.unwrap() - first.unwrap(), 25 * 3600 - 1);
        // No midnight on this day: clocks go forward from 24:00 to 01:00.
        assert_eq!(start("2018-11-04[America/Sao_Paulo]"), instant("2018-11-04T03:00:00Z"));
    }

    #[test]
    fn an_instant_is_itself_at_both_ends() {
        for text in ["2027-06-30T12:00:00Z", "2027-06-30T14:00:00+02:00"] {
            assert_eq!(start(text), instant("2027-06-30T12:00:00Z"));
            assert_eq!(end(text), instant("2027-06-30T12:00:00Z"));
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in
            ["", "2027", "2027-6-30", "2027-02-29", "2027-06-30T12:00:00", "+27-06-300", "2027-06-30x"]
        {
            assert_eq!(end(text), Err(TermError::NotADate), "{text}");
        }
        assert_eq!(
            end("2027-06-30[Mars/Base]"),
            Err(TermError::UnknownZone { zone: "Mars/Base".to_owned() })
        );
        assert_eq!(start("1969-12-31"), Err(TermError::OutOfRange));
        assert_eq!(end("9999-12-31"), Err(TermError::OutOfRange));
    }
}
