//! Root version 1: written once, shown in full, begun in the log, signed here and elsewhere, and made to stand.
//!
//! It is written to a file before anything is signed, and begun in the log with the key records in one step; from
//! then on the log says what is signed. So no second root of the same number is ever made. Not here: keys
//! (`parties`, `certify`), what custodians do on their own machines (`custodian`).

use std::path::PathBuf;

use chancery_carriers::files;
use chancery_formats::cose::Envelope;
use chancery_formats::document::{Kind, MAX_BUNDLE, MAX_DOCUMENT};
use chancery_formats::id::{AuthorityId, KeyId};
use chancery_formats::key::{Protection, PublicKey};
use chancery_formats::seal::{Role, Signer};
use chancery_formats::trust::exchange::statement_hash;
use chancery_formats::trust::{KeyRecord, Root};
use chancery_hsm_config::PinSource;
use sha2::{Digest, Sha256};

use super::facts::{Facts, grouped};
use super::inbox::{Inbox, of};
use super::parties::{Held, Part, Seat};
use super::plan::Place;
use super::{Answer, Brought, Ceremony, Progress, Room, Waiting};
use crate::error::CommandError;
use crate::output::{document, time};
use crate::repository::{Authority, KeyRecord as KeyRow, NewKey, Repository, RepositoryError};
use crate::workflow::change::{self, Change, Paper};
use crate::workflow::custody::{Asked, Quorum, keys_here};
use crate::workflow::signing::open_key;

/// The file that custodians on other machines are asked with.
const REQUEST: &str = "root.ccer";

