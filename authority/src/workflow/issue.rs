//! From an activation request to a license: checks, terms, intent, signature, and the verifier's word.
//!
//! [`prepare`] decides everything that can be decided without a key, so that files can be reserved and
//! the operator asked before anything is drawn; [`Prepared::sign`] does the rest.

use chancery_formats::cose::{Envelope, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use chancery_formats::license::{Device, Enforcement, Feature, Features, License, Terms};
use chancery_formats::trust::Bundle;
use chancery_hsm_config::PinSource;
use chancery_verifier::{
    Reason, Refusal, Trust, VerifiedRequest, decide_for_request, verify_license, verify_request,
};
use sha2::{Digest, Sha256};

use super::signing::{direct_header, key_of_role, open_key, resume_direct, sign_direct};
use super::{random, trust};
use crate::error::CommandError;
use crate::repository::catalog::FeatureValue;
use crate::repository::{Entitlement, KeyRecord, KeyRole, NewLicense, Repository};

/// The terms schema that this release writes.
const TERMS_SCHEMA: u64 = 1;

/// A license that is ready to be signed, or was signed before.
#[derive(Debug)]
pub struct Prepared {
    /// The license.
    pub id: LicenseId,
    /// The device that it is for.
    pub device: Thumbprint,
    /// Last second of the term, in Unix seconds; none is perpetual.
    pub not_after: Option<u64>,
    key: KeyRecord,
    step: Step,
}

#[derive(Debug)]
enum Step {
    New { unsigned: Unsigned, license: NewLicense },
    Resume { log_index: u64, length: usize },
    Done { bytes: Vec<u8> },
}

/// Checks a request against its entitlement and prepares the license that answers it.
///
/// A request that was answered before gives the same license again; one whose answer was interrupted
/// goes on with the same license.
///
/// # Errors
///
/// A refusal where the request is not genuine, asks for something else than the entitlement grants, or
/// comes from a verifier too old; those of the repository.
pub fn prepare(
    repository: &Repository,
    entitlement: EntitlementId,
    request: &[u8],
    now: u64,
) -> Result<Prepared, CommandError> {
    let verified = verify_request(request).map_err(|refusal| not_a_request(request, &refusal))?;
    let key = key_of_role(repository, KeyRole::Issuer)?;
    let request_hash: [u8; 32] = Sha256::digest(request).into();
    if let Some(known) = repository.license_by_request(&request_hash)? {
        require_entitlement(entitlement, known.entitlement)?;
        return again(repository, key, known.log_index);
    }
    let entitlement = repository.entitlement(entitlement)?;
    require_match(&entitlement, &verified, now)?;
    let id = LicenseId(random()?);
    let device = verified.device();
    let revision = repository.next_revision(entitlement.id, device)?;
    let issuer = repository.authority()?.name;
    let payload = encode_license(&issuer, &entitlement, &verified, id, revision, now)?;
    let unsigned = Unsigned::new(&direct_header(&key, Kind::License), payload);
    let license = NewLicense { id, entitlement: entitlement.id, device, revision, request_hash };
    let step = Step::New { unsigned, license };
    Ok(Prepared { id, device, not_after: entitlement.not_after, key, step })
}

impl Prepared {
    /// Returns the size of the license, in bytes: known before it is signed.
    #[must_use]
    pub fn document_len(&self) -> usize {
        match &self.step {
            Step::New { unsigned, .. } => unsigned.sign(&[0; 64]).len(),
            Step::Resume { length, .. } => *length,
            Step::Done { bytes } => bytes.len(),
        }
    }

    /// Returns whether the request was answered before, so that nothing is signed.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.step, Step::Done { .. })
    }

    /// Signs the license where it is not signed, and returns it once the verifier accepts it.
    ///
    /// # Errors
    ///
    /// Those of the key and the repository; an integrity alarm where our own verifier refuses.
    pub fn sign(
        &self,
        repository: &mut Repository,
        request: &[u8],
        pins: &mut PinSource,
        now: u64,
    ) -> Result<Vec<u8>, CommandError> {
        let (_, trust) = trust::bundle(repository)?;
        let home = repository.home().clone();
        // The key is opened before the activation is drawn: a wrong PIN costs nothing.
        let mut open = || open_key(&home, &self.key, pins);
        let bytes = match &self.step {
            Step::Done { bytes } => bytes.clone(),
            Step::New { unsigned, license } => {
                sign_direct(repository, &open()?, Kind::License, unsigned, Some(license), now)?
            }
            Step::Resume { log_index, .. } => resume_direct(repository, &open()?, *log_index, now)?,
        };
        self.judge(&bytes, request, &trust, now)?;
        Ok(bytes)
    }

    /// Asks the verifier what the device will say to a license that is about to be handed out.
    fn judge(&self, license: &[u8], request: &[u8], trust: &Trust, now: u64) -> Result<(), CommandError> {
        let alarm = |code, reason: String| {
            CommandError::alarm(code, format!("license {} does not do what it was issued for", self.id))
                .cause(reason)
                .hint("do not hand it out; keep the home as it is, and call the auditor")
        };
        let refused = |refusal: Refusal| alarm(refusal.code(), refusal.to_string());
        let verified = verify_license(license, trust).map_err(refused)?;
        let request = verify_request(request).map_err(refused)?;
        let decision =
            decide_for_request(&verified, &request, now.max(verified.license().not_before.unwrap_or(0)));
        if decision.verdict.may_run() || decision.reason == Reason::Expired {
            return Ok(()); // an old license that is exported again may have ended since
        }
        Err(alarm(decision.reason.code(), decision.reason.to_string()))
    }
}

