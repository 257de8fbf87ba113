//! A vendor's numbered bundles: lists, closings and manifests, each as it should be or as an attacker would have it.

use chancery_formats::document::Kind;
use chancery_formats::id::LicenseId;
use chancery_formats::merkle::{Hash, Head};
use chancery_formats::seal::Role;
use chancery_formats::trust::revocation::{Ids, RevokedKeys};
use chancery_formats::trust::{Bundle, Closed, Closing, Manifest, RevocationList};
use ed25519_dalek::SigningKey;

use crate::support::{ISSUED_AT, Vendor};

/// Seeds of the keys that seal manifests and lists.
const LOG: u8 = 77;
const REVOKER: u8 = 79;

/// What is published next, and what came before.
#[derive(Clone)]
pub struct Publisher {
    number: u64,
    link: Hash,
    trail: Vec<Hash>,
    /// When the log key's time ends.
    pub until: Option<u64>,
    /// Closings and lists, which come after roots and records.
    pub members: Vec<Vec<u8>>,
}

impl Publisher {
    pub fn new(vendor: &Vendor) -> Self {
        Self { number: 0, link: vendor.id.0, trail: Vec::new(), until: None, members: Vec::new() }
    }

    /// Publishes the next bundle at a time.
    pub fn publish(&mut self, vendor: &Vendor, time: u64) -> Vec<u8> {
        let [log, revoker] = keys();
        let mut members = vendor.members(&[(Role::Log, &log), (Role::Revoker, &revoker)], self.until);
        members.extend(self.members.iter().cloned());
        let hashes: Vec<Hash> = members.iter().map(|member| Manifest::hash(member)).collect();
        let payload = Manifest {
            authority: vendor.id,
            number: self.number + 1,
            previous: self.link,
            members: &hashes,
            time,
            checkpoint: None,
        }
        .encode();
        let manifest =
            vendor.seal_by(Role::Log, &log, vendor.root_version(), Kind::Manifest, payload.clone());
        let bundle = Bundle::encode_with(&members, Some(&manifest), &self.trail);
        let hash = Manifest::hash(&payload);
        self.number += 1;
        self.link = Manifest::link(&self.link, &hash);
        self.trail.push(hash);
        bundle
    }

    /// Puts a list with one license into the bundles from now on, in place of the one before.
    pub fn list(&mut self, vendor: &Vendor, number: u64, previous: Option<Hash>, license: u8) -> Hash {
        let [_, revoker] = keys();
        let licenses = Ids::encode(&[LicenseId([license; 16]).0]);
        let payload = RevocationList {
            authority: vendor.id,
            number,
            previous,
            time: ISSUED_AT,
            licenses: Ids::decode(&licenses).unwrap(),
            devices: Ids::decode(&[]).unwrap(),
            entitlements: Ids::decode(&[]).unwrap(),
            customers: None,
            keys: RevokedKeys::NONE,
        }
        .encode();
        let version = vendor.root_version();
        self.members =
            vec![vendor.seal_by(Role::Revoker, &revoker, version, Kind::RevocationList, payload.clone())];
        RevocationList::hash(&payload)
    }

    /// Closes the issuing key as compromised at a size of the log.
    pub fn close_issuer(&mut self, vendor: &Vendor, head: Head) {
        let closing = Closing {
            authority: vendor.id,
            thumbprint: vendor.issuer().thumbprint(),
            closed: Closed::Compromised(head),
            time: ISSUED_AT,
            reason: "laptop stolen",
        };
        self.members = vec![vendor.seal(vendor.root_version(), Kind::Closing, closing.encode())];
    }
}

fn keys() -> [SigningKey; 2] {
    [LOG, REVOKER].map(|seed| SigningKey::from_bytes(&[seed; 32]))
}
