//! The authority whose documents the vectors are, with a key for each way in which keys are certified.

use chancery_formats::cose::{Header, Mode, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::seal::Role;
use chancery_formats::trust::{KeyMode, KeyRecord, Scope};

use crate::authority::{Authority, Quorum, issue_direct, sign_unsigned};
use crate::key::SecretKey;
use crate::license::{START, bare, countries, names};

/// Keys, and the authority that certifies them.
#[derive(Clone, Debug)]
pub struct World {
    /// The authority, at root version 1.
    pub main: Authority,
    /// The same authority after a rotation; it certifies the sealing keys alone.
    pub rotated: Authority,
    /// Issuers with P-256 keys.
    pub p256_direct: SecretKey,
    /// As its name says.
    pub p256_seal: SecretKey,
    /// Issues directly, without bounds.
    pub direct: SecretKey,
    /// Issues under a seal, without bounds.
    pub seal: SecretKey,
    /// Issues directly for one product, two countries, one year and until the end of 2026.
    pub scoped: SecretKey,
    /// Issues under a seal that a witness signs too.
    pub co_signed: SecretKey,
    /// Is certified to issue directly and with a witness, which no document can be.
    pub co_signed_direct: SecretKey,
    /// An issuer that is certified for requests alone.
    pub other_typ: SecretKey,
    /// A log key that is certified for licenses.
    pub log: SecretKey,
    /// A witness.
    pub witness: SecretKey,
    /// A witness that is certified to sign directly.
    pub witness_direct: SecretKey,
    /// A witness that is certified for requests alone.
    pub witness_other_typ: SecretKey,
    /// A witness whose validity has not begun when licenses here are issued.
    pub witness_late: SecretKey,
    /// A key that nobody certified.
    pub stranger: SecretKey,
}

impl World {
    /// The custodians of root version 1.
    pub const CUSTODIANS: [u8; 3] = [1, 2, 3];

    /// Founds the authority and certifies the keys.
    #[must_use]
    pub fn new() -> Self {
        let founded = Authority::found(Quorum::of(2, &Self::CUSTODIANS));
        let rotated = founded.clone().rotate(Quorum::of(2, &[2, 3, 4]));
        let mut world = Self {
            main: founded,
            rotated,
            direct: SecretKey::ed25519(10),
            p256_direct: SecretKey::p256(11),
            seal: SecretKey::ed25519(12),
            p256_seal: SecretKey::p256(13),
            scoped: SecretKey::ed25519(14),
            co_signed: SecretKey::ed25519(15),
            co_signed_direct: SecretKey::ed25519(16),
            other_typ: SecretKey::ed25519(17),
            log: SecretKey::ed25519(18),
            witness: SecretKey::ed25519(19),
            witness_direct: SecretKey::ed25519(20),
            witness_other_typ: SecretKey::ed25519(21),
            witness_late: SecretKey::p256(22),
            stranger: SecretKey::ed25519(30),
        };
        for record in world.records() {
            world.main = world.main.certify(&record);
        }
        for key in [world.seal.clone(), world.p256_seal.clone()] {
            let record = world.rotated.record(&key, Role::Issuer, KeyMode::Seal);
            world.rotated = world.rotated.certify(&record);
        }
        world
    }

    fn records(&self) -> Vec<KeyRecord<'static>> {
        let issuer = |key, mode| self.main.record(key, Role::Issuer, mode);
        let witness = |key, mode| self.main.record(key, Role::Witness, mode);
        let requests = vec![Kind::Request.typ()];
        vec![
            issuer(&self.direct, KeyMode::Direct),
            issuer(&self.p256_direct, KeyMode::Direct),
            issuer(&self.seal, KeyMode::Seal),
            issuer(&self.p256_seal, KeyMode::Seal),
            KeyRecord {
                scope: Scope {
                    products: Some(names(&["pump-control", "valve-control"])),
                    territories: Some(countries(&["CH", "DE"])),
                    longest_term_secs: Some(31_536_000),
                },
                not_after: Some(START + 31_535_999),
                ..issuer(&self.scoped, KeyMode::Direct)
            },
            KeyRecord { co_signers: vec![Role::Witness], ..issuer(&self.co_signed, KeyMode::Seal) },
            KeyRecord { co_signers: vec![Role::Witness], ..issuer(&self.co_signed_direct, KeyMode::Direct) },
            KeyRecord { typs: requests.clone(), ..issuer(&self.other_typ, KeyMode::Direct) },
            self.main.record(&self.log, Role::Log, KeyMode::Direct),
            witness(&self.witness, KeyMode::Seal),
            witness(&self.witness_direct, KeyMode::Direct),
            KeyRecord { typs: requests, ..witness(&self.witness_other_typ, KeyMode::Seal) },
            KeyRecord { not_before: START, ..witness(&self.witness_late, KeyMode::Seal) },
        ]
    }

    /// Returns a good license, signed directly.
    #[must_use]
    pub fn good_direct(&self) -> Vec<u8> {
        issue_direct(&self.direct, &bare())
    }

    /// Returns a good license: number 3 of a sealed batch of seven.
    #[must_use]
    pub fn good_sealed(&self) -> Vec<u8> {
        self.batch_of_seven().remove(3)
    }

    /// Returns a sealed batch of seven licenses.
    #[must_use]
    pub fn batch_of_seven(&self) -> Vec<Vec<u8>> {
        let mut license = bare();
        let licenses: Vec<_> = (0..7)
            .map(|number| {
                license.id.0[15] = number;
                license
            })
            .collect();
        self.main.issue_sealed(&self.seal, &licenses)
    }

    /// Signs any payload directly as a license.
    #[must_use]
    pub fn license_of(&self, payload: Vec<u8>) -> Vec<u8> {
        crate::authority::sign_direct(&self.direct, Kind::License, payload)
    }

    /// Signs the bare license directly under other headers.
    #[must_use]
    pub fn license_under(&self, protected: Vec<u8>) -> Vec<u8> {
        sign_unsigned(&self.direct, &Unsigned::from_parts(protected, bare().encode()))
    }

    /// Returns the headers of a license that is signed directly.
    #[must_use]
    pub fn direct_header(&self) -> Header<'static> {
        let mode = Mode::Direct(self.direct.algorithm());
        Header { mode, kid: self.direct.kid(), typ: Kind::License.typ() }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}
