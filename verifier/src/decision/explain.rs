//! The explanation of a decision: what every rule found, and what would give another answer.
//!
//! Fixed arrays, so that explaining allocates nothing either. Words are those of the programs that show it.

use super::Decision;
use super::changes::{Change, MAX_CHANGES, changes};
use super::question::Question;
use super::rules::{Finding, Rule};

/// Why a decision is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation<'a> {
    decision: Decision,
    decided_by: Option<Rule>,
    findings: [Finding; Rule::COUNT],
    changes: [Option<Change<'a>>; MAX_CHANGES],
}

impl<'a> Explanation<'a> {
    pub(super) fn of(question: &Question<'a>) -> Self {
        let mut findings = [Finding::NotAsked; Rule::COUNT];
        let judged = question.judge(|rule, finding| findings[rule as usize] = finding);
        let decision = question.decision(&judged);
        Self { decision, decided_by: judged.rule, findings, changes: changes(question, &decision) }
    }

    /// Returns the decision, the same that [`decide`](crate::decide) gives.
    #[must_use]
    pub const fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Returns the rule that decided; none where nothing stood against it.
    #[must_use]
    pub const fn decided_by(&self) -> Option<Rule> {
        self.decided_by
    }

    /// Iterates over all rules in order, with what each found.
    pub fn steps(&self) -> impl Iterator<Item = (Rule, Finding)> + '_ {
        Rule::ALL.into_iter().zip(self.findings)
    }

    /// Iterates over what would give another answer, each by itself and with all else as it is.
    pub fn changes(&self) -> impl Iterator<Item = Change<'a>> + '_ {
        self.changes.iter().flatten().copied()
    }
}
