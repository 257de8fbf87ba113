//! The rules: what each asks of a license and of who asks, in the order of `docs/spec/decision.md` §2.
//!
//! Not here: which of their findings decides (`question`), and what would change it (`changes`).

use chancery_formats::license::{Distribution, Feature, Names, Users, Version, Versions};

use super::Verdict;
use super::facts::{Fact, Seat, needs_binding};
use super::question::Question;
use super::reason::Reason;
use super::term::{Phase, enforced};

/// A rule, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// The product that asks is the one of the license.
    Product,
    /// The feature is granted.
    Feature,
    /// The device holds the key of the license.
    DeviceKey,
    /// Enough components of the device match.
    DeviceComponents,
    /// The device has a binding by typed code.
    Binding,
    /// The version lies in the window.
    Version,
    /// The version was released before maintenance ended.
    Release,
    /// The site is in the territory.
    Territory,
    /// The license came through a channel that it names.
    Channel,
    /// The license is installed on no more devices than it may be.
    Installs,
    /// The user or a group of theirs is named.
    User,
    /// The term has begun.
    Beginning,
    /// The term has not ended.
    End,
    /// A seat is free.
    Seats,
    /// Units are left.
    Quota,
}

impl Rule {
    /// Every rule, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Product,
        Self::Feature,
        Self::DeviceKey,
        Self::DeviceComponents,
        Self::Binding,
        Self::Version,
        Self::Release,
        Self::Territory,
        Self::Channel,
        Self::Installs,
        Self::User,
        Self::Beginning,
        Self::End,
        Self::Seats,
        Self::Quota,
    ];

    /// How many rules there are.
    pub const COUNT: usize = 15;

    /// Returns the stable word that people and JSON see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Beginning => "beginning",
            Self::Binding => "binding",
            Self::Channel => "channel",
            Self::DeviceComponents => "device-components",
            Self::DeviceKey => "device-key",
            Self::End => "end",
            Self::Feature => "feature",
            Self::Installs => "installs",
            Self::Product => "product",
            Self::Quota => "quota",
            Self::Release => "release",
            Self::Seats => "seats",
            Self::Territory => "territory",
            Self::User => "user",
            Self::Version => "version",
        }
    }
}

/// What a rule finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The license has no such term, or the question does not touch it.
    Absent,
    /// The rule holds.
    Passed,
    /// The rule does not allow.
    Objects {
        /// What it says instead.
        verdict: Verdict,
        /// Why.
        reason: Reason,
    },
    /// A rule before it denied, so that it was not asked.
    NotAsked,
}

const fn deny(reason: Reason) -> Finding {
    Finding::Objects { verdict: Verdict::Deny, reason }
}

const fn unknown(fact: Fact) -> Finding {
    deny(Reason::FactUnknown { fact })
}

const fn holds(holds: bool, reason: Reason) -> Finding {
    if holds { Finding::Passed } else { deny(reason) }
}

/// A finding on a term: absent where the license has none.
fn on<T>(term: Option<T>, judge: impl FnOnce(T) -> Finding) -> Finding {
    term.map_or(Finding::Absent, judge)
}

/// A finding on a term that needs a fact, which denies where it was not told.
fn told<T>(fact: Option<T>, kind: Fact, judge: impl FnOnce(T) -> Finding) -> Finding {
    fact.map_or(unknown(kind), judge)
}

