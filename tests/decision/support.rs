//! A vendor in memory, the tables of the page, and the words in which their cells name terms and facts.

use chancery_formats::id::Thumbprint;
use chancery_formats::license::{
    Distribution, EnforcementMode, Feature, License, Terms, Users, Version, Versions,
};
use chancery_formats::seal::Role;
use chancery_formats::trust::{KeyMode, KeyRecord};
use chancery_tests::authority::{Authority, Quorum, issue_direct};
use chancery_tests::key::SecretKey;
use chancery_tests::license::{END, START, bare, countries, features, names, with_terms};
use chancery_verifier::{Context, Decision, Facts, Seat, Trust, decide, verify_license};

const PAGE: &str = include_str!("../../docs/spec/decision.md");

pub struct Vendor {
    pub key: SecretKey,
    pub trust: Trust,
}

impl Vendor {
    pub fn new() -> Self {
        let key = SecretKey::ed25519(10);
        let authority = Authority::found(Quorum::of(1, &[1]));
        // Valid since 1970, so that licenses here may be issued at any time.
        let record = KeyRecord { not_before: 0, ..authority.record(&key, Role::Issuer, KeyMode::Direct) };
        Self { trust: authority.certify(&record).trust(), key }
    }

    /// Issues, verifies and decides.
    pub fn decide(&self, license: &License<'_>, context: &Context<'_>, feature: Option<&str>) -> Decision {
        let document = issue_direct(&self.key, license);
        decide(&verify_license(&document, &self.trust).expect("a good license"), context, feature)
    }
}

/// Three features: one on, one with a limit, one metered.
pub fn license() -> License<'static> {
    metered(500, 0)
}

pub fn metered(quota: u64, overdraft: u64) -> License<'static> {
    let granted = [
        ("logging", Feature::On),
        ("channels", Feature::Limit(16)),
        ("prints", Feature::Quota { quota, overdraft }),
    ];
    with_terms(bare(), |terms| terms.features = features(&granted))
}

/// Returns the rows of the first table below a line that holds `heading`, without its head.
pub fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let section = PAGE.split_once(heading).unwrap_or_else(|| panic!("no section {heading}")).1;
    let lines =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    lines.skip(2).map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

pub fn some(cell: &'static str) -> Option<&'static str> {
    (cell != "-").then_some(cell)
}

/// Reads `start`, `end+1` and the like.
pub fn time(cell: &str) -> u64 {
    let (base, rest) = match cell.strip_prefix("start") {
        Some(rest) => (START, rest),
        None => (END, cell.strip_prefix("end").unwrap_or_else(|| panic!("no time: {cell}"))),
    };
    let offset: i64 = if rest.is_empty() { 0 } else { rest.parse().expect("seconds") };
    base.checked_add_signed(offset).expect("a time")
}

pub fn key(name: &str) -> Thumbprint {
    let number = match name {
        "A" => 50,
        "B" => 52,
        other => panic!("no key {other}"),
    };
    SecretKey::ed25519(number).thumbprint()
}

pub fn mode(cell: &str) -> EnforcementMode {
    [EnforcementMode::Deny, EnforcementMode::Warn, EnforcementMode::Degrade]
        .into_iter()
        .find(|mode| mode.name() == cell)
        .unwrap_or_else(|| panic!("no mode {cell}"))
}

/// Reads `lowest 2, in CH+DE`: pairs of a word and a value.
fn pairs(cell: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let pairs = some(cell).into_iter().flat_map(|cell| cell.split(", "));
    pairs.map(|pair| pair.split_once(' ').unwrap_or((pair, "")))
}

fn version(text: &str) -> Option<Version> {
    Some(text.parse().expect("a version"))
}

fn number(text: &str) -> Option<u64> {
    Some(text.parse().expect("a number"))
}

fn listed(text: &str) -> Vec<&str> {
    text.split('+').collect()
}

/// The license of the page with the terms that a cell names.
pub fn with_cell(cell: &'static str) -> License<'static> {
    let mut license = license();
    for (word, value) in pairs(cell) {
        match word {
            "key" => license.device_key = Some(key(value)),
            "quota" => {
                let (quota, overdraft) = value.split_once('+').expect("quota+overdraft");
                let (quota, overdraft) = (number(quota).expect("units"), number(overdraft).expect("units"));
                license.terms.features = metered(quota, overdraft).terms.features;
            }
            _ => add(&mut license.terms, word, value),
        }
    }
    license
}

fn add(terms: &mut Terms<'static>, word: &str, value: &'static str) {
    let mut window = terms.versions.unwrap_or(Versions { lowest: None, highest: None, released_until: None });
    let mut limits = terms.distribution.unwrap_or(Distribution { devices: None, channels: None });
    let mut named = terms.users.unwrap_or(Users { users: None, groups: None });
    match word {
        "lowest" => window.lowest = version(value),
        "highest" => window.highest = version(value),
        "until" => window.released_until = Some(time(value)),
        "seats" => terms.seats = number(value),
        "in" => terms.territory = Some(countries(&listed(value))),
        "channels" => limits.channels = Some(names(&listed(value))),
        "devices" => limits.devices = number(value),
        "bindings" => terms.bindings = number(value),
        "users" => named.users = Some(names(&listed(value))),
        "groups" => named.groups = Some(names(&listed(value))),
        other => panic!("no term {other}"),
    }
    match word {
        "lowest" | "highest" | "until" => terms.versions = Some(window),
        "channels" | "devices" => terms.distribution = Some(limits),
        "users" | "groups" => terms.users = Some(named),
        _ => {}
    }
}

/// What a cell tells, and the device key that it names.
pub fn told(cell: &'static str) -> (Facts<'static>, Option<Thumbprint>) {
    let (mut facts, mut device_key) = (Facts::default(), None);
    for (word, value) in pairs(cell) {
        match word {
            "key" => device_key = Some(key(value)),
            "version" => facts.version = version(value),
            "released" => facts.released_at = Some(time(value)),
            "in" => facts.territory = Some(value),
            "channel" => facts.channel = Some(value),
            "installed" => facts.installed_on = number(value),
            "binding" => facts.binding = number(value),
            "user" => facts.user = Some(value),
            "groups" if value == "none" => facts.groups = Some(&[]),
            "groups" => facts.groups = Some(listed(value).leak()),
            "taken" => facts.seat = number(value).map(Seat::TakenByOthers),
            "held" => facts.seat = Some(Seat::Held),
            "used" => facts.used = number(value),
            other => panic!("no fact {other}"),
        }
    }
    (facts, device_key)
}
