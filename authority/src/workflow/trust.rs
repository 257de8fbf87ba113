//! What the authority gives sites to trust, and trusts itself when it checks what it hands out.

use chancery_formats::document::Kind;
use chancery_formats::trust::Bundle;
use chancery_verifier::{Pin, Trust};

use crate::error::CommandError;
use crate::repository::Repository;

/// Returns the trust bundle: every root and key record in the log, verified as a site would.
///
/// # Errors
///
/// An integrity alarm where the log does not give a bundle that verifies.
pub fn bundle(repository: &Repository) -> Result<(Vec<u8>, Trust), CommandError> {
    let mut members = Vec::new();
    for kind in [Kind::Root, Kind::KeyRecord] {
        members.extend(repository.documents_of_kind(kind)?.into_iter().map(|(_, bytes)| bytes));
    }
    let bundle = Bundle::encode(&members);
    let pin = Pin::Authority(repository.authority()?.id);
    let trust = Trust::load(&bundle, pin).map_err(|refusal| {
        CommandError::alarm(refusal.code(), "the authority's own roots and key records do not verify")
            .cause(refusal.to_string())
            .hint("stop issuing, keep the home as it is, and call the auditor")
    })?;
    Ok((bundle, trust))
}