impl Question<'_> {
    /// Asks one rule, regardless of those before it.
    pub(super) fn ask(&self, rule: Rule) -> Finding {
        let terms = &self.license.terms;
        let limits = terms.distribution.unwrap_or(Distribution { devices: None, channels: None });
        match rule {
            Rule::Product => holds(self.license.product == self.product, Reason::ProductOther),
            Rule::Feature => on(self.feature, |_| holds(self.grant.is_some(), Reason::FeatureNotGranted)),
            Rule::DeviceKey => on(self.license.device_key, |bound| match self.device_key {
                None => deny(Reason::DeviceKeyMissing),
                Some(held) => holds(held == bound, Reason::DeviceOther { bound }),
            }),
            Rule::DeviceComponents => on(terms.device.as_ref(), |binding| {
                let (matched, needed) = (self.components.matching(binding), binding.k);
                holds(matched >= needed, Reason::DeviceComponents { matched, needed })
            }),
            Rule::Binding => on(terms.bindings.filter(|_| needs_binding(self.license)), |allowed| {
                told(self.facts.binding, Fact::Binding, |ordinal| {
                    holds((1..=allowed).contains(&ordinal), Reason::BindingBeyond { ordinal, allowed })
                })
            }),
            Rule::Version => on(terms.versions.as_ref(), |window| self.version(window)),
            Rule::Release => on(terms.versions.and_then(|window| window.released_until), |until| {
                told(self.facts.released_at, Fact::Release, |released| {
                    holds(released <= until, Reason::ReleaseLater { until })
                })
            }),
            Rule::Territory => on(terms.territory, |territory| {
                told(self.facts.territory, Fact::Territory, |here| {
                    holds(names(Some(&territory), here), Reason::TerritoryOther)
                })
            }),
            Rule::Channel => on(limits.channels, |channels| {
                told(self.facts.channel, Fact::Channel, |channel| {
                    holds(names(Some(&channels), channel), Reason::ChannelOther)
                })
            }),
            Rule::Installs => on(limits.devices, |allowed| {
                told(self.facts.installed_on, Fact::Installs, |installed| {
                    holds(installed <= allowed, Reason::InstallsExceeded { installed, allowed })
                })
            }),
            Rule::User => on(terms.users.as_ref(), |users| self.user(users)),
            Rule::Beginning => on(self.license.not_before, |_| self.beginning()),
            Rule::End => on(self.license.not_after, |_| self.end()),
            Rule::Seats => on(terms.seats, |seats| self.seats(seats)),
            Rule::Quota => match self.grant {
                Some(Feature::Quota { quota, overdraft }) => {
                    told(self.facts.used, Fact::Used, |used| self.quota(used, quota, overdraft))
                }
                _ => Finding::Absent,
            },
        }
    }

    fn version(&self, window: &Versions) -> Finding {
        if window.lowest.is_none() && window.highest.is_none() {
            return Finding::Absent;
        }
        told(self.facts.version, Fact::Version, |version| match (window.lowest, window.highest) {
            (Some(lowest), _) if padded(&version) < padded(&lowest) => deny(Reason::VersionOlder { lowest }),
            (_, Some(highest)) if is_above(&version, &highest) => deny(Reason::VersionNewer { highest }),
            _ => Finding::Passed,
        })
    }

    /// Either suffices: the user is named, or one of their groups is. What is not told cannot suffice, and is asked for
    /// where it might have.
    fn user(&self, named: &Users<'_>) -> Finding {
        let is_named = self.facts.user.is_some_and(|user| names(named.users.as_ref(), user));
        let is_member = self
            .facts
            .groups
            .is_some_and(|groups| groups.iter().any(|one| names(named.groups.as_ref(), one)));
        if is_named || is_member {
            Finding::Passed
        } else if named.users.is_some() && self.facts.user.is_none() {
            unknown(Fact::User)
        } else if named.groups.is_some() && self.facts.groups.is_none() {
            unknown(Fact::Groups)
        } else {
            deny(Reason::UserOther)
        }
    }

    fn beginning(&self) -> Finding {
        holds(self.phase().reason != Reason::NotYetValid, Reason::NotYetValid)
    }

    fn end(&self) -> Finding {
        match self.phase() {
            Phase { reason: Reason::Granted, .. } => Finding::Passed,
            Phase { verdict, reason, .. } => Finding::Objects { verdict, reason },
        }
    }

    fn seats(&self, seats: u64) -> Finding {
        told(self.facts.seat, Fact::Seat, |seat| match seat {
            Seat::Held => Finding::Passed,
            Seat::TakenByOthers(taken) if taken < seats => Finding::Passed,
            Seat::TakenByOthers(_) => self.used_up(Reason::SeatsExhausted { seats }),
        })
    }

    fn quota(&self, used: u64, quota: u64, overdraft: u64) -> Finding {
        // Never quota + overdraft, whose sum may be beyond all numbers.
        match used.checked_sub(quota).map(|over| overdraft.saturating_sub(over)) {
            None => Finding::Passed,
            Some(0) => self.used_up(Reason::QuotaExhausted { used, quota, overdraft }),
            Some(left) => Finding::Objects { verdict: Verdict::Warn, reason: Reason::InOverdraft { left } },
        }
    }

    fn used_up(&self, reason: Reason) -> Finding {
        Finding::Objects { verdict: enforced(self.license.terms.enforcement.mode), reason }
    }
}

fn names(list: Option<&Names<'_>>, name: &str) -> bool {
    list.is_some_and(|list| list.iter().any(|listed| listed == name))
}

/// The four numbers of a version; missing ones are 0.
pub(super) fn padded(version: &Version) -> [u32; 4] {
    let mut numbers = [0; 4];
    for (number, given) in numbers.iter_mut().zip(version.numbers()) {
        *number = *given;
    }
    numbers
}

/// Compares as many numbers as `highest` has, so that it covers whatever starts with them.
fn is_above(version: &Version, highest: &Version) -> bool {
    let length = highest.numbers().len();
    padded(version)[..length] > padded(highest)[..length]
}
