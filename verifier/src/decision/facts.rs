//! Facts: what only the caller knows of a question, and what a license needs to be told.
//!
//! The verifier believes them: a product that lies about its version could as well not ask. A fact that a license
//! needs and that is not told denies. Not here: how a caller comes by them.

use chancery_formats::license::{Feature, License, Version};

/// What the caller knows beside its device. What is left out is not known, which denies where the license needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts<'a> {
    /// The version of the product that asks.
    pub version: Option<Version>,
    /// When that version was released, in Unix seconds.
    pub released_at: Option<u64>,
    /// Where the site is, by its record: an ISO 3166-1 alpha-2 code in upper case.
    pub territory: Option<&'a str>,
    /// The channel through which the license came here.
    pub channel: Option<&'a str>,
    /// On how many devices this license is installed, this one counted.
    pub installed_on: Option<u64>,
    /// Which of the bindings by typed code this device has, counted from 1.
    pub binding: Option<u64>,
    /// The user, compared byte by byte.
    pub user: Option<&'a str>,
    /// Every group that the user is a member of; an empty list is known to be none.
    pub groups: Option<&'a [&'a str]>,
    /// The seat of the caller, or who takes the others.
    pub seat: Option<Seat>,
    /// Units of the feature that were used before this question.
    pub used: Option<u64>,
}

/// Concurrent seats, as the caller finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seat {
    /// The caller holds one: whoever gave it out has counted.
    Held,
    /// Others hold this many.
    TakenByOthers(u64),
}

/// A fact, by what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[allow(missing_docs)] // the words document the facts
pub enum Fact {
    #[error("the version of the product")]
    Version,
    #[error("when this version was released")]
    Release,
    #[error("the territory of the site")]
    Territory,
    #[error("the channel through which it came")]
    Channel,
    #[error("on how many devices it is installed")]
    Installs,
    #[error("the typed binding of this device")]
    Binding,
    #[error("the user")]
    User,
    #[error("the groups of the user")]
    Groups,
    #[error("the seats in use")]
    Seat,
    #[error("the units used")]
    Used,
}

impl Fact {
    /// Every fact, in the order in which rules ask for them.
    pub const ALL: [Self; 10] = [
        Self::Binding,
        Self::Version,
        Self::Release,
        Self::Territory,
        Self::Channel,
        Self::Installs,
        Self::User,
        Self::Groups,
        Self::Seat,
        Self::Used,
    ];

    /// Returns the stable word that JSON shows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Binding => "binding",
            Self::Channel => "channel",
            Self::Groups => "groups",
            Self::Installs => "installs",
            Self::Release => "release",
            Self::Seat => "seat",
            Self::Territory => "territory",
            Self::Used => "used",
            Self::User => "user",
            Self::Version => "version",
        }
    }

    /// Returns the code of a decision that lacks this fact.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Binding => "binding-unknown",
            Self::Channel => "channel-unknown",
            Self::Groups => "groups-unknown",
            Self::Installs => "installs-unknown",
            Self::Release => "release-unknown",
            Self::Seat => "seat-unknown",
            Self::Territory => "territory-unknown",
            Self::Used => "used-unknown",
            Self::User => "user-unknown",
            Self::Version => "version-unknown",
        }
    }

    /// Returns whether a decision on any feature of this license may need the fact. User and groups are needed
    /// both where both are named, though one of them can suffice.
    #[must_use]
    pub fn is_needed(self, license: &License<'_>) -> bool {
        let terms = &license.terms;
        match self {
            Self::Binding => needs_binding(license),
            Self::Channel => terms.distribution.is_some_and(|limits| limits.channels.is_some()),
            Self::Groups => terms.users.is_some_and(|users| users.groups.is_some()),
            Self::Installs => terms.distribution.is_some_and(|limits| limits.devices.is_some()),
            Self::Release => terms.versions.is_some_and(|window| window.released_until.is_some()),
            Self::Seat => terms.seats.is_some(),
            Self::Territory => terms.territory.is_some(),
            Self::Used => terms.features.iter().any(|(_, grant)| matches!(grant, Feature::Quota { .. })),
            Self::User => terms.users.is_some_and(|users| users.users.is_some()),
            Self::Version => {
                terms.versions.is_some_and(|window| window.lowest.is_some() || window.highest.is_some())
            }
        }
    }
}

/// A device that holds the key of the license needs no typed binding.
pub(super) const fn needs_binding(license: &License<'_>) -> bool {
    license.terms.bindings.is_some() && license.device_key.is_none()
}

/// Facts under which a license can be used, where there are any: for those who judge it away from its site.
///
/// A decision that denies even with these denies with all: no site can use the license.
#[derive(Clone, Copy, Debug)]
pub struct Favorable<'a> {
    facts: Facts<'a>,
    group: Option<[&'a str; 1]>,
}

impl<'a> Favorable<'a> {
    /// Chooses the facts that suit the terms of a license.
    #[must_use]
    pub fn to(license: &License<'a>) -> Self {
        let terms = &license.terms;
        let lowest = terms.versions.and_then(|window| window.lowest).or_else(|| Version::new(&[0]));
        let channels = terms.distribution.and_then(|limits| limits.channels);
        let (users, groups) = terms.users.map_or((None, None), |users| (users.users, users.groups));
        let facts = Facts {
            version: lowest,
            released_at: Some(0),
            territory: terms.territory.and_then(|names| names.iter().next()),
            channel: channels.and_then(|names| names.iter().next()),
            installed_on: Some(1),
            binding: Some(1),
            user: users.and_then(|names| names.iter().next()),
            groups: None,
            seat: Some(Seat::Held),
            used: Some(0),
        };
        Self { facts, group: groups.and_then(|names| names.iter().next()).map(|group| [group]) }
    }

    /// Returns the facts.
    #[must_use]
    pub fn facts(&self) -> Facts<'_> {
        Facts { groups: self.group.as_ref().map(<[&str; 1]>::as_slice), ..self.facts }
    }
}
