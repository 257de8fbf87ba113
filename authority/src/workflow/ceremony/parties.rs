//! Whose keys take part: opened here, or accepted by their proof of possession; each key for one purpose.
//!
//! Not here: what the keys sign (`found`), proofs themselves (`proof`).

use chancery_formats::cbor::{Writer, scan};
use chancery_formats::id::Thumbprint;
use chancery_formats::key::{Algorithm, Protection, PublicKey};
use chancery_formats::trust::Possession;
use chancery_hsm_config::{KeyRef, PinSource, open_or_generate};

use super::facts::{Facts, grouped};
use super::inbox::{Inbox, of};
use super::plan::{Holders, Place};
use super::{Answer, Brought, Ceremony, Progress, Room, Waiting, proof};
use crate::error::CommandError;
use crate::workflow::custody::Custodian;
use crate::workflow::signing::{DEFAULT_ALGORITHM, resolve};

/// Largest file of a key that was taken, in bytes: two keys and a certificate.
pub(super) const MAX_HELD: u64 = 64 * 1024;

/// What somebody takes part as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Custodian,
    Recovery,
    Role,
}

/// A place in the plan that takes a key.
#[derive(Clone, Copy)]
pub(super) struct Seat<'p> {
    /// Counted over the whole plan, from 0.
    pub index: usize,
    pub part: Part,
    pub name: &'p str,
    pub place: &'p Place,
    pub partner: Option<&'p KeyRef>,
    pub signs: bool,
}

/// A key that was taken, with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub keys: Custodian,
    pub protection: Protection,
    pub generated: bool,
    /// The device's certificate, DER.
    pub attestation: Option<Vec<u8>>,
}

impl Held {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(5).raw(&self.keys.key.encode());
        match &self.keys.partner {
            Some(partner) => writer.raw(&partner.encode()),
            None => writer.null(),
        };
        writer.uint(self.protection as u64).bool(self.generated);
        match &self.attestation {
            Some(certificate) => writer.bytes(certificate),
            None => writer.null(),
        };
        writer.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, CommandError> {
        let damaged = || CommandError::alarm("ceremony-damaged", "what is kept of a key is damaged");
        let mut reader = scan(bytes, "held")?;
        if reader.array("held")? != 5 {
            return Err(damaged());
        }
        let key = PublicKey::read(&mut reader)?;
        let partner = if reader.null() { None } else { Some(PublicKey::read(&mut reader)?) };
        let protection = match reader.uint("held")? {
            0 => Protection::Software,
            1 => Protection::Hardware,
            _ => return Err(damaged()),
        };
        let generated = reader.bool("held")?;
        let attestation = if reader.null() { None } else { Some(reader.bytes("held")?.to_vec()) };
        Ok(Self { keys: Custodian { key, partner }, protection, generated, attestation })
    }
}

