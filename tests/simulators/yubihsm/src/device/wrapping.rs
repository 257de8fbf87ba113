//! Wrapping: objects and data under AES-CCM, nonce of 13 bytes in front and tag of 16 behind.
//!
//! A wrapped object is the wrap key's algorithm, the object's attributes as GET OBJECT INFO begins, then the
//! material as it is stored, behind the delegated capabilities where the type has them.

use aes::{Aes128, Aes192, Aes256};
use ccm::aead::{Aead, KeyInit};
use ccm::consts::{U13, U16};
use ccm::{Ccm, Nonce};

use super::Device;
use super::access::contains;
use crate::capability;
use crate::command::Firmware;
use crate::frame::{Fields, Refusal};
use crate::key;
use crate::object::{
    AES128_CCM_WRAP, AES192_CCM_WRAP, AES256_CCM_WRAP, ED25519, Kind, Object, WRAPPED, check_algorithm,
};
use crate::session::Rights;

const NONCE: usize = 13;

/// The origins an object can have.
const ORIGINS: [u8; 4] = [0x01, 0x02, 0x11, 0x12];

fn ccm<C: KeyInit + Aead>(key: &[u8]) -> Result<C, Refusal> {
    C::new_from_slice(key).map_err(|_| Refusal::InvalidData)
}

fn seal(algorithm: u8, key: &[u8], plain: &[u8]) -> Result<Vec<u8>, Refusal> {
    let bytes = key::random::<NONCE>()?;
    let nonce: Nonce<U13> = bytes.into();
    let sealed = match algorithm {
        AES128_CCM_WRAP => ccm::<Ccm<Aes128, U16, U13>>(key)?.encrypt(&nonce, plain),
        AES192_CCM_WRAP => ccm::<Ccm<Aes192, U16, U13>>(key)?.encrypt(&nonce, plain),
        AES256_CCM_WRAP => ccm::<Ccm<Aes256, U16, U13>>(key)?.encrypt(&nonce, plain),
        _ => return Err(Refusal::InvalidData),
    };
    Ok([&bytes[..], &sealed.map_err(|_| Refusal::InvalidData)?].concat())
}

fn open(algorithm: u8, key: &[u8], wrapped: &[u8]) -> Result<Vec<u8>, Refusal> {
    let (bytes, sealed) = wrapped.split_first_chunk::<NONCE>().ok_or(Refusal::WrongLength)?;
    let nonce: Nonce<U13> = (*bytes).into();
    let opened = match algorithm {
        AES128_CCM_WRAP => ccm::<Ccm<Aes128, U16, U13>>(key)?.decrypt(&nonce, sealed),
        AES192_CCM_WRAP => ccm::<Ccm<Aes192, U16, U13>>(key)?.decrypt(&nonce, sealed),
        AES256_CCM_WRAP => ccm::<Ccm<Aes256, U16, U13>>(key)?.decrypt(&nonce, sealed),
        _ => return Err(Refusal::InvalidData),
    };
    opened.map_err(|_| Refusal::InvalidData)
}

/// Reads a wrapped object's plain form; the algorithm of its wrap key must be `wrap_algorithm`.
fn read(plain: &[u8], wrap_algorithm: u8, firmware: Firmware) -> Result<Object, Refusal> {
    let mut fields = Fields(plain);
    let own_algorithm = fields.u8()?;
    let (capabilities, id) = (fields.u64()?, fields.u16()?);
    let (length, domains) = (fields.u16()?, fields.u16()?);
    let (kind, algorithm) = (Kind::try_from(fields.u8()?)?, fields.u8()?);
    let (sequence, origin, label) = (fields.u8()?, fields.u8()?, fields.array()?);
    let is_whole = usize::from(length) == fields.0.len();
    let delegated = if kind.delegates() { fields.u64()? } else { 0 };
    check_algorithm(kind, algorithm, firmware)?;
    if !is_whole || own_algorithm != wrap_algorithm || !ORIGINS.contains(&origin) || domains == 0 {
        return Err(Refusal::InvalidData);
    }
    if id == 0 || id == 0xffff {
        return Err(Refusal::InvalidId);
    }
    let data = key::check_stored(algorithm, fields.rest())?;
    Ok(Object { kind, id, algorithm, label, domains, capabilities, delegated, sequence, origin, data })
}

