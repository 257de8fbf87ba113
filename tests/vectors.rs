//! Every vector gets the answer that it states, every refusal has one, and the files are those of the
//! generator.
#![allow(clippy::expect_used, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};

use chancery_formats::Fault;
use chancery_formats::log::NoteError;
use chancery_tests::vectors::{self, Case, NamedBundle};
use chancery_verifier::{ApprovalRefusal, LogRefusal, Refusal};

fn committed<T: serde::de::DeserializeOwned>(name: &str) -> Vec<T> {
    let path = vectors::folder().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn every_case() -> Vec<(&'static str, Case)> {
    let suites = vectors::suites().into_iter().map(|suite| suite.name);
    suites.flat_map(|name| committed(name).into_iter().map(move |case| (name, case))).collect()
}

#[test]
fn every_input_gets_the_answer_that_its_vector_states() {
    let bundles: Vec<NamedBundle> = committed("bundles");
    let mut wrong = Vec::new();
    for (file, case) in every_case() {
        let found = case.judge(&bundles);
        if found != case.expect {
            wrong.push(format!("{file}: {}: expected {}, found {found}", case.name, case.expect));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_has_a_vector_and_no_vector_another_code() {
    let cases = every_case();
    let found: BTreeSet<&str> = cases.iter().map(|(_, case)| case.expect.as_str()).collect();
    let faults = Fault::ALL.iter().map(|fault| fault.code());
    let notes = NoteError::ALL.iter().map(|error| error.code());
    let logs = notes.chain(LogRefusal::CODES).chain(ApprovalRefusal::CODES);
    let mut codes: BTreeSet<&str> = faults.chain(Refusal::CODES).chain(logs).chain(["ok"]).collect();
    // Only a verifier without ML-DSA-87 gives it: a test of its own, without that feature, does.
    assert!(codes.remove("alg-unsupported"));
    assert_eq!(found, codes);
}

#[test]
fn refusals_outnumber_acceptances_in_every_file() {
    let mut counts = BTreeMap::<_, (usize, usize)>::new();
    let mut names = BTreeSet::new();
    for (file, case) in every_case() {
        let (accepted, refused) = counts.entry(file).or_default();
        *(if case.expect == "ok" { accepted } else { refused }) += 1;
        assert!(names.insert((file, case.name.clone())), "{file}: {} twice", case.name);
    }
    for (file, (accepted, refused)) in &counts {
        println!("{file}: {accepted} accepted, {refused} refused");
        assert!(refused > accepted && *accepted > 0, "{file}");
    }
}

#[test]
fn the_files_are_those_of_the_generator() {
    let folder = vectors::folder();
    let files = vectors::files();
    for (name, text) in &files {
        let committed = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(committed == *text, "{name} differs; run `cargo run -p chancery-tests --bin vectors`");
    }
    let names = files.into_iter().map(|(name, _)| name);
    let names: BTreeSet<_> = names.chain(["README.md".to_owned()]).collect();
    let there = std::fs::read_dir(folder).expect("the folder of the vectors");
    let there: BTreeSet<_> =
        there.map(|file| file.expect("a file").file_name().into_string().expect("a name")).collect();
    assert_eq!(there, names);
}
