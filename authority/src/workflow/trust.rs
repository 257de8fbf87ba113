//! What the authority gives sites to trust, and trusts itself when it checks what it hands out.

use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::trust::Bundle;
use chancery_verifier::{Pin, Refusal, Trust};

use crate::error::CommandError;
use crate::repository::{KeyRecord, Repository};

/// Returns the trust bundle: every root, and the record in force of every key, verified as a site would.
///
/// # Errors
///
/// An integrity alarm where the log does not give a bundle that verifies.
pub fn bundle(repository: &Repository) -> Result<(Vec<u8>, Trust), CommandError> {
    verified(repository, &members(repository)?)
}

/// The documents of a bundle, in the groups in which a site takes them.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// Roots, from version 1.
    pub roots: Vec<Vec<u8>>,
    /// Key records, all sealed under the newest root.
    pub records: Vec<Vec<u8>>,
    /// Closings of keys, all sealed under the newest root.
    pub closings: Vec<Vec<u8>>,
    /// The newest revocation list, where its revoker's key is not compromised.
    pub list: Option<Vec<u8>>,
}

impl Members {
    /// Returns the documents in the order of a bundle.
    #[must_use]
    pub fn in_order(&self) -> Vec<Vec<u8>> {
        let groups = [&self.roots, &self.records, &self.closings];
        groups.into_iter().flatten().chain(&self.list).cloned().collect()
    }
}

/// Returns the documents that stand: all roots, and what is in force of the rest.
///
/// # Errors
///
/// Those of the repository; an integrity alarm where a document that is in force is not in the log.
pub fn members(repository: &Repository) -> Result<Members, CommandError> {
    let roots = repository.documents_of_kind(Kind::Root)?.into_iter().map(|(_, bytes)| bytes).collect();
    let keys = repository.keys()?;
    let mut records: Vec<_> = keys.iter().filter_map(|key| key.record_index).collect();
    let mut closings: Vec<_> =
        keys.iter().filter_map(|key| key.closing.as_ref()).map(|closing| closing.log_index).collect();
    records.sort_unstable();
    closings.sort_unstable();
    let load = |index: &u64| {
        repository.signed_document(*index)?.ok_or_else(|| {
            CommandError::alarm(
                "document-unknown",
                format!("document {index} is in force and not in the log"),
            )
            .hint(CALL_THE_AUDITOR)
        })
    };
    Ok(Members {
        roots,
        records: records.iter().map(load).collect::<Result<_, _>>()?,
        closings: closings.iter().map(load).collect::<Result<_, _>>()?,
        list: match repository.newest_revocation_list()? {
            Some(list) => Some(load(&list.log_index)?).filter(|bytes| stands(bytes, &keys)),
            None => None,
        },
    })
}

/// Returns whether no key that may be in other hands sealed a list.
fn stands(list: &[u8], keys: &[KeyRecord]) -> bool {
    let Ok(envelope) = Envelope::decode(list) else { return false };
    let revoker = keys.iter().find(|key| key.public_key.key_id() == envelope.header.kid);
    let closing = revoker.and_then(|key| key.closing.as_ref());
    revoker.is_some() && closing.is_none_or(|closing| closing.compromised_at.is_none())
}

/// Makes a bundle of documents, without a manifest, and verifies it as a site would.
///
/// # Errors
///
/// An integrity alarm where a site would refuse it.
pub fn verified(repository: &Repository, members: &Members) -> Result<(Vec<u8>, Trust), CommandError> {
    let bundle = Bundle::encode(&members.in_order());
    let pin = Pin::Authority(repository.authority()?.id);
    let trust = Trust::load_draft(&bundle, pin).map_err(|refusal| does_not_verify(&refusal))?;
    Ok((bundle, trust))
}

/// What the authority's own verifier refuses of its own documents.
pub(super) fn does_not_verify(refusal: &Refusal) -> CommandError {
    CommandError::alarm(refusal.code(), "the authority's own roots and key records do not verify")
        .cause(refusal.to_string())
        .hint(CALL_THE_AUDITOR)
}

const CALL_THE_AUDITOR: &str = "stop issuing, keep the home as it is, and call the auditor";
