//! The installed license of a product with what was kept beside it, and what to say where it is refused.

use std::path::Path;

use chancery_carriers::files::read_document;
use chancery_carriers::text::shown_path;
use chancery_formats::cose::Envelope;
use chancery_formats::license::License;
use chancery_formats::log::Proof;
use chancery_formats::log::proof::MAX_PROOF;
use chancery_verifier::{Inclusion, Refusal, Trust, VerifiedLicense, verify_license_in_log};

use crate::error::{CommandError, is_withdrawn};
use crate::store::State;

/// A license as it is kept; not verified.
#[derive(Debug)]
pub struct Installed {
    license: Vec<u8>,
    proof: Option<Vec<u8>>,
}

impl Installed {
    /// Reads the license of a product; none where it has none.
    ///
    /// # Errors
    ///
    /// A failure where a file cannot be read.
    pub fn read(state: &State, product: &str) -> Result<Option<Self>, CommandError> {
        let Some(license) = state.license(product)? else { return Ok(None) };
        let id = Envelope::decode(&license)
            .and_then(|envelope| License::decode(envelope.payload))
            .map(|license| license.id);
        // A license that cannot be read is refused by the verifier, with its reason.
        let proof = id.ok().map(|id| state.proof(id)).transpose()?.flatten();
        Ok(Some(Self { license, proof }))
    }

    /// Verifies it.
    ///
    /// # Errors
    ///
    /// Those of the verifier.
    pub fn verify(&self, trust: &Trust) -> Result<VerifiedLicense<'_>, Refusal> {
        verify(&self.license, self.proof.as_deref(), trust)
    }
}

/// Verifies a license, beside a proof that it is in the vendor's log where there is one.
///
/// # Errors
///
/// Those of the verifier. A proof that proves nothing counts for nothing.
pub fn verify<'a>(
    license: &'a [u8],
    proof: Option<&[u8]>,
    trust: &Trust,
) -> Result<VerifiedLicense<'a>, Refusal> {
    let proof = proof.and_then(|bytes| Proof::decode(bytes).ok());
    let inclusion = proof.as_ref().map(|proof| Inclusion {
        index: proof.index,
        size: proof.checkpoint.head.size,
        path: proof.path.as_flattened(),
    });
    verify_license_in_log(license, trust, inclusion.as_ref())
}

/// Reads the file of a proof, which must be one of this license. Which log it is of, the trust bundle says.
///
/// # Errors
///
/// A refusal for a file that is no proof or is one of another document.
pub fn read_proof(path: &Path, license: &[u8]) -> Result<Vec<u8>, CommandError> {
    let bytes = read_document(path, MAX_PROOF as u64)?;
    let file = shown_path(path);
    let hint = "ask the vendor for the proof of this license: `chancery log prove`";
    let proof = Proof::decode(&bytes).map_err(|error| {
        CommandError::refused(error.code(), format!("{file} is no proof")).cause(error.to_string()).hint(hint)
    })?;
    // A license that cannot be read is refused by the verifier, with its reason.
    if Envelope::decode(license).is_ok_and(|envelope| !proof.includes(envelope.leaf_hash())) {
        let error = format!("{file} is the proof of another document");
        return Err(CommandError::refused("proof-not-included", error).hint(hint));
    }
    Ok(bytes)
}

/// Says what it means that an installed license is refused.
pub fn refused(product: &str, refusal: &Refusal) -> CommandError {
    if is_withdrawn(refusal) {
        return CommandError::license(format!("the installed license of {product}"), refusal);
    }
    altered(product, &refusal.to_string())
}

/// Only genuine licenses are installed, so that one that is not was changed here.
pub fn altered(product: &str, cause: &str) -> CommandError {
    CommandError::alarm("license-altered", format!("the installed license of {product} was altered"))
        .cause(cause)
        .hint("install the license again from its file; if nobody changed the state, find out who did")
}

/// Reads an installed license and the trust to judge it by.
///
/// # Errors
///
/// An alarm where either is gone.
pub fn kept(state: &State, product: &str) -> Result<(Installed, Trust), CommandError> {
    let installed = Installed::read(state, product)?.ok_or_else(|| altered(product, "its file is gone"))?;
    let trust = state.trust()?.ok_or_else(|| altered(product, "the state trusts no authority"))?;
    Ok((installed, trust))
}
