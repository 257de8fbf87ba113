//! What a hardware key says of itself: the certificates of its attestation, validated.
//!
//! A device signs, with a key of its vendor, that it holds a certain private key and how it came by it.
//! [`validate`] takes these certificates, leaf first, with the vendor's root certificates and a time,
//! and gives a [`Statement`]; [`Statement::check`] compares it with what the operator expects. Read are
//! YubiHSM 2 (extensions 1.3.6.1.4.1.41482.4) and YubiKey PIV (1.3.6.1.4.1.41482.3), as Yubico documents
//! them at <https://docs.yubico.com/hardware/oid/>.
//!
//! The path rules are RFC 5280 §6.1 for one ordered chain, in `path`, over `x509-cert` and `ring`, and not
//! `rustls-webpki`: that one searches a path through a pool, so it does not say which certificate expired
//! or where a chain breaks, it overlooks the order by which the leaf's issuer is the device, and it
//! ignores the validity and the path length of a root. Where devices differ from TLS: no extended key
//! usage, no names of hosts, the leaf carries the dates of its issuer (a YubiHSM has no clock), and dates
//! run to 2071 or 9999.
//!
//! Not here: root certificates (the operator gets them from the vendor, none is built in), revocation
//! (no vendor publishes lists for these), freshness (an attestation says nothing of today: the signature
//! that a key makes does), and fetching from devices (`backend`).

use std::fmt;

use x509_cert::der::pem;

use crate::attestation::certificate::Certificate;

mod certificate;
pub mod error;
mod path;
mod signature;
pub mod statement;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
mod yubico;

pub use error::{AttestationError, Role};
pub use statement::{Expected, Firmware, Origin, PinPolicy, Place, Statement, TouchPolicy};

/// Longest certificate that is read, in bytes of DER; real ones are below 1,300.
pub const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;
/// Longest chain, leaf and (if it is given) root included; the longest that a YubiKey needs has these 5.
pub const MAX_CHAIN: usize = 5;
/// Most certificates of one vendor's file: trusted roots, or intermediates to choose from.
pub const MAX_ROOTS: usize = 32;

/// The certificates that attestations are traced to, as the operator got them from the vendor.
///
/// Any certificate given here is trusted, self-signed or not: an operator who trusts one intermediate
/// alone names that one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Roots(Vec<Vec<u8>>);

impl Roots {
    /// Takes root certificates in DER.
    ///
    /// # Errors
    ///
    /// [`AttestationError::TooManyRoots`], [`AttestationError::TooLarge`] before anything is read, and
    /// [`AttestationError::Malformed`].
    pub fn from_der<D: AsRef<[u8]>>(roots: &[D]) -> Result<Self, AttestationError> {
        parse_roots(roots)?;
        Ok(Self(roots.iter().map(|root| root.as_ref().to_vec()).collect()))
    }

    /// Takes root certificates from a PEM file, which may hold other text between them.
    ///
    /// # Errors
    ///
    /// As [`read_pem`] and [`Roots::from_der`].
    pub fn from_pem(text: &[u8]) -> Result<Self, AttestationError> {
        Self::from_der(&read_pem(text)?)
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.0.len())
    }
}

