//! The policy: which changes have to be approved, by how many, in which roles.
//!
//! Rules stand in an order and the first that fits decides; where none fits, one approver has to. What a rule cannot
//! know, a price or a place, fits every rule that asks for approvers and none that asks for nobody. Not here: reading
//! the file ([`read`]).

use std::collections::BTreeSet;

use chancery_formats::grant::{Change, Grant};
use chancery_formats::merkle::Hash;
use sha2::{Digest, Sha256};

use crate::error::CommandError;
use crate::repository::{OwnedPrice, PolicyRecord};

pub mod read;

pub use read::{MAX_BYTES, PolicyError};

/// The role of approvers where a rule names none.
pub const APPROVER: &str = "approver";

/// The role of whoever attests where sites stand, where the policy names none.
pub const ATTESTER: &str = "attester";

/// How many must approve what goes to a prohibited destination, at least.
pub const PROHIBITED_APPROVERS: u32 = 2;

/// A policy, read from its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// From 1; 0 for one that is not applied.
    pub number: u64,
    /// SHA-256 of its text.
    pub hash: Hash,
    /// Countries to which nothing goes without an override.
    pub prohibited: BTreeSet<String>,
    /// Roles that may attest where sites stand.
    pub attesters: BTreeSet<String>,
    /// Whether what is granted for some countries to a named site needs a record of that site.
    pub site_records: bool,
    /// The price book of the catalog by which values are known; none knows none.
    pub price_book: Option<String>,
    /// In their order.
    pub rules: Vec<Rule>,
}

/// Who has to approve something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// The rule that says so; `default` where none fits.
    pub rule: String,
    /// How many persons, each with another key.
    pub approvers: u32,
    /// In which roles: each of them in one of these.
    pub roles: BTreeSet<String>,
}

/// A rule; what is empty fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// What it is called.
    pub id: String,
    /// Kinds of change.
    pub kinds: Vec<Change>,
    /// Customers, by id.
    pub customers: BTreeSet<String>,
    /// Products, by id.
    pub products: BTreeSet<String>,
    /// Countries, of which the destinations hold one; all of them, where the rule asks for nobody.
    pub territories: BTreeSet<String>,
    /// Whether only what goes to a prohibited destination fits.
    pub prohibited: bool,
    /// It costs more than this, or nobody knows.
    pub value_above: Option<OwnedPrice>,
    /// It costs no more than this for certain.
    pub value_up_to: Option<OwnedPrice>,
    /// How many must approve.
    pub approvers: u32,
    /// In which roles.
    pub roles: BTreeSet<String>,
}

/// What rules are held against.
#[derive(Clone, Copy, Debug)]
pub struct Case<'c, 'g> {
    /// The grant.
    pub grant: &'c Grant<'g>,
    /// Where it goes, as far as is known.
    pub destinations: &'c BTreeSet<String>,
    /// Whether it may be used anywhere.
    pub is_anywhere: bool,
    /// Those of the destinations that are prohibited.
    pub prohibited: &'c BTreeSet<String>,
    /// What it costs.
    pub price: Option<&'c OwnedPrice>,
}

impl Policy {
    /// Reads a policy that was applied.
    ///
    /// # Errors
    ///
    /// An integrity alarm, `policy-void`, where the text is not the one that was applied.
    pub fn of_record(record: &PolicyRecord) -> Result<Self, CommandError> {
        let void = |cause: String| {
            let message = format!("approval policy {} is not what was applied", record.number);
            CommandError::alarm("policy-void", message)
                .cause(cause)
                .hint("issue nothing, keep the home as it is, and call the auditor")
        };
        let hash: Hash = Sha256::digest(&record.text).into();
        if hash != record.sha256 {
            return Err(void("its text has another hash than the one that was kept".to_owned()));
        }
        let policy = read::read(&record.text).map_err(|error| void(error.to_string()))?;
        Ok(Self { number: record.number, hash, ..policy })
    }

    /// Returns who has to approve a case.
    #[must_use]
    pub fn need(&self, case: &Case<'_, '_>) -> Need {
        let found = self.rules.iter().find(|rule| rule.fits(case));
        let mut need = found.map_or_else(
            || Need {
                rule: "default".to_owned(),
                approvers: 1,
                roles: BTreeSet::from([APPROVER.to_owned()]),
            },
            |rule| Need { rule: rule.id.clone(), approvers: rule.approvers, roles: rule.roles.clone() },
        );
        if !case.prohibited.is_empty() {
            need.approvers = need.approvers.max(PROHIBITED_APPROVERS);
            if need.roles.is_empty() {
                need.roles.insert(APPROVER.to_owned());
            }
        }
        need
    }
}

impl Rule {
    fn fits(&self, case: &Case<'_, '_>) -> bool {
        let Case { grant, prohibited, price, .. } = case;
        let among = |names: &BTreeSet<String>, name: &str| names.is_empty() || names.contains(name);
        (self.kinds.is_empty() || self.kinds.contains(&grant.change))
            && among(&self.customers, grant.customer)
            && among(&self.products, grant.product)
            && self.fits_place(case)
            && (!self.prohibited || !prohibited.is_empty())
            && self.value_above.as_ref().is_none_or(|bound| !is_at_most(*price, bound))
            && self.value_up_to.as_ref().is_none_or(|bound| is_at_most(*price, bound))
    }

    /// A rule that asks for somebody fits what may go there; one that asks for nobody what goes nowhere else.
    fn fits_place(&self, case: &Case<'_, '_>) -> bool {
        if self.territories.is_empty() {
            return true;
        }
        match self.approvers {
            0 => !case.is_anywhere && case.destinations.is_subset(&self.territories),
            _ => case.is_anywhere || !case.destinations.is_disjoint(&self.territories),
        }
    }
}

/// Returns whether a price is known and no higher than a bound in its currency.
fn is_at_most(price: Option<&OwnedPrice>, bound: &OwnedPrice) -> bool {
    price.is_some_and(|price| price.currency == bound.currency && price.minor_units <= bound.minor_units)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests;
