//! A request as it stands in the repository: everything that its approvals are held against, computed from the grants.
//!
//! Read in one pass, whatever its size: what is kept of 50,000 grants is which customers, products and places there
//! are, and for those who issue the hashes. Not here: whether an approval counts ([`super::judge`]).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chancery_formats::approval::{Commitment, Committing, Override, PolicyRef, Price, RequestHead};
use chancery_formats::grant::Grant;
use chancery_formats::merkle::Hash;

use super::policy::Need;
use super::{Facts, Office, grants_something};
use crate::error::CommandError;
use crate::repository::{ApproverBounds, OwnedPrice, Proposed, Repository, RequestRecord};
use crate::workflow::catalog::currency::amount;

/// A request with what its grants come to.
#[derive(Clone, Debug)]
pub struct Asked {
    /// As it is kept.
    pub record: RequestRecord,
    /// What an approval of it covers.
    pub covers: Commitment,
    /// The policy that it was made under.
    pub policy: PolicyRef,
    /// What its grants come to.
    pub summary: Summary,
    /// Who asked, and who wants the changes: none of them approves.
    pub requesters: Vec<String>,
    /// The hashes of its grants.
    pub hashes: HashSet<Hash>,
}

/// What grants come to, for the bounds of approvers and for the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Customers, by id.
    pub customers: BTreeSet<String>,
    /// Products, by id.
    pub products: BTreeSet<String>,
    /// Countries.
    pub destinations: BTreeSet<String>,
    /// Those that are prohibited.
    pub prohibited: BTreeSet<String>,
    /// Whether one of them may be used anywhere.
    pub is_anywhere: bool,
    /// The dearest grant, by currency, in minor units.
    pub dearest: BTreeMap<String, u64>,
    /// Whether the price of one of them is unknown.
    pub is_unpriced: bool,
    /// Who has to approve, by the rules that fit: each rule once.
    pub needs: BTreeSet<Need>,
}

impl Summary {
    /// Takes a grant up.
    pub fn add(&mut self, grant: &Grant<'_>, facts: Facts) {
        if !self.customers.contains(grant.customer) {
            self.customers.insert(grant.customer.to_owned());
        }
        if !self.products.contains(grant.product) {
            self.products.insert(grant.product.to_owned());
        }
        self.is_anywhere |= grant.terms.territory.is_none();
        self.destinations.extend(facts.destinations);
        self.prohibited.extend(facts.prohibited);
        match facts.price {
            None => self.is_unpriced = true,
            Some(OwnedPrice { currency, minor_units }) => {
                let dearest = self.dearest.entry(currency).or_default();
                *dearest = minor_units.max(*dearest);
            }
        }
        if facts.need.approvers > 0 {
            self.needs.insert(facts.need);
        }
    }

    /// Returns what of it lies beyond the bounds of an approver.
    #[must_use]
    pub fn beyond(&self, bounds: &ApproverBounds) -> Option<String> {
        let first = |found: &BTreeSet<String>, allowed: &BTreeSet<String>, what: &str| {
            let other = found.difference(allowed).next().filter(|_| !allowed.is_empty());
            other.map(|other| format!("{what} {other}"))
        };
        let places = || {
            let is_bounded = !bounds.territories.is_empty();
            (is_bounded && self.is_anywhere)
                .then(|| "a grant that may be used anywhere".to_owned())
                .or_else(|| first(&self.destinations, &bounds.territories, "country"))
        };
        let value = || {
            let is_bounded = !bounds.dearest.is_empty();
            let dearer = self
                .dearest
                .iter()
                .find(|(currency, dearest)| bounds.dearest.get(*currency).is_none_or(|most| *dearest > most));
            match dearer.filter(|_| is_bounded) {
                Some((currency, dearest)) => Some(format!("a grant of {}", amount(*dearest, currency))),
                None => (is_bounded && self.is_unpriced).then(|| "a grant without a known price".to_owned()),
            }
        };
        first(&self.customers, &bounds.customers, "customer")
            .or_else(|| first(&self.products, &bounds.products, "product"))
            .or_else(places)
            .or_else(value)
    }
}

impl Asked {
    /// Reads a request and all of its grants, as decisions of `at`, in Unix seconds, are judged; `strictly` also
    /// refuses sites that no record places where the grants may be used.
    ///
    /// # Errors
    ///
    /// An integrity alarm, `grant-void`, for a grant that is none; what [`Office::require_place`] refuses.
    pub fn load(
        repository: &Repository,
        office: &Office,
        record: RequestRecord,
        at: u64,
        strictly: bool,
    ) -> Result<Self, CommandError> {
        let policy = PolicyRef { number: office.policy.number, hash: office.policy.hash };
        let overriding = record.overriding.as_ref().map(|(name, reason)| Override { name, reason });
        let head = RequestHead {
            authority: office.authority,
            nonce: record.nonce,
            requester: &record.requester,
            requested_at: record.requested_at,
            not_after: record.not_after,
            policy,
            overriding,
        };
        let mut committing = Committing::new(&head);
        let (mut summary, mut hashes) = (Summary::default(), HashSet::new());
        repository.each_asked(record.id, |proposed: Proposed| {
            let void = |cause: String| {
                let message = format!("a grant of proposal {} is not what was proposed", proposed.proposal);
                CommandError::alarm("grant-void", message)
                    .cause(cause)
                    .hint("issue nothing, keep the home as it is, and call the auditor")
            };
            let grant = Grant::decode(&proposed.bytes).map_err(|error| void(error.to_string()))?;
            if strictly && grants_something(&grant) {
                office.require_place(repository, &grant, at)?;
            }
            let mut facts = office.facts(repository, &grant, at)?;
            let price = proposed.price.as_ref();
            let price = price
                .map(|OwnedPrice { currency, minor_units }| Price { currency, minor_units: *minor_units });
            let hash = Grant::hash(&proposed.bytes);
            committing.push(&hash, price.as_ref());
            hashes.insert(hash);
            // What approvers saw is what bounds them, whatever the catalog says by now.
            facts.price = proposed.price.clone();
            summary.add(&grant, facts);
            Ok::<(), CommandError>(())
        })?;
        let covers = committing.finish().ok_or_else(|| {
            CommandError::alarm("grant-void", format!("request {} holds no grant", record.id))
                .hint("issue nothing, keep the home as it is, and call the auditor")
        })?;
        let mut requesters = repository.requesters(record.id)?;
        requesters.push(record.requester.clone());
        Ok(Self { record, covers, policy, summary, requesters, hashes })
    }
}
