//! What setting up a YubiHSM 2 needs of it: its objects and options, read and made.
//!
//! Not here: what they are to be (`provision`).

use super::channel::LoginKeys;
use super::object::{self, Object, algorithm, kind};
use super::open_session;
use super::session::{DeviceInfo, Session};
use super::transport::Link;
use super::wire::{WireError, command};
use crate::backend::fault::Faults;
use crate::error::HsmError;
use crate::reference::{TokenRef, YubiHsmToken};
use crate::secret::{Pin, PinSource};
use chancery_formats::key::Algorithm;

pub(crate) use super::object::{capability, capability_names, domain_numbers};

/// The commands that a profile can have recorded, by the names of `yubihsm-shell`.
const COMMANDS: [(&str, u8); 30] = [
    ("create-session", 0x03),
    ("authenticate-session", 0x04),
    ("reset-device", 0x08),
    ("close-session", 0x40),
    ("put-opaque", 0x42),
    ("get-opaque", 0x43),
    ("put-authentication-key", 0x44),
    ("put-asymmetric-key", 0x45),
    ("generate-asymmetric-key", 0x46),
    ("sign-pkcs1", 0x47),
    ("list-objects", 0x48),
    ("export-wrapped", 0x4a),
    ("import-wrapped", 0x4b),
    ("put-wrap-key", 0x4c),
    ("get-log-entries", 0x4d),
    ("get-object-info", 0x4e),
    ("set-option", 0x4f),
    ("get-option", 0x50),
    ("get-pseudo-random", 0x51),
    ("get-public-key", 0x54),
    ("sign-ecdsa", 0x56),
    ("derive-ecdh", 0x57),
    ("delete-object", 0x58),
    ("generate-wrap-key", 0x5b),
    ("sign-ssh-certificate", 0x5d),
    ("sign-attestation-certificate", 0x64),
    ("set-log-index", 0x67),
    ("wrap-data", 0x68),
    ("sign-eddsa", 0x6a),
    ("change-authentication-key", 0x6c),
];

pub(super) const OPTION_FORCE_AUDIT: u8 = 1;
pub(super) const OPTION_COMMAND_AUDIT: u8 = 3;
/// On, until the device is reset.
pub(super) const FIXED: u8 = 2;

/// Returns the number of a command that can be recorded.
pub(crate) fn command_number(name: &str) -> Option<u8> {
    COMMANDS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// What an object is to be, as the device takes it.
pub(crate) struct NewObject<'a> {
    pub(crate) id: u16,
    pub(crate) label: &'a str,
    pub(crate) domains: u16,
    pub(crate) capabilities: u64,
}

impl NewObject<'_> {
    fn head(&self) -> Result<Vec<u8>, WireError> {
        let label =
            object::label_bytes(self.label).ok_or(WireError::Malformed("a label that is too long"))?;
        let parts = [
            &self.id.to_be_bytes()[..],
            &label,
            &self.domains.to_be_bytes(),
            &self.capabilities.to_be_bytes(),
        ];
        Ok(parts.concat())
    }
}

/// An object found, in the words of a profile.
pub(crate) struct FoundObject {
    pub(crate) id: u16,
    pub(crate) kind: u8,
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) domains: u16,
    pub(crate) capabilities: u64,
    pub(crate) delegated: u64,
    /// Nothing for an algorithm that signing keys do not have.
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) generated_inside: bool,
    /// Made in another device, and restored under a wrap key.
    pub(crate) restored: bool,
}

impl FoundObject {
    pub(crate) fn is_login(&self) -> bool {
        self.kind == kind::AUTHENTICATION_KEY
    }

    pub(crate) fn is_key(&self) -> bool {
        self.kind == kind::ASYMMETRIC_KEY
    }

    pub(crate) fn is_wrap_key(&self) -> bool {
        self.kind == kind::WRAP_KEY
    }
}

impl From<Object> for FoundObject {
    fn from(object: Object) -> Self {
        Self {
            name: format!("{} {}", kind::name(object.kind), object.id),
            id: object.id,
            kind: object.kind,
            domains: object.domains,
            capabilities: object.capabilities,
            delegated: object.delegated,
            algorithm: match object.algorithm {
                algorithm::ED25519 => Some(Algorithm::Ed25519),
                algorithm::EC_P256 => Some(Algorithm::Esp256),
                _ => None,
            },
            generated_inside: object.is_generated_inside(),
            restored: object.is_restored(),
            label: object.label,
        }
    }
}

/// A session for looking at a device, or changing it.
pub(crate) struct Administration {
    token: YubiHsmToken,
    link: Link,
    session: Session,
    device: DeviceInfo,
}

impl Administration {
    /// Asks the device for its firmware before anybody types a password.
    pub(crate) fn firmware(token: &YubiHsmToken) -> Result<[u8; 3], HsmError> {
        let info = DeviceInfo::ask(&Link::to(token)).map_err(|error| Faults(token).opening(error))?;
        Ok(info.firmware)
    }

    pub(crate) fn open(token: &YubiHsmToken, pins: &mut PinSource) -> Result<Self, HsmError> {
        let named = TokenRef::YubiHsm(token.clone());
        let (link, keys) = (Link::to(token), LoginKeys::derive(&pins.pin(&named)?));
        match open_session(token, &link, token.auth_id, &keys) {
            Ok((session, device)) => Ok(Self { token: token.clone(), link, session, device }),
            Err(error) => {
                pins.forget(&named);
                Err(error)
            }
        }
    }

    pub(crate) fn serial(&self) -> &str {
        &self.device.serial
    }