impl Device {
    /// Returns whether Ed25519 seeds are kept, and can be exported.
    pub(super) fn keeps_seeds(&self) -> bool {
        self.firmware >= Firmware(2, 4, 0)
    }

    pub(super) fn export_wrapped(&mut self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let (wrap_id, kind, id) = (fields.u16()?, fields.u8()?, fields.u16()?);
        let with_seed = match fields.0 {
            [] => false,
            [format @ (0 | 1)] if self.keeps_seeds() => *format == 1,
            _ => return Err(Refusal::InvalidData),
        };
        self.targets.1 = id;
        let wrap = self.usable(rights, Kind::WrapKey, wrap_id, capability::EXPORT_WRAPPED)?.clone();
        let object = self.visible(rights, Kind::try_from(kind)?, id)?;
        object.need(capability::EXPORTABLE_UNDER_WRAP)?;
        if !contains(wrap.delegated, object.capabilities | object.delegated) {
            return Err(Refusal::InsufficientPermissions);
        }
        let mut object = object.clone();
        if object.algorithm == ED25519 {
            match with_seed {
                true if object.data.len() < key::ED25519_SEEDED => return Err(Refusal::InvalidData),
                true => (),
                false => object.data.truncate(key::ED25519_SEEDLESS),
            }
        } else if with_seed {
            return Err(Refusal::InvalidData);
        }
        let mut plain = vec![wrap.algorithm];
        plain.extend(object.header());
        if object.kind.delegates() {
            plain.extend_from_slice(&object.delegated.to_be_bytes());
        }
        plain.extend_from_slice(&object.data);
        let wrapped = seal(wrap.algorithm, &wrap.data, &plain)?;
        if wrapped.len() > self.firmware.max_frame() - 32 {
            return Err(Refusal::InvalidData); // the answer, sealed, would not fit a frame
        }
        Ok(wrapped)
    }

    pub(super) fn import_wrapped(&mut self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let wrap_id = fields.u16()?;
        let wrapped = fields.rest();
        let wrap = self.usable(rights, Kind::WrapKey, wrap_id, capability::IMPORT_WRAPPED)?.clone();
        let plain = open(wrap.algorithm, &wrap.data, wrapped)?;
        let mut object = read(&plain, wrap.algorithm, self.firmware)?;
        self.targets.1 = object.id;
        if !contains(wrap.delegated, object.capabilities | object.delegated)
            || object.domains & !rights.domains != 0
        {
            return Err(Refusal::InsufficientPermissions);
        }
        object.origin |= WRAPPED;
        let answer = [&[object.kind.into()], &object.id.to_be_bytes()[..]].concat();
        self.change().insert(object)?;
        Ok(answer)
    }

    pub(super) fn wrap_data(&mut self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let wrap_id = fields.u16()?;
        let plain = fields.rest();
        let wrap = self.data_key(rights, wrap_id, capability::WRAP_DATA)?;
        if plain.is_empty() {
            return Err(Refusal::WrongLength);
        }
        seal(wrap.algorithm, &wrap.data, plain)
    }

    pub(super) fn unwrap_data(&mut self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let wrap_id = fields.u16()?;
        let wrapped = fields.rest();
        let wrap = self.data_key(rights, wrap_id, capability::UNWRAP_DATA)?;
        open(wrap.algorithm, &wrap.data, wrapped)
    }

    /// Returns a key for data; firmware before 2.5 names a missing capability of the key INVALID DATA.
    fn data_key(&mut self, rights: Rights, id: u16, capability: u64) -> Result<&Object, Refusal> {
        self.targets.0 = id;
        rights.need(capability)?;
        let names_permissions = self.firmware >= Firmware(2, 5, 0);
        let object = self.visible(rights, Kind::WrapKey, id)?;
        let needed = object.need(capability);
        if names_permissions {
            needed?
        } else {
            needed.map_err(|_| Refusal::InvalidData)?
        }
        Ok(object)
    }
}
