//! The moment a change stands: judged as a site would, as part of the whole bundle, and then valid at once.

use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::id::Thumbprint;
use chancery_formats::trust::{Bundle, Closed, Closing, KeyRecord, Root};
use chancery_verifier::{Pin, Trust};

use super::Change;
use crate::error::CommandError;
use crate::repository::{KeyClosing, Repository, Standing};
use crate::workflow::sealing::Batch;
use crate::workflow::trust::{self, Members};

impl Change {
    /// Judges the documents as part of the whole bundle, as a site would, and lets them stand.
    pub(super) fn stand(
        &self,
        repository: &mut Repository,
        now: u64,
    ) -> Result<Vec<(u64, Vec<u8>)>, CommandError> {
        let mut documents = Vec::new();
        let mut members = trust::members(repository)?;
        for batch in &self.batches {
            for (index, bytes) in batch.seal(repository)? {
                put(&mut members, batch.kind(), &bytes)?;
                documents.push((index, bytes));
            }
        }
        let draft = Bundle::encode(&members.in_order());
        let trust = Trust::load_draft(&draft, Pin::Authority(self.authority)).map_err(|refusal| {
            CommandError::alarm(refusal.code(), "what the custodians signed does not verify")
                .cause(refusal.to_string())
                .hint("keep the home as it is, and call the auditor")
        })?;
        let change = self.standing(&documents, &trust)?;
        repository.stand(&change, now)?;
        Ok(documents)
    }

    /// Returns what the documents mean for keys and root.
    fn standing(&self, documents: &[(u64, Vec<u8>)], trust: &Trust) -> Result<Standing, CommandError> {
        let mut change = Standing {
            batches: self.batches.iter().map(Batch::first_index).collect(),
            documents: documents.to_vec(),
            ..Standing::default()
        };
        for (log_index, bytes) in documents {
            let envelope = Envelope::decode(bytes)?;
            match Kind::from_typ(envelope.header.typ) {
                Some(Kind::Root) => change.root_version = Some(Root::decode(envelope.payload)?.version),
                Some(Kind::KeyRecord) => {
                    let record = KeyRecord::decode(envelope.payload)?;
                    let key = (record.key.thumbprint(), record.role, record.protection);
                    if trust.keys().all(|certified| certified != key) {
                        let message = "the sealed record does not certify the key";
                        return Err(CommandError::alarm("key-not-certified", message)
                            .hint("keep the home as it is, and call the auditor"));
                    }
                    change.certified.push((key.0, *log_index));
                }
                Some(Kind::Closing) => {
                    let closing = Closing::decode(envelope.payload)?;
                    change.closings.push((closing.thumbprint, kept(&closing, *log_index)));
                }
                _ => return Err(CommandError::failed("internal", "custodians do not seal this kind")),
            }
        }
        Ok(change)
    }
}

/// Puts a sealed document in the place of the one that it follows.
fn put(members: &mut Members, kind: Kind, bytes: &[u8]) -> Result<(), CommandError> {
    let subject = |bytes: &[u8]| -> Result<Thumbprint, CommandError> {
        let payload = Envelope::decode(bytes)?.payload;
        Ok(match kind {
            Kind::Closing => Closing::decode(payload)?.thumbprint,
            _ => KeyRecord::decode(payload)?.key.thumbprint(),
        })
    };
    let place = match kind {
        Kind::Root => {
            members.roots.push(bytes.to_vec());
            return Ok(());
        }
        Kind::Closing => {
            drop_list_of(members, bytes)?;
            &mut members.closings
        }
        _ => &mut members.records,
    };
    let new = subject(bytes)?;
    let mut kept = Vec::new();
    for member in std::mem::take(place) {
        if subject(&member)? != new {
            kept.push(member);
        }
    }
    kept.push(bytes.to_vec());
    *place = kept;
    Ok(())
}

/// Takes the revocation list out whose revoker's key may be in other hands: the next one counts.
fn drop_list_of(members: &mut Members, closing: &[u8]) -> Result<(), CommandError> {
    let closing = Closing::decode(Envelope::decode(closing)?.payload)?;
    let Some(list) = &members.list else { return Ok(()) };
    let by_that_key = Envelope::decode(list)?.header.kid == closing.thumbprint.key_id();
    if by_that_key && matches!(closing.closed, Closed::Compromised(_)) {
        members.list = None;
    }
    Ok(())
}

/// Returns what is kept of a closing.
fn kept(closing: &Closing<'_>, log_index: u64) -> KeyClosing {
    KeyClosing {
        compromised_at: match &closing.closed {
            Closed::Retired => None,
            Closed::Compromised(head) => Some((head.size, head.root)),
        },
        log_index,
        reason: closing.reason.to_owned(),
        closed_at: closing.time,
    }
}