/// Reads the certificates of a PEM file (RFC 7468), which may hold other text between them.
///
/// # Errors
///
/// [`AttestationError::PemInvalid`] when it holds no certificate or a damaged one,
/// [`AttestationError::TooManyRoots`] for more than [`MAX_ROOTS`].
pub fn read_pem(text: &[u8]) -> Result<Vec<Vec<u8>>, AttestationError> {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    const END: &[u8] = b"-----END CERTIFICATE-----";
    let find = |text: &[u8], mark: &[u8]| text.windows(mark.len()).position(|window| window == mark);
    let mut certificates = Vec::new();
    let mut rest = text;
    while let Some(begin) = find(rest, BEGIN) {
        rest = &rest[begin..];
        let end = find(rest, END).ok_or(AttestationError::PemInvalid { reason: "an end is missing" })?;
        let (block, after) = rest.split_at(end + END.len());
        if certificates.len() == MAX_ROOTS {
            return Err(AttestationError::TooManyRoots { count: MAX_ROOTS + 1, limit: MAX_ROOTS });
        }
        // Base64 takes 4 characters for 3 bytes, and line ends: twice the length is beyond any encoding.
        if block.len() > 2 * MAX_CERTIFICATE_BYTES {
            return Err(AttestationError::PemInvalid { reason: "a certificate is too long" });
        }
        let (_, der) = pem::decode_vec(block)
            .map_err(|_| AttestationError::PemInvalid { reason: "a certificate is not Base64" })?;
        certificates.push(der);
        rest = after;
    }
    if certificates.is_empty() {
        return Err(AttestationError::PemInvalid { reason: "no certificate" });
    }
    Ok(certificates)
}

/// Adds to a device's own certificates the intermediates that lead from them to a root.
///
/// A YubiHSM 2 hands out the first two certificates of its chain, a YubiKey too; the vendor publishes the
/// others, of which `pool` holds any number up to [`MAX_ROOTS`]. They are chosen by name alone:
/// [`validate`] decides.
///
/// # Errors
///
/// [`AttestationError::ChainEmpty`], [`AttestationError::ChainTooLong`],
/// [`AttestationError::TooManyRoots`], [`AttestationError::TooLarge`] and
/// [`AttestationError::Malformed`].
pub fn complete<D: AsRef<[u8]>>(chain: &[D], pool: &[D]) -> Result<Vec<Vec<u8>>, AttestationError> {
    let pool = parse_roots(pool)?;
    let mut chain = parse_chain(chain)?;
    while let Some(last) = chain.last()
        && chain.len() < MAX_CHAIN
        && last.subject() != last.issuer()
        && let Some(next) = pool.iter().find(|candidate| candidate.subject() == last.issuer())
    {
        chain.push(next.clone());
    }
    Ok(chain.into_iter().map(|certificate| certificate.der().to_vec()).collect())
}

/// Validates the attestation of a key: its path to a trusted root, and what it states.
///
/// `chain` holds certificates in DER: the key's attestation, then the certificate of the device key that
/// signed it, then intermediates, each signed by the next; the root may end it. `now` is in Unix seconds.
///
/// # Errors
///
/// [`AttestationError`], each for what it says.
pub fn validate<D: AsRef<[u8]>>(chain: &[D], roots: &Roots, now: u64) -> Result<Statement, AttestationError> {
    let roots = parse_roots(&roots.0)?;
    let mut chain = parse_chain(chain)?;
    if chain.len() > 1 && chain.last().is_some_and(|last| roots.iter().any(|root| root.der() == last.der())) {
        chain.pop();
    }
    let (key, device) = path::check(&chain, &roots, now)?;
    yubico::read(key, device)
}

fn parse_chain<D: AsRef<[u8]>>(chain: &[D]) -> Result<Vec<Certificate<'_>>, AttestationError> {
    if chain.is_empty() {
        return Err(AttestationError::ChainEmpty);
    }
    if chain.len() > MAX_CHAIN {
        return Err(AttestationError::ChainTooLong { count: chain.len(), limit: MAX_CHAIN });
    }
    let role = |index| match index {
        0 => Role::Key,
        1 => Role::Device,
        _ => Role::Intermediate(index + 1),
    };
    chain.iter().enumerate().map(|(index, der)| Certificate::parse(role(index), der.as_ref())).collect()
}

fn parse_roots<D: AsRef<[u8]>>(roots: &[D]) -> Result<Vec<Certificate<'_>>, AttestationError> {
    if roots.len() > MAX_ROOTS {
        return Err(AttestationError::TooManyRoots { count: roots.len(), limit: MAX_ROOTS });
    }
    roots
        .iter()
        .enumerate()
        .map(|(index, der)| Certificate::parse(Role::Root(index + 1), der.as_ref()))
        .collect()
}
