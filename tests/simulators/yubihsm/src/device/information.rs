//! Commands that read: the device, its storage, lists, attributes, public keys, opaque content, randomness.

use super::{Device, Sequel};
use crate::audit;
use crate::capability;
use crate::certificate;
use crate::command::Firmware;
use crate::frame::{Fields, Refusal};
use crate::key;
use crate::object::{Kind, LABEL, Object, PAGE, PAGES, RECORDS, reported_algorithms};
use crate::session::Rights;

/// The part number that newer firmware reports on its second page.
const PART_NUMBER: &[u8] = b"CHANCERY-SIMULATOR";

fn short(value: usize) -> [u8; 2] {
    u16::try_from(value).unwrap_or(u16::MAX).to_be_bytes()
}

/// Returns whether an object passes every filter of LIST OBJECTS.
fn matches(object: &Object, filters: &[u8]) -> Result<bool, Refusal> {
    let mut fields = Fields(filters);
    let mut pass = true;
    while !fields.0.is_empty() {
        pass &= match fields.u8()? {
            0x01 => fields.u16()? == object.id,
            0x02 => fields.u8()? == u8::from(object.kind),
            0x03 => fields.u16()? & object.domains != 0,
            0x04 => fields.u64()? & object.capabilities != 0,
            0x05 => fields.u8()? == object.algorithm,
            0x06 => fields.array::<LABEL>()? == object.label,
            _ => return Err(Refusal::InvalidData),
        };
    }
    Ok(pass)
}

impl Device {
    pub(super) fn device_info(&self, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let page = if payload.is_empty() { 0 } else { fields.u8()? };
        fields.end()?;
        match page {
            0 => {
                let mut info = vec![self.firmware.0, self.firmware.1, self.firmware.2];
                info.extend_from_slice(&self.serial.to_be_bytes());
                info.extend(
                    [audit::CAPACITY, self.state.log.used()].map(|n| u8::try_from(n).unwrap_or(u8::MAX)),
                );
                info.extend(reported_algorithms(self.firmware));
                Ok(info)
            }
            1 if self.firmware >= Firmware(2, 4, 0) => Ok(PART_NUMBER.to_vec()),
            _ => Err(Refusal::InvalidData),
        }
    }

    pub(super) fn close_session(&mut self, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        Fields(payload).end()?;
        self.sequel = Sequel::Close;
        Ok(Vec::new())
    }

    pub(super) fn blink(&self, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        fields.u8()?;
        fields.end().map(|()| Vec::new())
    }

    pub(super) fn storage_info(&self, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        Fields(payload).end()?;
        let free_records = RECORDS - self.state.objects().len();
        let free_pages = PAGES - self.state.pages_used();
        Ok([RECORDS, free_records, PAGES, free_pages, PAGE].map(short).concat())
    }

    pub(super) fn list_objects(&self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut list = Vec::new();
        for object in self.state.objects() {
            if matches(object, payload)? && object.domains & rights.domains != 0 {
                list.extend_from_slice(&object.id.to_be_bytes());
                list.extend_from_slice(&[object.kind.into(), object.sequence]);
            }
        }
        Ok(list)
    }

    pub(super) fn object_info(&mut self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let (id, kind) = (fields.u16()?, fields.u8()?);
        fields.end()?;
        self.targets.0 = id;
        Ok(self.visible(rights, Kind::try_from(kind)?, id)?.info())
    }

    pub(super) fn public_key(&mut self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let id = fields.u16()?;
        if !fields.0.is_empty() && fields.u8()? != u8::from(Kind::AsymmetricKey) {
            return Err(Refusal::InvalidData); // of a wrap key: RSA alone has one
        }
        fields.end()?;
        self.targets.0 = id;
        let object = self.visible(rights, Kind::AsymmetricKey, id)?;
        let mut answer = vec![object.algorithm];
        answer.extend(key::public(&object.data, object.algorithm)?);
        Ok(answer)
    }

    pub(super) fn get_opaque(&mut self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let id = fields.u16()?;
        fields.end()?;
        self.targets.0 = id;
        rights.need(capability::GET_OPAQUE)?;
        if id == 0 {
            return certificate::device_certificate(self.serial, self.firmware, self.defect);
        }
        Ok(self.visible(rights, Kind::Opaque, id)?.data.clone())
    }

    pub(super) fn pseudo_random(&self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let count = usize::from(fields.u16()?);
        fields.end()?;
        rights.need(capability::GET_PSEUDO_RANDOM)?;
        if count > self.firmware.max_frame() - 32 {
            return Err(Refusal::InvalidData); // the answer, sealed, would not fit a frame
        }
        key::random_bytes(count)
    }
}
