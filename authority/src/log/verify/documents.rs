//! One document by itself: kind, signature, what it means as a license, and the operations for it.

use chancery_formats::cose::{Envelope, Mode, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, Thumbprint};
use chancery_formats::license::License;
use chancery_formats::seal::Seal;
use sha2::{Digest, Sha256};

use super::sealed::{Batch, Signed};
use super::{Findings, Keys};
use crate::repository::history::{LeafRow, LicenseRow, OperationRow};

/// What is remembered from one document to the next.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// The statement found good last, and its signatures: documents of one batch share both.
    good: Option<(Signed, Vec<Vec<u8>>)>,
}

impl Documents {
    pub(super) fn check(
        &mut self,
        leaf: &LeafRow,
        operations: &[OperationRow],
        keys: &Keys,
        authority: AuthorityId,
        batch: Option<&Batch>,
        findings: &mut Findings,
    ) {
        let name = format!("document {}", leaf.log_index);
        // The headers of a document that is not signed are read as those of one that is.
        let unsigned = Unsigned::from_parts(leaf.protected.clone(), leaf.payload.clone());
        let bytes = unsigned.sign(&[]);
        let Ok(Envelope { header, .. }) = Envelope::decode(&bytes) else {
            findings.add("document-malformed", format!("{name} is malformed"));
            return;
        };
        if leaf.kind.map(Kind::typ) != Some(header.typ) {
            findings.add("document-kind", format!("{name} is kept as one of another kind"));
        }
        check_license(leaf, &name, findings);
        let message = unsigned.sig_structure();
        // Who signs, and what the device of each signs; none where that is not known.
        let to_sign: Option<Vec<(Thumbprint, Vec<u8>)>> = match header.mode {
            Mode::Direct(_) => {
                Some(keys.by_id(header.kid).map(|key| (key.thumbprint, message)).into_iter().collect())
            }
            Mode::Seal => {
                let of_document =
                    || leaf.signed.as_ref().and_then(|(bytes, _)| statement(bytes, authority, keys));
                let signed = batch.map(|batch| batch.signed().clone()).or_else(of_document);
                signed.map(|signed| {
                    signed.signers().filter_map(|key| Some((key, signed.message(key)?))).collect()
                })
            }
        };
        if let Some((bytes, _)) = &leaf.signed {
            self.check_signed(leaf, bytes, &name, keys, authority, findings);
        }
        check_operations(leaf, operations, to_sign.as_deref(), &name, keys, findings);
        if matches!(header.mode, Mode::Direct(_))
            && leaf.signed.is_none()
            && operations.iter().any(OperationRow::is_signed)
        {
            findings.add("document-unsigned", format!("{name} was signed, and what was signed is missing"));
        }
    }

    /// Checks the signatures of a document.
    fn check_signed(
        &mut self,
        leaf: &LeafRow,
        bytes: &[u8],
        name: &str,
        keys: &Keys,
        authority: AuthorityId,
        findings: &mut Findings,
    ) {
        let Ok(envelope) = Envelope::decode(bytes) else {
            findings.add("document-malformed", format!("{name} as signed is malformed"));
            return;
        };
        if (envelope.protected, envelope.payload) != (&leaf.protected[..], &leaf.payload[..]) {
            findings.add("document-other", format!("{name} as signed is another than the one intended"));
        }
        let good = match envelope.header.mode {
            Mode::Direct(algorithm) => keys.by_id(envelope.header.kid).is_some_and(|key| {
                let message = Unsigned::from_parts(envelope.protected.to_vec(), envelope.payload.to_vec());
                key.key.algorithm() == algorithm
                    && key.key.verify(&message.sig_structure(), envelope.signature).is_ok()
            }),
            Mode::Seal => self.is_sealed(&envelope, leaf.log_index, authority, keys),
        };
        if !good {
            findings.add("document-signature", format!("{name} is not signed by keys of this authority"));
        }
    }

    fn is_sealed(
        &mut self,
        envelope: &Envelope<'_>,
        log_index: u64,
        authority: AuthorityId,
        keys: &Keys,
    ) -> bool {
        let Ok(seal) = Seal::decode(envelope.signature) else { return false };
        if seal.log_index().is_some_and(|sealed| sealed != log_index) {
            return false;
        }
        let Some(signed) = Signed::of_document(envelope, &seal, authority, keys) else { return false };
        let signatures = seal.signatures().map(|signature| signature.signature.to_vec()).collect();
        let found = (signed, signatures);
        if self.good.as_ref() == Some(&found) {
            return true;
        }
        let good = found.0.verifies(&seal, keys);
        self.good = good.then_some(found);
        good
    }
}

/// Returns the statement that the seal of a signed document leads to.
fn statement(bytes: &[u8], authority: AuthorityId, keys: &Keys) -> Option<Signed> {
    let envelope = Envelope::decode(bytes).ok()?;
    let seal = Seal::decode(envelope.signature).ok()?;
    Signed::of_document(&envelope, &seal, authority, keys)
}

/// Compares a license with what is kept about it.
fn check_license(leaf: &LeafRow, name: &str, findings: &mut Findings) {
    let Some(row) = &leaf.license else {
        if leaf.kind == Some(Kind::License) {
            findings.add("license-missing", format!("{name} is a license of which nothing is kept"));
        }
        return;
    };
    let Ok(license) = License::decode(&leaf.payload) else {
        findings.add("license-other", format!("{name} is kept as a license, and is none"));
        return;
    };
    let said = LicenseRow {
        id: license.id,
        entitlement: license.terms.entitlement,
        device: license.device_key.map_or_else(Vec::new, |device| device.0.to_vec()),
        revision: license.terms.revision,
    };
    if said != *row {
        findings.add("license-other", format!("{name} says something else than what is kept about it"));
    }
}

/// Compares the operations for a document with what was to be signed.
///
/// An operation for many documents is compared at the first of them.
fn check_operations(
    leaf: &LeafRow,
    operations: &[OperationRow],
    to_sign: Option<&[(Thumbprint, Vec<u8>)]>,
    name: &str,
    keys: &Keys,
    findings: &mut Findings,
) {
    let Some(to_sign) = to_sign else { return };
    for operation in operations.iter().filter(|operation| operation.first_index == Some(leaf.log_index)) {
        let message = to_sign.iter().find(|signer| signer.0 == operation.key).map(|signer| &signer.1);
        let agrees = message.is_some_and(|message| {
            let length = operation.message_bytes.is_none_or(|bytes| bytes == message.len() as u64);
            length && <[u8; 32]>::from(Sha256::digest(message)) == operation.message_hash
        });
        if !agrees {
            let message = format!("operation {} is of something else than {name}", operation.id);
            findings.add("operation-message", message);
        }
    }
    // The licenses of a batch are signed by the batch, whose operations stand at its first.
    let is_sealed = leaf.batch.as_ref().is_some_and(|batch| batch.sealed_at.is_some());
    if leaf.signed.is_none() && !is_sealed {
        return;
    }
    for (signer, _) in to_sign {
        let is_here = keys.by_thumbprint(*signer).is_some_and(|key| key.is_here);
        let asked = operations.iter().any(|operation| operation.key == *signer && operation.is_signed());
        if is_here && !asked {
            let message = format!("{name} is signed by {}, and no operation did it", signer.key_id());
            findings.add("operation-missing", message);
        }
    }
}