/// Tells a request that is not genuine from a document that is no request.
fn not_a_request(bytes: &[u8], refusal: &Refusal) -> CommandError {
    let kind = match Envelope::decode(bytes) {
        _ if Bundle::looks_like(bytes) => Some(Kind::TrustBundle),
        Ok(envelope) => Kind::from_typ(envelope.header.typ),
        Err(_) => None,
    };
    match kind.filter(|kind| *kind != Kind::Request) {
        Some(kind) => CommandError::refused(
            "not-a-request",
            format!("this is a {}, not an activation request", kind.name()),
        )
        .hint("name the .creq file that the site made, or a picture of its QR code"),
        None => CommandError::refused(refusal.code(), "activation request is not genuine")
            .cause(refusal.to_string())
            .hint("ask the site for the request again; it may have been damaged on the way"),
    }
}

/// Prepares a license that stands in the log already, signed or not.
fn again(repository: &Repository, key: KeyRecord, log_index: u64) -> Result<Prepared, CommandError> {
    let leaf = repository.leaf(log_index)?;
    let license = License::decode(&leaf.payload)?;
    let (id, not_after) = (license.id, license.not_after);
    let device = license.device_key.unwrap_or(Thumbprint([0; 32]));
    let step = match repository.signed_document(log_index)? {
        Some(bytes) => Step::Done { bytes },
        None => {
            let length =
                Unsigned::from_parts(leaf.protected.clone(), leaf.payload.clone()).sign(&[0; 64]).len();
            Step::Resume { log_index, length }
        }
    };
    Ok(Prepared { id, device, not_after, key, step })
}

fn require_entitlement(asked: EntitlementId, found: EntitlementId) -> Result<(), CommandError> {
    if asked == found {
        return Ok(());
    }
    Err(CommandError::refused(
        "entitlement-other",
        format!("request is for entitlement {found}, not for {asked}"),
    )
    .hint(format!("issue it with `--entitlement {found}`, or ask the site for a request for {asked}")))
}

fn require_match(
    entitlement: &Entitlement,
    verified: &VerifiedRequest<'_>,
    now: u64,
) -> Result<(), CommandError> {
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
    if entitlement.not_after.is_some_and(|end| end < now) {
        return Err(CommandError::refused(
            "entitlement-ended",
            format!("entitlement {} has ended", entitlement.id),
        )
        .hint("grant a new entitlement"));
    }
    Ok(())
}

fn encode_license(
    issuer: &str,
    entitlement: &Entitlement,
    verified: &VerifiedRequest<'_>,
    id: LicenseId,
    revision: u64,
    now: u64,
) -> Result<Vec<u8>, CommandError> {
    let request = verified.request();
    let features: Vec<(&str, Feature)> = entitlement
        .features
        .iter()
        .map(|(name, value)| match value {
            FeatureValue::On => (name.as_str(), Feature::On),
            FeatureValue::Limit(limit) => (name.as_str(), Feature::Limit(*limit)),
        })
        .collect();
    let features = Features::encode(&features);
    let device = request.components.map(|components| Device {
        k: required_matches(components.len()),
        salt: request.salt(),
        components,
    });
    let license = License {
        issuer,
        subject: &entitlement.customer,
        product: &entitlement.product,
        not_after: entitlement.not_after,
        not_before: Some(entitlement.not_before),
        issued_at: now,
        id,
        device_key: Some(verified.device()),
        terms: Terms {
            entitlement: entitlement.id,
            edition: &entitlement.edition,
            revision,
            features: Features::decode(&features)?,
            versions: None,
            seats: None,
            device,
            territory: None,
            support: None,
            enforcement: Enforcement::default(),
            distribution: None,
            least_revocation_list: None,
            bindings: None,
            users: None,
        },
    };
    Ok(license.encode())
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
