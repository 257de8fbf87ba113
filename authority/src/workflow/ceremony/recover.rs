//! The recovery set: that it could act is shown before the root stands that commits to it.
//!
//! Not here: using it, years later (`rotation`).

use chancery_formats::document::MAX_DOCUMENT;
use chancery_formats::key::PublicKey;
use chancery_formats::trust::{Possession, Root};
use chancery_hsm_config::{KeyRef, PinSource};
use sha2::{Digest, Sha256};

use super::facts::Facts;
use super::inbox::{Inbox, of};
use super::parties::{Held, MAX_HELD, Part, Seat, another_key, check};
use super::plan::Place;
use super::{Brought, Ceremony, Progress, Waiting, proof};
use crate::error::CommandError;
use crate::workflow::signing::resolve;

/// Whose proof, and the proof.
type NamedProof = (String, Vec<u8>);

impl Ceremony<'_> {
    /// Returns who has not proved that they could act.
    pub(super) fn missing_recovery(&self, pins: &mut PinSource) -> Result<Vec<Waiting>, CommandError> {
        let authority = self.authority()?;
        let missing = self.recovery_proofs(authority.0, pins)?.1;
        Ok(missing.into_iter().map(|who| Waiting { who, what: Brought::Recovery(authority) }).collect())
    }

    /// Has the recovery set prove that the set that the root commits to could act.
    pub(super) fn recovery(&self, pins: &mut PinSource) -> Result<Progress, CommandError> {
        let mut facts = Facts::default();
        let authority = self.authority()?;
        let waiting = self.missing_recovery(pins)?;
        if !waiting.is_empty() {
            return Ok(Progress::Waiting(waiting));
        }
        let payload = self.store.read("root", MAX_DOCUMENT as u64)?.unwrap_or_default();
        match Root::decode(&payload)?.recovery {
            Some(commitment) => facts.hash("the root commits to the set with this hash", commitment),
            None => facts.text("recovery set", "none in the plan"),
        }
        for (name, proof) in self.recovery_proofs(authority.0, pins)?.0 {
            facts.hash(&format!("proof of {name}"), Sha256::digest(&proof).into());
        }
        Ok(Progress::Done(facts))
    }

    /// Returns the recovery set's proofs that this authority is theirs to recover, made or accepted; and who has
    /// not brought one.
    fn recovery_proofs(
        &self,
        challenge: [u8; 32],
        pins: &mut PinSource,
    ) -> Result<(Vec<NamedProof>, Vec<String>), CommandError> {
        let inbox = Inbox::open(self.exchange)?;
        let (mut proofs, mut missing) = (Vec::new(), Vec::new());
        for (seat, held) in self.all_held(Part::Recovery)? {
            let file = format!("recovery-{:02}.cpos", seat.index);
            let kept = match self.store.read(&file, MAX_HELD)? {
                Some(bytes) => Some(bytes),
                None => {
                    let found = match seat.place {
                        Place::Here(_) => Some(self.prove_here(&seat, &held, challenge, pins)?),
                        Place::Elsewhere { .. } => {
                            find_proof(&inbox, &seat, &held, challenge, self.plan.hash)?
                        }
                    };
                    found.iter().try_for_each(|bytes| self.store.write(&file, bytes))?;
                    found
                }
            };
            match kept {
                Some(bytes) => proofs.push((seat.name.to_owned(), bytes)),
                None => missing.push(seat.name.to_owned()),
            }
        }
        Ok((proofs, missing))
    }

    fn prove_here(
        &self,
        seat: &Seat<'_>,
        held: &Held,
        challenge: [u8; 32],
        pins: &mut PinSource,
    ) -> Result<Vec<u8>, CommandError> {
        let mut open = |reference: &KeyRef, key: &PublicKey| {
            let reference = resolve(self.home, reference).with_public_key(key.thumbprint());
            chancery_hsm_config::open(&reference, pins)
        };
        let key = seat.place.here().map(|reference| open(reference, &held.keys.key)).transpose()?;
        let partner = seat.partner.zip(held.keys.partner.as_ref());
        let partner = partner.map(|(reference, key)| open(reference, key)).transpose()?;
        let key = key.ok_or_else(|| CommandError::failed("internal", "the key is elsewhere"))?;
        proof::make(challenge, seat.name, &key, partner.as_ref())
    }
}

/// Finds the proof for a challenge, by the keys that were accepted.
fn find_proof(
    inbox: &Inbox,
    seat: &Seat<'_>,
    held: &Held,
    challenge: [u8; 32],
    plan: [u8; 32],
) -> Result<Option<Vec<u8>>, CommandError> {
    for (path, bytes) in &inbox.proofs {
        let proof = Possession::decode(bytes).map_err(|error| of(path, error.into()))?;
        if proof.challenge != challenge && proof.challenge != plan {
            return Err(of(
                path,
                CommandError::refused("proof-other", "the proof is for another authority")
                    .hint("have its holder make it anew with the authority id of this ceremony"),
            ));
        }
        if proof.challenge == challenge && proof.name == seat.name {
            let keys = check(&proof).map_err(|error| of(path, error))?;
            if keys != held.keys {
                return Err(of(path, another_key(seat.name)));
            }
            return Ok(Some(bytes.clone()));
        }
    }
    Ok(None)
}
