//! Checkpoints and proofs of the log: signed by the log's key, cosigned by witnesses, and what follows from them.
//!
//! Only a check builds a [`VerifiedCheckpoint`]. Which keys to believe is for the caller to say: the log keys and
//! witnesses of [`Trust::keys_of`](crate::Trust::keys_of), which leaves out compromised ones. Not here: the text itself (`chancery_formats::log`), licenses, a memory of
//! checkpoints seen before.
//!
//! Spec: `docs/spec/log.md` §4.

use alloc::vec::Vec;

use chancery_formats::id::{AuthorityId, Thumbprint};
use chancery_formats::key::PublicKey;
use chancery_formats::log::checkpoint::{cosigned, split_timestamped};
use chancery_formats::log::note::key_id;
use chancery_formats::log::{Checkpoint, KeyKind, NoteError, Proof, origin, witness_name};
use chancery_formats::merkle::{Hash, Head, is_consistent};

use crate::signature::VerifyingKey;

/// Why a checkpoint or a proof is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogRefusal {
    /// The text is malformed.
    #[error(transparent)]
    Malformed(#[from] NoteError),
    /// The path does not lead from the document to the root of the checkpoint.
    #[error("document is not in the log that the checkpoint describes")]
    NotIncluded,
    /// The two checkpoints are not of one growing log.
    #[error("checkpoints are of different logs: what was there has been changed or removed")]
    NotConsistent,
    /// The checkpoint is of another authority's log.
    #[error("checkpoint is of another log")]
    OriginOther,
    /// A signature of a known key does not match.
    #[error("signature of the checkpoint does not match")]
    SignatureWrong,
    /// No known log key has signed.
    #[error("checkpoint is not signed by a log key of the authority")]
    Unsigned,
}

impl LogRefusal {
    /// Every code that is not a [`NoteError`], for tests that want each to have a vector.
    pub const CODES: [&'static str; 5] = [
        "checkpoint-not-consistent",
        "checkpoint-origin-other",
        "checkpoint-signature-wrong",
        "checkpoint-unsigned",
        "proof-not-included",
    ];

    /// Returns the stable kebab-case code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(error) => error.code(),
            Self::NotConsistent => "checkpoint-not-consistent",
            Self::NotIncluded => "proof-not-included",
            Self::OriginOther => "checkpoint-origin-other",
            Self::SignatureWrong => "checkpoint-signature-wrong",
            Self::Unsigned => "checkpoint-unsigned",
        }
    }
}

/// The keys whose signatures count.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogKeys<'k> {
    /// Of the log: one of them must have signed.
    pub log: &'k [VerifyingKey],
    /// Of witnesses: those that have signed are told.
    pub witnesses: &'k [VerifyingKey],
}

/// A witness that signed a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// Its key.
    pub witness: Thumbprint,
    /// When it says that it saw the checkpoint, in Unix seconds.
    pub time: u64,
}

/// A checkpoint that a log key has signed; only [`verify_checkpoint`] and [`verify_inclusion`] make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    head: Head,
    log: Thumbprint,
    cosignatures: Vec<Cosignature>,
}

impl VerifiedCheckpoint {
    /// Returns size and root of the log.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the log key that signed; the first of several.
    #[must_use]
    pub const fn log_key(&self) -> Thumbprint {
        self.log
    }

    /// Returns the witnesses that signed, each once, in the order of the keys asked for.
    #[must_use]
    pub fn cosignatures(&self) -> &[Cosignature] {
        &self.cosignatures
    }

    /// Checks that this checkpoint is of the log of `older`, with documents appended.
    ///
    /// # Errors
    ///
    /// [`LogRefusal::NotConsistent`], whatever is wrong with the proof.
    pub fn extends(&self, older: &Self, proof: &[u8]) -> Result<(), LogRefusal> {
        if is_consistent(&older.head, &self.head, proof) { Ok(()) } else { Err(LogRefusal::NotConsistent) }
    }
}

