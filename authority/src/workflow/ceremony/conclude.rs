//! The end of a ceremony: the first checkpoint, the first bundle, and the transcript in the log and on paper.

use chancery_formats::document::Kind;
use chancery_formats::log::Checkpoint;
use chancery_formats::seal::Role;
use chancery_formats::trust::Transcript;
use chancery_formats::trust::transcript::Step as Told;
use chancery_hsm_config::PinSource;
use chancery_verifier::{Pin, Refusal, Trust};
use sha2::{Digest, Sha256};

use super::facts::{Facts, last_link};
use super::parties::Part;
use super::{Ceremony, Done, Progress, Room, plan};
use crate::error::CommandError;
use crate::output::{public_key, transcript};
use crate::repository::{Repository, Standing};
use crate::workflow::publishing::Sealers;
use crate::workflow::{bundle, checkpoint};

impl Ceremony<'_> {
    /// Signs the first checkpoint of the log.
    pub(super) fn checkpoint(
        &self,
        room: &mut dyn Room,
        pins: &mut PinSource,
    ) -> Result<Progress, CommandError> {
        let mut repository = Repository::open(self.home)?;
        let made = checkpoint::make(&mut repository, pins, room.now()?)?;
        let note = made.record.note.as_bytes();
        let head = Checkpoint::decode(note)
            .map_err(|error| CommandError::alarm(error.code(), "the checkpoint that is kept is malformed"))?
            .head;
        let mut facts = Facts::default();
        facts.text("documents in the log", head.size.to_string());
        facts.hash("root of the log", head.root);
        facts.hash("checkpoint", Sha256::digest(note).into());
        Ok(Progress::Done(facts))
    }

    /// Publishes the first bundle, verified as a site verifies it.
    pub(super) fn bundle(&self, room: &mut dyn Room, pins: &mut PinSource) -> Result<Progress, CommandError> {
        let mut repository = Repository::open(self.home)?;
        let published = bundle::publish(&mut repository, false, pins, room.now()?)?;
        let mut facts = Facts::default();
        facts.hash("trust bundle", Sha256::digest(&published.bytes).into());
        facts.text(
            "number",
            published.trust.bundle_number().map_or_else(|| "none".to_owned(), |n| n.to_string()),
        );
        facts.text("root version", published.trust.root_version().to_string());
        facts.text("certified keys", published.trust.keys().count().to_string());
        Ok(Progress::Done(facts))
    }

    /// Seals the transcript with the log key, and writes what others take away.
    pub(super) fn conclude(&self, room: &mut dyn Room, pins: &mut PinSource) -> Result<Done, CommandError> {
        let mut repository = Repository::open(self.home)?;
        let authority = repository.authority()?.id;
        self.keep_recovery_set()?;
        let sealed = self.seal_transcript(&mut repository, room, pins)?;
        let bundle = repository.newest_bundle()?.map(|bundle| bundle.bytes).ok_or_else(|| {
            CommandError::alarm("ceremony-damaged", "the bundle that was published is not there")
        })?;
        let refused = |refusal: Refusal| {
            CommandError::alarm(refusal.code(), "what the ceremony made does not verify")
                .cause(refusal.to_string())
        };
        let trust = Trust::load(&bundle, Pin::Authority(authority)).map_err(refused)?;
        let told = trust.verify_transcript(&sealed).map_err(refused)?;
        let text = transcript::text(&told, Some(&sealed));
        // The transcript is a document of the log too, so that the checkpoint that people take away is of it all.
        let note = checkpoint::make(&mut repository, pins, room.now()?)?.record.note;
        let files = [
            ("ceremony.ctrust", &bundle[..]),
            ("ceremony.checkpoint", note.as_bytes()),
            ("transcript.cose", &sealed),
            ("transcript.txt", text.as_bytes()),
        ];
        let files =
            files.into_iter().map(|(name, bytes)| self.give(name, bytes)).collect::<Result<_, _>>()?;
        let keys = self.all_held(Part::Role)?;
        Ok(Done {
            authority,
            transcript: Sha256::digest(&sealed).into(),
            link: last_link(&self.plan.hash, &self.done)?,
            keys: keys
                .into_iter()
                .map(|(seat, held)| (seat.name.to_owned(), held.keys.key.thumbprint()))
                .collect(),
            files,
        })
    }

    /// Keeps the recovery set in the home in the form in which `root rotate --recovery` reads it: the root commits to
    /// it by hash alone, so that it could not be told again from anything else.
    fn keep_recovery_set(&self) -> Result<(), CommandError> {
        let Some(recovery) = &self.plan.recovery else { return Ok(()) };
        let mut text = format!("threshold = {}\n", recovery.threshold);
        for (seat, held) in self.all_held(Part::Recovery)? {
            let name = format!("recovery-{:02}.pem", seat.index);
            let pem = public_key::pem(&held.keys.key)?;
            self.store.once(&name, plan::MAX_BYTES, || Ok(pem.into_bytes()))?;
            text += &format!("\n[[custodian]] # {}\npublic-key = \"{name}\"\n", seat.name);
            if let Some(partner) = &held.keys.partner {
                let name = format!("recovery-{:02}-partner.cose", seat.index);
                self.store.once(&name, plan::MAX_BYTES, || Ok(partner.encode()))?;
                text += &format!("partner = \"{name}\"\n");
            }
        }
        self.store.once("recovery.toml", plan::MAX_BYTES, || Ok(text.into_bytes())).map(drop)
    }

    /// Returns the sealed transcript: the one in the log, or the one that was begun there, or a new one.
    fn seal_transcript(
        &self,
        repository: &mut Repository,
        room: &mut dyn Room,
        pins: &mut PinSource,
    ) -> Result<Vec<u8>, CommandError> {
        if let Some((_, bytes)) = repository.documents_of_kind(Kind::Transcript)?.pop() {
            return Ok(bytes);
        }
        let now = room.now()?;
        let sealers = Sealers::open(repository, Role::Log, pins, now)?;
        let sealed = sealers.seal_next(repository, Kind::Transcript, |_| true, |_| self.transcript(), now)?;
        let change = Standing {
            batches: vec![sealed.log_index],
            documents: vec![(sealed.log_index, sealed.bytes.clone())],
            ..Standing::default()
        };
        repository.stand(&change, now)?;
        Ok(sealed.bytes)
    }

    /// Tells every step in one payload.
    fn transcript(&self) -> Result<Vec<u8>, CommandError> {
        let steps = self.done.iter().map(|bytes| Told::decode(bytes)).collect::<Result<Vec<_>, _>>()?;
        let payload = Transcript {
            authority: self.authority()?,
            plan: self.plan.hash,
            operator: &self.plan.operator,
            observers: self.plan.observers.iter().map(String::as_str).collect(),
            steps,
        }
        .encode();
        // What readers would refuse is not signed.
        Transcript::decode(&payload)?;
        Ok(payload)
    }
}
