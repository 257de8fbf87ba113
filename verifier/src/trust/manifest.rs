//! The manifest of a bundle: that its members belong together, and where it stands among other bundles.

use alloc::string::String;
use alloc::vec::Vec;

use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::merkle::Hash;
use chancery_formats::seal::Role;
use chancery_formats::trust::{Bundle, Manifest};
use sha2::{Digest, Sha256};

use super::Trust;
use crate::error::Refusal;

/// A verified manifest.
#[derive(Clone, Debug)]
pub(super) struct Manifested {
    number: u64,
    time: u64,
    previous: Hash,
    link: Hash,
    trail: Vec<Hash>,
    checkpoint: Option<String>,
}

impl Manifested {
    /// Verifies the manifest of a bundle, where it has one: sealed by a log key that is not compromised, within
    /// its validity, and naming exactly the members, in their order.
    pub(super) fn verify(trust: &Trust, bundle: &Bundle<'_>) -> Result<Option<Self>, Refusal> {
        let Some(bytes) = bundle.manifest() else { return Ok(None) };
        let envelope = Envelope::decode_kind(bytes, Kind::Manifest)?;
        let key = trust.verify_sealed_by(Role::Log, Kind::Manifest, &envelope)?;
        let manifest = Manifest::decode(envelope.payload)?;
        trust.require_of(manifest.authority, manifest.time, key)?;
        let hashes = bundle.members().map(|member| Hash::from(Sha256::digest(member)));
        if !hashes.eq(manifest.members.iter().copied()) {
            return Err(Refusal::ManifestMismatch);
        }
        let (number, trail) = (manifest.number, bundle.trail());
        // A trail that goes back to the first bundle must lead from the authority's own id to this one.
        let earlier = number - 1;
        let whole = trail.len() as u64 == earlier;
        if trail.len() as u64 > earlier || (whole && follow(trust.authority.0, trail) != manifest.previous) {
            return Err(Refusal::BundleForked { number });
        }
        Ok(Some(Self {
            number,
            time: manifest.time,
            previous: manifest.previous,
            link: Manifest::link(&manifest.previous, &Manifest::hash(envelope.payload)),
            trail: trail.to_vec(),
            checkpoint: manifest.checkpoint.map(String::from),
        }))
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) const fn time(&self) -> u64 {
        self.time
    }

    pub(super) const fn link(&self) -> Hash {
        self.link
    }

    pub(super) fn checkpoint(&self) -> Option<&str> {
        self.checkpoint.as_deref()
    }

    /// Refuses a bundle that does not follow from the one of this number and link.
    pub(super) fn require_after(&self, number: u64, link: Hash) -> Result<(), Refusal> {
        if self.number < number {
            return Err(Refusal::BundleOlder { found: self.number, known: number });
        }
        let follows = if self.number == number {
            self.link == link
        } else {
            let between = usize::try_from(self.number - number - 1).unwrap_or(usize::MAX);
            let start = self.trail.len().checked_sub(between);
            let trail = start.and_then(|start| self.trail.get(start..));
            let trail = trail.ok_or(Refusal::BundleGap { found: self.number, known: number })?;
            follow(link, trail) == self.previous
        };
        if follows { Ok(()) } else { Err(Refusal::BundleForked { number: self.number }) }
    }
}

/// Goes from one link of the chain to a later one by the hashes of the payloads between.
fn follow(link: Hash, trail: &[Hash]) -> Hash {
    trail.iter().fold(link, |link, hash| Manifest::link(&link, hash))
}
