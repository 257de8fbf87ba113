//! Terms and facts: the tables of sections 4 and 5, and the attacks on them.

use std::collections::BTreeSet;

use chancery_formats::license::{Distribution, EnforcementMode, License, Terms, Users, Version, Versions};
use chancery_tests::authority::issue_direct;
use chancery_tests::license::{END, PRODUCT, START, countries, names, with_terms};
use chancery_verifier::{Context, Facts, Favorable, Verdict, decide, explain, verify_license};

use super::support::{Vendor, license, metered, mode, rows, some, told, with_cell};

/// Rows of the table in section 5.
const ROWS: usize = 118;

/// The codes that section 5 has to show, beside those of section 4.
const CODES: [&str; 12] = [
    "binding-beyond",
    "channel-other",
    "granted",
    "in-overdraft",
    "installs-exceeded",
    "quota-exhausted",
    "release-later",
    "seats-exhausted",
    "territory-other",
    "user-other",
    "version-newer",
    "version-older",
];

fn context(facts: Facts<'static>) -> Context<'static> {
    Context { now: START, product: PRODUCT, device_key: None, components: &[], facts }
}

#[test]
fn every_row_of_the_table_of_terms_is_decided_as_it_says() {
    let vendor = Vendor::new();
    let rows = rows("## 5. The table of terms");
    assert_eq!(rows.len(), ROWS);
    let (mut codes, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for row in rows {
        let [terms, facts, feature, mode_cell, verdict, reason] = row[..] else {
            panic!("another number of columns: {row:?}")
        };
        let license = with_terms(with_cell(terms), |terms| terms.enforcement.mode = mode(mode_cell));
        let (facts, device_key) = told(facts);
        let context = Context { device_key, ..context(facts) };
        let document = issue_direct(&vendor.key, &license);
        let verified = verify_license(&document, &vendor.trust).expect("a good license");
        let decision = decide(&verified, &context, some(feature));
        assert_eq!((decision.verdict.name(), decision.reason.code()), (verdict, reason), "{row:?}");
        assert_eq!(*explain(&verified, &context, some(feature)).decision(), decision, "{row:?}");
        codes.insert(reason);
        assert!(seen.insert(row.clone()), "twice: {row:?}");
    }
    let unknown: Vec<_> = super::support::rows("## 4. Facts").iter().map(|row| row[2]).collect();
    let missing: Vec<_> = CODES.into_iter().chain(unknown).filter(|code| !codes.contains(code)).collect();
    assert!(missing.is_empty(), "no row gives {missing:?}");
}

/// Adds the term that a row of section 4 names, in a way that needs no other fact.
fn add_term(terms: &mut Terms<'static>, term: &str) {
    let window = terms.versions.unwrap_or(Versions { lowest: None, highest: None, released_until: None });
    let limits = terms.distribution.unwrap_or(Distribution { devices: None, channels: None });
    let named = terms.users.unwrap_or(Users { users: None, groups: None });
    match term {
        "bindings, without `cnf`" => terms.bindings = Some(1),
        "lowest or highest version" => {
            terms.versions = Some(Versions { lowest: Version::new(&[1]), ..window });
        }
        "released until" => terms.versions = Some(Versions { released_until: Some(END), ..window }),
        "territory" => terms.territory = Some(countries(&["CH"])),
        "channels" => terms.distribution = Some(Distribution { channels: Some(names(&["usb"])), ..limits }),
        "devices" => terms.distribution = Some(Distribution { devices: Some(1), ..limits }),
        "users" => terms.users = Some(Users { users: Some(names(&["ann"])), ..named }),
        "groups" => terms.users = Some(Users { groups: Some(names(&["shift"])), ..named }),
        "seats" => terms.seats = Some(1),
        "quota of the feature asked for" => {}
        other => panic!("no term {other}"),
    }
}

/// Whoever leaves a fact out gets less than whoever tells the worst.
#[test]
fn a_fact_that_is_left_out_denies_with_its_own_code() {
    let vendor = Vendor::new();
    let rows = rows("## 4. Facts");
    assert_eq!(rows.iter().map(|row| row[2]).collect::<BTreeSet<_>>().len(), 10);
    for mode in [EnforcementMode::Deny, EnforcementMode::Warn, EnforcementMode::Degrade] {
        for row in &rows {
            let license = with_terms(license(), |terms| {
                terms.enforcement.mode = mode;
                add_term(terms, row[0]);
            });
            let quota = row[0].starts_with("quota");
            let features =
                if quota { vec![Some("prints")] } else { vec![Some("logging"), Some("channels"), None] };
            for feature in features {
                let decision = vendor.decide(&license, &context(Facts::default()), feature);
                let found = (decision.verdict, decision.reason.code());
                assert_eq!(found, (Verdict::Deny, row[2]), "{feature:?}");
            }
        }
    }
    // With every term from one row on, the code is that row's: the order of the page.
    for (first, row) in rows.iter().enumerate() {
        let license =
            with_terms(license(), |terms| rows[first..].iter().for_each(|row| add_term(terms, row[0])));
        let decision = vendor.decide(&license, &context(Facts::default()), Some("prints"));
        assert_eq!(decision.reason.code(), row[2]);
    }
}

/// Every other fact told, and told well, does not stand in for the one that is missing.
#[test]
fn no_fact_stands_in_for_another() {
    let vendor = Vendor::new();
    let all: Vec<_> = rows("## 4. Facts").iter().map(|row| row[0]).collect();
    // A user that is named needs no group: groups are tried alone.
    let terms: Vec<_> = all.into_iter().filter(|term| *term != "groups").collect();
    let license = with_terms(license(), |known| terms.iter().for_each(|term| add_term(known, term)));
    let favorable = Favorable::to(&license);
    let facts = favorable.facts();
    let document = issue_direct(&vendor.key, &license);
    let verified = verify_license(&document, &vendor.trust).expect("a good license");
    let code = |facts| {
        let context = Context { now: START, product: PRODUCT, device_key: None, components: &[], facts };
        decide(&verified, &context, Some("prints")).reason.code()
    };
    assert_eq!(code(facts), "granted");
    let without = [
        (Facts { binding: None, ..facts }, "binding-unknown"),
        (Facts { version: None, ..facts }, "version-unknown"),
        (Facts { released_at: None, ..facts }, "release-unknown"),
        (Facts { territory: None, ..facts }, "territory-unknown"),
        (Facts { channel: None, ..facts }, "channel-unknown"),
        (Facts { installed_on: None, ..facts }, "installs-unknown"),
        (Facts { user: None, ..facts }, "user-unknown"),
        (Facts { seat: None, ..facts }, "seat-unknown"),
        (Facts { used: None, ..facts }, "used-unknown"),
    ];
    for (facts, expected) in without {
        assert_eq!(code(facts), expected);
    }
}

/// Zero seats, an empty territory, no users: a license that says so is not one.
#[test]
fn terms_that_grant_nobody_anything_are_not_licenses() {
    let vendor = Vendor::new();
    let refused = |license: &License<'_>| {
        let document = issue_direct(&vendor.key, license);
        verify_license(&document, &vendor.trust).map(|_| ()).expect_err("no license").code()
    };
    for license in [
        with_terms(license(), |terms| terms.seats = Some(0)),
        with_terms(license(), |terms| terms.bindings = Some(0)),
        with_terms(license(), |terms| terms.users = Some(Users { users: None, groups: None })),
        with_terms(license(), |terms| {
            terms.distribution = Some(Distribution { devices: Some(0), channels: None });
        }),
        with_terms(license(), |terms| {
            terms.versions = Some(Versions { lowest: None, highest: None, released_until: None });
        }),
    ] {
        assert_eq!(refused(&license), "out-of-range");
    }
    let empty = chancery_formats::license::Names::decode(&[0x80], true);
    assert_eq!(empty.expect_err("an empty territory").code(), "out-of-range");
}

/// What the authority hands out some site can use, or the authority hears why none can.
#[test]
fn facts_that_suit_a_license_grant_it_unless_nothing_can() {
    let vendor = Vendor::new();
    let code = |license: &License<'static>| {
        let favorable = Favorable::to(license);
        let context = Context {
            now: START,
            product: PRODUCT,
            device_key: license.device_key,
            components: &[],
            facts: favorable.facts(),
        };
        vendor.decide(license, &context, Some("prints")).reason.code()
    };
    for terms in [
        "-",
        "lowest 2.1, highest 2.1",
        "highest 0.0.0.1",
        "lowest 4, highest 4.0.0.1, until start",
        "in CH+DE, channels mail+usb, devices 1, bindings 1, seats 1",
        "users ann, groups shift",
        "groups shift",
    ] {
        assert_eq!(code(&with_cell(terms)), "granted", "{terms}");
    }
    assert_eq!(code(&with_cell("lowest 4, highest 3.9")), "version-newer");
    assert_eq!(code(&metered(0, 0)), "quota-exhausted");
}
