//! Approvals: what has to be decided, by whom, and whether it was.
//!
//! A policy says which changes of entitlements wait ([`policy`]); [`gate`] makes them proposals. One file asks for any
//! number of them ([`ask`]); approvers look at it and sign on machines of their own ([`review`]); what they signed is
//! checked when it comes in ([`import`]) and again from the stored bytes whenever a license is issued ([`recheck`]), by
//! the same functions ([`asked`], [`judge`]). Without a policy nothing waits. Not here: SQL, changing entitlements.

use std::collections::BTreeSet;

use chancery_formats::grant::{Change, Grant, State};
use chancery_formats::id::AuthorityId;

use crate::error::CommandError;
use crate::repository::{Approver, OwnedPrice, PolicyRecord, Repository};

pub mod ask;
pub mod asked;
pub mod gate;
pub mod geo;
pub mod import;
pub mod judge;
pub mod policy;
pub mod recheck;
pub mod review;
pub mod worth;

use geo::Records;
use policy::{Need, Policy};
use worth::Catalogs;

/// Everything that decisions are judged by, at one instant.
#[derive(Clone, Debug)]
pub struct Office {
    /// Whose grants they are.
    pub authority: AuthorityId,
    /// The policy.
    pub policy: Policy,
    /// Everybody whose signatures ever counted.
    pub approvers: Vec<Approver>,
    /// What things cost.
    pub catalogs: Catalogs,
}

/// What one grant needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where it may be used; empty is anywhere.
    pub destinations: BTreeSet<String>,
    /// Those of them that the policy prohibits.
    pub prohibited: BTreeSet<String>,
    /// What it costs; none where the catalog has no price.
    pub price: Option<OwnedPrice>,
    /// Who has to approve it.
    pub need: Need,
}

impl Office {
    /// Reads the policy in force; none where nothing has to be approved, since no policy was ever applied.
    ///
    /// # Errors
    ///
    /// An integrity alarm for a policy that is not what was applied.
    pub fn in_force(repository: &Repository) -> Result<Option<Self>, CommandError> {
        let policies = repository.approval_policies()?;
        policies.last().map(|record| Self::under(repository, record)).transpose()
    }

    /// Reads what decisions under one policy are judged by.
    ///
    /// # Errors
    ///
    /// As [`Office::in_force`].
    pub fn under(repository: &Repository, record: &PolicyRecord) -> Result<Self, CommandError> {
        Ok(Self {
            authority: repository.authority()?.id,
            policy: Policy::of_record(record)?,
            approvers: repository.approvers()?,
            catalogs: Catalogs::default(),
        })
    }

    /// Returns what a grant needs, made or kept at `at`, in Unix seconds.
    ///
    /// # Errors
    ///
    /// An integrity alarm for a site record that is not what was imported; those of the repository.
    pub fn facts(&self, records: &dyn Records, grant: &Grant<'_>, at: u64) -> Result<Facts, CommandError> {
        let territory = grant.terms.territory.iter().flat_map(|names| names.iter()).map(ToOwned::to_owned);
        let mut destinations: BTreeSet<String> = territory.collect();
        let is_anywhere = destinations.is_empty();
        let place = match grant.site {
            Some(site) => self.place(records, grant.customer, site, at)?,
            None => None,
        };
        // Where a site stands counts also where nothing bounds the use.
        destinations.extend(place.map(|place| place.territory));
        let prohibited = destinations.intersection(&self.policy.prohibited).cloned().collect();
        let price = match &self.policy.price_book {
            Some(book) => self.catalogs.worth(records, book, grant)?,
            None => None,
        };
        let need = self.policy.need(&policy::Case {
            grant,
            destinations: &destinations,
            is_anywhere,
            prohibited: &prohibited,
            price: price.as_ref(),
        });
        Ok(Facts { destinations, prohibited, price, need })
    }
}

/// Returns whether a change gives or keeps a right, so that where it is used matters.
#[must_use]
pub fn grants_something(grant: &Grant<'_>) -> bool {
    grant.state == State::Active && !matches!(grant.change, Change::Suspend | Change::Revoke)
}

/// Returns whether two names for people can be those of one person: equal, or not to be told apart at a glance.
#[must_use]
pub fn is_same_person(one: &str, other: &str) -> bool {
    use super::lookalike::skeleton;
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (one, other) = (words(one), words(other));
    skeleton(&one).to_lowercase() == skeleton(&other).to_lowercase()
        || skeleton(&one.to_lowercase()) == skeleton(&other.to_lowercase())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
