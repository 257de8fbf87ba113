//! SIGN ATTESTATION CERTIFICATE: by the device's own key, 0, or by a key that has a certificate.

use super::Device;
use crate::capability;
use crate::certificate;
use crate::frame::{Fields, Refusal};
use crate::key;
use crate::object::{EC_P256, Kind, OPAQUE_X509_CERTIFICATE};
use crate::session::Rights;

impl Device {
    pub(super) fn attest(&mut self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let (id, attesting) = (fields.u16()?, fields.u16()?);
        fields.end()?;
        self.targets = (id, attesting);
        rights.need(capability::SIGN_ATTESTATION_CERTIFICATE)?;
        let object = self.visible(rights, Kind::AsymmetricKey, id)?;
        let (signer, template) = if attesting == 0 {
            let own = certificate::device_certificate(self.serial, self.firmware, self.defect)?;
            (certificate::device_key(self.serial), own)
        } else {
            let signer = self.visible(rights, Kind::AsymmetricKey, attesting)?;
            signer.need(capability::SIGN_ATTESTATION_CERTIFICATE)?;
            let template = self.visible(rights, Kind::Opaque, attesting)?;
            if signer.algorithm != EC_P256 || template.algorithm != OPAQUE_X509_CERTIFICATE {
                return Err(Refusal::InvalidData);
            }
            (key::p256(&signer.data)?, template.data.clone())
        };
        let made = certificate::attest(&signer, &template, object, self.serial, self.firmware)?;
        self.operations.sign_attestation_certificate += 1;
        Ok(made)
    }
}
