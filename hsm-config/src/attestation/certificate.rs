//! One X.509 certificate (RFC 5280 §4), parsed and bounded, with the checks that concern it alone.
//!
//! Not here: how certificates follow each other (`path`), and what a vendor's extensions say (`yubico`).

use x509_cert::certificate::Version;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Reader, SliceReader};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::name::Name;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::attestation::error::{AttestationError, Role};
use crate::attestation::{MAX_CERTIFICATE_BYTES, signature, yubico};

/// A certificate of version 3 whose critical extensions are all known.
#[derive(Clone, Debug)]
pub(super) struct Certificate<'a> {
    role: Role,
    der: &'a [u8],
    /// The bytes that are signed: those given, not an encoding made from the parsed fields.
    signed: &'a [u8],
    fields: x509_cert::Certificate,
}

impl<'a> Certificate<'a> {
    /// Parses DER.
    pub(super) fn parse(role: Role, der: &'a [u8]) -> Result<Self, AttestationError> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(AttestationError::TooLarge {
                certificate: role,
                length: der.len(),
                limit: MAX_CERTIFICATE_BYTES,
            });
        }
        let malformed = |reason| AttestationError::Malformed { certificate: role, reason };
        let fields = x509_cert::Certificate::from_der(der).map_err(|_| malformed("not X.509 in DER"))?;
        let signed = signed_part(der).map_err(|_| malformed("not X.509 in DER"))?;
        let certificate = Self { role, der, signed, fields };
        let tbs = certificate.fields.tbs_certificate();
        if tbs.version() != Version::V3 {
            return Err(malformed("not of version 3"));
        }
        // §4.1.1.2: the algorithm outside the signed part is the one inside it.
        if tbs.signature() != certificate.fields.signature_algorithm() {
            return Err(malformed("two signature algorithms"));
        }
        for (index, extension) in certificate.extensions().iter().enumerate() {
            // §4.2: at most one instance of each.
            if certificate.extensions()[..index].iter().any(|earlier| earlier.extn_id == extension.extn_id) {
                return Err(malformed("an extension twice"));
            }
            // §4.2: an unknown critical extension refuses the certificate. No device is known to set any
            // but these two; those that are read from the vendor's arcs are known too.
            let known = [BasicConstraints::OID, KeyUsage::OID].contains(&extension.extn_id)
                || yubico::is_read(&extension.extn_id);
            if extension.critical && !known {
                return Err(AttestationError::ExtensionUnknown { certificate: role });
            }
        }
        Ok(certificate)
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    pub(super) fn der(&self) -> &'a [u8] {
        self.der
    }

    pub(super) fn subject(&self) -> &Name {
        self.fields.tbs_certificate().subject()
    }

    pub(super) fn issuer(&self) -> &Name {
        self.fields.tbs_certificate().issuer()
    }

    pub(super) fn public_key(&self) -> &SubjectPublicKeyInfoOwned {
        self.fields.tbs_certificate().subject_public_key_info()
    }

    pub(super) fn extensions(&self) -> &[Extension] {
        self.fields.tbs_certificate().extensions().map_or(&[], |extensions| extensions)
    }

    /// Returns what an extension holds.
    pub(super) fn extension(&self, oid: &ObjectIdentifier) -> Option<&[u8]> {
        let extension = self.extensions().iter().find(|extension| extension.extn_id == *oid)?;
        Some(extension.extn_value.as_bytes())
    }

    /// Checks that `now` lies within the validity, both ends included (§4.1.2.5).
    pub(super) fn check_time(&self, now: u64) -> Result<(), AttestationError> {
        let validity = self.fields.tbs_certificate().validity();
        let not_before = validity.not_before.to_unix_duration().as_secs();
        let not_after = validity.not_after.to_unix_duration().as_secs();
        if now < not_before {
            return Err(AttestationError::NotYetValid { certificate: self.role, not_before });
        }
        if now > not_after {
            return Err(AttestationError::Expired { certificate: self.role, not_after });
        }
        Ok(())
    }

    /// Checks that this is a certificate authority, with `below` others between it and the leaf.
    ///
    /// Without basic constraints it is none (§6.1.4 (k)). The device certificates of YubiKeys with early
    /// firmware (4.3, and up to 5.2.4) lack them and are refused: were they taken as issuers, so would be
    /// any attested key. Their keys on curves fall under advisory YSA-2024-03 in any case.
    pub(super) fn check_may_issue(&self, below: usize) -> Result<(), AttestationError> {
        let refused = |reason| AttestationError::NotAnIssuer { certificate: self.role, reason };
        let malformed = |reason| AttestationError::Malformed { certificate: self.role, reason };
        let constraints = self.extension(&BasicConstraints::OID).ok_or(refused("no basic constraints"))?;
        let constraints =
            BasicConstraints::from_der(constraints).map_err(|_| malformed("basic constraints"))?;
        if !constraints.ca {
            return Err(refused("not a certificate authority"));
        }
        // §6.1.4 (m), without the allowance for self-issued certificates: vendors issue none.
        if constraints.path_len_constraint.is_some_and(|most| below > usize::from(most)) {
            return Err(refused("its path length is exceeded"));
        }
        // §6.1.4 (n)
        if let Some(usage) = self.extension(&KeyUsage::OID) {
            let usage = KeyUsage::from_der(usage).map_err(|_| malformed("key usage"))?;
            if !usage.key_cert_sign() {
                return Err(refused("its key usage"));
            }
        }
        Ok(())
    }

    /// Checks the signature with the issuer's public key (§6.1.3 (a) (1)).
    pub(super) fn check_signature(&self, issuer: &Certificate<'_>) -> Result<(), AttestationError> {
        let algorithm = self.fields.signature_algorithm();
        let scheme = signature::scheme(algorithm, issuer.public_key())
            .ok_or(AttestationError::AlgorithmUnsupported { certificate: self.role })?;
        let wrong = || AttestationError::SignatureWrong { certificate: self.role };
        let key = issuer.public_key().subject_public_key.as_bytes().ok_or_else(wrong)?;
        let value = self.fields.signature().as_bytes().ok_or_else(wrong)?;
        ring::signature::UnparsedPublicKey::new(scheme, key).verify(self.signed, value).map_err(|_| wrong())
    }
}

/// Returns the first of the three parts of a certificate, as it stands (§4.1).
fn signed_part(der: &[u8]) -> Result<&[u8], x509_cert::der::Error> {
    SliceReader::new(der)?.sequence(|parts| {
        let signed = parts.tlv_bytes()?;
        parts.tlv_bytes()?;
        parts.tlv_bytes()?;
        Ok(signed)
    })
}
