//! What a witness makes of a request: signed before, to be signed, or refused.
//!
//! The order matters: what was agreed to before is given again; what begins below the witness's memory is refused
//! whatever else is true of it; and nothing is believed that no certified key has signed. An issuing key alone gets
//! no signature here: the log's key must have signed the tree that the batch ends. Not here: signing (`sign`).

use chancery_formats::cose::{Header, Mode, leaf_hash};
use chancery_formats::document::Kind;
use chancery_formats::key::Algorithm;
use chancery_formats::license::License;
use chancery_formats::log::Checkpoint;
use chancery_formats::merkle::{Frontier, Hash, Head, Tree, is_consistent};
use chancery_formats::seal::{OwnedStatement, Role, Signer};
use chancery_formats::witness::{Batch, Exchange, Request};
use chancery_verifier::{LogKeys, Pin, Trust, verify_checkpoint};
use sha2::{Digest, Sha256};

use super::statement::{Signers, check_signers, refusal};
use super::summary::Summary;
use crate::error::CommandError;
use crate::witness::{Entry, Memory, Signed};

/// How far the time of a statement may be ahead of the witness's clock, and that of a license away from the
/// statement's, in seconds: clocks without a network drift, and a batch takes its time.
const TOLERANCE_SECS: u64 = 86_400;

/// What a witness makes of a request.
#[derive(Debug)]
pub enum Verdict {
    /// It agreed to this before, under the entry of this number.
    Known {
        /// The entry.
        number: u64,
        /// SHA-256 of the request.
        request: Hash,
    },
    /// It may sign, once a person says so.
    New(Box<Agreed>),
}

/// What a witness may sign.
#[derive(Debug)]
pub struct Agreed {
    /// SHA-256 of the request.
    pub request: Hash,
    /// The entry that must be durable first.
    pub entry: Entry,
    /// The authority's name.
    pub authority: String,
    /// The batch, where there is one.
    pub batch: Option<AgreedBatch>,
}

/// A batch that a witness may sign.
#[derive(Debug)]
pub struct AgreedBatch {
    /// The statement.
    pub statement: OwnedStatement,
    /// The witness as a signer of it.
    pub signer: Signer,
    /// Log index of its first document.
    pub first_index: u64,
    /// What its documents say.
    pub summary: Summary,
}

