//! A change of trust: documents that custodians sign together, on this machine and on others, and that stand
//! together or not at all.
//!
//! [`hands`] opens the keys of this machine that sign, [`propose`] begins a change in the log, or goes on with the
//! one that was begun, and [`Change::advance`] signs and, when the last signature is there, lets the change stand. Until then
//! [`Change::request`] is what travels to the other custodians, and [`Change::take`] brings their answers in. One
//! change waits at a time: what it is a change of stays as it is. Not here: what a change says (`role`,
//! `rotation`, `closing`), and what the other custodians do (`custodian`).

use chancery_formats::cose::Unsigned;
use chancery_formats::document::{Kind, MAX_CEREMONY};
use chancery_formats::id::AuthorityId;
use chancery_formats::key::PublicKey;
use chancery_formats::seal::{OwnedStatement, Signer};
use chancery_formats::trust::exchange::{self, Document, Request};
use chancery_hsm_config::{Key, PinSource};

use super::custody::{Asked, Custodian, Quorum, choose, keys_here, require_reachable, signers};
use super::sealing::{Batch, Draft};
use super::signing::open_key;
use super::trust;
use crate::error::CommandError;
use crate::repository::{NewKey, Repository};

mod answers;
mod standing;

/// A change that is begun in the log and does not stand yet.
#[derive(Clone, Debug)]
pub struct Change {
    authority: AuthorityId,
    batches: Vec<Batch>,
}

/// How far a change has come.
#[derive(Debug)]
pub enum Progress {
    /// It stands: its documents by log index, in the order in which they were drafted.
    Stands(Vec<(u64, Vec<u8>)>),
    /// These have not signed.
    Waits(Vec<Signer>),
}

/// A change, and how far it has come with the keys of this machine.
#[derive(Debug)]
pub struct Proposed {
    /// The change.
    pub change: Change,
    /// How far it has come.
    pub progress: Progress,
}

/// Documents of one kind, and whose quorums must sign them.
#[derive(Clone, Debug)]
pub struct Paper {
    /// What they are.
    pub kind: Kind,
    /// Their payloads, at least one.
    pub payloads: Vec<Vec<u8>>,
    /// The root version that their statement names.
    pub root_version: u32,
    /// Each must be met.
    pub quorums: Vec<Quorum>,
}

/// Opens the keys of this machine that sign a change: those of the one that waits, or else of custodians chosen
/// from `quorums`. Keys that are `opened` already are returned with them.
///
/// # Errors
///
/// Those of [`choose`] and [`require_reachable`], of the keys and of the repository.
pub fn hands(
    repository: &Repository,
    quorums: &[&Quorum],
    opened: Vec<Key>,
    asked: &Asked<'_>,
    pins: &mut PinSource,
) -> Result<Vec<Key>, CommandError> {
    let signers = match Change::pending(repository)? {
        Some(pending) => pending.missing(repository)?,
        None => {
            let mut here: Vec<_> = keys_here(repository)?.into_iter().map(|key| key.public_key).collect();
            here.extend(opened.iter().map(Key::public_key));
            let chosen = choose(quorums, &here, asked.named)?;
            require_reachable(&chosen, &here, asked)?;
            signers(chosen.iter().flat_map(Custodian::keys))
        }
    };
    open_hands(repository, &signers, opened, pins)
}

fn open_hands(
    repository: &Repository,
    signers: &[Signer],
    mut opened: Vec<Key>,
    pins: &mut PinSource,
) -> Result<Vec<Key>, CommandError> {
    for record in keys_here(repository)? {
        let thumbprint = record.public_key.thumbprint();
        let is_open = opened.iter().any(|key| key.public_key() == record.public_key);
        if !is_open && signers.iter().any(|signer| signer.thumbprint == thumbprint) {
            opened.push(open_key(repository.home(), &record, pins)?);
        }
    }
    Ok(opened)
}

