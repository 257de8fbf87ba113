//! Commands that make, change and delete objects.

use super::Device;
use super::access::contains;
use crate::capability;
use crate::command;
use crate::frame::{Fields, Refusal};
use crate::key;
use crate::object::{AES128_AUTHENTICATION, ED25519, GENERATED, IMPORTED, Kind, Object, check_algorithm};
use crate::session::Rights;

/// Returns what a command makes, the capability it takes, and whether the device makes the material.
fn made_by(code: u8) -> Option<(Kind, u64, bool)> {
    Some(match code {
        command::PUT_OPAQUE => (Kind::Opaque, capability::PUT_OPAQUE, false),
        command::PUT_AUTHENTICATION_KEY => {
            (Kind::AuthenticationKey, capability::PUT_AUTHENTICATION_KEY, false)
        }
        command::PUT_ASYMMETRIC_KEY => (Kind::AsymmetricKey, capability::PUT_ASYMMETRIC_KEY, false),
        command::PUT_WRAP_KEY => (Kind::WrapKey, capability::PUT_WRAP_KEY, false),
        command::PUT_HMAC_KEY => (Kind::HmacKey, capability::PUT_HMAC_KEY, false),
        command::GENERATE_ASYMMETRIC_KEY => (Kind::AsymmetricKey, capability::GENERATE_ASYMMETRIC_KEY, true),
        command::GENERATE_WRAP_KEY => (Kind::WrapKey, capability::GENERATE_WRAP_KEY, true),
        command::GENERATE_HMAC_KEY => (Kind::HmacKey, capability::GENERATE_HMAC_KEY, true),
        _ => return None,
    })
}

impl Device {
    /// Executes any of the commands that put or generate an object.
    pub(super) fn new_object(
        &mut self,
        rights: Rights,
        code: u8,
        payload: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let (kind, capability, generates) = made_by(code).ok_or(Refusal::InvalidCommand)?;
        let mut fields = Fields(payload);
        let id = fields.u16()?;
        self.targets.0 = id;
        let (label, domains, capabilities) = (fields.array()?, fields.u16()?, fields.u64()?);
        let algorithm = fields.u8()?;
        let delegated = if kind.delegates() { fields.u64()? } else { 0 };
        let material = fields.rest();
        rights.need(capability)?;
        check_algorithm(kind, algorithm, self.firmware)?;
        if !contains(rights.delegated, capabilities | delegated) || domains & !rights.domains != 0 {
            return Err(Refusal::InsufficientPermissions);
        }
        if domains == 0 {
            return Err(Refusal::InvalidData);
        }
        let mut data = match generates {
            true if !material.is_empty() => return Err(Refusal::WrongLength),
            true => key::generate(algorithm)?,
            false => key::stored(algorithm, material)?,
        };
        if algorithm == ED25519 && !self.keeps_seeds() {
            data.truncate(key::ED25519_SEEDLESS);
        }
        let id = self.choose_id(kind, id)?;
        self.targets.0 = id;
        let origin = if generates { GENERATED } else { IMPORTED };
        let object = Object {
            kind,
            id,
            algorithm,
            label,
            domains,
            capabilities,
            delegated,
            sequence: 0,
            origin,
            data,
        };
        self.change().insert(object)?;
        Ok(id.to_be_bytes().to_vec())
    }

    /// Returns the id that is asked for; for 0, one that is free.
    fn choose_id(&self, kind: Kind, wanted: u16) -> Result<u16, Refusal> {
        if wanted == 0xffff {
            return Err(Refusal::InvalidId);
        }
        let mut id = wanted;
        while wanted == 0 && (id == 0 || id == 0xffff || self.state.object(kind, id).is_some()) {
            id = u16::from_be_bytes(key::random()?); // ends: 256 objects at most
        }
        Ok(id)
    }

    pub(super) fn change_authentication_key(
        &mut self,
        rights: Rights,
        payload: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let (id, algorithm) = (fields.u16()?, fields.u8()?);
        let material = fields.rest();
        self.targets.0 = id;
        rights.need(capability::CHANGE_AUTHENTICATION_KEY)?;
        if id != rights.key {
            return Err(Refusal::InvalidId); // each changes its own alone
        }
        check_algorithm(Kind::AuthenticationKey, algorithm, self.firmware)?;
        let data = key::stored(AES128_AUTHENTICATION, material)?;
        let object = self.change().object_mut(Kind::AuthenticationKey, id);
        object.ok_or(Refusal::ObjectNotFound)?.data = data;
        Ok(id.to_be_bytes().to_vec())
    }

    pub(super) fn delete_object(&mut self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let (id, kind) = (fields.u16()?, fields.u8()?);
        fields.end()?;
        self.targets.0 = id;
        let kind = Kind::try_from(kind)?;
        rights.need(kind.delete_capability())?;
        self.visible(rights, kind, id)?;
        self.change().remove(kind, id);
        Ok(Vec::new())
    }
}
