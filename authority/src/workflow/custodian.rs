//! A custodian's own machine: what a request asks to sign, whether that can stand, and the signatures.
//!
//! There is no home here. All is recomputed from the request: [`review`] reads every document below every
//! statement and refuses what could not stand, or what custodians never sign; a person decides about the rest; and
//! [`sign`] signs the statements, each once. Nobody vouches for a request: whoever signs compares the authority's id
//! and the keys that it names with what was agreed on. Not here: the words for people (`output`), the authority's
//! side (`change`).

use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, KeyId, Thumbprint};
use chancery_formats::merkle::Hash;
use chancery_formats::seal::{Role, Signer};
use chancery_formats::trust::exchange::{Answer, Batch, Exchange, Request, Signed};
use chancery_formats::trust::{Bundle, Closing, KeyRecord, Root};
use chancery_hsm_config::Key;
use chancery_verifier::{Minima, Pin, Refusal, Trust};

use super::custody::{Custodian, Quorum};
use crate::error::CommandError;

/// A request that may be signed, if a person agrees with what it says.
#[derive(Debug)]
pub struct Review<'a> {
    /// The request.
    pub request: Request<'a>,
    /// The root in force, where there is one.
    pub before: Option<Root<'a>>,
    /// The version of the root under which all of it stands.
    pub root_version: u32,
    /// What is to be signed, in order.
    pub items: Vec<Item<'a>>,
    /// Keys that are certified, and are not any more once this stands.
    pub dropped: Vec<KeyId>,
    /// Whose signatures each statement needs, one quorum or two a batch.
    quorums: Vec<Vec<Quorum>>,
    trust: Option<Trust>,
}

