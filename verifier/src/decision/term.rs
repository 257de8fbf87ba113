//! The term: in which of its phases an instant lies, and when the next begins.
//!
//! Not here: what else a license asks (`rules`).

use chancery_formats::license::{EnforcementMode, License};

use super::Verdict;
use super::reason::Reason;

/// A phase of a license's term: what it says, and its first second that is another phase's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phase {
    pub verdict: Verdict,
    pub reason: Reason,
    pub changes_at: Option<u64>,
}

impl Phase {
    const fn new(verdict: Verdict, reason: Reason, changes_at: Option<u64>) -> Self {
        Self { verdict, reason, changes_at }
    }

    /// Both ends of the term are inclusive. Notice begins before the end, grace runs after it; then the
    /// license's own enforcement decides. The term's beginning is always enforced.
    pub(super) const fn at(license: &License<'_>, now: u64) -> Self {
        if let Some(start) = license.not_before
            && now < start
        {
            return Self::new(Verdict::Deny, Reason::NotYetValid, Some(start));
        }
        let Some(end) = license.not_after else { return Self::new(Verdict::Allow, Reason::Granted, None) };
        let enforcement = license.terms.enforcement;
        let notice = end.saturating_sub(enforcement.notice_secs);
        let grace = end.saturating_add(enforcement.grace_secs);
        if now > grace {
            Self::new(enforced(enforcement.mode), Reason::Expired, None)
        } else if now > end {
            Self::new(Verdict::Warn, Reason::InGrace, Some(grace + 1))
        } else if enforcement.notice_secs > 0 && now >= notice {
            Self::new(Verdict::Warn, Reason::EndsSoon, Some(end + 1))
        } else if enforcement.notice_secs > 0 {
            Self::new(Verdict::Allow, Reason::Granted, Some(notice))
        } else {
            Self::new(Verdict::Allow, Reason::Granted, Some(end + 1))
        }
    }

    /// Returns the first second after `now` from which the term alone says `verdict` or worse.
    pub(super) fn reaches(license: &License<'_>, now: u64, verdict: Verdict) -> Option<u64> {
        let mut phase = Self::at(license, now);
        while let Some(next) = phase.changes_at {
            phase = Self::at(license, next);
            if phase.verdict >= verdict {
                return Some(next);
            }
        }
        None
    }
}

/// Returns what the enforcement of a license says once a term, a quota or its seats are used up.
pub(super) const fn enforced(mode: EnforcementMode) -> Verdict {
    match mode {
        EnforcementMode::Deny => Verdict::Deny,
        EnforcementMode::Warn => Verdict::Warn,
        EnforcementMode::Degrade => Verdict::Degrade,
    }
}
