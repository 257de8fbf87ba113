//! The command line as people meet it: one TOML case an outcome, with exact output and exit code.
//!
//! Each folder of `cmd/` runs against a home of its own, made here; `doctor/` against those of others.
//! Commands of `authority/` change nothing, those of `change/` do. Not here: journeys over several
//! commands (package `chancery-tests`).
#![allow(clippy::unwrap_used, clippy::expect_used, missing_debug_implementations)]

use std::path::{Path, PathBuf};

use chancery_authority::home::Home;

#[path = "cli/backup.rs"]
mod backup;
#[path = "cli/batch.rs"]
mod batch;
#[path = "cli/catalog.rs"]
mod catalog;
#[path = "cli/copies.rs"]
mod copies;
#[path = "cli/desk.rs"]
mod desk;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/homes.rs"]
mod homes;
#[path = "cli/issuing.rs"]
mod issuing;
#[path = "cli/locked.rs"]
mod locked;
#[path = "cli/log.rs"]
mod log;
#[path = "cli/lost_answer.rs"]
mod lost_answer;
#[path = "cli/orders.rs"]
mod orders;
#[path = "cli/shell.rs"]
mod shell;
#[path = "cli/token.rs"]
mod token;

use homes::Folder;

/// Every case, so that a folder that is not run, or a pattern that matches nothing, fails.
const CASES: usize = 418;

/// Runs the cases of a folder at the same time, as far as the machine can.
fn run(group: &str, home: &Home) {
    run_with(&format!("{group}/*"), home, as_it_is);
}

/// Runs one case with nothing beside it: `doctor` says so when another command is at work.
fn run_alone(case: &str, home: &Home) {
    run_with(case, home, as_it_is);
}

fn as_it_is(cases: &trycmd::TestCases) {
    cases.default_bin_path(env!("CARGO_BIN_EXE_chancery"));
}

fn run_with(cases_of: &str, home: &Home, adjust: impl FnOnce(&trycmd::TestCases)) {
    let cases = trycmd::TestCases::new();
    adjust(&cases);
    cases.env("CHANCERY_HOME", home.path().to_str().unwrap()).env("TZ", "UTC").env("NO_COLOR", "1");
    cases.insert_var("[HOME]", home.path().to_str().unwrap().to_owned()).unwrap();
    cases.case(format!("tests/{cases_of}.toml"));
    cases.run();
}

#[test]
fn commands_without_an_authority() {
    let folder = Folder::new();
    run("cmd/bare", &folder.home());
    assert!(!folder.home().path().exists());
}

#[test]
fn an_init_that_fails_leaves_nothing() {
    let folder = Folder::new();
    run("cmd/init-refused", &folder.home());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn commands_that_change_nothing() {
    let folder = Folder::new();
    homes::authority(&folder.home());
    let before = homes::content(folder.home().path());
    run("cmd/authority", &folder.home());
    run_alone("cmd/doctor/sound", &folder.home());
    assert_eq!(homes::content(folder.home().path()), before);
}

#[test]
fn commands_that_change_something() {
    let folder = Folder::new();
    homes::authority(&folder.home());
    run("cmd/change", &folder.home());
}

#[test]
fn commands_on_a_database_of_a_newer_version() {
    let folder = Folder::new();
    homes::authority(&folder.home());
    homes::tamper(&folder.home(), "PRAGMA user_version = 99");
    run("cmd/newer", &folder.home());
    run_alone("cmd/doctor/newer", &folder.home());
}

#[test]
fn commands_on_a_corrupted_database() {
    let folder = Folder::new();
    homes::authority(&folder.home());
    std::fs::write(folder.home().database(), "this is no database\n".repeat(512)).unwrap();
    run("cmd/corrupted", &folder.home());
    run_alone("cmd/doctor/corrupted", &folder.home());
}

#[test]
fn commands_on_a_database_with_a_planted_trigger() {
    let folder = Folder::new();
    homes::authority(&folder.home());
    homes::tamper(
        &folder.home(),
        "CREATE TRIGGER planted AFTER INSERT ON license BEGIN DELETE FROM customer; END",
    );
    run("cmd/planted", &folder.home());
    run_alone("cmd/doctor/planted", &folder.home());
}

#[test]
fn every_case_is_run() {
    let files = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.collect::<Vec<_>>()
    };
    let groups = files(Path::new("tests/cmd"));
    let run = [
        "authority",
        "bare",
        "catalog",
        "catalog-change",
        "change",
        "corrupted",
        "doctor",
        "init-refused",
        "inspect",
        "inspect-alone",
        "inspect-damaged",
        "issue",
        "issue-again",
        "key-missing",
        "newer",
        "order",
        "planted",
        "refused",
        "token",
        "token-wrong-pin",
        "token-absent",
        "token-issue",
        "token-without-key",
    ];
    for group in &groups {
        assert!(run.iter().any(|name| group.ends_with(name)), "{} is not run", group.display());
    }
    let is_case = |path: &&PathBuf| path.extension().is_some_and(|ending| ending == "toml");
    let count: usize = groups.iter().map(|group| files(group).iter().filter(is_case).count()).sum();
    assert_eq!(count, CASES);
}

#[test]
#[should_panic(expected = "1 of 1 tests failed")]
fn a_wrong_expectation_fails() {
    run("cmd-wrong", &Folder::new().home());
}