/// Judges a request; `now` is Unix seconds by the witness's clock, and `progress` is told how many documents of
/// how many are read.
///
/// # Errors
///
/// A refusal with a code of its own for whatever is wrong; an integrity alarm where the request shows that the log
/// forked, that two statements were made over one range, or that the witness remembers less than it has signed.
pub fn judge(
    memory: &Memory,
    bytes: &[u8],
    now: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Verdict, CommandError> {
    let request = match Exchange::decode(bytes)? {
        Exchange::Request(request) => request,
        Exchange::Answer(_) => {
            return Err(CommandError::refused("exchange-answer", "the file holds a witness's answer")
                .hint("give it to `chancery batch complete` on the authority's machine"));
        }
    };
    let hash = Sha256::digest(bytes).into();
    let checkpoint = Checkpoint::decode(request.checkpoint.as_bytes()).map_err(|error| {
        CommandError::refused(error.code(), "the checkpoint of the request is malformed")
            .cause(error.to_string())
    })?;
    if let Some(number) = known(memory, &request, checkpoint.text) {
        return Ok(Verdict::Known { number, request: hash });
    }
    let newest = memory.newest()?;
    if now < newest.noted_at {
        return Err(CommandError::refused(
            "clock-behind",
            "the clock of this machine went back since the last use",
        )
        .hint("set the clock, then run the command again"));
    }
    let trust = trusted(memory, &request)?;
    let batch = request.batch.map(|batch| decoded(memory, &trust, batch, now)).transpose()?;
    require_known(newest, request.known)?;
    let head = verified_head(memory, &trust, request.checkpoint)?;
    let batch = match batch {
        Some(decoded) => Some(judge_batch(memory, &request, decoded, &head, progress)?),
        None => {
            require_cosigner(memory)?;
            require_continued(&newest.head, &head, request.proof)?;
            None
        }
    };
    let entry = next_entry(newest, &trust, head, checkpoint.text, batch.as_ref(), now);
    Ok(Verdict::New(Box::new(Agreed { request: hash, entry, authority: trust.name().to_owned(), batch })))
}

/// Finds what was agreed to before: the same statement, or the same checkpoint where nothing else is asked.
fn known(memory: &Memory, request: &Request<'_>, checkpoint: &str) -> Option<u64> {
    let same = |signed: &Signed| match &request.batch {
        Some(batch) => signed.statement.as_deref() == Some(batch.statement),
        None => signed.checkpoint == checkpoint,
    };
    let entries = memory.entries().iter();
    entries.filter(|entry| entry.signed.as_ref().is_some_and(same)).map(|entry| entry.number).next_back()
}

/// Refuses to cosign with a key that no note knows a signature of.
fn require_cosigner(memory: &Memory) -> Result<(), CommandError> {
    if memory.identity().public_key.algorithm() == Algorithm::Ed25519 {
        return Ok(());
    }
    let message = "the key of this witness cosigns no checkpoints, which are signed with Ed25519";
    Err(CommandError::refused("cosign-algorithm", message).hint("ask a witness that has an Ed25519 key"))
}

/// Loads the bundle of the request: of the pinned authority, and no older than what was seen.
fn trusted(memory: &Memory, request: &Request<'_>) -> Result<Trust, CommandError> {
    let trust = Trust::load(request.bundle, Pin::Authority(memory.identity().authority));
    let trust = trust.map_err(|error| refusal(&error))?;
    trust.check_minima(&memory.newest()?.minima).map_err(|error| refusal(&error))?;
    Ok(trust)
}

/// Verifies the checkpoint by log keys that are open, and were when they were last seen.
fn verified_head(memory: &Memory, trust: &Trust, note: &str) -> Result<Head, CommandError> {
    let closed = &memory.newest()?.closed;
    let open = |thumbprint| {
        let certified = trust.certified(thumbprint).filter(|key| key.is_open());
        certified.filter(|_| closed.binary_search(&thumbprint).is_err()).map(|key| key.verifying().clone())
    };
    let log: Vec<_> = trust.keys().filter(|key| key.1 == Role::Log).filter_map(|key| open(key.0)).collect();
    let keys = LogKeys { log: &log, witnesses: &[] };
    let verified = verify_checkpoint(note.as_bytes(), trust.authority(), &keys).map_err(|error| {
        CommandError::refused(
            error.code(),
            "the checkpoint of the request is not one of this authority's log",
        )
        .cause(error.to_string())
        .hint("the log's key must be open and must have signed it: make the request again")
    })?;
    Ok(*verified.head())
}

/// Refuses a proof that begins elsewhere than the memory ends.
fn require_known(newest: &Entry, known: u64) -> Result<(), CommandError> {
    let size = newest.head.size;
    if known > size {
        let message = format!(
            "the authority has seen this witness sign up to {known} documents, and it remembers {size}"
        );
        return Err(CommandError::alarm("witness-older", message)
            .cause("the home of the witness is an older copy, or the request is wrong about it")
            .hint("sign nothing; find the newest home, or make a new witness, and call the auditor"));
    }
    if known < size {
        let message = format!("the request goes on from {known} documents, and this witness has seen {size}");
        return Err(CommandError::refused("witness-ahead", message)
            .hint(format!("complete what it answered before, or make the request with `--known {size}`")));
    }
    Ok(())
}

/// Refuses a log that is not the one remembered, with documents appended.
fn require_continued(known: &Head, found: &Head, proof: &[Hash]) -> Result<(), CommandError> {
    if found.size < known.size {
        let message = format!(
            "the checkpoint is of {} documents, and this witness has seen {}",
            found.size, known.size
        );
        return Err(CommandError::refused("checkpoint-older", message).hint("make a new checkpoint"));
    }
    if is_consistent(known, found, proof.as_flattened()) {
        return Ok(());
    }
    let message =
        format!("the log is not the one of whose {} documents this witness knows the root", known.size);
    Err(CommandError::alarm("witness-forked", message)
        .cause("its past was changed, two copies of it went on apart, or the proof is wrong")
        .hint("sign nothing; keep the request and this home as they are, and call the auditor"))
}

/// A batch with its statement read, its signers found good, and its place in the log allowed.
struct Decoded<'a> {
    batch: Batch<'a>,
    statement: OwnedStatement,
    signers: Signers,
    first_index: u64,
}

/// Reads the statement, and refuses the wrong authority, kind, signers, place and time before anything is computed.
/// Signatures come before the place, so that an alarm about it rests on what a certified key has signed.
fn decoded<'a>(
    memory: &Memory,
    trust: &Trust,
    batch: Batch<'a>,
    now: u64,
) -> Result<Decoded<'a>, CommandError> {
    let statement = OwnedStatement::decode(batch.statement)?;
    let refuse = |code, message: String, hint: &str| Err(CommandError::refused(code, message).hint(hint));
    if statement.authority != trust.authority() {
        let message = format!("the statement is of authority {}", statement.authority);
        return refuse("authority-other", message, "this witness is pinned to another one");
    }
    if !(1..=trust.root_version()).contains(&statement.root_version) {
        let message = format!("the statement is of root version {}", statement.root_version);
        return refuse("root-version", message, "make the request with the newest trust bundle");
    }
    if statement.leaf_typ != Kind::License.typ() {
        let message = format!("the batch is of {}, and a witness signs licenses", statement.leaf_typ);
        return refuse("leaf-kind", message, "give the exchange of a batch of licenses");
    }
    let Some(first_index) = statement.first_index else {
        let message = "the batch has no place in the log".to_owned();
        return refuse("range-none", message, "a witness signs what the log numbers, and nothing else");
    };
    let signers = check_signers(memory, trust, &statement, &batch)?;
    require_ahead(memory, first_index, statement.size)?;
    if statement.size != batch.len() {
        let message =
            format!("the statement is of {} documents, and {} are here", statement.size, batch.len());
        return refuse("batch-size", message, "make the request again");
    }
    let newest_time = memory.newest()?.newest_time;
    if statement.time < newest_time {
        let message = "the statement is older than one that this witness has signed".to_owned();
        return refuse("statement-older", message, "refuse, and ask the authority who dates its batches");
    }
    if statement.time > now.saturating_add(TOLERANCE_SECS) {
        let message = "the statement is more than a day ahead of this machine's clock".to_owned();
        return refuse("statement-ahead", message, "compare the clocks of both machines");
    }
    Ok(Decoded { batch, statement, signers, first_index })
}

