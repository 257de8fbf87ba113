//! The sweep of dates: every model around its beginning, notice, end, grace and maintenance, in zones east and west
//! and over a leap day.
//!
//! The authority's own reader makes the terms of the dates; the instants of the page were computed apart from it.

use std::collections::BTreeSet;

use chancery_authority::workflow::term;
use chancery_formats::license::{Enforcement, EnforcementMode, License, MAX_TIME, Versions};
use chancery_tests::authority::issue_direct;
use chancery_tests::license::{PRODUCT, with_terms};
use chancery_verifier::{Context, Facts, VerifiedLicense, decide, decide_term, verify_license};

use super::support::{Vendor, mode, rows, some, told, with_cell};

const MODELS: usize = 12;
const ZONES: usize = 6;
const DAY_SECS: u64 = 86_400;

/// A model of section 6, as a license in one zone, and what its product tells.
struct Model {
    license: License<'static>,
    facts: Facts<'static>,
    device_key: Option<chancery_formats::id::Thumbprint>,
    feature: &'static str,
}

fn day_in(cell: &'static str, zone: &str, read: fn(&str) -> Result<u64, term::TermError>) -> Option<u64> {
    some(cell).map(|day| read(&format!("{day}[{zone}]")).expect("a day"))
}

fn model(row: &[&'static str], zone: &str) -> Model {
    let [_, terms, facts, feature, from, to, maintenance, mode_cell, grace, notice] = *row else {
        panic!("another number of columns: {row:?}")
    };
    let days = |cell: &str| cell.parse::<u64>().expect("days") * DAY_SECS;
    let license = License {
        not_before: day_in(from, zone, term::start),
        not_after: day_in(to, zone, term::end),
        issued_at: 0,
        ..with_cell(terms)
    };
    let license = with_terms(license, |terms| {
        if let Some(until) = day_in(maintenance, zone, term::end) {
            let window =
                terms.versions.unwrap_or(Versions { lowest: None, highest: None, released_until: None });
            terms.versions = Some(Versions { released_until: Some(until), ..window });
        }
        let (grace_secs, notice_secs) = (days(grace), days(notice));
        terms.enforcement = Enforcement { mode: mode(mode_cell), grace_secs, notice_secs };
    });
    let (facts, device_key) = told(facts);
    Model { license, facts: Facts { released_at: Some(0), ..facts }, device_key, feature }
}

impl Model {
    fn ask(
        &self,
        verified: &VerifiedLicense<'_>,
        now: u64,
        released_at: u64,
    ) -> (&'static str, &'static str) {
        let facts = Facts { released_at: Some(released_at), ..self.facts };
        let context = Context { now, product: PRODUCT, device_key: self.device_key, components: &[], facts };
        let decision = decide(verified, &context, Some(self.feature));
        (decision.verdict.name(), decision.reason.code())
    }
}

fn instant(cell: &'static str) -> Option<u64> {
    some(cell).map(|cell| term::start(cell).expect("an instant"))
}

/// The phases that a row names: from which second on, what.
fn phases(license: &License<'_>, cells: &[&'static str]) -> Vec<(u64, (&'static str, &'static str))> {
    let [begins, notice, ended, expired] = *cells else { panic!("four instants: {cells:?}") };
    let last = match license.terms.enforcement.mode {
        EnforcementMode::Deny => ("deny", "expired"),
        EnforcementMode::Warn => ("warn", "expired"),
        EnforcementMode::Degrade => ("degrade", "expired"),
    };
    let mut phases = vec![(0, ("deny", "not-yet-valid"))];
    for (cell, answer) in [
        (begins, ("allow", "granted")),
        (notice, ("warn", "ends-soon")),
        (ended, ("warn", "in-grace")),
        (expired, last),
    ] {
        phases.extend(instant(cell).map(|at| (at, answer)));
    }
    phases
}

fn expected(phases: &[(u64, (&'static str, &'static str))], now: u64) -> (&'static str, &'static str) {
    // Without grace two phases begin in the same second, and the later one stands.
    phases.iter().rev().find(|(from, _)| *from <= now).expect("a phase").1
}

#[test]
fn every_model_answers_around_its_dates_as_the_table_says() {
    let vendor = Vendor::new();
    let models = rows("## 6. The table of dates");
    let rows = rows("Between these seconds nothing changes.");
    assert_eq!((models.len(), rows.len()), (MODELS, MODELS * ZONES));
    let pairs: BTreeSet<_> = rows.iter().map(|row| (row[0], row[1])).collect();
    assert_eq!(pairs.len(), MODELS * ZONES, "each model in each zone");
    let mut asked = 0;
    for row in &rows {
        let cells = models.iter().find(|model| model[0] == row[0]).expect("a model");
        let model = model(cells, row[1]);
        let document = issue_direct(&vendor.key, &model.license);
        let verified = verify_license(&document, &vendor.trust).expect("a good license");
        let phases = phases(&model.license, &row[2..6]);
        let mut instants: BTreeSet<u64> = [0, MAX_TIME, u64::MAX].into();
        for (at, _) in &phases[1..] {
            // Seconds, hours and days around: the day in another zone, the day after a leap day, a year.
            for away in [0, 1, 3_600, 11 * 3_600, 14 * 3_600, DAY_SECS, 2 * DAY_SECS, 366 * DAY_SECS] {
                instants.extend([at.saturating_sub(away), at + away]);
            }
        }
        for now in instants {
            let expected = expected(&phases, now);
            assert_eq!(model.ask(&verified, now, 0), expected, "{row:?} at {now}");
            let term = decide_term(&verified, now);
            assert_eq!(
                (term.verdict.name(), term.reason.code()),
                expected,
                "the term alone: {row:?} at {now}"
            );
            asked += 1;
        }
        if let Some(uncovered) = instant(row[6]) {
            maintenance(&model, &verified, &phases, uncovered);
        } else {
            assert_eq!(model.ask(&verified, phases[1].0, MAX_TIME), expected(&phases, phases[1].0));
        }
    }
    assert!(asked > 3_000, "only {asked} questions");
}

/// A version is covered by the day it was released on, whatever the day on which it asks.
fn maintenance(
    model: &Model,
    verified: &VerifiedLicense<'_>,
    phases: &[(u64, (&'static str, &'static str))],
    uncovered: u64,
) {
    for now in
        [phases[1].0, uncovered - 1, uncovered, uncovered + DAY_SECS, uncovered + 366 * DAY_SECS, MAX_TIME]
    {
        for (released, covered) in [
            (uncovered - DAY_SECS, true),
            (uncovered - 1, true),
            (uncovered, false),
            (uncovered + 1, false),
            (uncovered + DAY_SECS, false),
            (MAX_TIME, false),
        ] {
            let expected = if covered { expected(phases, now) } else { ("deny", "release-later") };
            assert_eq!(model.ask(verified, now, released), expected, "released {released}, at {now}");
        }
    }
}
