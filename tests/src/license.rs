//! Licenses and their parts, with realistic names. Encoded parts live as long as the test.

use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use chancery_formats::license::terms::Components;
use chancery_formats::license::{
    Device, Distribution, Enforcement, EnforcementMode, Feature, Features, License, Names, Terms, Users,
    Version, Versions,
};
use chancery_verifier::device::{Component, Digester, Kind};

/// First second of the term of [`bare`], in Unix seconds: 2026-01-01.
pub const START: u64 = 1_767_225_600;

/// Last second of the term of [`bare`]: 2026-12-31.
pub const END: u64 = 1_798_761_599;

/// The product of every license here.
pub const PRODUCT: &str = "pump-control";

/// The ten features of every license here.
pub const FEATURES: [(&str, Feature); 10] = [
    ("logging", Feature::On),
    ("channels", Feature::Limit(16)),
    ("trend-export", Feature::On),
    ("alarm-routing", Feature::On),
    ("remote-view", Feature::On),
    ("recipes", Feature::On),
    ("opc-ua", Feature::On),
    ("redundancy", Feature::On),
    ("audit-trail", Feature::On),
    ("reports", Feature::On),
];

const SALT: [u8; 8] = [0x5a, 1, 2, 3, 4, 5, 6, 7];

fn keep(bytes: Vec<u8>) -> &'static [u8] {
    Box::leak(bytes.into_boxed_slice())
}

/// Makes a set of features.
#[must_use]
pub fn features(features: &[(&str, Feature)]) -> Features<'static> {
    Features::decode(keep(Features::encode(features))).expect("features")
}

/// Makes a list of names: products, users, groups, channels.
#[must_use]
pub fn names(names: &[&str]) -> Names<'static> {
    Names::decode(keep(Names::encode(names)), false).expect("names")
}

/// Makes a list of countries.
#[must_use]
pub fn countries(countries: &[&str]) -> Names<'static> {
    Names::decode(keep(Names::encode(countries)), true).expect("countries")
}

/// Returns the components of the machine that licenses here are bound to: the first six kinds.
#[must_use]
pub fn machine() -> Vec<Component> {
    let component =
        |kind: Kind| Component { kind, value: format!("{} of plant 7", kind.name()).into_bytes() };
    Kind::ALL.into_iter().take(6).map(component).collect()
}

/// Makes the binding to a machine of which `k` components must match.
#[must_use]
pub fn device(k: u64, machine: &[Component]) -> Device<'static> {
    device_salted(k, SALT, machine)
}

/// Makes the binding to a machine under the salt of its request.
#[must_use]
pub fn device_salted(k: u64, salt: [u8; 8], machine: &[Component]) -> Device<'static> {
    let digester = Digester::new(&salt);
    let digests: Vec<_> =
        machine.iter().map(|component| (component.kind.number(), digester.digest(component))).collect();
    let components = Components::decode(keep(Components::encode(&digests))).expect("components");
    Device { k, salt, components }
}

/// Makes a license of one year with ten features and no other term, bound to nothing.
#[must_use]
pub fn bare() -> License<'static> {
    License {
        issuer: "Northwind Controls GmbH",
        subject: "acme/plant-7",
        product: PRODUCT,
        not_after: Some(END),
        not_before: Some(START),
        issued_at: START - 86_400,
        id: LicenseId(core::array::from_fn(|index| 0xc0 + index as u8)),
        device_key: None,
        terms: Terms {
            entitlement: EntitlementId([0xe1, 0x5b, 0x0c, 0x94, 0x77, 0x2a, 0xd3, 0x08]),
            edition: "standard",
            revision: 1,
            features: features(&FEATURES),
            versions: None,
            seats: None,
            device: None,
            territory: None,
            support: None,
            enforcement: Enforcement::default(),
            distribution: None,
            least_revocation_list: None,
            bindings: None,
            users: None,
        },
    }
}

/// Binds a license to four of the six components of [`machine`].
#[must_use]
pub fn on_machine(license: License<'static>) -> License<'static> {
    with_terms(license, |terms| terms.device = Some(device(4, &machine())))
}

/// Adds device key, grace, territory, support level and list minimum: what DESIGN calls full terms.
#[must_use]
pub fn full(license: License<'static>) -> License<'static> {
    let license = License { device_key: Some(Thumbprint([0xdd; 32])), ..license };
    with_terms(license, |terms| {
        terms.territory = Some(countries(&["CH", "DE"]));
        terms.support = Some("gold");
        terms.enforcement = Enforcement { grace_secs: 2_592_000, ..Enforcement::default() };
        terms.least_revocation_list = Some(412);
    })
}

/// Adds every term that schema 1 has.
#[must_use]
pub fn every_term(license: License<'static>) -> License<'static> {
    with_terms(full(on_machine(license)), |terms| {
        terms.enforcement.mode = EnforcementMode::Degrade;
        terms.enforcement.notice_secs = 604_800;
        terms.versions = Some(Versions {
            lowest: Version::new(&[2]),
            highest: Version::new(&[3, 1]),
            released_until: Some(END),
        });
        terms.seats = Some(5);
        terms.distribution = Some(Distribution { devices: Some(3), channels: Some(names(&["stick"])) });
        terms.bindings = Some(2);
        terms.users = Some(Users { users: Some(names(&["ann", "bob"])), groups: Some(names(&["shift-2"])) });
    })
}

/// Changes the terms of a license.
#[must_use]
pub fn with_terms(
    mut license: License<'static>,
    change: impl FnOnce(&mut Terms<'static>),
) -> License<'static> {
    change(&mut license.terms);
    license
}
