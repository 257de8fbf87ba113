//! The decision: may this feature run now, on this device, under this license?
//!
//! One function serves both sides: products ask it at run time, and the authority asks it of every
//! document before handing it out. The table of `docs/spec/decision.md` is executed by the tests.

use chancery_formats::id::Thumbprint;
use chancery_formats::license::{Device, EnforcementMode, Feature, License, Terms};

use crate::device::{self, Component};
use crate::license::VerifiedLicense;
use crate::request::VerifiedRequest;

/// What the caller knows when it asks.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The time, in Unix seconds; the verifier reads no clock.
    pub now: u64,
    /// The product that asks.
    pub product: &'a str,
    /// The key that this device has proved to hold; none where it has no key.
    pub device_key: Option<Thumbprint>,
    /// The components of this device.
    pub components: &'a [Component],
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Run.
    Allow,
    /// Run, and tell the user why this cannot last.
    Warn,
    /// Run in the reduced way that the product defines, and tell the user.
    Degrade,
    /// Do not run.
    Deny,
}

impl Verdict {
    /// Returns the word that people and JSON see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Degrade => "degrade",
            Self::Deny => "deny",
        }
    }

    /// Returns whether the feature may run in any way.
    #[must_use]
    pub const fn may_run(self) -> bool {
        !matches!(self, Self::Deny)
    }
}

/// The rule that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Components of the device do not match.
    #[error("{matched} of the {needed} device components that must match do")]
    DeviceComponents {
        /// How many match.
        matched: u64,
        /// How many must.
        needed: u64,
    },
    /// The license is for a device key, and this device has none.
    #[error("this device has no device key, and the license is bound to one")]
    DeviceKeyMissing,
    /// The license is for another device key.
    #[error("license is for device {}, not for this one", .bound.device_id())]
    DeviceOther {
        /// The key that it is for.
        bound: Thumbprint,
    },
    /// The term ends soon.
    #[error("license ends soon")]
    EndsSoon,
    /// The term has ended, and grace with it.
    #[error("license has expired")]
    Expired,
    /// The license does not grant the feature.
    #[error("license does not grant this feature")]
    FeatureNotGranted,
    /// The license grants it.
    #[error("granted")]
    Granted,
    /// The term has ended; grace has not.
    #[error("license has expired and runs on in its grace period")]
    InGrace,
    /// A term that this verifier cannot enforce; running regardless would grant more than was sold.
    #[error("license has a term that this version cannot enforce: {term}")]
    NotEnforced {
        /// The term.
        term: Unenforced,
    },
    /// The term has not begun.
    #[error("license is not valid yet")]
    NotYetValid,
    /// The license is for another product.
    #[error("license is for another product")]
    ProductOther,
}

/// A term of schema 1 that this verifier reads but does not enforce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[allow(missing_docs)] // the words document the terms
pub enum Unenforced {
    #[error("typed bindings")]
    Bindings,
    #[error("distribution limits")]
    Distribution,
    #[error("quota")]
    Quota,
    #[error("concurrent seats")]
    Seats,
    #[error("territory")]
    Territory,
    #[error("named users")]
    Users,
    #[error("version window")]
    Versions,
}

impl Reason {
    /// Returns the stable kebab-case code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::DeviceComponents { .. } => "device-components",
            Self::DeviceKeyMissing => "device-key-missing",
            Self::DeviceOther { .. } => "device-other",
            Self::EndsSoon => "ends-soon",
            Self::Expired => "expired",
            Self::FeatureNotGranted => "feature-not-granted",
            Self::Granted => "granted",
            Self::InGrace => "in-grace",
            Self::NotEnforced { term } => match term {
                Unenforced::Bindings => "bindings-not-enforced",
                Unenforced::Distribution => "distribution-not-enforced",
                Unenforced::Quota => "quota-not-enforced",
                Unenforced::Seats => "seats-not-enforced",
                Unenforced::Territory => "territory-not-enforced",
                Unenforced::Users => "users-not-enforced",
                Unenforced::Versions => "versions-not-enforced",
            },
            Self::NotYetValid => "not-yet-valid",
            Self::ProductOther => "product-other",
        }
    }
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to do.
    pub verdict: Verdict,
    /// The rule that decided.
    pub reason: Reason,
    /// What is granted of the feature asked for; none where the question named no feature.
    pub grant: Option<Feature>,
    /// When this answer changes by time alone, in Unix seconds; none where it never does.
    pub changes_at: Option<u64>,
    /// The last second of the term, in Unix seconds; none is perpetual.
    pub ends_at: Option<u64>,
}

/// Decides whether `feature` may run; without one, whether anything may. Allocates nothing.
///
/// Rules apply in this order, and the first that does not allow decides: product, terms that cannot be
/// enforced, feature, device key, device components, term.
#[must_use]
pub fn decide(verified: &VerifiedLicense<'_>, context: &Context<'_>, feature: Option<&str>) -> Decision {
    let device = Asker {
        product: context.product,
        key: context.device_key,
        matching: |binding: &Device<'_>| device::matching(binding, context.components),
    };
    decide_claims(verified.license(), &device, context.now, feature)
}

