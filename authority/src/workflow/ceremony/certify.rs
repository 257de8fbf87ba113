//! The keys that the root certifies: opened or made here, compared with the plan, their records written once.

use chancery_formats::document::MAX_DOCUMENT;
use chancery_formats::id::AuthorityId;
use chancery_formats::key::Protection;
use chancery_hsm_config::PinSource;

use super::facts::Facts;
use super::parties::{Held, Part, Seat};
use super::plan::{Place, RolePlan};
use super::{Ceremony, Progress, Room};
use crate::error::CommandError;
use crate::workflow::role::{self, Candidate};

impl Ceremony<'_> {
    /// Opens or makes the role keys of this machine.
    pub(super) fn role_keys(
        &self,
        room: &mut dyn Room,
        pins: &mut PinSource,
    ) -> Result<Progress, CommandError> {
        let now = room.now()?;
        let mut facts = Facts::default();
        for (seat, role) in self.roles() {
            let held = match self.held(&seat)? {
                Some(held) => held,
                None => {
                    let held = self.take_role(&seat, role, pins, now)?;
                    self.keep(&seat, &held)?;
                    held
                }
            };
            let how = match (seat.place, held.generated) {
                (Place::Here(_), true) => "made here",
                (Place::Here(_), false) => "found here",
                (Place::Elsewhere { .. }, _) => "on another machine",
            };
            let what = format!("{} key of {}, {how}", role.role.name(), seat.name);
            facts.hash(&what, held.keys.key.thumbprint().0);
            if let Some(partner) = &held.keys.partner {
                facts.hash(&format!("ML-DSA-87 partner of {}", seat.name), partner.thumbprint().0);
            }
            let attested = if held.attestation.is_some() { ", attested by its device" } else { "" };
            facts.text("protection", format!("{}{attested}", held.protection.name()));
        }
        Ok(Progress::Done(facts))
    }

    /// Iterates over the roles of the plan with their places.
    pub(super) fn roles(&self) -> Vec<(Seat<'_>, &RolePlan)> {
        let seats = self.seats().into_iter().filter(|seat| seat.part == Part::Role);
        seats.zip(&self.plan.roles).collect()
    }

    fn take_role(
        &self,
        seat: &Seat<'_>,
        role: &RolePlan,
        pins: &mut PinSource,
        now: u64,
    ) -> Result<Held, CommandError> {
        let (mut held, key) = self.open_here(seat, role.algorithm, pins)?;
        if role.protection.is_some_and(|wanted| wanted != held.protection) {
            let (found, name) = (held.protection.name(), seat.name);
            let wanted = role.protection.map_or("", Protection::name);
            return Err(CommandError::refused(
                "protection-other",
                format!("the key of {name} is in {found}, and the plan says {wanted}"),
            )
            .hint("use a key that is protected as the plan says"));
        }
        let addition = role.addition(role::Place::Elsewhere {
            public_key: key.public_key(),
            partner: held.keys.partner.clone(),
            protection: key.protection(),
        });
        held.attestation = role::attestation_of(&key, &addition.vouching, now)?;
        Ok(held)
    }

    /// Returns the key records, written once, in the order of the plan.
    pub(super) fn records(&self, authority: AuthorityId, made_at: u64) -> Result<Vec<Vec<u8>>, CommandError> {
        let write = |(seat, role): (Seat<'_>, &RolePlan)| {
            let name = format!("record-{:02}", seat.index);
            self.store.once(&name, MAX_DOCUMENT as u64, || {
                let held = self.held(&seat)?.ok_or_else(|| {
                    CommandError::failed("internal", format!("no key was taken for {}", seat.name))
                })?;
                self.record(&seat, role, &held, authority, made_at)
            })
        };
        self.roles().into_iter().map(write).collect()
    }

    fn record(
        &self,
        seat: &Seat<'_>,
        role: &RolePlan,
        held: &Held,
        authority: AuthorityId,
        made_at: u64,
    ) -> Result<Vec<u8>, CommandError> {
        let candidate = Candidate {
            public_key: held.keys.key.clone(),
            partner: held.keys.partner.clone(),
            protection: held.protection,
            reference: seat.place.here().map(ToString::to_string),
            partner_reference: seat.partner.map(ToString::to_string),
            generated: held.generated,
            attestation: held.attestation.clone(),
        };
        let place = role::Place::Elsewhere {
            public_key: held.keys.key.clone(),
            partner: held.keys.partner.clone(),
            protection: held.protection,
        };
        let addition = role.addition(place);
        let mode = role::check_shape(&addition)?;
        if addition.bounds.not_after.is_some_and(|end| end < made_at) {
            let message = format!("{} would be valid until a time that has passed", seat.name);
            return Err(CommandError::refused("validity-ended", message)
                .hint("the clock of this machine is wrong, or the plan is too old"));
        }
        role::write_record(&addition, mode, authority, &candidate, made_at)
    }
}
