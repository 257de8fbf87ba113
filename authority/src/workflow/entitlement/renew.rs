//! Renewing: the next term of a subscription, or the next maintenance of what never ends.
//!
//! Before the end the next term follows the present one, so that renewing early loses nothing. After the end it
//! begins today: the days between were not sold. A trial is not renewed.

use chancery_formats::grant::Change;
use chancery_formats::id::EntitlementId;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::{Changed, change_within, outlives_parent};
use crate::error::CommandError;
use crate::repository::{Entitlement, GrantWriter, Model, Note, Repository};
use crate::workflow::approval::gate;
use crate::workflow::term;

/// How far an entitlement is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// By whole days.
    Days(u32),
    /// By calendar months.
    Months(u32),
    /// Up to this second, in Unix seconds.
    Until(u64),
    /// By calendar years.
    Years(u32),
}

/// What the new term follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// The end of the present one.
    End,
    /// Nothing: it begins today, because the one before is over.
    Today,
}

/// What was renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The versions covered, by the day of their release.
    Maintenance,
    /// The term.
    Term,
}

/// What a renewal did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// The entitlement before and after.
    pub changed: Changed,
    /// What was renewed.
    pub what: Renewal,
    /// What the new term follows.
    pub follows: Follows,
    /// The first second of it, in Unix seconds.
    pub from: u64,
    /// The last second of it, in Unix seconds.
    pub until: u64,
}

/// Renews an entitlement.
///
/// # Errors
///
/// A refusal with its code: `entitlement-suspended`, `entitlement-revoked`, `trial-renewed`, `renew-perpetual`,
/// `renew-earlier`, `island-outlives`. Nothing is changed then.
pub fn renew(
    repository: &mut Repository,
    id: EntitlementId,
    length: Length,
    note: &Note<'_>,
) -> Result<Renewed, CommandError> {
    gate::change(repository, note, |writer| renew_within(writer, id, length, note))
}

/// Does as [`renew`], in the transaction of the caller.
///
/// # Errors
///
/// As [`renew`].
pub fn renew_within(
    writer: &mut GrantWriter<'_>,
    id: EntitlementId,
    length: Length,
    note: &Note<'_>,
) -> Result<Renewed, CommandError> {
    let mut term = (Renewal::Term, Follows::End, 0, 0);
    let changed = change_within(writer, id, Change::Renew, note, |writer, state| {
        let (what, end) = renewable(state)?;
        let (follows, from) = match end >= note.at {
            true => (Follows::End, end + 1),
            false => (Follows::Today, term::start_of_day(note.at)),
        };
        let until = last_second(from, length)?;
        if until <= end || until < from {
            let message = format!("entitlement {id} would end no later than it does");
            return Err(CommandError::refused("renew-earlier", message)
                .hint("shorten a term with `chancery entitlement amend --until`"));
        }
        term = (what, follows, from, until);
        match what {
            Renewal::Maintenance => set_maintenance(state, until),
            Renewal::Term => {
                require_within_parent(writer, state, until)?;
                state.not_after = Some(until);
                if follows == Follows::Today {
                    state.not_before = from;
                }
                // Maintenance that runs with the term goes on with it.
                if state.versions.is_some_and(|versions| versions.released_until == Some(end)) {
                    set_maintenance(state, until);
                }
            }
        }
        Ok(())
    })?;
    let (what, follows, from, until) = term;
    Ok(Renewed { changed, what, follows, from, until })
}

/// Returns what of an entitlement can be renewed, and its end.
fn renewable(state: &Entitlement) -> Result<(Renewal, u64), CommandError> {
    let maintained = state.versions.and_then(|versions| versions.released_until);
    match (state.model, state.not_after, maintained) {
        (Model::Subscription, Some(end), _) => Ok((Renewal::Term, end)),
        (Model::Perpetual, _, Some(end)) => Ok((Renewal::Maintenance, end)),
        (Model::Trial, ..) => {
            let message = format!("entitlement {} is a trial, and a trial is not renewed", state.id);
            Err(CommandError::refused("trial-renewed", message)
                .hint("convert it with `chancery entitlement convert`"))
        }
        _ => {
            let message = format!("entitlement {} never ends, and covers every version", state.id);
            Err(CommandError::refused("renew-perpetual", message).hint("there is nothing to renew"))
        }
    }
}

fn set_maintenance(state: &mut Entitlement, until: u64) {
    if let Some(versions) = &mut state.versions {
        versions.released_until = Some(until);
    }
}

fn require_within_parent(
    writer: &GrantWriter<'_>,
    state: &Entitlement,
    until: u64,
) -> Result<(), CommandError> {
    let Some(parent) = state.parent else { return Ok(()) };
    let within = writer.entitlement(parent)?.not_after.is_none_or(|end| until <= end);
    if within { Ok(()) } else { Err(outlives_parent(state.id, parent)) }
}

/// Returns the last second of a term of this length that begins at `from`.
fn last_second(from: u64, length: Length) -> Result<u64, CommandError> {
    let span = match length {
        Length::Until(end) => return Ok(end),
        Length::Days(days) => Span::new().try_days(days),
        Length::Months(months) => Span::new().try_months(months),
        Length::Years(years) => Span::new().try_years(years),
    };
    let after = || {
        let from = Timestamp::from_second(i64::try_from(from).ok()?).ok()?.to_zoned(TimeZone::UTC);
        u64::try_from(from.checked_add(span.ok()?).ok()?.timestamp().as_second()).ok()
    };
    after().filter(|after| *after > from).map(|after| after - 1).ok_or_else(|| {
        CommandError::usage("the term would end outside the years 1970 to 9999").hint("renew it for less")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn at(text: &str) -> u64 {
        text.parse::<Timestamp>().unwrap().as_second() as u64
    }

    #[test]
    fn a_year_is_one_of_the_calendar() {
        let leap = last_second(at("2027-07-01T00:00:00Z"), Length::Years(1)).unwrap();
        assert_eq!(leap, at("2028-06-30T23:59:59Z"));
        let from_leap_day = last_second(at("2028-02-29T00:00:00Z"), Length::Years(1)).unwrap();
        assert_eq!(from_leap_day, at("2029-02-27T23:59:59Z"));
        assert_eq!(
            last_second(at("2027-01-31T00:00:00Z"), Length::Months(1)).unwrap(),
            at("2027-02-27T23:59:59Z")
        );
        assert_eq!(
            last_second(at("2028-02-28T00:00:00Z"), Length::Days(2)).unwrap(),
            at("2028-02-29T23:59:59Z")
        );
    }

    #[test]
    fn lengths_beyond_the_calendar_are_refused() {
        for length in [Length::Years(u32::MAX), Length::Years(9_000), Length::Days(u32::MAX), Length::Days(0)]
        {
            assert_eq!(
                last_second(at("2027-07-01T00:00:00Z"), length).unwrap_err().code(),
                "usage",
                "{length:?}"
            );
        }
    }
}