/// Decides what the device that made a request will be told at `now`: the same rules, by the digests in
/// the request, for an authority that never learns the components themselves.
#[must_use]
pub fn decide_for_request(
    verified: &VerifiedLicense<'_>,
    request: &VerifiedRequest<'_>,
    now: u64,
) -> Decision {
    let asked = request.request();
    let device = Asker {
        product: asked.product,
        key: Some(request.device()),
        matching: |binding: &Device<'_>| match asked.components {
            Some(components) if asked.salt() == binding.salt => {
                binding.components.iter().filter(|bound| components.iter().any(|own| own == *bound)).count()
                    as u64
            }
            _ => 0,
        },
    };
    decide_claims(verified.license(), &device, now, None)
}

/// Decides by the term alone, for those who judge a license away from its device.
#[must_use]
pub fn decide_term(verified: &VerifiedLicense<'_>, now: u64) -> Decision {
    let license = verified.license();
    let (verdict, reason, changes_at) = judge_term(license, now);
    Decision { verdict, reason, grant: None, changes_at, ends_at: license.not_after }
}

/// Who asks: a product on a device, of which it can tell how many bound components match.
struct Asker<'a, M> {
    product: &'a str,
    key: Option<Thumbprint>,
    matching: M,
}

fn decide_claims<M: Fn(&Device<'_>) -> u64>(
    license: &License<'_>,
    asker: &Asker<'_, M>,
    now: u64,
    feature: Option<&str>,
) -> Decision {
    let grant = feature.and_then(|name| license.terms.features.get(name));
    let (verdict, reason, changes_at) = match refuse_regardless_of_time(license, asker, feature, grant) {
        Some(reason) => (Verdict::Deny, reason, None),
        None => judge_term(license, now),
    };
    Decision { verdict, reason, grant, changes_at, ends_at: license.not_after }
}

fn refuse_regardless_of_time<M: Fn(&Device<'_>) -> u64>(
    license: &License<'_>,
    asker: &Asker<'_, M>,
    feature: Option<&str>,
    grant: Option<Feature>,
) -> Option<Reason> {
    if license.product != asker.product {
        return Some(Reason::ProductOther);
    }
    if let Some(term) = unenforced(&license.terms, grant) {
        return Some(Reason::NotEnforced { term });
    }
    if feature.is_some() && grant.is_none() {
        return Some(Reason::FeatureNotGranted);
    }
    if let Some(bound) = license.device_key {
        match asker.key {
            None => return Some(Reason::DeviceKeyMissing),
            Some(held) if held != bound => return Some(Reason::DeviceOther { bound }),
            Some(_) => {}
        }
    }
    let binding = license.terms.device.as_ref()?;
    let matched = (asker.matching)(binding);
    (matched < binding.k).then_some(Reason::DeviceComponents { matched, needed: binding.k })
}

/// Support and enforcement need no enforcing of their own; every other optional term does.
fn unenforced(terms: &Terms<'_>, grant: Option<Feature>) -> Option<Unenforced> {
    [
        (terms.versions.is_some(), Unenforced::Versions),
        (terms.seats.is_some(), Unenforced::Seats),
        (terms.territory.is_some(), Unenforced::Territory),
        (terms.distribution.is_some(), Unenforced::Distribution),
        (terms.bindings.is_some(), Unenforced::Bindings),
        (terms.users.is_some(), Unenforced::Users),
        (matches!(grant, Some(Feature::Quota { .. })), Unenforced::Quota),
    ]
    .into_iter()
    .find_map(|(present, term)| present.then_some(term))
}

/// Both ends of the term are inclusive. Notice begins before the end, grace runs after it; then the
/// license's own enforcement decides. The term's beginning is always enforced.
fn judge_term(license: &License<'_>, now: u64) -> (Verdict, Reason, Option<u64>) {
    if let Some(start) = license.not_before
        && now < start
    {
        return (Verdict::Deny, Reason::NotYetValid, Some(start));
    }
    let Some(end) = license.not_after else { return (Verdict::Allow, Reason::Granted, None) };
    let enforcement = license.terms.enforcement;
    let notice = end.saturating_sub(enforcement.notice_secs);
    let grace = end.saturating_add(enforcement.grace_secs);
    if now > grace {
        let verdict = match enforcement.mode {
            EnforcementMode::Deny => Verdict::Deny,
            EnforcementMode::Warn => Verdict::Warn,
            EnforcementMode::Degrade => Verdict::Degrade,
        };
        (verdict, Reason::Expired, None)
    } else if now > end {
        (Verdict::Warn, Reason::InGrace, Some(grace + 1))
    } else if enforcement.notice_secs > 0 && now >= notice {
        (Verdict::Warn, Reason::EndsSoon, Some(end + 1))
    } else if enforcement.notice_secs > 0 {
        (Verdict::Allow, Reason::Granted, Some(notice))
    } else {
        (Verdict::Allow, Reason::Granted, Some(end + 1))
    }
}
