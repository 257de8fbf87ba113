//! The kinds of document: typ, size limit, file ending and what each is called in text carriers.
//!
//! The same table stands in `docs/spec/documents.md`, with who signs each kind.

/// Largest document, in bytes; a bundle may be [`MAX_BUNDLE`].
pub const MAX_DOCUMENT: usize = 64 * 1024;

/// Largest trust bundle, in bytes.
pub const MAX_BUNDLE: usize = 8 * 1024 * 1024;

/// A kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// The record that delegates roles to a key, sealed by the root.
    KeyRecord,
    /// The signed right to use a product.
    License,
    /// A device's signed wish for a license.
    Request,
    /// The custodians' keys and threshold.
    Root,
    /// What a site needs to trust: roots and key records in one file.
    TrustBundle,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::KeyRecord, Self::License, Self::Request, Self::Root, Self::TrustBundle];

    /// Returns the media type that stands in the `typ` header (RFC 9596).
    #[must_use]
    pub const fn typ(self) -> &'static str {
        match self {
            Self::KeyRecord => "application/vnd.chancery.key+cbor",
            Self::License => "application/vnd.chancery.license+cwt",
            Self::Request => "application/vnd.chancery.request+cbor",
            Self::Root => "application/vnd.chancery.root+cbor",
            Self::TrustBundle => "application/vnd.chancery.trust+cbor",
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
            Self::KeyRecord | Self::License | Self::Request | Self::Root => MAX_DOCUMENT,
        }
    }

    /// Returns what the text of its QR code starts with.
    #[must_use]
    pub const fn qr_prefix(self) -> &'static str {
        match self {
            Self::KeyRecord => "CK1:",
            Self::License => "CL1:",
            Self::Request => "CR1:",
            Self::Root => "CO1:",
            Self::TrustBundle => "CT1:",
        }
    }

    /// Returns the label between the dashes of its armor (RFC 7468).
    #[must_use]
    pub const fn armor_label(self) -> &'static str {
        match self {
            Self::KeyRecord => "CHANCERY KEY RECORD",
            Self::License => "CHANCERY LICENSE",
            Self::Request => "CHANCERY REQUEST",
            Self::Root => "CHANCERY ROOT",
            Self::TrustBundle => "CHANCERY TRUST BUNDLE",
        }
    }

    /// Returns what people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyRecord => "key record",
            Self::License => "license",
            Self::Request => "activation request",
            Self::Root => "root",
            Self::TrustBundle => "trust bundle",
        }
    }
}
