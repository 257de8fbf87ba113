use std::fs;
use std::io::Cursor;

use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::trust::Root;
use chancery_verifier::{Pin, Trust};

use super::*;
use crate::repository::Repository;

const NOW: u64 = 1_795_392_000;

/// A folder that is removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("chancery-ceremony-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// People who answer rightly, until a number of questions was asked.
struct People {
    patience: usize,
    asked: usize,
    shown: String,
}

impl People {
    fn patient() -> Self {
        Self { patience: usize::MAX, asked: 0, shown: String::new() }
    }
}

impl Room for People {
    fn now(&self) -> Result<u64, CommandError> {
        Ok(NOW)
    }

    fn show(&mut self, heading: &str, fields: &[(String, String)]) -> Result<(), CommandError> {
        self.shown += &format!("{heading}\n{fields:?}\n");
        Ok(())
    }

    fn confirm(&mut self, _: &str, _: Answer<'_>) -> Result<bool, CommandError> {
        if self.asked == self.patience {
            return Err(CommandError::failed("ceremony-stopped", "they went home"));
        }
        self.asked += 1;
        Ok(true)
    }
}

fn party(of: &str, name: &str, hybrid: bool) -> String {
    let partner =
        if hybrid { format!("partner = \"file:keys/{name}-partner.pem\"\n") } else { String::new() };
    format!("[[{of}]]\nname = \"{name}\"\nkey = \"file:keys/{name}.pem\"\n{partner}")
}

/// A plan with every key on this machine.
fn plan(hybrid: bool) -> String {
    let partner = |name: &str| match hybrid {
        true => format!("mode = \"seal\"\npartner = \"file:keys/{name}-partner.pem\"\n"),
        false => String::new(),
    };
    [
        format!("name = \"Example Pumps\"\noperator = \"Dana Keller\"\nhybrid = {hybrid}\nthreshold = 2\n"),
        party("custodian", "alice", hybrid),
        party("custodian", "bob", hybrid),
        format!("[recovery]\nthreshold = 1\n{}", party("recovery.custodian", "frank", hybrid)),
        format!("[[role]]\nrole = \"issuer\"\nkey = \"file:keys/issuer.pem\"\n{}", partner("issuer")),
        format!("[[role]]\nrole = \"log\"\nkey = \"file:keys/log.pem\"\n{}", partner("log")),
    ]
    .join("\n")
}

fn go(folder: &Folder, text: &str, people: &mut People) -> Result<Outcome, CommandError> {
    let plan = Plan::read(text, &folder.0).unwrap();
    let home = Home::new(folder.0.join("home"));
    let exchange = folder.0.join("exchange");
    let request = Request { home: &home, plan: &plan, text, exchange: &exchange };
    let mut pins = PinSource::lines(Cursor::new("a passphrase\n".repeat(32)));
    run(&request, people, &mut pins)
}

fn done(outcome: Outcome) -> Done {
    match outcome {
        Outcome::Done(done) => *done,
        Outcome::Waiting(waiting) => panic!("{waiting:?}"),
    }
}

#[test]
fn a_hybrid_authority_is_made_of_pairs() {
    let folder = Folder::new("hybrid");
    let made = done(go(&folder, &plan(true), &mut People::patient()).unwrap());
    let bundle = fs::read(folder.0.join("exchange/ceremony.ctrust")).unwrap();
    let trust = Trust::load(&bundle, Pin::Authority(made.authority)).unwrap();
    assert_eq!(trust.keys().count(), 2);
    let repository = Repository::open(&Home::new(folder.0.join("home"))).unwrap();
    let (_, root) = repository.documents_of_kind(Kind::Root).unwrap().remove(0);
    let root = Envelope::decode(&root).unwrap();
    assert!(Root::decode(root.payload).unwrap().quorum.partners.is_some());
    let sealed = fs::read(folder.0.join("exchange/transcript.cose")).unwrap();
    assert_eq!(trust.verify_transcript(&sealed).unwrap().steps.len(), Step::ALL.len());
}

#[test]
fn stopped_at_every_question_it_goes_on_to_the_same_authority() {
    let folder = Folder::new("stopped");
    let text = plan(false);
    let mut authority = None;
    // Each run goes one question further than the one before.
    let made = loop {
        let mut people = People { patience: 1, ..People::patient() };
        match go(&folder, &text, &mut people) {
            Ok(outcome) => break done(outcome),
            Err(error) => assert_eq!(error.code(), "ceremony-stopped"),
        }
        assert!(!folder.0.join("home").exists());
        let found = people.shown.split("authority id\", \"").nth(1).map(|rest| rest[..79].replace(' ', ""));
        assert!(authority.is_none() || found.is_none() || authority == found);
        authority = authority.or(found);
    };
    assert_eq!(authority.unwrap(), made.authority.to_string());
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 2, "home and exchange alone are left");
}

#[test]
fn a_plan_that_was_changed_is_refused() {
    let folder = Folder::new("changed");
    let mut people = People { patience: 1, ..People::patient() };
    assert_eq!(go(&folder, &plan(false), &mut people).unwrap_err().code(), "ceremony-stopped");
    let other = plan(false).replace("Dana", "Dora");
    assert_eq!(go(&folder, &other, &mut People::patient()).unwrap_err().code(), "ceremony-plan-changed");
    done(go(&folder, &plan(false), &mut People::patient()).unwrap());
    assert_eq!(go(&folder, &plan(false), &mut People::patient()).unwrap_err().code(), "already-initialized");
}

#[test]
fn two_processes_do_not_run_one_ceremony() {
    let folder = Folder::new("busy");
    let mut people = People { patience: 1, ..People::patient() };
    assert_eq!(go(&folder, &plan(false), &mut people).unwrap_err().code(), "ceremony-stopped");
    let staging = Staging::resume(&folder.0.join("home"), Task::Ceremony).unwrap();
    let _lock = Store::open(staging.home()).unwrap().lock().unwrap();
    assert_eq!(go(&folder, &plan(false), &mut People::patient()).unwrap_err().code(), "ceremony-busy");
}
