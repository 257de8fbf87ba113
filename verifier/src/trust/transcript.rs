//! The transcript of a ceremony: sealed by a log key that the authority's root certifies.

use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::seal::Role;
use chancery_formats::trust::Transcript;

use super::Trust;
use crate::error::Refusal;

impl Trust {
    /// Verifies the transcript of a ceremony of this authority.
    ///
    /// That the log key sealed it shows that nothing was changed since, not that it says what happened: compare its
    /// links with what observers wrote down.
    ///
    /// Spec: `docs/spec/transcript.md`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`], [`Refusal::KeyUnknown`], [`Refusal::AlgMismatch`], [`Refusal::TypNotCertified`],
    /// [`Refusal::KeyCompromised`], [`Refusal::AuthorityOther`], those of the seal, and
    /// [`Refusal::KeyOutOfTerm`] where its last step is outside the validity of the key.
    pub fn verify_transcript<'a>(&self, bytes: &'a [u8]) -> Result<Transcript<'a>, Refusal> {
        let envelope = Envelope::decode_kind(bytes, Kind::Transcript)?;
        let key = self.verify_sealed_by(Role::Log, Kind::Transcript, &envelope)?;
        let transcript = Transcript::decode(envelope.payload)?;
        let last = transcript.steps.last().map_or(0, |step| step.time);
        self.require_of(transcript.authority, last, key)?;
        Ok(transcript)
    }
}
