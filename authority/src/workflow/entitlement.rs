//! Granting entitlements.
//!
//! Not here: amending them, licenses drawn from them.

use chancery_formats::id::EntitlementId;

use super::term;
use crate::repository::entitlement::{Binding, Entitlement, NewEntitlement};
use crate::repository::{Repository, RepositoryError};

/// What is to be granted.
#[derive(Clone, Debug)]
pub struct Grant<'a> {
    /// Id of the customer.
    pub customer: &'a str,
    /// Product in the catalog.
    pub product: &'a str,
    /// Edition of that product.
    pub edition: &'a str,
    /// Devices that may hold a license, or licenses where they are bound to none; at least 1.
    pub quantity: u32,
    /// What its licenses are bound to.
    pub binding: Binding,
    /// The site that its licenses name: where they are bound to it, and else for people.
    pub site: Option<&'a str>,
    /// First second of the term, in Unix seconds; `None` is the start of the present UTC day.
    pub not_before: Option<u64>,
    /// Last second of the term, in Unix seconds; `None` is perpetual.
    pub not_after: Option<u64>,
}

/// Why nothing was granted.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// The term ends before it starts.
    #[error("the term ends before it starts")]
    EmptyTerm,
    /// Licenses that are bound to a site, and no site.
    #[error("licenses that are bound to a site name one")]
    SiteMissing,
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    Random(#[source] getrandom::Error),
    /// The repository refuses.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

/// Grants an edition of the catalog to a customer under a new random id; `now` is Unix seconds.
///
/// # Errors
///
/// [`GrantError`]; nothing is granted then.
pub fn grant(repository: &mut Repository, grant: &Grant<'_>, now: u64) -> Result<Entitlement, GrantError> {
    // A term that starts this second would not have begun for a site whose clock is a minute behind.
    let not_before = grant.not_before.unwrap_or_else(|| term::start_of_day(now));
    if grant.not_after.is_some_and(|end| end < not_before) {
        return Err(GrantError::EmptyTerm);
    }
    if grant.binding == Binding::Site && grant.site.is_none() {
        return Err(GrantError::SiteMissing);
    }
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(GrantError::Random)?;
    let id = EntitlementId(id);
    let new = NewEntitlement {
        id,
        customer: grant.customer,
        product: grant.product,
        edition: grant.edition,
        quantity: grant.quantity,
        binding: grant.binding,
        site: grant.site,
        not_before,
        not_after: grant.not_after,
    };
    repository.grant(&new, now)?;
    Ok(repository.entitlement(id)?)
}
