//! Why an attestation is refused, with a stable code and the operator's next action.
//!
//! Certificates are named by their place in the chain: names inside them are anybody's text. Not here:
//! exit codes and printing, which belong to the programs.

use std::fmt;
use std::time::Duration;

use chancery_formats::id::Thumbprint;
use x509_cert::der::DateTime;

use crate::attestation::statement::Origin;

/// The place of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The certificate of the device key, second of the chain.
    Device,
    /// A later certificate of the chain, counted from 1: the third is 3.
    Intermediate(usize),
    /// The attestation of the key, first of the chain.
    Key,
    /// A trusted root, counted from 1 in the order given.
    Root(usize),
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device => f.write_str("the device's certificate"),
            Self::Intermediate(place) => write!(f, "certificate {place} of the chain"),
            Self::Key => f.write_str("the key's certificate"),
            Self::Root(place) => write!(f, "root certificate {place}"),
        }
    }
}

/// Why an attestation is refused: the message says what, [`AttestationError::hint`] what to do.
#[allow(missing_docs)] // the messages document the variants; instants are Unix seconds
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestationError {
    #[error("{certificate} is signed with an algorithm that is not known")]
    AlgorithmUnsupported { certificate: Role },
    #[error("{certificate} is not issued by the next certificate of the chain")]
    ChainBroken { certificate: Role },
    #[error("the chain holds no certificate")]
    ChainEmpty,
    #[error("a chain of {count} certificates is longer than {limit}")]
    ChainTooLong { count: usize, limit: usize },
    #[error("{certificate} expired at {}", utc(*not_after))]
    Expired { certificate: Role, not_after: u64 },
    #[error("{certificate} has a critical extension that is not known")]
    ExtensionUnknown { certificate: Role },
    #[error("the device lets the key leave it under a wrap key")]
    KeyExportable,
    #[error("the key was not made inside the device: {origin}")]
    KeyImported { origin: Origin },
    #[error("the attestation is of another key, {found}")]
    KeyMismatch { found: Thumbprint },
    #[error("the attested key is one that Chancery cannot use: {reason}")]
    KeyUnsupported { reason: &'static str },
    #[error("{certificate} is malformed: {reason}")]
    Malformed { certificate: Role, reason: &'static str },
    #[error("{certificate} may not issue certificates here: {reason}")]
    NotAnIssuer { certificate: Role, reason: &'static str },
    #[error("{certificate} is not valid before {}", utc(*not_before))]
    NotYetValid { certificate: Role, not_before: u64 },
    #[error("the PEM file is not usable: {reason}")]
    PemInvalid { reason: &'static str },
    #[error("the attestation is of device {found}, not {expected}")]
    SerialMismatch { expected: u32, found: u32 },
    #[error("the signature of {certificate} is wrong")]
    SignatureWrong { certificate: Role },
    #[error("the attestation's {field} is {problem}")]
    StatementInvalid { field: &'static str, problem: &'static str },
    #[error("{certificate} of {length} bytes is longer than {limit} bytes")]
    TooLarge { certificate: Role, length: usize, limit: usize },
    #[error("{count} certificates in one set are more than {limit}")]
    TooManyRoots { count: usize, limit: usize },
    #[error("no trusted root has signed {certificate}")]
    Untrusted { certificate: Role },
}

impl AttestationError {
    /// Returns the stable kebab-case code, as `--json` prints it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AlgorithmUnsupported { .. } => "attestation-algorithm-unsupported",
            Self::ChainBroken { .. } => "attestation-chain-broken",
            Self::ChainEmpty => "attestation-chain-empty",
            Self::ChainTooLong { .. } => "attestation-chain-too-long",
            Self::Expired { .. } => "attestation-expired",
            Self::ExtensionUnknown { .. } => "attestation-extension-unknown",
            Self::KeyExportable => "attestation-key-exportable",
            Self::KeyImported { .. } => "attestation-key-imported",
            Self::KeyMismatch { .. } => "attestation-key-mismatch",
            Self::KeyUnsupported { .. } => "attestation-key-unsupported",
            Self::Malformed { .. } => "attestation-malformed",
            Self::NotAnIssuer { .. } => "attestation-not-an-issuer",
            Self::NotYetValid { .. } => "attestation-not-yet-valid",
            Self::PemInvalid { .. } => "attestation-pem-invalid",
            Self::SerialMismatch { .. } => "attestation-serial-mismatch",
            Self::SignatureWrong { .. } => "attestation-signature-wrong",
            Self::StatementInvalid { .. } => "attestation-statement-invalid",
            Self::TooLarge { .. } => "attestation-too-large",
            Self::TooManyRoots { .. } => "attestation-too-many-roots",
            Self::Untrusted { .. } => "attestation-untrusted",
        }
    }

    /// Returns the operator's next action.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::AlgorithmUnsupported { .. } => {
                "RSA PKCS#1 v1.5, ECDSA on P-256 or P-384, and Ed25519 are known; ask the vendor"
            }
            Self::ChainBroken { .. } => {
                "give the key's certificate first, then the device's, then the vendor's intermediates in order"
            }
            Self::ChainEmpty => "read the attestation from the device again",
            Self::ChainTooLong { .. } => "give only the certificates between the key and the root",
            Self::Expired { .. } | Self::NotYetValid { .. } => {
                "check this machine's clock; if it is right, ask the vendor for newer certificates"
            }
            Self::ExtensionUnknown { .. } => "ask the vendor what this certificate is for; do not rely on it",
            Self::KeyExportable => {
                "do not use this key, or certify it as one with a wrapped backup if its profile says so"
            }
            Self::KeyImported { .. } => "do not use this key: copies may exist; make a new one on the device",
            Self::KeyMismatch { .. } => {
                "stop: this is not the key that was expected; check the reference, then find out who changed it"
            }
            Self::KeyUnsupported { .. } => "make a new key, Ed25519 or P-256, on the device",
            Self::Malformed { .. } => "read the certificate again; if it stays so, do not rely on it",
            Self::NotAnIssuer { .. } => {
                "do not rely on this attestation; YubiKeys with firmware before 5.7 may need a newer model"
            }
            Self::PemInvalid { .. } => {
                "give a PEM file with `-----BEGIN CERTIFICATE-----`, at most 32 of them"
            }
            Self::SerialMismatch { .. } => "check which device is connected, and the serial in the reference",
            Self::SignatureWrong { .. } => {
                "stop: the chain is damaged or forged; read it from the device again"
            }
            Self::StatementInvalid { .. } => {
                "give the attestation of the key itself, from a YubiHSM 2 or a YubiKey's PIV application"
            }
            Self::TooLarge { .. } => "give certificates alone, one in each place",
            Self::TooManyRoots { .. } => "give only the certificates of this device's vendor",
            Self::Untrusted { .. } => {
                "get the vendor's root and intermediate certificates from the vendor; if they are right, stop: \
                 the device is not what it claims"
            }
        }
    }
}

/// Writes Unix seconds as a date; what certificates hold lies before the year 10000.
fn utc(seconds: u64) -> String {
    DateTime::from_unix_duration(Duration::from_secs(seconds))
        .map_or_else(|_| format!("{seconds} (Unix seconds)"), |date| date.to_string())
}