/// Refuses a range that begins below the memory; one that was signed with other content is an alarm.
fn require_ahead(memory: &Memory, first_index: u64, size: u64) -> Result<(), CommandError> {
    let newest = memory.newest()?.head.size;
    let Some(end) = first_index.checked_add(size) else {
        return Err(CommandError::refused("range-none", "the batch ends beyond any log"));
    };
    if first_index >= newest {
        return Ok(());
    }
    let overlaps = |entry: &Entry| {
        let statement = entry.signed.as_ref().and_then(|signed| signed.statement.as_deref());
        let range = statement.and_then(|statement| OwnedStatement::decode(statement).ok());
        let range = range.and_then(|known| Some((known.first_index?, known.first_index? + known.size)));
        range.is_some_and(|(start, stop)| first_index < stop && start < end)
    };
    if memory.entries().iter().any(overlaps) {
        let message = format!("another batch over documents {first_index} to {} was signed before", end - 1);
        return Err(CommandError::alarm("witness-replay", message)
            .cause("two statements over one range: the log went on twice, or somebody makes up its past")
            .hint("sign nothing; keep the request, and call the auditor"));
    }
    let message = format!("the batch begins at {first_index}, and this witness has seen {newest} documents");
    Err(CommandError::refused("range-back-dated", message)
        .hint("a batch is witnessed before any later one; one that was passed over never is"))
}

/// Recomputes the batch from its documents: the root of the statement, and the tree that the log's key has signed.
fn judge_batch(
    memory: &Memory,
    request: &Request<'_>,
    decoded: Decoded<'_>,
    head: &Head,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<AgreedBatch, CommandError> {
    let Decoded { batch, statement, signers: Signers { issuer, witness }, first_index } = decoded;
    let header = Header { mode: Mode::Seal, kid: issuer, typ: &statement.leaf_typ }.encode();
    let refuse =
        |code, message: &str| Err(CommandError::refused(code, message).hint("make the request again"));
    let Some(mut log) = Frontier::from_subtrees(first_index, batch.frontier) else {
        return refuse("frontier-wrong", "the tree before the batch is not of the size that it begins at");
    };
    let before = log.head();
    let mut summary = Summary::default();
    let mut leaves = Vec::new();
    for (number, payload) in (0..).zip(batch.payloads()) {
        progress(number, batch.len());
        summary.add(&read_license(payload, number, statement.time)?);
        let leaf = leaf_hash(&header, payload);
        log.push(leaf);
        leaves.push(leaf);
    }
    if Tree::new(leaves).map(|tree| tree.root()) != Some(statement.root) {
        return refuse("batch-root", "the documents are not those that the statement is about");
    }
    if log.head() != *head {
        return refuse("head-mismatch", "the checkpoint is not of the log that the batch ends");
    }
    require_continued(&memory.newest()?.head, &before, request.proof)?;
    Ok(AgreedBatch { statement, signer: witness, first_index, summary })
}

fn read_license(payload: &[u8], number: u64, time: u64) -> Result<License<'_>, CommandError> {
    let license = License::decode(payload).map_err(|error| {
        CommandError::refused(error.code(), format!("document {number} of the batch is no license"))
            .cause(error.to_string())
    })?;
    if license.issued_at.abs_diff(time) > TOLERANCE_SECS {
        let message = format!("license {} says it was issued more than a day from its batch", license.id);
        return Err(CommandError::refused("license-date", message)
            .hint("refuse, and ask the authority who dates its licenses"));
    }
    Ok(license)
}

fn next_entry(
    newest: &Entry,
    trust: &Trust,
    head: Head,
    checkpoint: &str,
    batch: Option<&AgreedBatch>,
    now: u64,
) -> Entry {
    let mut closed: Vec<_> = newest.closed.iter().copied().chain(trust.closed_keys()).collect();
    closed.sort_unstable();
    closed.dedup();
    let statement_time = batch.map_or(0, |batch| batch.statement.time);
    Entry {
        number: newest.number + 1,
        previous: newest.hash(),
        head,
        newest_time: newest.newest_time.max(statement_time),
        noted_at: now,
        minima: trust.minima(Some(&newest.minima)),
        closed,
        signed: Some(Signed {
            checkpoint: checkpoint.to_owned(),
            statement: batch.map(|batch| batch.statement.as_statement().encode()),
        }),
    }
}
