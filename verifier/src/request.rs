//! Is this activation request from the device whose key it carries?

use chancery_formats::cose::{Envelope, MAX_DIRECT, Mode};
use chancery_formats::document::Kind;
use chancery_formats::id::Thumbprint;
use chancery_formats::request::Request;

use crate::error::Refusal;
use crate::signature::VerifyingKey;

/// A request signed by the key inside it. Only [`verify_request`] makes one.
#[derive(Clone, Copy, Debug)]
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