/// Checks a checkpoint of an authority's log.
///
/// Signatures of unknown keys are ignored, as the format demands; every signature of a known key must be good.
/// Keys of other algorithms than Ed25519 sign no notes.
///
/// # Errors
///
/// [`LogRefusal::Malformed`], [`LogRefusal::OriginOther`], [`LogRefusal::SignatureWrong`],
/// [`LogRefusal::Unsigned`].
pub fn verify_checkpoint(
    note: &[u8],
    authority: AuthorityId,
    keys: &LogKeys<'_>,
) -> Result<VerifiedCheckpoint, LogRefusal> {
    verify(&Checkpoint::decode(note)?, authority, keys)
}

/// Checks a proof that the document with this leaf hash is in an authority's log, and its checkpoint; returns the
/// place of the document in the log with it.
///
/// # Errors
///
/// Those of [`verify_checkpoint`], and [`LogRefusal::NotIncluded`].
pub fn verify_inclusion(
    proof: &[u8],
    leaf: Hash,
    authority: AuthorityId,
    keys: &LogKeys<'_>,
) -> Result<(u64, VerifiedCheckpoint), LogRefusal> {
    let proof = Proof::decode(proof)?;
    let verified = verify(&proof.checkpoint, authority, keys)?;
    if proof.includes(leaf) { Ok((proof.index, verified)) } else { Err(LogRefusal::NotIncluded) }
}

fn verify(
    checkpoint: &Checkpoint<'_>,
    authority: AuthorityId,
    keys: &LogKeys<'_>,
) -> Result<VerifiedCheckpoint, LogRefusal> {
    let name = origin(authority);
    if checkpoint.origin != name {
        return Err(LogRefusal::OriginOther);
    }
    let mut log = None;
    for key in keys.log {
        let signed = signatures(checkpoint, &name, KeyKind::Ed25519, key);
        for signature in signed {
            key.verify(checkpoint.text.as_bytes(), signature).map_err(|_| LogRefusal::SignatureWrong)?;
            log = log.or(Some(key.public().thumbprint()));
        }
    }
    let mut cosignatures = Vec::new();
    for key in keys.witnesses {
        let witness = key.public().thumbprint();
        let mut newest = None;
        for signature in signatures(checkpoint, &witness_name(witness), KeyKind::Cosignature, key) {
            let (time, signature) = split_timestamped(signature).ok_or(LogRefusal::SignatureWrong)?;
            let message = cosigned(checkpoint.text, time);
            key.verify(message.as_bytes(), signature).map_err(|_| LogRefusal::SignatureWrong)?;
            newest = newest.max(Some(time));
        }
        cosignatures.extend(newest.map(|time| Cosignature { witness, time }));
    }
    let log = log.ok_or(LogRefusal::Unsigned)?;
    Ok(VerifiedCheckpoint { head: checkpoint.head, log, cosignatures })
}

