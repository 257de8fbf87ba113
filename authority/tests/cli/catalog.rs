//! The catalog from the first file to the pilot's end: what people read of it, and what is refused.

use chancery_authority::home::Home;
use chancery_authority::repository::Repository;
use chancery_authority::workflow::catalog::change::{Stated, apply};
use chancery_authority::workflow::catalog::read_over;
use chancery_authority::workflow::pilot::Share;

use crate::homes::{self, Folder, NOW};
use crate::{run, run_alone};

/// Makes a change a day after the one before.
fn change(repository: &mut Repository, text: &str, pilot: Option<&str>, reason: Option<&str>) {
    let state = repository.catalog_state().unwrap();
    let catalog = read_over(&state.catalog, text).unwrap();
    let stated = Stated { by: reason.map(|_| "Dana Keller"), reason };
    let share = pilot.map(|share| share.parse::<Share>().unwrap());
    let now = NOW + 86_400 * state.newest;
    apply(repository, &state, &catalog, text, (share, stated), now).unwrap();
}

/// An authority with the catalog of the page, a pilot that was overtaken, and one that is open as change 4.
fn with_pilots(home: &Home) {
    let mut repository = homes::open_authority(home);
    let page = include_str!("../../../docs/spec/catalog.md");
    let text = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    change(&mut repository, text, None, Some("packages"));
    let more = text.replace("channels = 16, prints", "channels = 24, prints");
    change(&mut repository, &more, Some("5%"), Some("are eight more channels worth it?"));
    change(&mut repository, &more, Some("50%"), None);
}

#[test]
fn catalogs_and_what_is_told_of_them() {
    let folder = Folder::new();
    with_pilots(&folder.home());
    let before = homes::content(folder.home().path());
    run("cmd/catalog", &folder.home());
    assert_eq!(homes::content(folder.home().path()), before);
}

#[test]
fn changes_of_the_catalog() {
    let cases = std::fs::read_dir("tests/cmd/catalog-change").unwrap().map(|entry| entry.unwrap().path());
    let cases: Vec<_> =
        cases.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect();
    assert!(!cases.is_empty());
    for case in cases {
        let folder = Folder::new();
        with_pilots(&folder.home());
        run_alone(
            &format!("cmd/catalog-change/{}", case.file_stem().unwrap().to_str().unwrap()),
            &folder.home(),
        );
    }
}

#[test]
fn a_file_above_the_limit_is_not_read() {
    let folder = Folder::new();
    let file = folder.path().join("huge.toml");
    std::fs::write(&file, "#".repeat(1024 * 1024 + 1)).unwrap();
    for verb in ["apply", "diff"] {
        let chancery = std::process::Command::new(env!("CARGO_BIN_EXE_chancery"))
            .args(["catalog", verb, file.to_str().unwrap()])
            .env("CHANCERY_HOME", folder.home().path())
            .output()
            .unwrap();
        let told = String::from_utf8(chancery.stderr).unwrap();
        assert_eq!(chancery.status.code(), Some(1), "{told}");
        assert!(told.contains("huge.toml is larger than 1048576 bytes"), "{told}");
    }
}
