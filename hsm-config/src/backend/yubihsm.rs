//! Keys in a YubiHSM 2, over USB or its connector.
//!
//! The password of an authentication key opens an encrypted session with the device itself; the
//! connector sees neither. Ed25519 and P-256 keys are used, and made with the capability to sign alone.
//! Not here: authentication keys, wrap keys, audit logs and attestation.

mod fault;
mod session;

use chancery_formats::id::is_label;
use chancery_formats::key::{Algorithm, Protection};
use sha2::{Digest, Sha256};
use yubihsm::{Capability, Domain, asymmetric, object};

use self::fault::Faults;
use self::session::Session;
use super::{KeyBackend, KeyInfo};
use crate::error::HsmError;
use crate::key::MAX_MESSAGE_BYTES;
use crate::point;
use crate::reference::{KeyRef, Location, TokenRef, YubiHsmToken};
use crate::secret::PinSource;

/// What new keys are called on the device; references name them by their id.
const LABEL: &str = "chancery";

/// An open session with a YubiHSM 2.
pub(super) struct YubiHsmBackend {
    token: YubiHsmToken,
    session: Session,
    /// The key found last, so that each signature need not ask for its algorithm.
    found: Option<(u16, Algorithm)>,
}

/// Opens a session, or shares the one that this process has with the same device and login.
pub(super) fn connect(token: &YubiHsmToken, pins: &mut PinSource) -> Result<YubiHsmBackend, HsmError> {
    let pin = pins.pin(&TokenRef::YubiHsm(token.clone()))?;
    let session = Session::open(token, pin)?;
    Ok(YubiHsmBackend { token: token.clone(), session, found: None })
}

impl YubiHsmBackend {
    fn id(&self, key: &KeyRef) -> Result<u16, HsmError> {
        match key.location() {
            Location::YubiHsm(token, id) if *token == self.token => Ok(*id),
            _ => Err(HsmError::KeyMissing { key: key.clone().into() }),
        }
    }

    /// Reads what the device keeps under an id.
    fn read(&self, key: &KeyRef, id: u16) -> Result<KeyInfo, HsmError> {
        let faults = Faults(&self.token);
        let client = self.session.client();
        let object = client.get_object_info(id, object::Type::AsymmetricKey);
        let object = object.map_err(|error| faults.of_key(error, key))?;
        let public = client.get_public_key(id).map_err(|error| faults.of_key(error, key))?;
        let unusable = |reason| HsmError::PublicKeyUnusable { key: key.clone().into(), reason };
        let algorithm = match public.algorithm {
            asymmetric::Algorithm::Ed25519 => Algorithm::Ed25519,
            asymmetric::Algorithm::EcP256 => Algorithm::Esp256,
            _ => return Err(unusable("its algorithm is another")),
        };
        let public_key = point::public_key(algorithm, &public.bytes).map_err(unusable)?;
        let reference = KeyRef::new(Location::YubiHsm(self.token.clone(), id));
        let label = object.label.to_string();
        Ok(KeyInfo {
            reference: reference.with_public_key(public_key.thumbprint()),
            label: if is_label(&label) { label } else { String::new() },
            public_key,
            exportable: Some(object.capabilities.contains(Capability::EXPORTABLE_UNDER_WRAP)),
            generated_inside: Some(object.origin == object::Origin::Generated),
        })
    }
}

impl KeyBackend for YubiHsmBackend {
    fn protection(&self) -> Protection {
        Protection::Hardware
    }

    fn list(&mut self) -> Result<Vec<KeyInfo>, HsmError> {
        let filter = [object::Filter::Type(object::Type::AsymmetricKey)];
        let entries =
            self.session.client().list_objects(&filter).map_err(|error| Faults(&self.token).from(error))?;
        let mut keys = Vec::new();
        for entry in entries {
            let key = KeyRef::new(Location::YubiHsm(self.token.clone(), entry.object_id));
            match self.read(&key, entry.object_id) {
                Ok(info) => keys.push(info),
                Err(HsmError::PublicKeyUnusable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(keys)
    }

    fn find(&mut self, key: &KeyRef) -> Result<KeyInfo, HsmError> {
        let id = self.id(key)?;
        let info = self.read(key, id)?;
        self.found = Some((id, info.public_key.algorithm()));
        Ok(info)
    }

    fn generate(&mut self, key: &KeyRef, algorithm: Algorithm) -> Result<(), HsmError> {
        let faults = Faults(&self.token);
        let id = self.id(key)?;
        // Never EXPORTABLE_UNDER_WRAP: a backup is a decision that a ceremony makes.
        let (capability, kind) = match algorithm {
            Algorithm::Ed25519 => (Capability::SIGN_EDDSA, asymmetric::Algorithm::Ed25519),
            Algorithm::Esp256 => (Capability::SIGN_ECDSA, asymmetric::Algorithm::EcP256),
            _ => return Err(faults.unsupported(algorithm)),
        };
        match self.read(key, id) {
            Err(HsmError::KeyMissing { .. }) => {}
            Ok(_) | Err(HsmError::PublicKeyUnusable { .. }) => {
                return Err(HsmError::KeyExists { key: key.clone().into() });
            }
            Err(error) => return Err(error),
        }
        let client = self.session.client();
        let made = client.generate_asymmetric_key(id, LABEL.into(), Domain::DOM1, capability, kind);
        made.map_err(|error| faults.generating(error, key, algorithm))?;
        match self.read(key, id)?.exportable {
            Some(false) => Ok(()),
            _ => Err(HsmError::KeyExportable { key: key.clone().into(), attribute: "exportable-under-wrap" }),
        }
    }

    fn sign(&mut self, key: &KeyRef, message: &[u8]) -> Result<[u8; 64], HsmError> {
        // The client library panics on an Ed25519 message that does not fit a frame.
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(HsmError::MessageTooLong { length: message.len(), limit: MAX_MESSAGE_BYTES });
        }
        let id = self.id(key)?;
        let algorithm = match self.found {
            Some((found, algorithm)) if found == id => algorithm,
            _ => self.find(key)?.public_key.algorithm(),
        };
        let faults = Faults(&self.token);
        let client = self.session.client();
        match algorithm {
            Algorithm::Ed25519 => {
                let signature =
                    client.sign_ed25519(id, message).map_err(|error| faults.of_key(error, key))?;
                Ok(signature.to_bytes())
            }
            Algorithm::Esp256 => {
                let digest = Sha256::digest(message);
                let der = client.sign_ecdsa_prehash_raw(id, digest.as_slice());
                let der = der.map_err(|error| faults.of_key(error, key))?;
                let signature = p256::ecdsa::Signature::from_der(&der);
                Ok(signature.map_err(|error| faults.device(error.into()))?.to_bytes().into())
            }
            other => Err(faults.unsupported(other)),
        }
    }

    fn reopen(&mut self) -> Result<(), HsmError> {
        self.found = None;
        self.session = self.session.renew(&self.token)?;
        Ok(())
    }
}