/// Iterates over the signatures that claim to be of a key under a name.
fn signatures<'c>(
    checkpoint: &'c Checkpoint<'_>,
    name: &str,
    kind: KeyKind,
    key: &VerifyingKey,
) -> impl Iterator<Item = &'c [u8]> {
    let id = match key.public() {
        PublicKey::Ed25519(point) => Some(key_id(name, kind, point)),
        _ => None,
    };
    let is_of_key = move |line: &&chancery_formats::log::NoteSignature<'_>| Some(line.key_id) == id;
    let lines: Vec<&[u8]> = checkpoint
        .signatures
        .iter()
        .filter(is_of_key)
        .filter(|line| line.name == name)
        .map(|line| &line.signature[..])
        .collect();
    lines.into_iter()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use chancery_formats::log::checkpoint::{text, timestamped};
    use chancery_formats::log::{NoteSignature, proof};
    use chancery_formats::merkle::{Tree, leaf_hash, prove};
    use ed25519_dalek::{Signer as _, SigningKey};

    const AUTHORITY: AuthorityId = AuthorityId([7; 32]);

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn verifying(seed: u8) -> VerifyingKey {
        VerifyingKey::load(&PublicKey::Ed25519(key(seed).verifying_key().to_bytes())).unwrap()
    }

    fn line(name: &str, kind: KeyKind, seed: u8, signature: Vec<u8>) -> String {
        let key_id = key_id(name, kind, &key(seed).verifying_key().to_bytes());
        NoteSignature { name, key_id, signature }.encode()
    }

    fn by_log(text: &str, seed: u8) -> String {
        line(&origin(AUTHORITY), KeyKind::Ed25519, seed, key(seed).sign(text.as_bytes()).to_bytes().to_vec())
    }

    fn by_witness(text: &str, seed: u8, time: u64) -> String {
        let name = witness_name(verifying(seed).public().thumbprint());
        let signature = key(seed).sign(cosigned(text, time).as_bytes()).to_bytes();
        line(&name, KeyKind::Cosignature, seed, timestamped(time, &signature))
    }

    fn tree(size: u8) -> (Vec<Hash>, Head) {
        let leaves: Vec<Hash> = (0..size).map(|byte| leaf_hash(&[&[byte]])).collect();
        let root = Tree::new(leaves.clone()).unwrap().root();
        (leaves, Head { size: size.into(), root })
    }

    #[test]
    fn a_checkpoint_is_believed_for_its_log_key_and_tells_its_witnesses() {
        let text = text(&origin(AUTHORITY), &tree(5).1);
        let (log, witnesses) = ([verifying(1), verifying(2)], [verifying(3), verifying(4)]);
        let keys = LogKeys { log: &log, witnesses: &witnesses };
        let check = |lines: &[String]| {
            verify_checkpoint(format!("{text}\n{}", lines.concat()).as_bytes(), AUTHORITY, &keys)
        };
        let verified = check(&[by_log(&text, 2), by_witness(&text, 4, 99), by_log(&text, 9)]).unwrap();
        assert_eq!(verified.log_key(), log[1].public().thumbprint());
        let expected = Cosignature { witness: witnesses[1].public().thumbprint(), time: 99 };
        assert_eq!((verified.cosignatures(), verified.head().size), (&[expected][..], 5));
        // One witness counts once, by its newest line.
        let twice = [by_log(&text, 1), by_witness(&text, 3, 5), by_witness(&text, 3, 7)];
        let twice = check(&twice).unwrap();
        assert_eq!(twice.cosignatures().iter().map(|one| one.time).collect::<Vec<_>>(), [7]);

        assert_eq!(check(&[by_log(&text, 9)]), Err(LogRefusal::Unsigned), "a stranger's");
        assert_eq!(check(&[by_witness(&text, 3, 1)]), Err(LogRefusal::Unsigned), "a witness alone");
        // The witness's key in the place of the log's, and the log's in the place of a witness.
        let as_log = LogKeys { log: &witnesses, witnesses: &log };
        let note = format!("{text}\n{}{}", by_log(&text, 1), by_witness(&text, 3, 1));
        assert_eq!(verify_checkpoint(note.as_bytes(), AUTHORITY, &as_log), Err(LogRefusal::Unsigned));
        // A bad signature of a known key refuses all, whatever stands beside it.
        let wrong = line(&origin(AUTHORITY), KeyKind::Ed25519, 2, [0; 64].to_vec());
        assert_eq!(check(&[by_log(&text, 1), wrong]), Err(LogRefusal::SignatureWrong));
        let name = witness_name(witnesses[0].public().thumbprint());
        let short = line(&name, KeyKind::Cosignature, 3, [0; 71].to_vec());
        assert_eq!(check(&[by_log(&text, 1), short]), Err(LogRefusal::SignatureWrong));
        let other = by_witness(&text.replace('5', "6"), 3, 1);
        assert_eq!(check(&[by_log(&text, 1), other]), Err(LogRefusal::SignatureWrong));
        let note = format!("{text}\n{}", by_log(&text, 1));
        let others = verify_checkpoint(note.as_bytes(), AuthorityId([8; 32]), &keys);
        assert_eq!(others, Err(LogRefusal::OriginOther));
    }

    #[test]
    fn no_changed_byte_of_a_checkpoint_is_believed() {
        let text = text(&origin(AUTHORITY), &tree(5).1);
        let note = format!("{text}\n{}", by_log(&text, 1));
        let log = [verifying(1)];
        let keys = LogKeys { log: &log, witnesses: &[] };
        assert!(verify_checkpoint(note.as_bytes(), AUTHORITY, &keys).is_ok());
        for place in 0..note.len() {
            for bit in 0..8 {
                let mut other = note.clone().into_bytes();
                other[place] ^= 1 << bit;
                assert!(verify_checkpoint(&other, AUTHORITY, &keys).is_err(), "{place}");
            }
        }
    }

    #[test]
    fn inclusion_and_growth_follow_from_checkpoints() {
        let (leaves, head) = tree(9);
        let note = |head: &Head| {
            let text = text(&origin(AUTHORITY), head);
            format!("{text}\n{}", by_log(&text, 1))
        };
        let log = [verifying(1)];
        let keys = LogKeys { log: &log, witnesses: &[] };
        let path = Tree::new(leaves.clone()).unwrap().path(6).as_chunks::<32>().0.to_vec();
        let proof = proof::encode(6, &path, &note(&head));
        let (index, newer) = verify_inclusion(proof.as_bytes(), leaves[6], AUTHORITY, &keys).unwrap();
        assert_eq!(index, 6);
        let foreign = verify_inclusion(proof.as_bytes(), leaves[5], AUTHORITY, &keys);
        assert_eq!(foreign, Err(LogRefusal::NotIncluded));
        assert_eq!(
            verify_inclusion(proof.as_bytes(), leaves[6], AUTHORITY, &LogKeys::default()),
            Err(LogRefusal::Unsigned)
        );

        let older = verify_checkpoint(note(&tree(4).1).as_bytes(), AUTHORITY, &keys).unwrap();
        let whole = |height: u32, number: u64| {
            let part = leaves.iter().skip((number << height) as usize).take(1 << height).copied().collect();
            Tree::new(part).map(|tree| tree.root()).ok_or(())
        };
        let proof = prove::consistency(4, 9, whole).unwrap();
        assert_eq!(newer.extends(&older, proof.as_flattened()), Ok(()));
        assert_eq!(older.extends(&newer, proof.as_flattened()), Err(LogRefusal::NotConsistent));
        assert_eq!(newer.extends(&older, &[]), Err(LogRefusal::NotConsistent));
    }

    #[test]
    fn the_note_of_the_package_of_go_has_a_good_signature() {
        let note = "If you think cryptography is the answer to your problem,\n\
            then you don't know what your problem is.\n\n\
            — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let note = chancery_formats::log::Note::decode(note.as_bytes()).unwrap();
        let point = [
            0x1a, 0x5c, 0xd9, 0x07, 0x14, 0x3c, 0x38, 0x4c, 0x41, 0xe8, 0x30, 0xc5, 0xbc, 0xe1, 0x2a, 0xa8,
            0x81, 0x7e, 0xc5, 0x64, 0x9a, 0xaa, 0xbf, 0x2c, 0x31, 0x38, 0x8b, 0x35, 0xb2, 0xd7, 0x44, 0xd6,
        ];
        let key = VerifyingKey::load(&PublicKey::Ed25519(point)).unwrap();
        assert_eq!(note.signatures[0].key_id, key_id("PeterNeumann", KeyKind::Ed25519, &point));
        assert_eq!(key.verify(note.text.as_bytes(), &note.signatures[0].signature), Ok(()));
    }
}
