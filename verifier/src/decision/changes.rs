//! What would change a decision: another license, another fact, or time.
//!
//! Each change by itself gives another answer, with all else as it is; whether a better one, other terms may forbid.

use chancery_formats::id::{Thumbprint, is_name};
use chancery_formats::license::{Feature, Names, Users, Version};

use super::Decision;
use super::facts::{Fact, Seat};
use super::question::Question;
use super::reason::Reason;

/// Most changes that an explanation holds.
pub(super) const MAX_CHANGES: usize = 3;

/// Something that would give another answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change<'a> {
    /// Asking for this product.
    AskingAs {
        /// The product of the license.
        product: &'a str,
    },
    /// Asking on the device that the license is for.
    AskingOn {
        /// The key of that device.
        device: Thumbprint,
    },
    /// More components that match.
    ComponentsMatching {
        /// How many more, at least 1.
        more: u64,
    },
    /// Telling a fact that was left out.
    FactTold {
        /// The fact.
        fact: Fact,
    },
    /// Removing the license from other devices.
    InstallsRemoved {
        /// From how many, at least 1.
        devices: u64,
    },
    /// A license for typed binding number `bindings`.
    LicenseForBindings {
        /// How many bindings it has to allow.
        bindings: u64,
    },
    /// A license that may be passed on through this channel.
    LicenseForChannel {
        /// The channel that was told.
        channel: &'a str,
    },
    /// A license for the device that asks.
    LicenseForDevice,
    /// A license that grants the feature.
    LicenseForFeature {
        /// The feature that was asked for.
        feature: &'a str,
    },
    /// A license for more devices.
    LicenseForInstalls {
        /// For how many.
        devices: u64,
    },
    /// A license for the product that asks.
    LicenseForProduct {
        /// The product that asks.
        product: &'a str,
    },
    /// A license with maintenance until the version was released.
    LicenseForRelease {
        /// When the version was released, in Unix seconds.
        released_at: u64,
    },
    /// A license that holds in this territory.
    LicenseForTerritory {
        /// The territory that was told.
        territory: &'a str,
    },
    /// A license that names the user, or a group of theirs.
    LicenseForUser,
    /// A license that covers this version.
    LicenseForVersion {
        /// The version that was told.
        version: Version,
    },
    /// A license that ends later.
    LicenseUntil {
        /// Later than this, in Unix seconds.
        after: u64,
    },
    /// Passing the license on through a channel that it names.
    PassingThrough {
        /// The channels of the license.
        channels: Names<'a>,
    },
    /// Running a version that was released early enough.
    ReleasedBy {
        /// Up to when, in Unix seconds.
        until: u64,
    },
    /// Seats that others give back.
    SeatsFreed {
        /// How many, at least 1.
        seats: u64,
    },
    /// A license with more seats.
    SeatsSold {
        /// How many more, at least 1.
        seats: u64,
    },
    /// Seats that others take.
    SeatsTaken {
        /// How many, at least 1.
        seats: u64,
    },
    /// Time alone.
    Time {
        /// From this second on, in Unix seconds.
        at: u64,
    },
    /// A license with a greater quota.
    UnitsSold {
        /// How many units more, at least 1.
        units: u64,
    },
    /// Using more units.
    UnitsUsed {
        /// How many, at least 1.
        units: u64,
    },
    /// A user, or a member of a group, that the license names.
    Users {
        /// Those that it names.
        named: Users<'a>,
    },
    /// Using it where it holds.
    UsingIn {
        /// The territory of the license.
        territory: Names<'a>,
    },
    /// Running a version from this one on.
    VersionFrom {
        /// The lowest version covered.
        lowest: Version,
    },
    /// Running a version up to this one, or one that starts with its numbers.
    VersionUpTo {
        /// The highest version covered.
        highest: Version,
    },
}

impl Change<'_> {
    /// Returns the stable kebab-case code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AskingAs { .. } => "asking-as",
            Self::AskingOn { .. } => "asking-on",
            Self::ComponentsMatching { .. } => "components-matching",
            Self::FactTold { .. } => "fact-told",
            Self::InstallsRemoved { .. } => "installs-removed",
            Self::LicenseForBindings { .. } => "license-for-bindings",
            Self::LicenseForChannel { .. } => "license-for-channel",
            Self::LicenseForDevice => "license-for-device",
            Self::LicenseForFeature { .. } => "license-for-feature",
            Self::LicenseForInstalls { .. } => "license-for-installs",
            Self::LicenseForProduct { .. } => "license-for-product",
            Self::LicenseForRelease { .. } => "license-for-release",
            Self::LicenseForTerritory { .. } => "license-for-territory",
            Self::LicenseForUser => "license-for-user",
            Self::LicenseForVersion { .. } => "license-for-version",
            Self::LicenseUntil { .. } => "license-until",
            Self::PassingThrough { .. } => "passing-through",
            Self::ReleasedBy { .. } => "released-by",
            Self::SeatsFreed { .. } => "seats-freed",
            Self::SeatsSold { .. } => "seats-sold",
            Self::SeatsTaken { .. } => "seats-taken",
            Self::Time { .. } => "time",
            Self::UnitsSold { .. } => "units-sold",
            Self::UnitsUsed { .. } => "units-used",
            Self::Users { .. } => "users",
            Self::UsingIn { .. } => "using-in",
            Self::VersionFrom { .. } => "version-from",
            Self::VersionUpTo { .. } => "version-up-to",
        }
    }
}

