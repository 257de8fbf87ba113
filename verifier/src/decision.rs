//! The decision: may this feature run now, on this device, under this license?
//!
//! One function serves both sides: products ask it at run time, and the authority asks it of every
//! document before handing it out. The tables of `docs/spec/decision.md` are executed by the tests.

use chancery_formats::id::Thumbprint;
use chancery_formats::license::Feature;

use crate::device::Component;
use crate::license::VerifiedLicense;
use crate::request::VerifiedRequest;

mod changes;
mod explain;
mod facts;
mod question;
mod reason;
mod rules;
mod term;

pub use changes::Change;
pub use explain::Explanation;
pub use facts::{Fact, Facts, Favorable, Seat};
pub use reason::Reason;
pub use rules::{Finding, Rule};

use question::Question;
use term::Phase;

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
    /// What else it knows; a fact that the license needs and that is not there denies.
    pub facts: Facts<'a>,
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
/// Rules are asked in the order of [`Rule::ALL`]: the first that denies decides; where none does, the worst verdict,
/// and the first rule of those that give it.
///
/// Spec: `docs/spec/decision.md`.
#[must_use]
pub fn decide(verified: &VerifiedLicense<'_>, context: &Context<'_>, feature: Option<&str>) -> Decision {
    Question::of_product(verified.license(), context, feature).answer()
}

/// Decides what the device that made a request will be told at `now`, in Unix seconds: the same rules, by the digests
/// in the request, for an authority that never learns the components themselves.
///
/// An authority that knows none of a site's facts passes those of [`Favorable`].
#[must_use]
pub fn decide_for_request(
    verified: &VerifiedLicense<'_>,
    request: &VerifiedRequest<'_>,
    facts: &Facts<'_>,
    now: u64,
    feature: Option<&str>,
) -> Decision {
    Question::of_request(verified.license(), request, facts, now, feature).answer()
}

/// Decides what whoever the license is bound to will be told at `now`, in Unix seconds, for an authority that hands a
/// license out without a request, to a device that has had one before or to no device.
#[must_use]
pub fn decide_for_holder(verified: &VerifiedLicense<'_>, facts: &Facts<'_>, now: u64) -> Decision {
    Question::of_holder(verified.license(), facts, now).answer()
}

/// Decides by the term alone, for those who judge a license away from its device and its facts.
#[must_use]
pub fn decide_term(verified: &VerifiedLicense<'_>, now: u64) -> Decision {
    let license = verified.license();
    let Phase { verdict, reason, changes_at } = Phase::at(license, now);
    Decision { verdict, reason, grant: None, changes_at, ends_at: license.not_after }
}

/// Explains the decision on `feature`: what every rule found, and what would give another answer. Allocates nothing.
///
/// # Examples
///
/// ```
/// use chancery_verifier::{Context, VerifiedLicense, explain};
///
/// fn tell(license: &VerifiedLicense<'_>, context: &Context<'_>) {
///     let explanation = explain(license, context, Some("logging"));
///     for change in explanation.changes() {
///         println!("another answer would follow from: {}", change.code());
///     }
/// }
/// ```
#[must_use]
pub fn explain<'a>(
    verified: &'a VerifiedLicense<'a>,
    context: &Context<'a>,
    feature: Option<&'a str>,
) -> Explanation<'a> {
    Explanation::of(&Question::of_product(verified.license(), context, feature))
}
