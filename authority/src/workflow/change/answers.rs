//! Answers of custodians on other machines: each signature is checked before any is kept.

use chancery_formats::id::Thumbprint;
use chancery_formats::seal::Signer;
use chancery_formats::trust::Exchange;
use chancery_formats::trust::exchange::{self, Answer, statement_hash};
use chancery_verifier::signature::VerifyingKey;

use super::Change;
use crate::error::CommandError;
use crate::repository::Repository;
use crate::workflow::sealing::Batch;

/// A signature of an answer, with what it is for.
struct Found<'c, 'a> {
    batch: &'c Batch,
    signer: Signer,
    signature: &'a [u8],
}

impl Change {
    /// Brings the answers of other custodians in: all of them, or none. Returns the signers who were missing.
    ///
    /// # Errors
    ///
    /// A refusal of an answer to something else, of a signer who was not asked or signs here, and of a signature
    /// that is not good; nothing is kept then.
    pub fn take(
        &self,
        repository: &mut Repository,
        answers: &[Vec<u8>],
        now: u64,
    ) -> Result<Vec<Signer>, CommandError> {
        let keys = repository.keys()?;
        let missing = self.missing(repository)?;
        let mut accepted = Vec::new();
        for bytes in answers {
            let Exchange::Answer(answer) = Exchange::decode(bytes)? else {
                return Err(CommandError::refused(
                    "not-an-answer",
                    "this is a request, not a custodian's answer",
                )
                .hint("name the file that `chancery root sign` wrote"));
            };
            for signed in self.asked(&answer)? {
                let Found { batch, signer, signature } = signed;
                let key = keys.iter().find(|key| key.public_key.thumbprint() == signer.thumbprint);
                let key = key.ok_or_else(|| not_asked(signer.thumbprint))?;
                if key.reference.is_some() {
                    return Err(signs_here(&signer));
                }
                let message = batch.statement().to_sign(&signer).sig_structure();
                VerifyingKey::load(&key.public_key)
                    .and_then(|key| key.verify(&message, signature))
                    .map_err(|refusal| bad_signature(&signer, &refusal.to_string()))?;
                accepted.push((batch.first_index(), signer, signature.to_vec()));
            }
        }
        for (first_index, signer, signature) in &accepted {
            repository.keep_batch_signature(*first_index, signer.thumbprint, signature, None, now)?;
        }
        let has_answered = |signer: &Signer| accepted.iter().any(|(_, accepted, _)| accepted == signer);
        Ok(missing.into_iter().filter(has_answered).collect())
    }

    /// Finds what each signature of an answer is for.
    fn asked<'c, 'a>(&'c self, answer: &Answer<'a>) -> Result<Vec<Found<'c, 'a>>, CommandError> {
        if answer.authority != self.authority {
            let message = format!("the answer is for authority {}", answer.authority);
            return Err(CommandError::refused("authority-other", message)
                .hint("bring it to the authority that asked"));
        }
        let find = |signed: &exchange::Signed<'a>| {
            let batch =
                self.batches.iter().find(|batch| statement_hash(&batch.statement()) == signed.statement);
            let batch = batch.ok_or_else(|| {
                CommandError::refused(
                    "statement-other",
                    "the answer signs something else than is asked for here",
                )
                .hint("have the custodian sign the newest request of this authority, unchanged")
            })?;
            let signer = batch.signers().iter().find(|signer| signer.thumbprint == signed.signer);
            let signer = *signer.ok_or_else(|| not_asked(signed.signer))?;
            Ok(Found { batch, signer, signature: signed.signature })
        };
        answer.signatures.iter().map(find).collect()
    }
}

fn not_asked(signer: Thumbprint) -> CommandError {
    CommandError::refused("signer-not-asked", format!("key {} was not asked to sign", signer.key_id()))
        .hint("see who was with `chancery root show`")
}

/// A key of this machine signs here, where each use of it is recorded.
fn signs_here(signer: &Signer) -> CommandError {
    let message = format!("key {} is on this machine, and another has used it", signer.thumbprint.key_id());
    CommandError::refused("signer-here", message).hint(
        "run `chancery root collect` without this answer: the key signs here, where its use is recorded",
    )
}

fn bad_signature(signer: &Signer, cause: &str) -> CommandError {
    let message = format!("the signature of {} is not good", signer.thumbprint.key_id());
    CommandError::refused("signature-wrong", message)
        .cause(cause)
        .hint("have the custodian sign the request again, and bring the new answer")
}