impl Ceremony<'_> {
    /// Returns every place that takes a key: custodians, the recovery set, roles.
    pub(super) fn seats(&self) -> Vec<Seat<'_>> {
        fn holders(part: Part, holders: &Holders) -> impl Iterator<Item = Seat<'_>> {
            holders.parties.iter().map(move |party| Seat {
                index: 0,
                part,
                name: &party.name,
                place: &party.place,
                partner: party.partner.as_ref(),
                signs: party.signs,
            })
        }
        let recovery = self.plan.recovery.iter().flat_map(|set| holders(Part::Recovery, set));
        let roles = self.plan.roles.iter().map(|role| Seat {
            index: 0,
            part: Part::Role,
            name: &role.name,
            place: &role.place,
            partner: role.partner.as_ref(),
            signs: false,
        });
        let all = holders(Part::Custodian, &self.plan.custodians).chain(recovery).chain(roles);
        all.enumerate().map(|(index, seat)| Seat { index, ..seat }).collect()
    }

    /// Returns the key that was taken for a place, where one was.
    pub(super) fn held(&self, seat: &Seat<'_>) -> Result<Option<Held>, CommandError> {
        match seat.place {
            Place::Here(_) => {
                let kept = self.store.read(&format!("party-{:02}.key", seat.index), MAX_HELD)?;
                kept.map(|bytes| Held::decode(&bytes)).transpose()
            }
            Place::Elsewhere { .. } => {
                let kept = self.store.read(&format!("party-{:02}.cpos", seat.index), MAX_HELD)?;
                let Some(bytes) = kept else { return Ok(None) };
                let keys = proof::check(&Possession::decode(&bytes)?).map_err(|refusal| {
                    CommandError::alarm(refusal.code(), "what is kept of a proof is damaged")
                })?;
                let role = self.plan.roles.iter().find(|role| role.name == seat.name);
                let protection = role.and_then(|role| role.protection).unwrap_or(Protection::Software);
                Ok(Some(Held { keys, protection, generated: false, attestation: None }))
            }
        }
    }

    /// Returns the keys that were taken for a part of the plan, in its order.
    pub(super) fn all_held(&self, part: Part) -> Result<Vec<(Seat<'_>, Held)>, CommandError> {
        let seats = self.seats().into_iter().filter(|seat| seat.part == part);
        seats
            .map(|seat| {
                let held = self.held(&seat)?.ok_or_else(|| {
                    CommandError::failed("internal", format!("no key was taken for {}", seat.name))
                })?;
                Ok((seat, held))
            })
            .collect()
    }

    /// Takes the keys of custodians and of the recovery set, and accepts the proofs of everybody elsewhere.
    pub(super) fn gather(&self, room: &mut dyn Room, pins: &mut PinSource) -> Result<Progress, CommandError> {
        let inbox = Inbox::open(self.exchange)?;
        for (path, bytes) in &inbox.proofs {
            self.accept(bytes, room).map_err(|error| of(path, error))?;
        }
        for seat in self.seats().iter().filter(|seat| seat.part != Part::Role) {
            self.take_holder(seat, pins)?;
        }
        let mut waiting = Vec::new();
        for seat in &self.seats() {
            if matches!(seat.place, Place::Elsewhere { .. }) && self.held(seat)?.is_none() {
                waiting.push(Waiting { who: seat.name.to_owned(), what: Brought::Proof });
            }
        }
        if !waiting.is_empty() {
            return Ok(Progress::Waiting(waiting));
        }
        let mut facts = Facts::default();
        let quorum = |holders: &Holders| format!("{} of {}", holders.threshold, holders.parties.len());
        facts.text("custodians who must sign", quorum(&self.plan.custodians));
        self.tell(Part::Custodian, "custodian", &mut facts)?;
        if let Some(recovery) = &self.plan.recovery {
            facts.text("of the recovery set must sign", quorum(recovery));
            self.tell(Part::Recovery, "recovery", &mut facts)?;
        }
        Ok(Progress::Done(facts))
    }

    fn tell(&self, part: Part, what: &str, facts: &mut Facts) -> Result<(), CommandError> {
        for (seat, held) in self.all_held(part)? {
            let how = match (seat.place, held.generated) {
                (Place::Here(_), true) => "made here",
                (Place::Here(_), false) => "found here",
                (Place::Elsewhere { pinned: Some(_) }, _) => "as the plan has it",
                (Place::Elsewhere { pinned: None }, _) if self.was_heard(&seat, &held)? => "read aloud",
                (Place::Elsewhere { pinned: None }, _) => "NOT read aloud",
            };
            facts.hash(&format!("{what} {}, {how}", seat.name), held.keys.key.thumbprint().0);
            if let Some(partner) = &held.keys.partner {
                facts.hash(&format!("ML-DSA-87 partner of {}", seat.name), partner.thumbprint().0);
            }
        }
        Ok(())
    }

    /// Returns whether somebody typed the fingerprint of a key as its holder read it.
    fn was_heard(&self, seat: &Seat<'_>, held: &Held) -> Result<bool, CommandError> {
        Ok(self.store.read(&heard(seat, &held.keys.key), MAX_HELD)?.is_some())
    }

    /// Accepts a proof of possession for this plan.
    fn accept(&self, bytes: &[u8], room: &mut dyn Room) -> Result<(), CommandError> {
        let proof = Possession::decode(bytes)?;
        if proof.challenge != self.plan.hash {
            return Err(CommandError::refused("proof-other", "the proof is for another plan").hint(
                "have its holder make it anew with the plan that was reviewed: `chancery ceremony prove`",
            ));
        }
        let seats = self.seats();
        let is_meant =
            |seat: &&Seat<'_>| seat.name == proof.name && matches!(seat.place, Place::Elsewhere { .. });
        let seat = *seats.iter().find(is_meant).ok_or_else(|| {
            CommandError::refused("proof-stranger", format!("nobody on another machine is `{}`", proof.name))
                .hint("names are those of the plan, letter by letter")
        })?;
        let keys = check(&proof)?;
        if let Some(held) = self.held(&seat)? {
            return if held.keys == keys { Ok(()) } else { Err(another_key(seat.name)) };
        }
        self.require_fit(&seat, &keys)?;
        if let Place::Elsewhere { pinned: None } = seat.place
            && confirm_fingerprint(seat.name, keys.key.thumbprint(), room)?
        {
            self.store.once(&heard(&seat, &keys.key), MAX_HELD, || Ok(b"read aloud\n".to_vec()))?;
        }
        self.store.write(&format!("party-{:02}.cpos", seat.index), bytes)
    }

    /// Refuses keys that are not what the plan means, or that somebody else has brought.
    fn require_fit(&self, seat: &Seat<'_>, keys: &Custodian) -> Result<(), CommandError> {
        let name = seat.name;
        if let Place::Elsewhere { pinned: Some(pinned) } = seat.place
            && *pinned != keys.key
        {
            let message = format!("the plan says which key {name} has, and this is another");
            return Err(CommandError::refused("key-other", message)
                .hint("have its holder use the key of the plan; a new key needs a new plan"));
        }
        if self.plan.hybrid != keys.partner.is_some() {
            let (code, message) = match self.plan.hybrid {
                true => ("partner-missing", format!("{name} has no ML-DSA-87 partner key")),
                false => ("partner-surplus", format!("{name} has a partner key, and the plan is not hybrid")),
            };
            return Err(CommandError::refused(code, message)
                .hint("trust is hybrid as a whole: see `hybrid` in the plan"));
        }
        let role = self.plan.roles.iter().find(|role| role.name == name);
        if let Some(role) = role.filter(|role| role.algorithm != keys.key.algorithm()) {
            let (found, wanted) = (keys.key.algorithm(), role.algorithm);
            return Err(CommandError::refused(
                "algorithm-other",
                format!("the key of {name} is {found}, and the plan says {wanted}"),
            )
            .hint("use a key of that algorithm, or say so in the plan"));
        }
        for other in self.seats().iter().filter(|other| other.index != seat.index) {
            let Some(held) = self.held(other)? else { continue };
            if keys.keys().any(|key| held.keys.keys().any(|known| known == key)) {
                return Err(shared(seat, other));
            }
        }
        Ok(())
    }

    /// Opens the key of a holder who has it on this machine, or makes it.
    fn take_holder(&self, seat: &Seat<'_>, pins: &mut PinSource) -> Result<(), CommandError> {
        if seat.place.here().is_none() || self.held(seat)?.is_some() {
            return Ok(());
        }
        let held = self.open_here(seat, DEFAULT_ALGORITHM, pins)?.0;
        self.keep(seat, &held)
    }

    /// Keeps a key of this machine for a place, if it fits.
    pub(super) fn keep(&self, seat: &Seat<'_>, held: &Held) -> Result<(), CommandError> {
        self.require_fit(seat, &held.keys)?;
        self.store.write(&format!("party-{:02}.key", seat.index), &held.encode())
    }

    /// Opens a key of this machine and its partner, or makes them.
    pub(super) fn open_here(
        &self,
        seat: &Seat<'_>,
        algorithm: Algorithm,
        pins: &mut PinSource,
    ) -> Result<(Held, chancery_hsm_config::Key), CommandError> {
        let reference = seat
            .place
            .here()
            .ok_or_else(|| CommandError::failed("internal", format!("{} is elsewhere", seat.name)))?;
        let partner = match seat.partner {
            None => None,
            Some(partner) => {
                let opened = open_or_generate(&resolve(self.home, partner), Algorithm::MlDsa87, pins)?;
                Some(opened.key.public_key())
            }
        };
        let opened = open_or_generate(&resolve(self.home, reference), algorithm, pins)?;
        let held = Held {
            keys: Custodian { key: opened.key.public_key(), partner },
            protection: opened.key.protection(),
            generated: opened.generated,
            attestation: None,
        };
        Ok((held, opened.key))
    }
}

