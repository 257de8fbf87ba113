//! The root ceremony: an authority made by several people, from one reviewed plan, step by step.
//!
//! The home is made in a folder beside its place, which takes its name as the last step. What is done is durable
//! there before it is told, so that a ceremony that was interrupted anywhere goes on where it was: keys that were
//! accepted stay accepted, and root version 1 is written once. Custodians on other machines take part by files.
//! Not here: the terminal (`commands`), what custodians do on their own machines (`custodian`, [`proof`]).

use std::path::{Path, PathBuf};

use chancery_formats::id::{AuthorityId, Thumbprint};
use chancery_formats::merkle::Hash;
use chancery_hsm_config::PinSource;

use super::staging::{Staging, Task, require_free};
use crate::error::CommandError;
use crate::home::Home;

mod certify;
mod conclude;
mod facts;
mod found;
mod inbox;
mod machine;
mod parties;
pub mod plan;
pub mod proof;
mod recover;
mod store;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

pub use facts::grouped;

use facts::Facts;
use plan::Plan;
use store::Store;

/// What is done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The machine, its clock and the program.
    Machine,
    /// Devices against their profiles.
    Devices,
    /// The keys of custodians and of the recovery set.
    Custodians,
    /// The keys that the root is to certify.
    Keys,
    /// Root version 1 and the key records, shown in full.
    Root,
    /// The custodians sign.
    Signatures,
    /// The recovery set proves that it could act.
    Recovery,
    /// Root and key records stand.
    Authority,
    /// The first checkpoint of the log.
    Checkpoint,
    /// The first trust bundle.
    Bundle,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 10] = [
        Self::Machine,
        Self::Devices,
        Self::Custodians,
        Self::Keys,
        Self::Root,
        Self::Signatures,
        Self::Recovery,
        Self::Authority,
        Self::Checkpoint,
        Self::Bundle,
    ];

    /// Returns its name in transcripts, and the word that confirms it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Devices => "devices",
            Self::Custodians => "custodians",
            Self::Keys => "keys",
            Self::Root => "root",
            Self::Signatures => "signatures",
            Self::Recovery => "recovery",
            Self::Authority => "authority",
            Self::Checkpoint => "checkpoint",
            Self::Bundle => "bundle",
        }
    }

    /// Returns what it is, for people.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Machine => "The machine, its clock and this program",
            Self::Devices => "The devices, against their profiles",
            Self::Custodians => "The keys of custodians and of the recovery set",
            Self::Keys => "The keys that the root certifies",
            Self::Root => "Root version 1 and the key records",
            Self::Signatures => "The custodians have signed",
            Self::Recovery => "The recovery set has proved that it could act",
            Self::Authority => "The root stands, and certifies its keys",
            Self::Checkpoint => "The first checkpoint of the log",
            Self::Bundle => "The first trust bundle",
        }
    }
}

/// The people around the machine: what they are shown, and what they confirm.
pub trait Room {
    /// Returns the time in Unix seconds.
    ///
    /// # Errors
    ///
    /// Where the clock cannot be right.
    fn now(&self) -> Result<u64, CommandError>;

    /// Shows something.
    ///
    /// # Errors
    ///
    /// Where it cannot be shown.
    fn show(&mut self, heading: &str, fields: &[(String, String)]) -> Result<(), CommandError>;

    /// Has somebody give the answer, until it is right. Returns whether a person did: none where it runs unattended.
    ///
    /// # Errors
    ///
    /// `ceremony-stopped` where they do not go on.
    fn confirm(&mut self, question: &str, answer: Answer<'_>) -> Result<bool, CommandError>;
}

/// What confirms a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// Characters that the machine does not show: they come from paper, or from somebody in the room.
    FromPaper(&'a str),
    /// A word that is shown with the question.
    Word(&'a str),
}

/// What a ceremony is run with.
#[derive(Debug)]
pub struct Request<'a> {
    /// Where the authority is to be.
    pub home: &'a Home,
    /// The plan.
    pub plan: &'a Plan,
    /// The plan's file, as it was reviewed.
    pub text: &'a str,
    /// Where files to and from other machines lie.
    pub exchange: &'a Path,
}

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// Files of others are missing.
    Waiting(Vec<Waiting>),
    /// The authority is made.
    Done(Box<Done>),
}

/// Something that somebody else has to bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Who.
    pub who: String,
    /// What, and how they make it.
    pub what: Brought,
}

/// A file that comes from another machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Brought {
    /// The proof that they have the key of their name in the plan.
    Proof,
    /// Their signatures over root version 1 and the key records, in answer to this file.
    Answer(PathBuf),
    /// The proof that they could replace a quorum of this authority.
    Recovery(AuthorityId),
}

