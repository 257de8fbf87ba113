//! An approver's own machine: what a request asks for, and the signature under the decision.
//!
//! There is no home here, and nobody vouches for a request: all is computed from the grants in it, a person decides,
//! and what is signed covers every byte that was shown. Not here: the words for people (`output`).

use std::collections::BTreeMap;

use chancery_formats::approval::{Approval, ApprovalRequest, Commitment, Decision};
use chancery_formats::country::is_assigned;
use chancery_formats::grant::Grant;
use chancery_formats::id::AuthorityId;
use chancery_formats::key::Algorithm;
use chancery_hsm_config::Key;

use crate::error::CommandError;
use crate::workflow::label;

/// A request that may be decided on.
#[derive(Debug)]
pub struct Review<'a> {
    /// The request.
    pub request: ApprovalRequest<'a>,
    /// What an approval of it covers.
    pub covers: Commitment,
    /// How many grants each customer has in it.
    pub customers: BTreeMap<&'a str, u64>,
    /// How many grants there are of each product.
    pub products: BTreeMap<&'a str, u64>,
    /// How many grants each country has; `*` is anywhere.
    pub territories: BTreeMap<&'a str, u64>,
    /// How many grants there are of each kind of change.
    pub changes: BTreeMap<&'static str, u64>,
    /// The sum of the prices, by currency, in minor units.
    pub prices: BTreeMap<&'a str, u128>,
    /// How many grants have no price.
    pub unpriced: u64,
}

/// Reads a request; `expected` is the authority that the approver serves, where that is known.
///
/// # Errors
///
/// Faults of the bytes; `authority-other`.
pub fn review(bytes: &[u8], expected: Option<AuthorityId>) -> Result<Review<'_>, CommandError> {
    let request = ApprovalRequest::decode(bytes)?;
    let authority = request.head.authority;
    if let Some(expected) = expected.filter(|expected| *expected != authority) {
        let message = format!("the request is of authority {authority}, not of {expected}");
        return Err(CommandError::refused("authority-other", message)
            .hint("sign nothing; ask the authority which request is meant"));
    }
    let mut review = Review {
        request,
        covers: request.commitment(),
        customers: BTreeMap::new(),
        products: BTreeMap::new(),
        territories: BTreeMap::new(),
        changes: BTreeMap::new(),
        prices: BTreeMap::new(),
        unpriced: 0,
    };
    for item in request.items() {
        let grant = Grant::decode(item.grant)?;
        *review.customers.entry(grant.customer).or_default() += 1;
        *review.products.entry(grant.product).or_default() += 1;
        *review.changes.entry(grant.change.name()).or_default() += 1;
        match grant.terms.territory {
            None => *review.territories.entry("*").or_default() += 1,
            Some(names) => {
                for country in names.iter() {
                    require_country(country)?;
                    *review.territories.entry(country).or_default() += 1;
                }
            }
        }
        match item.price {
            None => review.unpriced += 1,
            Some(price) => *review.prices.entry(price.currency).or_default() += u128::from(price.minor_units),
        }
    }
    Ok(review)
}

fn require_country(country: &str) -> Result<(), CommandError> {
    if is_assigned(country) {
        return Ok(());
    }
    Err(CommandError::refused("country-unknown", format!("{country} is no country of ISO 3166-1"))
        .hint("sign nothing; ask the authority to correct the territory"))
}

/// Signs a decision, and returns the approval; `now` is Unix seconds.
///
/// # Errors
///
/// `request-expired`; `reason-refused`, also where a rejection has none; `key-algorithm` for a key that signs no
/// approvals; those of the key.
pub fn sign(
    review: &Review<'_>,
    key: &Key,
    decision: Decision,
    reason: Option<&str>,
    now: u64,
) -> Result<Vec<u8>, CommandError> {
    let head = &review.request.head;
    if head.not_after < now {
        return Err(CommandError::refused(
            "request-expired",
            "no approval of this request is taken any more",
        )
        .hint("ask the authority for a new request"));
    }
    let refused = |cause: String| {
        CommandError::refused("reason-refused", "the reason cannot be used")
            .cause(cause)
            .hint("give 1 to 128 bytes of plain text with `--reason`")
    };
    if let Some(reason) = reason {
        label::check(reason).map_err(|error| refused(error.to_string()))?;
    } else if decision == Decision::Reject {
        return Err(refused("a rejection has a reason".to_owned()));
    }
    require_algorithm(key.algorithm())?;
    let approval = Approval {
        authority: head.authority,
        nonce: head.nonce,
        covers: review.covers,
        decision,
        reason,
        policy: head.policy,
        signed_at: now,
        not_after: head.not_after,
    };
    let unsigned = approval.to_sign(&key.public_key());
    let signature = key.sign(&unsigned.sig_structure())?;
    Ok(unsigned.sign(&signature))
}

/// Refuses keys whose signatures approvals do not carry.
///
/// # Errors
///
/// `key-algorithm`.
pub fn require_algorithm(algorithm: Algorithm) -> Result<(), CommandError> {
    match algorithm {
        Algorithm::Ed25519 | Algorithm::Esp256 => Ok(()),
        other => Err(CommandError::refused("key-algorithm", format!("{other} keys sign no approvals"))
            .hint("use an Ed25519 or P-256 key")),
    }
}