/// A document that is to be signed.
#[derive(Debug)]
pub enum Item<'a> {
    /// A root, and SHA-256 of its payload.
    Root(Root<'a>, Hash),
    /// A key record, and whether the same one is in force already.
    KeyRecord(Box<KeyRecord<'a>>, bool),
    /// A closing, the role of its key, and whether the same one is in force already.
    Closing(Closing<'a>, Role, bool),
}

/// What the bundle of a request says is in force.
#[derive(Debug, Default)]
struct InForce<'a> {
    root: Option<(Root<'a>, Hash)>,
    recovery: Option<Hash>,
    /// Payloads.
    records: Vec<(Thumbprint, &'a [u8])>,
    closings: Vec<(Thumbprint, &'a [u8])>,
}

impl Review<'_> {
    /// Returns what is to be remembered of the authority, after `known`.
    #[must_use]
    pub fn minima(&self, known: Option<&Minima>) -> Minima {
        let founding = || {
            let hash = self.items.iter().find_map(|item| match item {
                Item::Root(_, hash) => Some(*hash),
                _ => None,
            });
            let root = (1, hash.unwrap_or_default());
            Minima { authority: self.request.authority, root, list: None, bundle: None, floor: 0 }
        };
        self.trust.as_ref().map_or_else(founding, |trust| trust.minima(known))
    }

    /// Refuses a request that contradicts what was remembered of the authority, or is older.
    ///
    /// # Errors
    ///
    /// `authority-other`; an integrity alarm where there are two roots of one version.
    pub fn check_minima(&self, known: &Minima) -> Result<(), CommandError> {
        match &self.trust {
            Some(trust) => trust.check_minima(known).map_err(|refusal| {
                refused(&refusal, "the request contradicts what is remembered of the authority")
            }),
            None if *known == self.minima(None) => Ok(()),
            None => Err(other_authority(self.request.authority, known.authority)),
        }
    }
}

/// Judges a request as far as it can be judged without asking anybody.
///
/// `expected` is the authority that the custodian serves, where that is known.
///
/// # Errors
///
/// A refusal of another authority, of a bundle that does not verify, of kinds that custodians do not sign, of
/// documents that say one thing in their headers and another in their statement, and of what no site would accept
/// even with every signature.
pub fn review<'a>(request: Request<'a>, expected: Option<AuthorityId>) -> Result<Review<'a>, CommandError> {
    let authority = request.authority;
    if let Some(expected) = expected.filter(|expected| *expected != authority) {
        return Err(other_authority(authority, expected));
    }
    // The authority asks before it publishes: what is in force has no manifest yet.
    let trust = request.bundle.map(|bundle| Trust::load_draft(bundle, Pin::Authority(authority))).transpose();
    let trust =
        trust.map_err(|refusal| refused(&refusal, "the trust bundle of the request does not verify"))?;
    let in_force = request.bundle.map(in_force).transpose()?.unwrap_or_default();

    let mut items = Vec::new();
    for batch in &request.batches {
        items.extend(read(batch, &in_force)?);
    }
    let root = items.iter().find_map(|item| match item {
        Item::Root(root, hash) => Some((*root, *hash)),
        _ => None,
    });
    check_order(&items)?;
    if let Some((root, hash)) = &root {
        follows(root, *hash, authority, &in_force)?;
    }
    let newest = root.as_ref().or(in_force.root.as_ref()).map(|(root, _)| *root).ok_or_else(|| {
        let message = "the request holds neither a first root nor the roots in force";
        CommandError::refused("root-missing", message).hint("ask the authority for a whole request")
    })?;
    let before = in_force.root.as_ref().map(|(root, _)| *root);
    let custodians = Quorum::of(&newest.quorum);
    let mut quorums = Vec::new();
    for batch in &request.batches {
        let mut needed = vec![custodians.clone()];
        if batch.statement.leaf_typ == Kind::Root.typ() {
            // The recovery set that a root tells stands in for the quorum before.
            let of_before = newest.revealed.or(before.map(|before| before.quorum));
            needed.extend(of_before.as_ref().map(Quorum::of));
        }
        check_signers(batch, newest.version, &needed)?;
        quorums.push(needed);
    }
    check_keys(&items, authority, &custodians)?;
    let dropped = if root.is_some() { dropped(&items, &in_force)? } else { Vec::new() };
    Ok(Review { request, before, root_version: newest.version, items, dropped, quorums, trust })
}

/// Signs every statement that names a key, and returns the answer: a `.ccer` file.
///
/// # Errors
///
/// `signer-not-asked` for a key that no statement names, `partner-missing` where only one of a pair would sign;
/// those of the keys.
pub fn sign(review: &Review<'_>, key: &Key, partner: Option<&Key>) -> Result<Vec<u8>, CommandError> {
    let mut signatures: Vec<(Hash, Thumbprint, Vec<u8>)> = Vec::new();
    for (batch, quorums) in review.request.batches.iter().zip(&review.quorums) {
        require_pair(batch, quorums, key, partner)?;
        for key in std::iter::once(key).chain(partner) {
            let thumbprint = key.public_key().thumbprint();
            if let Some(signer) =
                batch.statement.signers.iter().find(|signer| signer.thumbprint == thumbprint)
            {
                let message = batch.statement().to_sign(signer).sig_structure();
                signatures.push((batch.hash(), thumbprint, key.sign(&message)?));
            }
        }
    }
    for key in std::iter::once(key).chain(partner) {
        let public_key = key.public_key();
        if signatures.iter().all(|(_, signer, _)| *signer != public_key.thumbprint()) {
            let message = format!("the request does not ask key {} to sign", public_key.key_id());
            return Err(CommandError::refused("signer-not-asked", message)
                .hint("name the key of a custodian who is asked, with `--key REF`"));
        }
    }
    signatures.sort_unstable();
    let signed = signatures
        .iter()
        .map(|(statement, signer, signature)| Signed { statement: *statement, signer: *signer, signature })
        .collect();
    Ok(Exchange::Answer(Answer { authority: review.request.authority, signatures: signed }).encode())
}

/// Refuses to sign with one of two keys that count only together.
fn require_pair(
    batch: &Batch<'_>,
    quorums: &[Quorum],
    key: &Key,
    partner: Option<&Key>,
) -> Result<(), CommandError> {
    let asked = |thumbprint| batch.statement.signers.iter().any(|signer| signer.thumbprint == thumbprint);
    let custodian = quorums.iter().filter_map(|quorum| quorum.find(&key.public_key()));
    for wanted in custodian.filter_map(|custodian| custodian.partner.as_ref()) {
        let given = partner.is_some_and(|partner| partner.public_key() == *wanted);
        if asked(wanted.thumbprint()) && !given {
            let message = format!("the ML-DSA-87 partner {} must sign beside the key", wanted.key_id());
            return Err(
                CommandError::refused("partner-missing", message).hint("name it with `--partner-key REF`")
            );
        }
    }
    Ok(())
}

/// Reads what a bundle that was verified says is in force.
fn in_force(bundle: &[u8]) -> Result<InForce<'_>, CommandError> {
    let mut found = InForce::default();
    for member in Bundle::decode(bundle)?.members() {
        let envelope = Envelope::decode(member)?;
        let payload = envelope.payload;
        match Kind::from_typ(envelope.header.typ) {
            Some(Kind::Root) => {
                let root = Root::decode(payload)?;
                found.recovery = root.recovery.or(found.recovery);
                found.root = Some((root, Root::authority_id(payload).0));
            }
            Some(Kind::KeyRecord) => {
                found.records.push((KeyRecord::decode(payload)?.key.thumbprint(), payload));
            }
            Some(Kind::Closing) => found.closings.push((Closing::decode(payload)?.thumbprint, payload)),
            _ => {}
        }
    }
    Ok(found)
}

