//! Why a document is not genuine: every reason, with a code that vectors and `--json` print.

use chancery_formats::DecodeError;
use chancery_formats::id::{AuthorityId, KeyId};
use chancery_formats::key::Algorithm;

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
    /// This build of the verifier cannot check signatures of the key's algorithm.
    #[error("key {kid} is of {algorithm}, which this build cannot check")]
    AlgUnsupported {
        /// The key's id.
        kid: KeyId,
        /// Its algorithm.
        algorithm: Algorithm,
    },
    /// The bundle is of another authority than the one pinned.
    #[error("trust bundle is of authority {found}, not of {pinned}")]
    AuthorityOther {
        /// The authority of the bundle.
        found: AuthorityId,
        /// The authority pinned.
        pinned: AuthorityId,
    },
    /// The bundle is newer than the one known by more than its trail tells: it may follow, and does not show it.
    #[error("trust bundle {known} is known, and bundle {found} does not say what came between")]
    BundleGap {
        /// The number of the bundle.
        found: u64,
        /// The number known.
        known: u64,
    },
    /// Two bundles of one number, or two chains of bundles.
    #[error("trust bundle {number} is not the one that follows from those known")]
    BundleForked {
        /// The number of the bundle.
        number: u64,
    },
    /// A newer bundle is known.
    #[error("trust bundle {found} is older than bundle {known}, which is known")]
    BundleOlder {
        /// The number of the bundle.
        found: u64,
        /// The number known.
        known: u64,
    },
    /// A role that must co-sign has not signed.
    #[error("seal lacks a signature that the key record demands")]
    CoSignerMissing,
    /// Hybrid trust covers every key that trust rests on, and is never given up.
    #[error("trust is hybrid, and a key has no ML-DSA-87 partner, or the other way round")]
    HybridFloor,
    /// The document is not what its kind allows.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The key may be in other hands, and nothing shows that the document is older than that.
    #[error("key {kid} is compromised, and nothing shows that this was in the log before")]
    KeyCompromised {
        /// The key that signed.
        kid: KeyId,
    },
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
    /// A public key is not canonical, of low order, not on its curve or zero.
    #[error("public key {kid} is weak or invalid")]
    KeyWeak {
        /// The key's id.
        kid: KeyId,
    },
    /// Two revocation lists of one number, or one that does not name the list before.
    #[error("revocation list {number} is not the one that follows from those known")]
    ListForked {
        /// The number of the list.
        number: u64,
    },
    /// A newer revocation list is known, or demanded by the license.
    #[error("revocation list {found} is older than list {known}, which is known or demanded")]
    ListOlder {
        /// The number of the list; 0 for none.
        found: u64,
        /// The number known or demanded.
        known: u64,
    },
    /// The manifest lists other members than the bundle holds.
    #[error("members of the trust bundle are not those that its manifest lists")]
    ManifestMismatch,
    /// The bundle holds no manifest, and the root, or what is known, demands one.
    #[error("trust bundle has no manifest")]
    ManifestMissing,
    /// The bundle holds two documents where one may be.
    #[error("trust bundle holds two documents of one kind about one thing, by or about key {kid}")]
    MemberTwice {
        /// The key that both are about, or that signed the second.
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
    /// One key of a pair has signed, and the other has not.
    #[error("key {kid} and its ML-DSA-87 partner have not both signed")]
    PartnerMissing {
        /// The key that has a partner.
        kid: KeyId,
    },
    /// The inclusion path does not lead from this document to any batch root.
    #[error("inclusion path does not fit the batch")]
    PathWrong,
    /// The product takes licenses only of keys that live in a device.
    #[error("key {kid} lives in software, and this product demands a device")]
    ProtectionSoftware {
        /// The key that signed.
        kid: KeyId,
    },
    /// The recovery set that a root tells is not the one committed to, or the commitment changed without it.
    #[error("recovery set of root version {version} is not the one that was committed to")]
    RecoveryWrong {
        /// The version at fault.
        version: u32,
    },
    /// The authority has revoked it.
    #[error("{what} is revoked, by revocation list {list}")]
    Revoked {
        /// What the list names.
        what: Revoked,
        /// The number of the list.
        list: u64,
    },
    /// The root chain does not begin with version 1, or a version does not follow from the one before.
    #[error("root version {version} does not follow from the chain before it")]
    RootChain {
        /// The version at fault.
        version: u32,
    },
    /// Two roots of one version: an integrity alarm.
    #[error("root version {version} is not the one that is known")]
    RootForked {
        /// The version.
        version: u32,
    },
    /// The bundle holds no root.
    #[error("trust bundle holds no root")]
    RootMissing,
    /// A newer root is known.
    #[error("root version {found} is older than version {known}, which is known")]
    RootOlder {
        /// The newest version of the bundle.
        found: u32,
        /// The version known.
        known: u32,
    },
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

/// What a revocation list names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Revoked {
    /// The license itself.
    #[error("license")]
    License,
    /// The device that it is bound to.
    #[error("device of the license")]
    Device,
    /// The entitlement that it draws from.
    #[error("entitlement of the license")]
    Entitlement,
    /// The customer that it was issued to.
    #[error("customer of the license")]
    Customer,
}