impl Ceremony<'_> {
    /// Writes root version 1 and the key records, shows them in full, and begins them in the log.
    pub(super) fn found(&self, room: &mut dyn Room) -> Result<Progress, CommandError> {
        let quorum = self.quorum()?;
        let made_at = room.now()?;
        let payload = self.store.once("root", MAX_DOCUMENT as u64, || self.write_root(&quorum, made_at))?;
        let authority = Root::authority_id(&payload);
        let root = Root::decode(&payload)?;
        let records = self.records(authority, root.made_at)?;
        self.show_all(&root, authority, &records, room)?;
        if !self.is_begun(authority)? {
            self.agree(authority, room)?;
            self.begin(authority, &quorum, &payload, &records, room.now()?)?;
        }
        let mut facts = Facts::default();
        facts.hash("authority id, the hash of root version 1", authority.0);
        for ((seat, _), record) in self.roles().iter().zip(&records) {
            facts.hash(&format!("key record of {}", seat.name), Sha256::digest(record).into());
        }
        for batch in self.pending()?.batches() {
            let what = format!("statement over: {}", batch.kind().name());
            facts.hash(&what, statement_hash(&batch.statement()));
        }
        Ok(Progress::Done(facts))
    }

    fn quorum(&self) -> Result<Quorum, CommandError> {
        let custodians = self.all_held(Part::Custodian)?.into_iter().map(|(_, held)| held.keys).collect();
        Quorum::new(self.plan.custodians.threshold, custodians)
    }

    fn write_root(&self, quorum: &Quorum, made_at: u64) -> Result<Vec<u8>, CommandError> {
        let recovery = match &self.plan.recovery {
            None => None,
            Some(holders) => {
                let keys = self.all_held(Part::Recovery)?.into_iter().map(|(_, held)| held.keys).collect();
                Some(Quorum::new(holders.threshold, keys)?.commitment()?)
            }
        };
        let payload = quorum.lend(|quorum| {
            Root {
                name: &self.plan.name,
                version: 1,
                previous: None,
                quorum,
                made_at,
                recovery,
                revealed: None,
                // Every bundle is numbered from the first one on: the log key seals it.
                manifests: true,
            }
            .encode()
        })?;
        // What readers would refuse is not signed.
        Root::decode(&payload)?;
        Ok(payload)
    }

    fn show_all(
        &self,
        root: &Root<'_>,
        authority: AuthorityId,
        records: &[Vec<u8>],
        room: &mut dyn Room,
    ) -> Result<(), CommandError> {
        let mut fields = vec![
            ("name".to_owned(), root.name.to_owned()),
            ("authority id".to_owned(), grouped(&authority.0)),
            (
                "must sign".to_owned(),
                format!("{} of {}", root.quorum.threshold, root.quorum.custodians.len()),
            ),
        ];
        for (seat, held) in self.all_held(Part::Custodian)? {
            fields.push((format!("custodian {}", seat.name), grouped(&held.keys.key.thumbprint().0)));
            if let Some(partner) = &held.keys.partner {
                fields.push(("with ML-DSA-87 partner".to_owned(), grouped(&partner.thumbprint().0)));
            }
        }
        let recovery = root.recovery.map_or_else(|| "none".to_owned(), |hash| grouped(&hash));
        fields.push(("recovery set, as its hash".to_owned(), recovery));
        fields.push(("made".to_owned(), time(root.made_at)));
        room.show("Root version 1, which every product will pin", &fields)?;
        for ((seat, _), record) in self.roles().iter().zip(records) {
            let record = KeyRecord::decode(record)?;
            let fields = document::key_record_fields(&record);
            let fields: Vec<_> = fields.into_iter().map(|(what, value)| (what.to_owned(), value)).collect();
            room.show(&format!("Key record of {}", seat.name), &fields)?;
        }
        Ok(())
    }

    /// The last moment at which nothing is signed: the id is what everybody compares from here on.
    fn agree(&self, authority: AuthorityId, room: &mut dyn Room) -> Result<(), CommandError> {
        const TYPED: usize = 8;
        let text = authority.to_string();
        let typed = text.get(text.len() - TYPED..).unwrap_or_default();
        let question = format!(
            "Everybody writes the authority id down. From here on it is signed: type its last {TYPED} characters"
        );
        room.confirm(&question, Answer::FromPaper(typed)).map(drop)
    }

    /// Returns the authority whose root was composed.
    pub(super) fn authority(&self) -> Result<AuthorityId, CommandError> {
        let payload = self.store.read("root", MAX_DOCUMENT as u64)?;
        let payload = payload.ok_or_else(|| CommandError::failed("internal", "there is no root yet"))?;
        Ok(Root::authority_id(&payload))
    }

    fn is_begun(&self, authority: AuthorityId) -> Result<bool, CommandError> {
        match Repository::open(self.home) {
            Ok(repository) if repository.authority()?.id == authority => {
                Ok(Change::pending(&repository)?.is_some())
            }
            Ok(_) => Err(CommandError::alarm("ceremony-damaged", "the log was begun for another root")
                .hint("end this ceremony: remove the folder of the home in the making, and begin anew")),
            Err(RepositoryError::NotInitialized { .. } | RepositoryError::Unfinished { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Begins root and records in a new log, in one step: both, or neither.
    fn begin(
        &self,
        authority: AuthorityId,
        quorum: &Quorum,
        root: &[u8],
        records: &[Vec<u8>],
        now: u64,
    ) -> Result<(), CommandError> {
        let mut repository = self.create(authority, now)?;
        let paper = |kind, payloads| Paper { kind, payloads, root_version: 1, quorums: vec![quorum.clone()] };
        let papers =
            |_| Ok(vec![paper(Kind::Root, vec![root.to_vec()]), paper(Kind::KeyRecord, records.to_vec())]);
        let custodians = self.all_held(Part::Custodian)?;
        let named: Vec<KeyId> = custodians
            .iter()
            .filter(|(seat, _)| seat.signs)
            .map(|(_, held)| held.keys.key.key_id())
            .collect();
        let roles = self.all_held(Part::Role)?;
        let rows: Vec<_> =
            custodians.iter().chain(&roles).flat_map(|(seat, held)| rows(seat, held)).collect();
        let role_of = |seat: &Seat<'_>| {
            let planned = self.plan.roles.iter().find(|role| role.name == seat.name);
            planned.filter(|_| seat.part == Part::Role).map_or(Role::Custodian, |role| role.role)
        };
        let keys: Vec<_> = rows
            .iter()
            .map(|row| NewKey {
                public_key: row.key.clone(),
                role: role_of(&row.seat),
                reference: row.reference.as_deref(),
                protection: row.protection,
            })
            .collect();
        let asked = Asked { named: &named, elsewhere: true };
        change::propose(&mut repository, authority, papers, &keys, &[], &asked, now).map(drop)
    }

    /// Makes the database, or takes up one in which nothing was begun.
    fn create(&self, authority: AuthorityId, now: u64) -> Result<Repository, CommandError> {
        match Repository::open(self.home) {
            Ok(repository) => return Ok(repository),
            Err(RepositoryError::NotInitialized { .. }) => {}
            Err(RepositoryError::Unfinished { .. }) => {
                // It does not say yet whose it is, so nothing was begun in it, and nothing signed.
                for path in [self.home.database(), self.home.write_ahead_log(), self.home.write_ahead_index()]
                {
                    match std::fs::remove_file(&path) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                            return Err(CommandError::failed(
                                "home-unusable",
                                "cannot begin the database anew",
                            )
                            .cause(error.to_string()));
                        }
                        _ => {}
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
        let mut repository = Repository::create(self.home)?;
        let name = self.plan.name.clone();
        repository.set_authority(&Authority { id: authority, name, root_version: 1, created_at: now })?;
        Ok(repository)
    }

    fn pending(&self) -> Result<Change, CommandError> {
        Change::require_pending(&Repository::open(self.home)?)
    }

    /// Has the custodians sign: those here one by one, the others by answers to a file.
    pub(super) fn signatures(
        &self,
        room: &mut dyn Room,
        pins: &mut PinSource,
    ) -> Result<Progress, CommandError> {
        let mut repository = Repository::open(self.home)?;
        let change = Change::require_pending(&repository)?;
        for (path, bytes) in Inbox::open(self.exchange)?.answers {
            change.take(&mut repository, &[bytes], room.now()?).map_err(|error| of(&path, error))?;
        }
        self.sign_here(&change, &mut repository, room, pins)?;
        let missing = change.missing(&repository)?;
        let mut waiting = Vec::new();
        if !missing.is_empty() {
            let request = self.write_request(&change.request(&repository)?)?;
            for (seat, held) in self.all_held(Part::Custodian)? {
                if signs(&held, &missing) {
                    let what = Brought::Answer(request.clone());
                    waiting.push(Waiting { who: seat.name.to_owned(), what });
                }
            }
            // Whoever recovers is asked at the same time, so that everybody travels once.
            waiting.extend(self.missing_recovery(pins)?);
            return Ok(Progress::Waiting(waiting));
        }
        let mut facts = Facts::default();
        for (seat, held) in self.all_held(Part::Custodian)? {
            if !seat.signs {
                continue;
            }
            let place = if seat.place.here().is_some() { "here" } else { "elsewhere" };
            facts.hash(&format!("signed {place} by {}", seat.name), held.keys.key.thumbprint().0);
        }
        Ok(Progress::Done(facts))
    }

    /// Signs with the keys of this machine that have not, each after its custodian has agreed.
    fn sign_here(
        &self,
        change: &Change,
        repository: &mut Repository,
        room: &mut dyn Room,
        pins: &mut PinSource,
    ) -> Result<(), CommandError> {
        let missing = change.missing(repository)?;
        for (seat, held) in self.all_held(Part::Custodian)? {
            if seat.place.here().is_none() || !signs(&held, &missing) {
                continue;
            }
            let question = format!("{} signs root version 1 and the key records.", seat.name);
            room.confirm(&question, Answer::Word("sign"))?;
            let theirs = |record: &KeyRow| held.keys.keys().any(|key| *key == record.public_key);
            for record in keys_here(repository)?.into_iter().filter(theirs) {
                let key = open_key(self.home, &record, pins)?;
                for batch in change.batches() {
                    batch.sign(repository, &key, room.now()?)?;
                }
            }
        }
        Ok(())
    }

    /// Writes what custodians elsewhere are asked to sign; the same file each time.
    fn write_request(&self, request: &[u8]) -> Result<PathBuf, CommandError> {
        self.give(REQUEST, request)
    }

    /// Writes a file for others, or leaves the same one that is there.
    pub(super) fn give(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, CommandError> {
        let path = self.exchange.join(name);
        if path.symlink_metadata().is_ok() {
            return match files::read_document(&path, MAX_BUNDLE as u64) {
                Ok(there) if there == bytes => Ok(path),
                _ => Err(of(
                    &path,
                    CommandError::refused("file-exists", "a file of this name is there, and is another")
                        .hint("move it away, or name another folder with `--exchange DIR`"),
                )),
            };
        }
        std::fs::create_dir_all(self.exchange).map_err(|error| {
            CommandError::failed("exchange-unusable", "the folder for exchanged files cannot be made")
                .cause(error.to_string())
                .hint("name a folder that you may write to with `--exchange DIR`")
        })?;
        let output = files::create_new(&path)?;
        output.reserve(bytes.len() as u64)?;
        output.commit(bytes)?;
        Ok(path)
    }

    /// Lets root and key records stand, once they verify as a site would verify them.
    pub(super) fn stand(&self, room: &mut dyn Room) -> Result<Progress, CommandError> {
        let mut repository = Repository::open(self.home)?;
        if let Some(change) = Change::pending(&repository)?
            && let change::Progress::Waits(_) = change.advance(&mut repository, &[], room.now()?)?
        {
            return Err(CommandError::alarm("ceremony-damaged", "signatures that were kept are missing"));
        }
        let mut facts = Facts::default();
        facts.hash("authority id", repository.authority()?.id.0);
        for (index, bytes) in repository.documents_of_kind(Kind::Root)? {
            facts.hash(&format!("root version 1, log index {index}"), Sha256::digest(&bytes).into());
        }
        for (index, bytes) in repository.documents_of_kind(Kind::KeyRecord)? {
            let record = KeyRecord::decode(Envelope::decode(&bytes)?.payload)?;
            let what = format!("{} key {}, log index {index}", record.role.name(), record.key.key_id());
            facts.hash(&what, Sha256::digest(&bytes).into());
        }
        Ok(Progress::Done(facts))
    }
}

/// A row of the keys' table.
struct Row<'s> {
    seat: Seat<'s>,
    key: PublicKey,
    reference: Option<String>,
    protection: Protection,
}

/// Returns the rows of a key and its partner.
fn rows<'s>(seat: &Seat<'s>, held: &Held) -> Vec<Row<'s>> {
    let reference = |reference: Option<&chancery_hsm_config::KeyRef>| reference.map(ToString::to_string);
    let here = match seat.place {
        Place::Here(place) => reference(Some(place)),
        Place::Elsewhere { .. } => None,
    };
    let row = |key: &PublicKey, reference| Row {
        seat: *seat,
        key: key.clone(),
        reference,
        protection: held.protection,
    };
    let mut rows = vec![row(&held.keys.key, here)];
    rows.extend(held.keys.partner.iter().map(|partner| row(partner, reference(seat.partner))));
    rows
}

/// Returns whether one of somebody's keys is among the signers.
fn signs(held: &Held, signers: &[Signer]) -> bool {
    held.keys.keys().any(|key| signers.iter().any(|signer| signer.thumbprint == key.thumbprint()))
}
