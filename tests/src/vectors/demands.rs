//! Demands: what a product asks of keys beyond what the authority's records say.

use chancery_formats::document::Kind;
use chancery_formats::key::Protection;
use chancery_formats::seal::Role;
use chancery_formats::trust::{KeyMode, KeyRecord};

use super::Demand::{Hardware, Witness};
use super::{NamedBundle, Suite, World};
use crate::authority::{Authority, issue_direct};
use crate::key::SecretKey;
use crate::license::bare;

pub(super) fn bundles(world: &World) -> Vec<NamedBundle> {
    vec![NamedBundle::of("hardware", &hardware(world))]
}

/// Issues directly, from a device.
fn direct() -> SecretKey {
    SecretKey::ed25519(63)
}

/// Issues under a seal, from a device.
fn seal() -> SecretKey {
    SecretKey::ed25519(64)
}

/// A witness in a device.
fn witness() -> SecretKey {
    SecretKey::ed25519(65)
}

/// The main authority with keys in devices beside those in software.
fn hardware(world: &World) -> Authority {
    let records = [
        world.main.record(&direct(), Role::Issuer, KeyMode::Direct),
        world.main.record(&seal(), Role::Issuer, KeyMode::Seal),
        world.main.record(&witness(), Role::Witness, KeyMode::Seal),
    ];
    records.into_iter().fold(world.main.clone(), |authority, record| {
        authority.certify(&KeyRecord { protection: Protection::Hardware, ..record })
    })
}

pub(super) fn suite(world: &World) -> Suite {
    let mut suite = Suite::new("demands");
    let mut case = |name: &str, document: &[u8], demands: &[_], code| {
        suite.license_under("hardware", name, document, code);
        suite.demanding(demands);
    };
    let by = |issuer: &SecretKey, other: Option<&SecretKey>| {
        let witness = other.map(|key| (Role::Witness, key));
        let signers: Vec<_> = [(Role::Issuer, issuer)].into_iter().chain(witness).collect();
        world.main.sealing(&signers).seal(Kind::License, issuer, vec![bare().encode()]).remove(0)
    };
    let (hard, soft) = (&witness(), &world.witness);
    let hard_direct = issue_direct(&direct(), &bare());
    case("a device demanded, direct", &hard_direct, &[Hardware], "ok");
    case("a device and a witness demanded", &by(&seal(), Some(hard)), &[Hardware, Witness], "ok");
    case("a witness demanded, keys in software", &by(&world.seal, Some(soft)), &[Witness], "ok");
    case("a device demanded, key in software", &world.good_direct(), &[Hardware], "protection-software");
    case("a device demanded, sealed by software", &world.good_sealed(), &[Hardware], "protection-software");
    let half = by(&seal(), Some(soft));
    case("a device demanded, witness in software", &half, &[Hardware], "protection-software");
    case("a witness demanded, signed directly", &hard_direct, &[Witness], "co-signer-missing");
    case("a witness demanded, sealed alone", &by(&seal(), None), &[Witness], "co-signer-missing");
    case("both demanded, witness stripped", &by(&seal(), None), &[Hardware, Witness], "co-signer-missing");
    suite
}