pub(super) fn check(proof: &Possession<'_>) -> Result<Custodian, CommandError> {
    proof::check(proof).map_err(|refusal| {
        let message = format!("the proof of `{}` does not show that they have the key", proof.name);
        CommandError::refused(refusal.code(), message)
            .cause(refusal.to_string())
            .hint("have its holder make it anew, and carry it here unchanged")
    })
}

/// Has the holder read the fingerprint aloud: its end is not on the screen, so that it cannot be read off there.
fn confirm_fingerprint(name: &str, key: Thumbprint, room: &mut dyn Room) -> Result<bool, CommandError> {
    /// Characters that are typed, of 64.
    const TYPED: usize = 8;
    let text = key.to_string();
    let (shown, typed) = text.split_at(text.len() - TYPED);
    let begin = grouped(&key.0);
    let begin = begin.get(..shown.len() + shown.len() / 4).unwrap_or_default();
    room.show(
        &format!("A key has come from {name}, who reads its fingerprint aloud"),
        &[("it begins".to_owned(), begin.trim_end().to_owned())],
    )?;
    room.confirm(&format!("{name} reads on: the last {TYPED} characters"), Answer::FromPaper(typed))
}

/// The file that tells that the fingerprint of this key was read aloud.
fn heard(seat: &Seat<'_>, key: &PublicKey) -> String {
    format!("party-{:02}-{}.heard", seat.index, key.key_id())
}

pub(super) fn another_key(name: &str) -> CommandError {
    CommandError::refused("proof-twice", format!("{name} has brought another key than the one accepted"))
        .hint("find out whose it is; the key that was accepted counts")
}

fn shared(seat: &Seat<'_>, other: &Seat<'_>) -> CommandError {
    let (code, hint) = match (seat.part, other.part) {
        (Part::Custodian, Part::Custodian) | (Part::Recovery, Part::Recovery) => {
            ("custodian-twice", "a custodian is one key: have each make their own")
        }
        (Part::Role, _) | (_, Part::Role) => {
            ("key-of-two-roles", "one key never fills two roles: have another one made")
        }
        _ => (
            "recovery-key-of-custodian",
            "who recovers a lost quorum must not be lost with it: have another key made",
        ),
    };
    CommandError::refused(code, format!("{} and {} have the same key", seat.name, other.name)).hint(hint)
}