/// What a ceremony made.
#[derive(Debug)]
pub struct Done {
    /// The authority's id, for products to pin.
    pub authority: AuthorityId,
    /// SHA-256 of the transcript.
    pub transcript: Hash,
    /// The last link of the transcript's chain.
    pub link: Hash,
    /// The certified keys: name in the plan, and key.
    pub keys: Vec<(String, Thumbprint)>,
    /// The files that were written for others.
    pub files: Vec<PathBuf>,
}

/// A ceremony under way.
struct Ceremony<'a> {
    plan: &'a Plan,
    exchange: &'a Path,
    home: &'a Home,
    store: Store,
    /// Steps that are done, as encoded, in order.
    done: Vec<Vec<u8>>,
}

/// How far a step has come.
enum Progress {
    Done(Facts),
    Waiting(Vec<Waiting>),
}

/// Runs a ceremony, or goes on with the one that was begun for this home.
///
/// # Errors
///
/// `ceremony-plan-changed` where it was begun with another plan; a refusal of what does not fit the plan; those of
/// the keys, the repository and the room. What is done stays done.
pub fn run(
    request: &Request<'_>,
    room: &mut dyn Room,
    pins: &mut PinSource,
) -> Result<Outcome, CommandError> {
    require_free(request.home)?;
    let staging = Staging::resume(request.home.path(), Task::Ceremony)?;
    let store = Store::open(staging.home())?;
    let _lock = store.lock()?;
    keep_plan(&store, request.text)?;
    let home = staging.home().clone();
    let mut ceremony =
        Ceremony { plan: request.plan, exchange: request.exchange, home: &home, store, done: Vec::new() };
    for step in Step::ALL {
        if let Some(waiting) = ceremony.take(step, room, pins)? {
            return Ok(Outcome::Waiting(waiting));
        }
    }
    let done = ceremony.conclude(room, pins)?;
    staging.publish(request.home.path())?;
    Ok(Outcome::Done(Box::new(done)))
}

/// Keeps the plan with which a ceremony was begun, and refuses another one later.
fn keep_plan(store: &Store, text: &str) -> Result<(), CommandError> {
    match store.read("plan.toml", plan::MAX_BYTES)? {
        None => store.write("plan.toml", text.as_bytes()),
        Some(kept) if kept == text.as_bytes() => Ok(()),
        Some(_) => Err(CommandError::refused(
            "ceremony-plan-changed",
            "this ceremony was begun with another plan",
        )
        .cause(format!("the plan that counts is kept in {}", store.shown("plan.toml")))
        .hint("go on with the plan that was reviewed; for another one remove that folder, and begin anew")),
    }
}

impl Ceremony<'_> {
    /// Does a step that is not done; returns what is missing for it.
    fn take(
        &mut self,
        step: Step,
        room: &mut dyn Room,
        pins: &mut PinSource,
    ) -> Result<Option<Vec<Waiting>>, CommandError> {
        let name = format!("step-{:02}-{}", self.done.len() + 1, step.name());
        let number = format!("{} of {}", self.done.len() + 1, Step::ALL.len());
        if let Some(bytes) = self.store.read(&name, store::MAX_STEP)? {
            let kept = facts::decode(&bytes, step.name())?;
            room.show(
                &format!("Step {number}, {}: done {}", step.name(), crate::output::time(kept.time)),
                &[],
            )?;
            self.done.push(bytes);
            return Ok(None);
        }
        let facts = match self.perform(step, room, pins)? {
            Progress::Waiting(waiting) => return Ok(Some(waiting)),
            Progress::Done(facts) => facts,
        };
        room.show(&format!("Step {number}, {}: {}", step.name(), step.heading()), &facts.shown())?;
        let confirmed = room.confirm("Is all of this right?", Answer::Word(step.name()))?;
        let bytes = facts.encode(step.name(), room.now()?, confirmed)?;
        self.store.write(&name, &bytes)?;
        self.done.push(bytes);
        let link = facts::last_link(&self.plan.hash, &self.done)?;
        room.show("", &[("for observers to write down".to_owned(), grouped(&link))])?;
        Ok(None)
    }

    fn perform(
        &self,
        step: Step,
        room: &mut dyn Room,
        pins: &mut PinSource,
    ) -> Result<Progress, CommandError> {
        match step {
            Step::Machine => machine::facts(self.plan, room.now()?).map(Progress::Done),
            Step::Devices => machine::devices(self.plan, pins).map(Progress::Done),
            Step::Custodians => self.gather(room, pins),
            Step::Keys => self.role_keys(room, pins),
            Step::Root => self.found(room),
            Step::Signatures => self.signatures(room, pins),
            Step::Recovery => self.recovery(pins),
            Step::Authority => self.stand(room),
            Step::Checkpoint => self.checkpoint(room, pins),
            Step::Bundle => self.bundle(room, pins),
        }
    }
}