    /// Returns every object that the login can see, but for the device's own for attestation (id 0).
    pub(crate) fn objects(&mut self) -> Result<Vec<FoundObject>, HsmError> {
        let listed = self.send(command::LIST_OBJECTS, &[])?;
        let mut objects = Vec::new();
        for entry in listed.chunks_exact(4) {
            let [high, low, kind, _] = *entry else { continue };
            if [high, low] == [0, 0] {
                continue;
            }
            let info = self.send(command::GET_OBJECT_INFO, &[high, low, kind])?;
            let object = Object::read(&info).map_err(|error| Faults(&self.token).from(error))?;
            objects.push(FoundObject::from(object));
        }
        objects.sort_by_key(|object| (object.kind, object.id));
        Ok(objects)
    }

    /// Whether the device refuses to work when its log is full, for good.
    pub(crate) fn is_audit_forced(&mut self) -> Result<bool, HsmError> {
        Ok(self.send(command::GET_OPTION, &[OPTION_FORCE_AUDIT])?.as_slice() == [FIXED])
    }

    /// Returns the numbers of the commands that are recorded for good.
    pub(crate) fn audited_commands(&mut self) -> Result<Vec<u8>, HsmError> {
        let pairs = self.send(command::GET_OPTION, &[OPTION_COMMAND_AUDIT])?;
        let fixed = |pair: &[u8]| match *pair {
            [command, FIXED] => Some(command),
            _ => None,
        };
        Ok(pairs.chunks_exact(2).filter_map(fixed).collect())
    }

    pub(crate) fn force_audit(&mut self) -> Result<(), HsmError> {
        self.set_option(OPTION_FORCE_AUDIT, &[FIXED])
    }

    pub(crate) fn audit_command(&mut self, command: u8) -> Result<(), HsmError> {
        self.set_option(OPTION_COMMAND_AUDIT, &[command, FIXED])
    }

    fn set_option(&mut self, option: u8, value: &[u8]) -> Result<(), HsmError> {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        let request = [&[option][..], &length.to_be_bytes(), value].concat();
        self.send(command::SET_OPTION, &request).map(drop)
    }

    pub(crate) fn put_login(
        &mut self,
        object: &NewObject<'_>,
        delegated: u64,
        password: &Pin,
    ) -> Result<(), HsmError> {
        let keys = LoginKeys::derive(password).to_bytes();
        let mut request = zeroize::Zeroizing::new(self.head(object)?);
        request.push(algorithm::AES128_YUBICO_AUTHENTICATION);
        request.extend_from_slice(&delegated.to_be_bytes());
        request.extend_from_slice(keys.as_slice());
        self.send(command::PUT_AUTHENTICATION_KEY, &request).map(drop)
    }

    pub(crate) fn generate_key(&mut self, object: &NewObject<'_>, key: Algorithm) -> Result<(), HsmError> {
        let mut request = self.head(object)?;
        request.push(match key {
            Algorithm::Ed25519 => algorithm::ED25519,
            _ => algorithm::EC_P256,
        });
        self.send(command::GENERATE_ASYMMETRIC_KEY, &request).map(drop)
    }

    pub(crate) fn generate_wrap_key(
        &mut self,
        object: &NewObject<'_>,
        delegated: u64,
    ) -> Result<(), HsmError> {
        let mut request = self.head(object)?;
        request.push(algorithm::AES256_CCM_WRAP);
        request.extend_from_slice(&delegated.to_be_bytes());
        self.send(command::GENERATE_WRAP_KEY, &request).map(drop)
    }

    pub(crate) fn delete_login(&mut self, id: u16) -> Result<(), HsmError> {
        let request = [&id.to_be_bytes()[..], &[kind::AUTHENTICATION_KEY]].concat();
        self.send(command::DELETE_OBJECT, &request).map(drop)
    }

    /// Opens a session under another login, and closes it again.
    pub(crate) fn try_login(&self, id: u16, password: &Pin) -> Result<(), HsmError> {
        let token = YubiHsmToken { auth_id: id, ..self.token.clone() };
        open_session(&token, &self.link, id, &LoginKeys::derive(password)).map(drop)
    }

    fn head(&self, object: &NewObject<'_>) -> Result<Vec<u8>, HsmError> {
        object.head().map_err(|error| Faults(&self.token).from(error))
    }

    fn send(&mut self, command: u8, data: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, HsmError> {
        use super::wire::DeviceError::InsufficientPermissions;

        self.session.send(command, data).map_err(|error| match error {
            WireError::Device(InsufficientPermissions) => {
                Faults(&self.token).not_permitted("administer the device so")
            }
            error => Faults(&self.token).from(error),
        })
    }
}

/// Returns the set with these bits; names are checked when a profile is read.
pub(crate) fn capability_set<'a>(names: impl IntoIterator<Item = &'a String>) -> u64 {
    names.into_iter().filter_map(|name| capability(name)).fold(0, |set, bit| set | bit)
}

/// Returns the set of these domains, numbered 1 to 16.
pub(crate) fn domain_set<'a>(numbers: impl IntoIterator<Item = &'a u8>) -> u16 {
    numbers.into_iter().fold(0, |set, number| set | 1_u16.checked_shl(u32::from(*number) - 1).unwrap_or(0))
}

/// Returns what a signing key may do.
pub(crate) fn key_capabilities(key: Algorithm, exportable: bool) -> u64 {
    let sign = match key {
        Algorithm::Ed25519 => object::SIGN_EDDSA,
        _ => object::SIGN_ECDSA,
    };
    sign | if exportable { object::EXPORTABLE_UNDER_WRAP } else { 0 }
}
