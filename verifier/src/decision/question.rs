//! A question put to the rules, whoever asks it: what they find, and which of them decides.

use chancery_formats::id::Thumbprint;
use chancery_formats::license::{Device, Feature, License};
use chancery_formats::request::Request;

use super::facts::Facts;
use super::reason::Reason;
use super::rules::{Finding, Rule};
use super::term::Phase;
use super::{Context, Decision, Verdict};
use crate::device::{self, Component};
use crate::request::VerifiedRequest;

/// The components of the device: themselves, the digests that it sent, or those of the license, whatever they are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Components<'q> {
    Bound,
    Known(&'q [Component]),
    Digests(&'q Request<'q>),
}

impl Components<'_> {
    pub(super) fn matching(&self, binding: &Device<'_>) -> u64 {
        match self {
            Self::Bound => binding.components.len(),
            Self::Known(components) => device::matching(binding, components),
            Self::Digests(request) => match request.components {
                Some(sent) if request.salt() == binding.salt => {
                    let is_sent = |bound: &(u64, [u8; 4])| sent.iter().any(|own| own == *bound);
                    binding.components.iter().filter(is_sent).count() as u64
                }
                _ => 0,
            },
        }
    }
}

/// A license, and who asks what of it when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'q> {
    pub license: &'q License<'q>,
    pub product: &'q str,
    pub device_key: Option<Thumbprint>,
    pub components: Components<'q>,
    pub facts: Facts<'q>,
    pub now: u64,
    pub feature: Option<&'q str>,
    pub grant: Option<Feature>,
}

/// The rule that decides, with what it says; none where nothing stands against it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judgement {
    pub rule: Option<Rule>,
    pub verdict: Verdict,
    pub reason: Reason,
}

impl<'q> Question<'q> {
    /// The question of a product on its device.
    pub(super) fn of_product(
        license: &'q License<'q>,
        context: &Context<'q>,
        feature: Option<&'q str>,
    ) -> Self {
        Self {
            license,
            product: context.product,
            device_key: context.device_key,
            components: Components::Known(context.components),
            facts: context.facts,
            now: context.now,
            feature,
            grant: feature.and_then(|name| license.terms.features.get(name)),
        }
    }

    /// The question that the device behind a request would put.
    pub(super) fn of_request(
        license: &'q License<'q>,
        request: &'q VerifiedRequest<'q>,
        facts: &Facts<'q>,
        now: u64,
        feature: Option<&'q str>,
    ) -> Self {
        let asked = request.request();
        Self {
            license,
            product: asked.product,
            device_key: Some(request.device()),
            components: Components::Digests(asked),
            facts: *facts,
            now,
            feature,
            grant: feature.and_then(|name| license.terms.features.get(name)),
        }
    }

    /// The question that the device, the site or nobody in particular would put that the license is bound to.
    pub(super) const fn of_holder(license: &'q License<'q>, facts: &Facts<'q>, now: u64) -> Self {
        Self {
            license,
            product: license.product,
            device_key: license.device_key,
            components: Components::Bound,
            facts: *facts,
            now,
            feature: None,
            grant: None,
        }
    }

    pub(super) fn answer(&self) -> Decision {
        self.decision(&self.judge(|_, _| ()))
    }

    pub(super) const fn phase(&self) -> Phase {
        Phase::at(self.license, self.now)
    }

    /// Asks the rules in order: the first that denies decides; where none does, the worst verdict, and the first rule
    /// of those that give it. `seen` is shown every finding.
    pub(super) fn judge(&self, mut seen: impl FnMut(Rule, Finding)) -> Judgement {
        let mut judged = Judgement { rule: None, verdict: Verdict::Allow, reason: Reason::Granted };
        for rule in Rule::ALL {
            let finding = self.ask(rule);
            seen(rule, finding);
            if let Finding::Objects { verdict, reason } = finding
                && verdict > judged.verdict
            {
                judged = Judgement { rule: Some(rule), verdict, reason };
                if verdict == Verdict::Deny {
                    break;
                }
            }
        }
        judged
    }

    pub(super) fn decision(&self, judged: &Judgement) -> Decision {
        Decision {
            verdict: judged.verdict,
            reason: judged.reason,
            grant: self.grant,
            changes_at: self.changes_at(judged),
            ends_at: self.license.not_after,
        }
    }

    /// What the rules before the term say never changes by time. What seats and quota say stands until the term says as
    /// much: it is asked before them.
    fn changes_at(&self, judged: &Judgement) -> Option<u64> {
        match judged.rule {
            None | Some(Rule::Beginning | Rule::End) => self.phase().changes_at,
            Some(Rule::Seats | Rule::Quota) => Phase::reaches(self.license, self.now, judged.verdict),
            Some(_) => None,
        }
    }
}
