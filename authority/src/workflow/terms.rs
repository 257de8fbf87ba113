//! What a license says: the claims and terms that an entitlement grants, and whether a request asks for them.
//!
//! Not here: signing, and what is drawn from the entitlement (`issue`, `batch`).

use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use chancery_formats::license::{Device, License, Terms};
use chancery_verifier::VerifiedRequest;

use crate::error::CommandError;
use crate::repository::{Binding, Entitlement};

/// The terms schema that this release writes.
const TERMS_SCHEMA: u64 = 1;

/// Refuses what an entitlement does not grant at `now`, in Unix seconds: anything while it is not in force, a request for something else, none where
/// its licenses are bound to devices, one where they are not.
///
/// # Errors
///
/// A refusal with the first reason met.
pub fn require_granted(
    entitlement: &Entitlement,
    request: Option<&VerifiedRequest<'_>>,
    now: u64,
) -> Result<(), CommandError> {
    entitlement.require_active()?;
    let id = entitlement.id;
    match (request, entitlement.binding) {
        (Some(request), Binding::Device) => require_match(entitlement, request)?,
        (None, Binding::Site | Binding::None) => {}
        (None, Binding::Device) => {
            let message =
                format!("licenses of entitlement {id} are bound to devices, and no request is given");
            return Err(CommandError::refused("request-missing", message)
                .hint("ask the site for an activation request of the device"));
        }
        (Some(_), binding) => {
            let bound = if binding == Binding::Site { "their site" } else { "nothing" };
            let message =
                format!("licenses of entitlement {id} are bound to {bound}, not to the device that asks");
            return Err(CommandError::refused("request-unasked", message)
                .hint("issue without the request, or grant an entitlement with `--binding device`"));
        }
    }
    if entitlement.not_after.is_some_and(|end| end < now) {
        return Err(CommandError::refused("entitlement-ended", format!("entitlement {id} has ended"))
            .hint("renew it with `chancery entitlement renew`, or grant a new one"));
    }
    Ok(())
}

/// Refuses an entitlement that a request, or a command, names instead of another.
///
/// # Errors
///
/// `entitlement-other`.
pub fn require_entitlement(asked: EntitlementId, found: EntitlementId) -> Result<(), CommandError> {
    if asked == found {
        return Ok(());
    }
    Err(CommandError::refused(
        "entitlement-other",
        format!("request is for entitlement {found}, not for {asked}"),
    )
    .hint(format!("issue it with `--entitlement {found}`, or ask the site for a request for {asked}")))
}

fn require_match(entitlement: &Entitlement, verified: &VerifiedRequest<'_>) -> Result<(), CommandError> {
    let request = verified.request();
    require_entitlement(entitlement.id, request.entitlement)?;
    if request.product != entitlement.product {
        let (asked, sold) = (request.product, &entitlement.product);
        return Err(CommandError::refused(
            "product-other",
            format!("request is for product {asked}, not for {sold}"),
        )
        .hint(format!("ask the site for a request made with `--product {sold}`")));
    }
    if request.minima.terms_schema < TERMS_SCHEMA {
        return Err(CommandError::refused(
            "verifier-too-old",
            "verifier at the site reads no terms that we can write",
        )
        .hint("the site needs a newer release of the product"));
    }
    Ok(())
}

/// What a license is bound to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bound<'a> {
    /// The key that the device must hold.
    pub key: Option<Thumbprint>,
    /// Components of the device.
    pub device: Option<Device<'a>>,
}

impl<'a> Bound<'a> {
    /// What answers a request is bound to: the device that asks.
    #[must_use]
    pub fn to_asker(verified: &VerifiedRequest<'a>) -> Self {
        let request = verified.request();
        let device = request.components.map(|components| Device {
            k: required_matches(components.len()),
            salt: request.salt(),
            components,
        });
        Self { key: Some(verified.device()), device }
    }

    /// What follows a license is bound to: the same device.
    #[must_use]
    pub const fn as_before(license: &License<'a>) -> Self {
        Self { key: license.device_key, device: license.terms.device }
    }
}

/// What distinguishes one license of an entitlement from the others.
#[derive(Clone, Copy, Debug)]
pub struct One<'a> {
    /// Random.
    pub id: LicenseId,
    /// Rises with each license of the same device.
    pub revision: u64,
    /// What it is bound to.
    pub bound: Bound<'a>,
    /// The least revocation list that it accepts.
    pub least_revocation_list: Option<u64>,
}

/// Encodes a license that an entitlement grants, with the terms of its newest grant; `issuer` is the authority's
/// name, `now` is Unix seconds.
///
/// # Errors
///
/// Values that no license can hold.
pub fn encode(
    issuer: &str,
    entitlement: &Entitlement,
    one: &One<'_>,
    now: u64,
) -> Result<Vec<u8>, CommandError> {
    let One { id, revision, bound, least_revocation_list } = *one;
    let encode = |terms: Terms<'_>| {
        let license = License {
            issuer,
            subject: &entitlement.subject(),
            product: &entitlement.product,
            not_after: entitlement.not_after,
            not_before: Some(entitlement.not_before),
            issued_at: now,
            id,
            device_key: bound.key,
            terms: Terms { revision, device: bound.device, least_revocation_list, ..terms },
        };
        license.encode()
    };
    Ok(entitlement.with_terms(encode)?)
}

/// Two thirds of the components, rounded up: one of three may change, and a copied disk is not enough.
const fn required_matches(components: u64) -> u64 {
    components - components / 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_components_may_change() {
        let needed: Vec<u64> = (1..=7).map(required_matches).collect();
        assert_eq!(needed, [1, 2, 2, 3, 4, 4, 5]);
    }
}