/// Returns what would change a decision, what the caller can do first, time last. No license is promised for what
/// none can name.
pub(super) fn changes<'a>(question: &Question<'a>, decision: &Decision) -> [Option<Change<'a>>; MAX_CHANGES] {
    let [first, second] = by_reason(question, decision.reason);
    [first, second, decision.changes_at.map(|at| Change::Time { at })]
}

fn by_reason<'a>(question: &Question<'a>, reason: Reason) -> [Option<Change<'a>>; 2] {
    let (license, facts) = (question.license, question.facts);
    let terms = &license.terms;
    match reason {
        Reason::BindingBeyond { ordinal, .. } => {
            // Bindings count from 1: number 0 is none that any license allows.
            [(ordinal > 0).then_some(Change::LicenseForBindings { bindings: ordinal }), None]
        }
        Reason::ChannelOther => [
            terms
                .distribution
                .and_then(|limits| limits.channels)
                .map(|channels| Change::PassingThrough { channels }),
            facts.channel.filter(|name| is_name(name)).map(|channel| Change::LicenseForChannel { channel }),
        ],
        Reason::DeviceComponents { matched, needed } => {
            [Some(Change::ComponentsMatching { more: needed - matched }), Some(Change::LicenseForDevice)]
        }
        Reason::DeviceKeyMissing => {
            [license.device_key.map(|device| Change::AskingOn { device }), Some(Change::LicenseForDevice)]
        }
        Reason::DeviceOther { bound } => {
            [Some(Change::AskingOn { device: bound }), Some(Change::LicenseForDevice)]
        }
        // A license that ends within the notice would only say the same again.
        Reason::EndsSoon => {
            let after = question.now.saturating_add(terms.enforcement.notice_secs);
            [Some(Change::LicenseUntil { after }), None]
        }
        Reason::Expired | Reason::InGrace => [Some(Change::LicenseUntil { after: question.now }), None],
        Reason::FactUnknown { fact } => [Some(Change::FactTold { fact }), None],
        Reason::FeatureNotGranted => {
            let feature = question.feature.filter(|name| is_name(name));
            [feature.map(|feature| Change::LicenseForFeature { feature }), None]
        }
        Reason::Granted => granted(question),
        Reason::InOverdraft { left } => {
            let Some((used, quota)) = quota(question) else { return [None, None] };
            let can_be_used = used.checked_add(left).is_some();
            [can_be_used.then_some(Change::UnitsUsed { units: left }), more_units(quota, used - quota)]
        }
        Reason::InstallsExceeded { installed, allowed } => [
            Some(Change::InstallsRemoved { devices: installed - allowed }),
            Some(Change::LicenseForInstalls { devices: installed }),
        ],
        Reason::NotYetValid => [None, None],
        Reason::ProductOther => [
            Some(Change::AskingAs { product: license.product }),
            is_name(question.product).then_some(Change::LicenseForProduct { product: question.product }),
        ],
        Reason::QuotaExhausted { used, quota, overdraft } => {
            [more_units(quota, used.saturating_sub(quota).saturating_sub(overdraft)), None]
        }
        Reason::ReleaseLater { until } => [
            Some(Change::ReleasedBy { until }),
            facts.released_at.map(|released_at| Change::LicenseForRelease { released_at }),
        ],
        Reason::SeatsExhausted { seats } => match facts.seat {
            Some(Seat::TakenByOthers(taken)) => {
                // No license has fewer than one seat, so that the sum is a number.
                let more = (taken - seats).saturating_add(1);
                let can_be_sold = seats.checked_add(more).is_some();
                [
                    Some(Change::SeatsFreed { seats: more }),
                    can_be_sold.then_some(Change::SeatsSold { seats: more }),
                ]
            }
            _ => [None, None],
        },
        Reason::TerritoryOther => [
            terms.territory.map(|territory| Change::UsingIn { territory }),
            facts
                .territory
                .filter(|name| is_country(name))
                .map(|territory| Change::LicenseForTerritory { territory }),
        ],
        Reason::UserOther => {
            let can_be_named =
                facts.user.into_iter().chain(facts.groups.into_iter().flatten().copied()).any(is_name);
            [terms.users.map(|named| Change::Users { named }), can_be_named.then_some(Change::LicenseForUser)]
        }
        Reason::VersionNewer { highest } => [
            Some(Change::VersionUpTo { highest }),
            facts.version.map(|version| Change::LicenseForVersion { version }),
        ],
        Reason::VersionOlder { lowest } => [
            Some(Change::VersionFrom { lowest }),
            facts.version.map(|version| Change::LicenseForVersion { version }),
        ],
    }
}

/// What is granted ends when seats or units do.
fn granted<'a>(question: &Question<'_>) -> [Option<Change<'a>>; 2] {
    let seats = match (question.license.terms.seats, question.facts.seat) {
        (Some(seats), Some(Seat::TakenByOthers(taken))) => Some(Change::SeatsTaken { seats: seats - taken }),
        _ => None,
    };
    [seats, quota(question).map(|(used, quota)| Change::UnitsUsed { units: quota - used })]
}

/// Returns units used and the quota of the feature asked for.
fn quota(question: &Question<'_>) -> Option<(u64, u64)> {
    match (question.grant, question.facts.used) {
        (Some(Feature::Quota { quota, .. }), Some(used)) => Some((used, quota)),
        _ => None,
    }
}

/// Returns whether a license can name it as a country.
fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// One unit more than what was used beyond; none where no quota can be as great.
fn more_units<'a>(quota: u64, beyond: u64) -> Option<Change<'a>> {
    let units = beyond.checked_add(1)?;
    quota.checked_add(units).map(|_| Change::UnitsSold { units })
}