impl Refusal {
    /// Every code of a refusal that is not a [`chancery_formats::Fault`], for tests that want each to
    /// have a vector.
    pub const CODES: [&'static str; 34] = [
        "alg-mismatch",
        "alg-unsupported",
        "authority-other",
        "bundle-forked",
        "bundle-gap",
        "bundle-older",
        "co-signer-missing",
        "hybrid-floor",
        "key-compromised",
        "key-id-shared",
        "key-out-of-term",
        "key-unknown",
        "key-weak",
        "list-forked",
        "list-older",
        "manifest-mismatch",
        "manifest-missing",
        "member-twice",
        "out-of-scope",
        "partner-missing",
        "path-wrong",
        "protection-software",
        "recovery-wrong",
        "revoked",
        "root-chain",
        "root-forked",
        "root-missing",
        "root-older",
        "root-threshold",
        "root-version",
        "signature-wrong",
        "signers-wrong",
        "too-long-direct",
        "typ-not-certified",
    ];

    /// Returns whether this shows that somebody made two of what there may be only one of: an integrity alarm.
    #[must_use]
    pub const fn is_alarm(&self) -> bool {
        matches!(self, Self::BundleForked { .. } | Self::ListForked { .. } | Self::RootForked { .. })
    }

    /// Returns the stable kebab-case code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlgMismatch { .. } => "alg-mismatch",
            Self::AlgUnsupported { .. } => "alg-unsupported",
            Self::AuthorityOther { .. } => "authority-other",
            Self::BundleForked { .. } => "bundle-forked",
            Self::BundleGap { .. } => "bundle-gap",
            Self::BundleOlder { .. } => "bundle-older",
            Self::CoSignerMissing => "co-signer-missing",
            Self::HybridFloor => "hybrid-floor",
            Self::KeyCompromised { .. } => "key-compromised",
            Self::KeyIdShared { .. } => "key-id-shared",
            Self::KeyOutOfTerm { .. } => "key-out-of-term",
            Self::KeyUnknown { .. } => "key-unknown",
            Self::KeyWeak { .. } => "key-weak",
            Self::ListForked { .. } => "list-forked",
            Self::ListOlder { .. } => "list-older",
            Self::Malformed(error) => error.code(),
            Self::ManifestMismatch => "manifest-mismatch",
            Self::ManifestMissing => "manifest-missing",
            Self::MemberTwice { .. } => "member-twice",
            Self::OutOfScope { .. } => "out-of-scope",
            Self::PartnerMissing { .. } => "partner-missing",
            Self::PathWrong => "path-wrong",
            Self::ProtectionSoftware { .. } => "protection-software",
            Self::RecoveryWrong { .. } => "recovery-wrong",
            Self::Revoked { .. } => "revoked",
            Self::RootChain { .. } => "root-chain",
            Self::RootForked { .. } => "root-forked",
            Self::RootMissing => "root-missing",
            Self::RootOlder { .. } => "root-older",
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
