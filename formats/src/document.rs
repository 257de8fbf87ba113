//! The kinds of document: typ, size limit, file ending and what each is called in text carriers.
//!
//! The same table stands in `docs/spec/documents.md`, with who signs each kind.

/// Largest document, in bytes; a bundle may be [`MAX_BUNDLE`].
pub const MAX_DOCUMENT: usize = 64 * 1024;

/// Largest trust bundle, in bytes.
pub const MAX_BUNDLE: usize = 8 * 1024 * 1024;

/// Largest ceremony exchange, in bytes: the documents of one ceremony.
pub const MAX_CEREMONY: usize = 1024 * 1024;

/// Largest witness exchange, in bytes: every document of a batch.
pub const MAX_WITNESS: usize = 64 * 1024 * 1024;

/// Largest approval request, in bytes: every grant of an import.
pub const MAX_APPROVAL_REQUEST: usize = 64 * 1024 * 1024;

/// A kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// A person's signed decision over what is to be granted.
    Approval,
    /// What an approver is asked to decide on.
    ApprovalRequest,
    /// What custodians are asked to sign, or what they answer.
    CeremonyExchange,
    /// How a key was closed, sealed by the root.
    Closing,
    /// The record that delegates roles to a key, sealed by the root.
    KeyRecord,
    /// The signed right to use a product.
    License,
    /// The number of a trust bundle and the hashes of its members.
    Manifest,
    /// That somebody has the private half of a key, for a ceremony.
    Possession,
    /// A device's signed wish for a license.
    Request,
    /// What is revoked.
    RevocationList,
    /// The custodians' keys and threshold.
    Root,
    /// In which country a site stands, as somebody attests.
    SiteRecord,
    /// What was done in a ceremony, step by step.
    Transcript,
    /// What a site needs to trust: roots and key records in one file.
    TrustBundle,
    /// What a witness is asked to sign, or what it answers.
    WitnessExchange,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Approval,
        Self::ApprovalRequest,
        Self::CeremonyExchange,
        Self::Closing,
        Self::KeyRecord,
        Self::License,
        Self::Manifest,
        Self::Possession,
        Self::Request,
        Self::RevocationList,
        Self::Root,
        Self::SiteRecord,
        Self::Transcript,
        Self::TrustBundle,
        Self::WitnessExchange,
    ];

    /// Returns the media type that stands in the `typ` header (RFC 9596).
    #[must_use]
    pub const fn typ(self) -> &'static str {
        match self {
            Self::Approval => "application/vnd.chancery.approval+cbor",
            Self::ApprovalRequest => "application/vnd.chancery.approval-request+cbor",
            Self::CeremonyExchange => "application/vnd.chancery.ceremony+cbor",
            Self::Closing => "application/vnd.chancery.closing+cbor",
            Self::KeyRecord => "application/vnd.chancery.key+cbor",
            Self::License => "application/vnd.chancery.license+cwt",
            Self::Manifest => "application/vnd.chancery.manifest+cbor",
            Self::Possession => "application/vnd.chancery.possession+cbor",
            Self::Request => "application/vnd.chancery.request+cbor",
            Self::RevocationList => "application/vnd.chancery.revocations+cbor",
            Self::Root => "application/vnd.chancery.root+cbor",
            Self::SiteRecord => "application/vnd.chancery.site+cbor",
            Self::Transcript => "application/vnd.chancery.transcript+cbor",
            Self::TrustBundle => "application/vnd.chancery.trust+cbor",
            Self::WitnessExchange => "application/vnd.chancery.witness+cbor",
        }
    }

    /// Returns the kind with this media type.
    #[must_use]
    pub fn from_typ(typ: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.typ() == typ)
    }

    /// Returns the largest size of a document of this kind, in bytes.
    #[must_use]
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::TrustBundle => MAX_BUNDLE,
            Self::CeremonyExchange => MAX_CEREMONY,
            Self::ApprovalRequest => MAX_APPROVAL_REQUEST,
            Self::WitnessExchange => MAX_WITNESS,
            Self::Approval
            | Self::Closing
            | Self::KeyRecord
            | Self::License
            | Self::Manifest
            | Self::Possession
            | Self::Request
            | Self::RevocationList
            | Self::Root
            | Self::SiteRecord
            | Self::Transcript => MAX_DOCUMENT,
        }
    }

    /// Returns what the text of its QR code starts with.
    #[must_use]
    pub const fn qr_prefix(self) -> &'static str {
        match self {
            Self::Approval => "CA1:",
            Self::ApprovalRequest => "CQ1:",
            Self::CeremonyExchange => "CE1:",
            Self::Closing => "CC1:",
            Self::KeyRecord => "CK1:",
            Self::License => "CL1:",
            Self::Manifest => "CM1:",
            Self::Possession => "CH1:",
            Self::Request => "CR1:",
            Self::RevocationList => "CV1:",
            Self::Root => "CO1:",
            Self::SiteRecord => "CI1:",
            Self::Transcript => "CS1:",
            Self::TrustBundle => "CT1:",
            Self::WitnessExchange => "CW1:",
        }
    }

    /// Returns the label between the dashes of its armor (RFC 7468).
    #[must_use]
    pub const fn armor_label(self) -> &'static str {
        match self {
            Self::Approval => "CHANCERY APPROVAL",
            Self::ApprovalRequest => "CHANCERY APPROVAL REQUEST",
            Self::CeremonyExchange => "CHANCERY CEREMONY EXCHANGE",
            Self::Closing => "CHANCERY KEY CLOSING",
            Self::KeyRecord => "CHANCERY KEY RECORD",
            Self::License => "CHANCERY LICENSE",
            Self::Manifest => "CHANCERY MANIFEST",
            Self::Possession => "CHANCERY PROOF OF POSSESSION",
            Self::Request => "CHANCERY REQUEST",
            Self::RevocationList => "CHANCERY REVOCATION LIST",
            Self::Root => "CHANCERY ROOT",
            Self::SiteRecord => "CHANCERY SITE RECORD",
            Self::Transcript => "CHANCERY TRANSCRIPT",
            Self::TrustBundle => "CHANCERY TRUST BUNDLE",
            Self::WitnessExchange => "CHANCERY WITNESS EXCHANGE",
        }
    }

    /// Returns what people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::ApprovalRequest => "approval request",
            Self::CeremonyExchange => "ceremony exchange",
            Self::Closing => "key closing",
            Self::KeyRecord => "key record",
            Self::License => "license",
            Self::Manifest => "bundle manifest",
            Self::Possession => "proof of possession",
            Self::Request => "activation request",
            Self::RevocationList => "revocation list",
            Self::Root => "root",
            Self::SiteRecord => "site record",
            Self::Transcript => "ceremony transcript",
            Self::TrustBundle => "trust bundle",
            Self::WitnessExchange => "witness exchange",
        }
    }
}