/// Reads the documents of a batch, all of the kind that its statement names.
fn read<'a>(batch: &Batch<'a>, in_force: &InForce<'a>) -> Result<Vec<Item<'a>>, CommandError> {
    let kind = Kind::from_typ(&batch.statement.leaf_typ);
    let kind = kind.filter(|kind| matches!(kind, Kind::Root | Kind::KeyRecord | Kind::Closing));
    let kind = kind.ok_or_else(|| {
        CommandError::refused(
            "not-for-custodians",
            "the request asks for signatures over another kind of document",
        )
        .cause(format!("custodians sign roots, key records and closings, not {}", batch.statement.leaf_typ))
        .hint("sign nothing, and ask who made the request")
    })?;
    let mut items = Vec::new();
    for document in &batch.documents {
        if document.kind() != Some(kind) {
            let message = format!("a document has other headers than a {} that is sealed", kind.name());
            return Err(CommandError::refused("document-other", message).hint(ASK));
        }
        items.push(match kind {
            Kind::Root => Item::Root(Root::decode(document.payload)?, Root::authority_id(document.payload).0),
            Kind::KeyRecord => {
                let record = KeyRecord::decode(document.payload)?;
                let known = same(&in_force.records, record.key.thumbprint(), document.payload, "record")?;
                Item::KeyRecord(Box::new(record), known)
            }
            _ => {
                let closing = Closing::decode(document.payload)?;
                let known = same(&in_force.closings, closing.thumbprint, document.payload, "closing")?;
                let record = in_force.records.iter().find(|(key, _)| *key == closing.thumbprint);
                let record =
                    record.map(|(_, payload)| KeyRecord::decode(payload)).transpose()?.ok_or_else(|| {
                        let message =
                            format!("key {} is closed and not certified", closing.thumbprint.key_id());
                        CommandError::refused("key-unknown", message).hint(ASK)
                    })?;
                Item::Closing(closing, record.role, known)
            }
        });
    }
    Ok(items)
}

/// Returns whether what is to be signed is in force already; what is in force about a key never changes.
fn same(
    in_force: &[(Thumbprint, &[u8])],
    key: Thumbprint,
    payload: &[u8],
    what: &str,
) -> Result<bool, CommandError> {
    match in_force.iter().find(|(known, _)| *known == key) {
        None => Ok(false),
        Some((_, known)) if *known == payload => Ok(true),
        Some(_) => {
            let message = format!("the {what} of key {} differs from the one in force", key.key_id());
            Err(CommandError::refused("record-changed", message).hint(ASK))
        }
    }
}

/// A root comes first and alone of its kind; about one key there is one record and one closing.
fn check_order(items: &[Item<'_>]) -> Result<(), CommandError> {
    let later_root = items.iter().skip(1).any(|item| matches!(item, Item::Root(..)));
    let subject = |item: &Item<'_>| match item {
        Item::Root(..) => None,
        Item::KeyRecord(record, _) => Some((Kind::KeyRecord, record.key.thumbprint())),
        Item::Closing(closing, ..) => Some((Kind::Closing, closing.thumbprint)),
    };
    let mut subjects: Vec<_> = items.iter().filter_map(subject).collect();
    let count = subjects.len();
    subjects.sort_unstable();
    subjects.dedup();
    if later_root || subjects.len() != count {
        let message = "the request holds two roots, or two documents about one key";
        return Err(CommandError::refused("member-twice", message).hint(ASK));
    }
    Ok(())
}

