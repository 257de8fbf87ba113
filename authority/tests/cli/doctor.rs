//! `chancery doctor` names what is wrong, ends with the right code, and changes no byte.
//!
//! A process of its own looks, as it does in life: within one process, SQLite shares what it opened.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use chancery_authority::home::Home;
use chancery_authority::repository::Repository;
use chancery_formats::id::EntitlementId;
use serde_json::Value;

use crate::homes::{self, Folder, content};

fn doctor(home: &Home, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
    command.env("TZ", "UTC").env_remove("CHANCERY_HOME");
    command.arg("doctor").arg("--home").arg(home.path()).args(args).output().unwrap()
}

/// Runs doctor, checks that it changed nothing, and returns its exit code and findings by code.
fn findings(home: &Home) -> (i32, Value) {
    let before = home.path().exists().then(|| content(home.path()));
    let output = doctor(home, &["--json"]);
    assert_eq!(home.path().exists().then(|| content(home.path())), before);
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
}

fn codes(report: &Value, level: &str) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let wanted = findings.filter(|finding| finding["level"] == level);
    wanted.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_sound_home_is_ok() {
    let folder = Folder::new();
    homes::authority(&folder.home());
    let (exit, report) = findings(&folder.home());
    assert_eq!((exit, report["level"].as_str()), (0, Some("ok")), "{report:#}");
    let names = ["home", "database", "integrity", "authority", "lease", "key", "key", "reserve", "log"];
    assert_eq!(codes(&report, "ok"), names);
}

#[test]
fn a_missing_home_is_a_problem_and_stays_missing() {
    let folder = Folder::new();
    let (exit, report) = findings(&folder.home());
    assert_eq!((exit, codes(&report, "problem")), (1, vec!["not-initialized".to_owned()]));
}

#[test]
fn what_a_killed_init_left_beside_the_home_is_named() {
    let folder = Folder::new();
    let home = folder.home();
    let beside = |name: String| home.path().with_file_name(name);
    let name = home.path().file_name().unwrap().to_str().unwrap();
    let left = beside(format!(".{name}.init-0123456789ab"));
    for path in
        [left.clone(), beside(format!(".{name}.init-x")), beside(format!(".{name}x.init-0123456789ab"))]
    {
        fs::create_dir(path).unwrap();
    }
    let (exit, report) = findings(&home);
    assert_eq!((exit, codes(&report, "warning")), (1, vec!["init-interrupted".to_owned()]), "{report:#}");
    assert!(report.to_string().contains(left.to_str().unwrap()));
}

#[test]
fn a_folder_that_documents_are_written_to_is_looked_at() {
    let folder = Folder::new();
    let home = folder.home();
    homes::authority(&home);
    let stick = home.path().with_file_name("stick");
    fs::create_dir(&stick).unwrap();
    fs::write(stick.join(".pump.clic.abcdef.chancery-tmp"), b"").unwrap();
    let look = |at: &str| {
        let output = doctor(&home, &["--json", at]);
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    let (exit, report) = look(stick.to_str().unwrap());
    assert_eq!((exit, codes(&report, "warning")), (Some(0), vec!["leftover".to_owned()]), "{report:#}");
    assert!(report.to_string().contains(".pump.clic.abcdef.chancery-tmp"));
    let (exit, report) = look(stick.join("none").to_str().unwrap());
    assert_eq!((exit, codes(&report, "problem")), (Some(1), vec!["file-not-found".to_owned()]));
}

#[test]
fn a_home_in_use_is_seen_as_it_stands() {
    let folder = Folder::new();
    let mut writer = homes::open_authority(&folder.home());
    homes::grant(&mut writer, EntitlementId([9; 8]), 1, None);
    homes::interrupt(&mut writer);
    assert!(folder.home().write_ahead_log().metadata().unwrap().len() > 0);
    let (exit, report) = findings(&folder.home());
    assert_eq!((exit, codes(&report, "warning")), (0, vec!["interrupted".to_owned()]), "{report:#}");
}

#[test]
fn interrupted_work_is_named() {
    let folder = Folder::new();
    homes::interrupt(&mut homes::open_authority(&folder.home()));
    let output = doctor(&folder.home(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let line = text.lines().find(|line| line.starts_with("warning")).unwrap();
    assert_eq!(
        line,
        "warning  license lic_0R30C1G60R30C1G60R30C1G60R of entitlement ent_040G2081040G2 was begun at \
         2026-11-01 12:00:00 UTC and is not signed; the key may have signed once"
    );
}

#[test]
fn work_that_a_crash_interrupted_is_read_from_the_write_ahead_log() {
    let folder = Folder::new();
    let mut writer = homes::open_authority(&folder.home());
    homes::interrupt(&mut writer);
    let crashed = Home::new(folder.home().path().with_file_name("crashed"));
    fs::create_dir(crashed.path()).unwrap();
    fs::set_permissions(crashed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    for (path, ..) in content(folder.home().path()) {
        fs::copy(&path, crashed.path().join(path.file_name().unwrap())).unwrap();
    }
    drop(writer);
    let (exit, report) = findings(&crashed);
    // A copy is not the home that holds the lease.
    assert_eq!((exit, codes(&report, "alarm")), (5, vec!["home-copied".to_owned()]), "{report:#}");
    Repository::open_unleased(&crashed).unwrap().take_lease(homes::NOW).unwrap();
    let (exit, report) = findings(&crashed);
    assert_eq!((exit, codes(&report, "warning")), (0, vec!["interrupted".to_owned()]), "{report:#}");
}

#[test]
fn what_is_open_to_others_or_missing_is_a_problem() {
    let folder = Folder::new();
    let home = folder.home();
    homes::authority(&home);
    let open =
        |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(home.path(), 0o755);
    open(&home.database(), 0o640);
    open(&home.keys().join("root"), 0o644);
    fs::remove_file(home.keys().join("issuer")).unwrap();
    fs::remove_file(home.reserve()).unwrap();
    fs::write(home.path().join(".pump.clic.abcdef.chancery-tmp"), "").unwrap();
    let (exit, report) = findings(&home);
    let problems = ["file-exposed", "database-exposed", "key-exposed", "key-missing"];
    assert_eq!((exit, codes(&report, "problem")), (1, problems.map(String::from).to_vec()), "{report:#}");
    assert_eq!(codes(&report, "warning"), ["reserve-missing", "leftover"]);
}

#[test]
fn damage_and_planted_schema_are_alarms() {
    let folder = Folder::new();
    let home = folder.home();
    homes::authority(&home);
    let sound = fs::read(home.database()).unwrap();
    let mut damaged = sound.clone();
    let last = damaged.len() - 4096;
    damaged[last..last + 8].fill(0x5a);
    fs::write(home.database(), damaged).unwrap();
    let (exit, report) = findings(&home);
    assert_eq!((exit, report["level"].as_str()), (5, Some("alarm")), "{report:#}");

    fs::write(home.database(), sound).unwrap();
    homes::tamper(&home, "CREATE VIEW planted AS SELECT 1");
    let (exit, report) = findings(&home);
    assert_eq!((exit, codes(&report, "alarm")), (5, vec!["database-schema-foreign".to_owned()]));
}

#[test]
fn an_unfinished_home_is_a_problem() {
    let folder = Folder::new();
    drop(Repository::create(&folder.home()).unwrap());
    let (exit, report) = findings(&folder.home());
    assert_eq!((exit, codes(&report, "problem")), (1, vec!["init-unfinished".to_owned()]));
}
