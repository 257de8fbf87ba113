//! Why a document is not genuine: every reason, with a code that vectors and `--json` print.

use chancery_formats::DecodeError;
use chancery_formats::id::{AuthorityId, KeyId};

/// Why a document was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The header's algorithm or mode is not the one of the key record.
    #[error("algorithm in the header is not the one that key {kid} is certified for")]
    AlgMismatch {
        /// The key named by the header.
        kid: KeyId,
    },
    /// The bundle is of another authority than the one pinned.
    #[error("trust bundle is of authority {found}, not of {pinned}")]
    AuthorityOther {
        /// The authority of the bundle.
        found: AuthorityId,
        /// The authority pinned.
        pinned: AuthorityId,
    },
    /// A role that must co-sign has not signed.
    #[error("seal lacks a signature that the key record demands")]
    CoSignerMissing,
    /// The document is not what its kind allows.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// Two keys of the trust set share a kid.
    #[error("two keys share the key id {kid}")]
    KeyIdShared {
        /// The id that both have.
        kid: KeyId,
    },
    /// The document says it was issued outside the validity of its key.
    #[error("issued outside the validity of key {kid}")]
    KeyOutOfTerm {
        /// The key that signed.
        kid: KeyId,
    },
    /// No key of the trust set has this id.
    #[error("no trusted key has the id {kid}")]
    KeyUnknown {
        /// The id asked for.
        kid: KeyId,
    },
    /// A public key is not canonical, of low order, or not on its curve.
    #[error("public key {kid} is weak or invalid")]
    KeyWeak {
        /// The key's id.
        kid: KeyId,
    },
    /// The license names a product, a country or a term that its key may not sign for.
    #[error("{what} is outside the scope of key {kid}")]
    OutOfScope {
        /// What exceeds the scope.
        what: &'static str,
        /// The key that signed.
        kid: KeyId,
    },
    /// The inclusion path does not lead from this document to any batch root.
    #[error("inclusion path does not fit the batch")]
    PathWrong,
    /// The root chain does not begin with version 1, or a version does not follow from the one before.
    #[error("root version {version} does not follow from the chain before it")]
    RootChain {
        /// The version at fault.
        version: u32,
    },
    /// The bundle holds no root.
    #[error("trust bundle holds no root")]
    RootMissing,
    /// Too few distinct custodians signed.
    #[error("root version {version} is signed by {signed} custodians, not by {needed}")]
    RootThreshold {
        /// The version whose quorum is missing.
        version: u32,
        /// Distinct custodians that signed.
        signed: usize,
        /// The threshold.
        needed: usize,
    },
    /// The seal was made under another root version.
    #[error("seal is of root version {version}, which is not trusted")]
    RootVersion {
        /// The version that the seal names.
        version: u32,
    },
    /// A signature does not match.
    #[error("signature does not match: the document was changed or is not from this authority")]
    SignatureWrong,
    /// The signers of a seal are unsorted, repeated or not the ones named outside.
    #[error("signers of the seal are out of order, repeated or not the issuer's")]
    SignersWrong,
    /// The document is longer than one signer may sign directly.
    #[error("longer than a directly signed document may be")]
    TooLongDirect,
    /// The key is not certified for this kind of document.
    #[error("key {kid} is not certified for this kind of document")]
    TypNotCertified {
        /// The key named by the header.
        kid: KeyId,
    },
}

impl Refusal {
    /// Every code of a refusal that is not a [`chancery_formats::Fault`], for tests that want each to
    /// have a vector.
    pub const CODES: [&'static str; 17] = [
        "alg-mismatch",
        "authority-other",
        "co-signer-missing",
        "key-id-shared",
        "key-out-of-term",
        "key-unknown",
        "key-weak",
        "out-of-scope",
        "path-wrong",
        "root-chain",
        "root-missing",
        "root-threshold",
        "root-version",
        "signature-wrong",
        "signers-wrong",
        "too-long-direct",
        "typ-not-certified",
    ];

    /// Returns the stable kebab-case code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlgMismatch { .. } => "alg-mismatch",
            Self::AuthorityOther { .. } => "authority-other",
            Self::CoSignerMissing => "co-signer-missing",
            Self::Malformed(error) => error.code(),
            Self::KeyIdShared { .. } => "key-id-shared",
            Self::KeyOutOfTerm { .. } => "key-out-of-term",
            Self::KeyUnknown { .. } => "key-unknown",
            Self::KeyWeak { .. } => "key-weak",
            Self::OutOfScope { .. } => "out-of-scope",
            Self::PathWrong => "path-wrong",
            Self::RootChain { .. } => "root-chain",
            Self::RootMissing => "root-missing",
            Self::RootThreshold { .. } => "root-threshold",
            Self::RootVersion { .. } => "root-version",
            Self::SignatureWrong => "signature-wrong",
            Self::SignersWrong => "signers-wrong",
            Self::TooLongDirect => "too-long-direct",
            Self::TypNotCertified { .. } => "typ-not-certified",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_codes_holds_each_code_once() {
        // The list cannot be derived from the variants; the arms of `code` are read from this file.
        let arms = include_str!("error.rs").lines().filter(|line| line.trim_start().starts_with("Self::"));
        let codes = arms.filter_map(|line| line.split('"').nth(1));
        assert!(codes.eq(Refusal::CODES));
        assert!(Refusal::CODES.is_sorted_by(|a, b| a < b));
    }
}
