//! Access: whether a session may, and what it sees.
//!
//! A command needs its capability on the session's authentication key; an object outside the session's
//! domains does not exist for it; what is used must have the capability too.

use super::Device;
use crate::frame::Refusal;
use crate::object::{Kind, Object};
use crate::session::Rights;

/// Returns whether `set` has every bit of `wanted`.
pub(super) fn contains(set: u64, wanted: u64) -> bool {
    wanted & !set == 0
}

impl Rights {
    /// Checks that the session may do what `capability` stands for.
    ///
    /// # Errors
    ///
    /// [`Refusal::InsufficientPermissions`].
    pub(super) fn need(&self, capability: u64) -> Result<(), Refusal> {
        if contains(self.capabilities, capability) { Ok(()) } else { Err(Refusal::InsufficientPermissions) }
    }
}

impl Object {
    /// Checks that the object may be used for what `capability` stands for.
    ///
    /// # Errors
    ///
    /// [`Refusal::InsufficientPermissions`].
    pub(super) fn need(&self, capability: u64) -> Result<(), Refusal> {
        if contains(self.capabilities, capability) { Ok(()) } else { Err(Refusal::InsufficientPermissions) }
    }
}

impl Device {
    /// Returns an object that the session sees.
    ///
    /// # Errors
    ///
    /// [`Refusal::ObjectNotFound`] when there is none, or none in the session's domains.
    pub(super) fn visible(&self, rights: Rights, kind: Kind, id: u16) -> Result<&Object, Refusal> {
        let object = self.state.object(kind, id);
        object.filter(|object| object.domains & rights.domains != 0).ok_or(Refusal::ObjectNotFound)
    }

    /// Returns an object that the session sees and that may be used for `capability`, and logs it as target.
    ///
    /// # Errors
    ///
    /// [`Refusal::InsufficientPermissions`] and [`Refusal::ObjectNotFound`].
    pub(super) fn usable(
        &mut self,
        rights: Rights,
        kind: Kind,
        id: u16,
        capability: u64,
    ) -> Result<&Object, Refusal> {
        self.targets.0 = id;
        rights.need(capability)?;
        let object = self.visible(rights, kind, id)?;
        object.need(capability)?;
        Ok(object)
    }
}
