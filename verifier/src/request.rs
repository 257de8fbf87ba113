//! Activation requests: making one, and whether one is from the device whose key it carries.

use alloc::vec::Vec;

use chancery_formats::cose::{Envelope, Header, MAX_DIRECT, Mode, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::id::{EntitlementId, Thumbprint};
use chancery_formats::key::PublicKey;
use chancery_formats::license::terms::Components;
use chancery_formats::request::{Minima, Request};

use crate::device::{Component, Digester};
use crate::error::Refusal;
use crate::signature::VerifyingKey;

/// The highest terms schema that this verifier reads.
pub const TERMS_SCHEMA: u64 = 1;

/// What a device says when it asks for a license.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    /// The product to run.
    pub product: &'a str,
    /// The entitlement to draw on.
    pub entitlement: EntitlementId,
    /// The key that the device holds.
    pub device_key: PublicKey,
    /// 16 random bytes, which the device keeps until the request is answered.
    pub nonce: [u8; 16],
    /// What the site's clock shows, in Unix seconds.
    pub site_clock: u64,
    /// The components of this device; their values do not travel.
    pub components: &'a [Component],
    /// Newest root version that the device trusts; 0 before any.
    pub root_version: u64,
    /// Newest revocation list that the device holds; 0 before any.
    pub revocation_list: u64,
}

impl Draft<'_> {
    /// Makes the request that the device key is to sign directly.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] where the draft is none: more than 16 components, a product that is no name.
    pub fn prepare(&self) -> Result<Unsigned, Refusal> {
        let salt: [u8; 8] = core::array::from_fn(|index| self.nonce[index]);
        let digester = Digester::new(&salt);
        let digests: Vec<_> = self
            .components
            .iter()
            .map(|component| (component.kind.number(), digester.digest(component)))
            .collect();
        let components = Components::encode(&digests);
        let request = Request {
            product: self.product,
            entitlement: self.entitlement,
            device_key: self.device_key.clone(),
            nonce: self.nonce,
            site_clock: self.site_clock,
            components: if digests.is_empty() { None } else { Some(Components::decode(&components)?) },
            minima: Minima {
                terms_schema: TERMS_SCHEMA,
                root_version: self.root_version,
                revocation_list: self.revocation_list,
            },
        };
        let payload = request.encode();
        Request::decode(&payload)?;
        let header = Header {
            mode: Mode::Direct(self.device_key.algorithm()),
            kid: self.device_key.key_id(),
            typ: Kind::Request.typ(),
        };
        Ok(Unsigned::new(&header, payload))
    }
}

/// A request signed by the key inside it. Only [`verify_request`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedRequest<'a> {
    request: Request<'a>,
    device: Thumbprint,
}

impl<'a> VerifiedRequest<'a> {
    /// Returns what the device asks for.
    #[must_use]
    pub const fn request(&self) -> &Request<'a> {
        &self.request
    }

    /// Returns the identity of the device's key.
    #[must_use]
    pub const fn device(&self) -> Thumbprint {
        self.device
    }
}

/// Verifies an activation request: unchanged, and signed by the device key that it names.
///
/// That says nothing of who owns the device; a person or an entitlement decides.
///
/// # Errors
///
/// [`Refusal::Malformed`], [`Refusal::AlgMismatch`], [`Refusal::KeyUnknown`] where the header names
/// another key, [`Refusal::KeyWeak`], [`Refusal::TooLongDirect`], [`Refusal::SignatureWrong`].
pub fn verify_request(bytes: &[u8]) -> Result<VerifiedRequest<'_>, Refusal> {
    let envelope = Envelope::decode_kind(bytes, Kind::Request)?;
    let request = Request::decode(envelope.payload)?;
    let device = request.device_key.thumbprint();
    let kid = envelope.header.kid;
    if kid != device.key_id() {
        return Err(Refusal::KeyUnknown { kid });
    }
    if envelope.header.mode != Mode::Direct(request.device_key.algorithm()) {
        return Err(Refusal::AlgMismatch { kid });
    }
    let mut buffer = [0; MAX_DIRECT];
    let message = envelope.sig_structure(&mut buffer).ok_or(Refusal::TooLongDirect)?;
    VerifyingKey::load(&request.device_key)?.verify(message, envelope.signature)?;
    Ok(VerifiedRequest { request, device })
}