/// Refuses a root that does not follow from the one in force.
fn follows(
    root: &Root<'_>,
    hash: Hash,
    authority: AuthorityId,
    in_force: &InForce<'_>,
) -> Result<(), CommandError> {
    let refuse = |refusal: Refusal| refused(&refusal, "the new root does not follow from the one in force");
    let version = root.version;
    let Some((before, previous)) = &in_force.root else {
        // The first root is the authority.
        let first = version == 1 && hash == authority.0;
        return if first { Ok(()) } else { Err(refuse(Refusal::RootChain { version })) };
    };
    if Some(version) != before.version.checked_add(1) || root.previous != Some(*previous) {
        return Err(refuse(Refusal::RootChain { version }));
    }
    if before.quorum.partners.is_some() && root.quorum.partners.is_none() {
        return Err(refuse(Refusal::HybridFloor));
    }
    let kept = match &root.revealed {
        Some(revealed) => in_force.recovery == Some(revealed.commitment()),
        None => root.recovery.is_none() || root.recovery == in_force.recovery,
    };
    if kept { Ok(()) } else { Err(refuse(Refusal::RecoveryWrong { version })) }
}

/// Refuses a statement whose signers are not the custodians that its quorums need.
fn check_signers(batch: &Batch<'_>, version: u32, quorums: &[Quorum]) -> Result<(), CommandError> {
    if batch.statement.root_version != version {
        let refusal = Refusal::RootVersion { version: batch.statement.root_version };
        return Err(refused(&refusal, "a statement is of another root than its documents"));
    }
    let is_custodian = |signer: &&Signer| {
        let has = |custodian: &Custodian| {
            custodian
                .keys()
                .any(|key| key.thumbprint() == signer.thumbprint && key.algorithm() == signer.algorithm)
        };
        signer.role == Role::Custodian && quorums.iter().any(|quorum| quorum.custodians.iter().any(has))
    };
    if let Some(stranger) = batch.statement.signers.iter().find(|signer| !is_custodian(signer)) {
        let message =
            format!("key {} is to sign as well, and is no custodian's", stranger.thumbprint.key_id());
        return Err(CommandError::refused("custodian-unknown", message).hint(ASK));
    }
    match quorums.iter().find(|quorum| quorum.count(&batch.statement.signers) < quorum.threshold) {
        None => Ok(()),
        Some(quorum) => {
            let (found, needed) = (quorum.count(&batch.statement.signers), quorum.threshold);
            let message =
                format!("{found} custodians are asked where {needed} must sign: it could never stand");
            Err(CommandError::refused("quorum-short", message).hint(ASK))
        }
    }
}

/// Refuses records and closings of another authority, and custodians who would fill a second role.
fn check_keys(items: &[Item<'_>], authority: AuthorityId, custodians: &Quorum) -> Result<(), CommandError> {
    for item in items {
        let (found, key) = match item {
            Item::Root(..) => continue,
            Item::KeyRecord(record, _) => (record.authority, record.key.thumbprint()),
            Item::Closing(closing, ..) => (closing.authority, closing.thumbprint),
        };
        if found != authority {
            return Err(other_authority(found, authority));
        }
        let is_custodians = |custodian: &Custodian| custodian.keys().any(|known| known.thumbprint() == key);
        if custodians.custodians.iter().any(is_custodians) {
            let message = format!("key {} is a custodian's, and is to fill a second role", key.key_id());
            return Err(CommandError::refused("key-of-two-roles", message).hint(ASK));
        }
    }
    Ok(())
}

/// Returns the keys that a new root leaves out; none may lose its closing and stay.
fn dropped(items: &[Item<'_>], in_force: &InForce<'_>) -> Result<Vec<KeyId>, CommandError> {
    let has_record = |key: &Thumbprint| {
        items.iter().any(|item| matches!(item, Item::KeyRecord(record, _) if record.key.thumbprint() == *key))
    };
    let has_closing = |key: &Thumbprint| {
        items.iter().any(|item| matches!(item, Item::Closing(closing, ..) if closing.thumbprint == *key))
    };
    if let Some((key, _)) = in_force.closings.iter().find(|(key, _)| has_record(key) && !has_closing(key)) {
        let message = format!("key {} is closed, and would be open under the new root", key.key_id());
        return Err(CommandError::refused("closing-missing", message).hint(ASK));
    }
    Ok(in_force.records.iter().filter(|(key, _)| !has_record(key)).map(|(key, _)| key.key_id()).collect())
}

const ASK: &str = "sign nothing, and ask the authority how the request was made";

fn other_authority(found: AuthorityId, expected: AuthorityId) -> CommandError {
    CommandError::refused(
        "authority-other",
        format!("the request is of authority {found}, not of {expected}"),
    )
    .hint("sign nothing, and ask who made the request")
}

fn refused(refusal: &Refusal, what: &str) -> CommandError {
    let error = if refusal.is_alarm() {
        CommandError::alarm(refusal.code(), what)
    } else {
        CommandError::refused(refusal.code(), what)
    };
    error.cause(refusal.to_string()).hint(ASK)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