/// Begins a change in the log, or returns the one that is begun already where it is the same.
///
/// `papers` gives the documents as they read when they are made at a time: what was begun earlier is compared with
/// what would have been begun then. `keys` are those that the change makes the authority's, custodians of a new
/// root among them; `hands` are the keys of this machine that sign.
///
/// # Errors
///
/// `change-pending` while another change waits; those of [`choose`] and [`require_reachable`]; those of the
/// repository. Nothing is begun then.
pub fn propose(
    repository: &mut Repository,
    authority: AuthorityId,
    papers: impl Fn(u64) -> Result<Vec<Paper>, CommandError>,
    keys: &[NewKey<'_>],
    hands: &[Key],
    asked: &Asked<'_>,
    now: u64,
) -> Result<Change, CommandError> {
    let here: Vec<_> = hands.iter().map(Key::public_key).collect();
    if let Some(pending) = Change::pending(repository)? {
        let papers = papers(pending.time())?;
        let same = pending.is_of(&papers)
            && (asked.named.is_empty() || pending.asks(&drafts(&papers, &here, asked)?));
        return if same { Ok(pending) } else { Err(pending.in_the_way()) };
    }
    let drafts = drafts(&papers(now)?, &here, asked)?;
    Ok(Change { authority, batches: Batch::begin(repository, authority, &drafts, keys, now)? })
}

/// Decides who signs what.
fn drafts(papers: &[Paper], here: &[PublicKey], asked: &Asked<'_>) -> Result<Vec<Draft>, CommandError> {
    let mut quorums: Vec<&Quorum> = Vec::new();
    for quorum in papers.iter().flat_map(|paper| &paper.quorums) {
        if !quorums.contains(&quorum) {
            quorums.push(quorum);
        }
    }
    let chosen = choose(&quorums, here, asked.named)?;
    require_reachable(&chosen, here, asked)?;
    let draft = |paper: &Paper| {
        let signs =
            |custodian: &&Custodian| paper.quorums.iter().any(|quorum| quorum.find(&custodian.key).is_some());
        Draft {
            kind: paper.kind,
            payloads: paper.payloads.clone(),
            signers: signers(chosen.iter().filter(signs).flat_map(Custodian::keys)),
            root_version: paper.root_version,
        }
    };
    Ok(papers.iter().map(draft).collect())
}

impl Change {
    /// Returns the change that waits for signatures, where there is one.
    ///
    /// # Errors
    ///
    /// Those of the repository; an integrity alarm where what is kept of it does not agree.
    pub fn pending(repository: &Repository) -> Result<Option<Self>, CommandError> {
        let waiting = repository.waiting_for_custodians()?;
        let load = |index: &u64| Batch::load(repository, *index);
        let batches = waiting.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let authority = batches.first().map(|batch| batch.statement().authority);
        Ok(authority.map(|authority| Self { authority, batches }))
    }

    /// Returns the change that waits.
    ///
    /// # Errors
    ///
    /// `change-none` where none does.
    pub fn require_pending(repository: &Repository) -> Result<Self, CommandError> {
        Self::pending(repository)?.ok_or_else(|| {
            CommandError::refused("change-none", "nothing waits for the signatures of custodians")
                .hint("see `chancery root show`: what was begun may stand already, or was given up")
        })
    }

    /// Returns when it was begun, in Unix seconds.
    #[must_use]
    pub fn time(&self) -> u64 {
        self.batches.first().map_or(0, Batch::time)
    }

    /// Returns the batches.
    #[must_use]
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// Iterates over the documents: kind and payload.
    pub fn documents(&self) -> impl Iterator<Item = (Kind, &[u8])> {
        self.batches
            .iter()
            .flat_map(|batch| batch.documents().iter().map(|document| (batch.kind(), document.payload())))
    }

    /// Opens the keys of this machine that are still to sign.
    ///
    /// # Errors
    ///
    /// Those of the keys and the repository.
    pub fn hands(&self, repository: &Repository, pins: &mut PinSource) -> Result<Vec<Key>, CommandError> {
        open_hands(repository, &self.missing(repository)?, Vec::new(), pins)
    }

    /// Signs with open keys of this machine, and lets the change stand once everybody has signed.
    ///
    /// # Errors
    ///
    /// Those of the keys and the repository, after which it can be called again; an integrity alarm where what
    /// everybody has signed does not verify.
    pub fn advance(
        &self,
        repository: &mut Repository,
        hands: &[Key],
        now: u64,
    ) -> Result<Progress, CommandError> {
        for (batch, key) in self.batches.iter().flat_map(|batch| hands.iter().map(move |key| (batch, key))) {
            batch.sign(repository, key, now)?;
        }
        let missing = self.missing(repository)?;
        if missing.is_empty() {
            self.stand(repository, now).map(Progress::Stands)
        } else {
            Ok(Progress::Waits(missing))
        }
    }

    /// Returns who has not signed all of it.
    ///
    /// # Errors
    ///
    /// Those of the repository.
    pub fn missing(&self, repository: &Repository) -> Result<Vec<Signer>, CommandError> {
        let mut missing = Vec::new();
        for batch in &self.batches {
            missing.extend(batch.missing(repository)?);
        }
        missing.sort_unstable();
        missing.dedup();
        Ok(missing)
    }

    /// Returns what custodians on other machines are asked to sign: a `.ccer` file.
    ///
    /// # Errors
    ///
    /// A refusal of what is larger than such a file may be; those of the repository.
    pub fn request(&self, repository: &Repository) -> Result<Vec<u8>, CommandError> {
        let founded = !repository.documents_of_kind(Kind::Root)?.is_empty();
        let bundle = if founded { Some(trust::bundle(repository)?.0) } else { None };
        let batches = self.batches.iter().map(lend).collect();
        let request = Request { authority: self.authority, batches, bundle: bundle.as_deref() }.encode();
        if request.len() > MAX_CEREMONY {
            let message = format!("the request has {} bytes, and may have {MAX_CEREMONY}", request.len());
            return Err(CommandError::refused("request-too-large", message)
                .hint("let custodians sign where the home is"));
        }
        Ok(request)
    }

    /// Gives the change up. What is in the log stays there and never stands.
    ///
    /// # Errors
    ///
    /// Those of the repository.
    pub fn abandon(&self, repository: &mut Repository, now: u64) -> Result<(), CommandError> {
        let batches: Vec<_> = self.batches.iter().map(Batch::first_index).collect();
        Ok(repository.abandon_batches(&batches, now)?)
    }

    /// Returns whether this is what was begun.
    fn is_of(&self, papers: &[Paper]) -> bool {
        let same = |batch: &Batch, paper: &Paper| {
            let payloads = batch.documents().iter().map(|document| document.payload());
            batch.kind() == paper.kind && payloads.eq(paper.payloads.iter().map(Vec::as_slice))
        };
        self.batches.len() == papers.len()
            && self.batches.iter().zip(papers).all(|(batch, paper)| same(batch, paper))
    }

    /// Returns whether the same custodians were asked.
    fn asks(&self, drafts: &[Draft]) -> bool {
        self.batches.iter().zip(drafts).all(|(batch, draft)| batch.signers() == draft.signers)
    }

    fn in_the_way(&self) -> CommandError {
        let kinds: Vec<_> = self.batches.iter().map(|batch| batch.kind().name()).collect();
        CommandError::refused("change-pending", "another change waits for the signatures of custodians")
            .cause(format!("it is of: {}", kinds.join(", ")))
            .hint(
                "see it with `chancery root show`; end it with `chancery root collect ANSWER…`, or give it up with \
                 `chancery root abandon`",
            )
    }
}

/// Lends a batch in the form that a request holds.
fn lend(batch: &Batch) -> exchange::Batch<'_> {
    let statement = batch.statement();
    fn document(unsigned: &Unsigned) -> Document<'_> {
        Document { protected: unsigned.protected(), payload: unsigned.payload() }
    }
    let statement = OwnedStatement {
        authority: statement.authority,
        root_version: statement.root_version,
        leaf_typ: statement.leaf_typ.to_owned(),
        size: statement.size,
        root: statement.root,
        first_index: statement.first_index,
        time: statement.time,
        signers: batch.signers().to_vec(),
    };
    exchange::Batch { statement, documents: batch.documents().iter().map(document).collect() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
pub(super) mod tests;
