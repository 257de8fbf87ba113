//! Keys in a YubiHSM 2, over USB or its connector.
//!
//! The password of an authentication key opens an encrypted session with the device itself; the
//! connector sees neither. Ed25519 and P-256 keys are used, and made with the capability to sign alone. A
//! client of our own: the device takes one USB connection, and the log, attestation and sessions that end
//! need what the public client does not have (ADR 0006). Not here: setting a device up (`provision`).

pub(crate) mod administer;
mod audit;
mod channel;
mod fault;
mod object;
mod session;
mod transport;
mod wire;

use chancery_formats::id::is_label;
use chancery_formats::key::{Algorithm, Protection};
use sha2::{Digest, Sha256};

use self::channel::LoginKeys;
use self::object::{Object, kind};
use self::session::{DeviceInfo, Session};
use self::transport::Link;
use self::wire::{WireError, command};
use super::fault::Faults;
use super::{Connected, Device, Health, KeyBackend, KeyInfo};
use crate::advisory::{self, Model};
use crate::audit::{AuditLedger, AuditRead, AuditView};
use crate::error::HsmError;
use crate::key::MAX_MESSAGE_BYTES;
use crate::point;
use crate::probe::{FoundToken, Probed, Unreachable};
use crate::provision::FACTORY_LOGIN;
use crate::reference::{Connector, KeyRef, Location, Partial, Scheme, TokenRef, YubiHsmToken};
use crate::secret::{Pin, PinSource};

/// What the device signs with.
pub(crate) const ALGORITHMS: [Algorithm; 2] = [Algorithm::Ed25519, Algorithm::Esp256];

/// What new keys are called on the device; references name them by their id.
const LABEL: &str = "chancery";

/// The domain in which keys are made: the first.
const DOMAIN: u16 = 1;

/// The device's own key for attestation, and the opaque object with its certificate.
const ATTESTATION_KEY: u16 = 0;

/// Signatures after which the audit log is read: a log of 62 entries has room for the next as well.
const SIGNATURES_A_READING: u32 = 24;

/// A YubiHSM 2 under one login, and a second one where the audit log is kept.
struct YubiHsmBackend {
    token: YubiHsmToken,
    link: Link,
    keys: LoginKeys,
    session: Session,
    device: DeviceInfo,
    /// The key found last, so that each signature need not ask for its algorithm.
    found: Option<(u16, Algorithm)>,
    audit: Option<Audit>,
}

/// How the audit log is read while keys sign.
struct Audit {
    /// The login that may read it; nothing where the session's own may.
    login: Option<(u16, LoginKeys)>,
    ledger: Box<dyn AuditLedger>,
    signatures: u32,
}

/// Opens a session with the device that the reference names.
pub(super) fn connect(token: &YubiHsmToken, pins: &mut PinSource) -> Result<Connected, HsmError> {
    let pin = pins.pin(&TokenRef::YubiHsm(token.clone()))?;
    let (link, keys) = (Link::to(token), LoginKeys::derive(&pin));
    let (session, device) = open_session(token, &link, token.auth_id, &keys)?;
    let backend =
        YubiHsmBackend { token: token.clone(), link, keys, session, device, found: None, audit: None };
    Ok(Connected { backend: Box::new(backend), pin: Some(pin) })
}

/// Opens a session, and asks the device for its serial number: a connector may stand in front of another.
fn open_session(
    token: &YubiHsmToken,
    link: &Link,
    auth_id: u16,
    keys: &LoginKeys,
) -> Result<(Session, DeviceInfo), HsmError> {
    let faults = Faults(token);
    let mut session = Session::open(link, auth_id, keys).map_err(|error| faults.opening(error))?;
    let device = session.device_info().map_err(|error| faults.opening(error))?;
    if device.serial != token.serial {
        let found = format!("the device that answers has the serial number {}", device.serial);
        return Err(faults.absent(Some(found.into())));
    }
    Ok((session, device))
}

impl YubiHsmBackend {
    fn id(&self, key: &KeyRef) -> Result<u16, HsmError> {
        match key.location() {
            Location::YubiHsm(token, id) if *token == self.token => Ok(*id),
            _ => Err(HsmError::KeyMissing { key: key.clone().into() }),
        }
    }

    /// Reads what the device keeps under an id.
    fn read(&mut self, key: &KeyRef, id: u16) -> Result<KeyInfo, HsmError> {
        let of_key = |error| Faults(&self.token).of_key(error, key);
        let name = [&id.to_be_bytes()[..], &[kind::ASYMMETRIC_KEY]].concat();
        let object = self.session.send(command::GET_OBJECT_INFO, &name).and_then(|data| Object::read(&data));
        let object = object.map_err(of_key)?;
        let public = self.session.send(command::GET_PUBLIC_KEY, &id.to_be_bytes()).map_err(of_key)?;
        let unusable = |reason| HsmError::PublicKeyUnusable { key: key.clone().into(), reason };
        let (algorithm, point) = match public.split_first() {
            Some((&object::algorithm::ED25519, point)) => (Algorithm::Ed25519, point),
            Some((&object::algorithm::EC_P256, point)) => (Algorithm::Esp256, point),
            _ => return Err(unusable("its algorithm is another")),
        };
        let public_key = point::public_key(algorithm, point).map_err(unusable)?;
        let reference = KeyRef::new(Location::YubiHsm(self.token.clone(), id));
        Ok(KeyInfo {
            reference: reference.with_public_key(public_key.thumbprint()),
            public_key,
            device: device(&self.device),
            exportable: Some(object.is_exportable()),
            generated_inside: Some(object.is_generated_inside()),
            label: if is_label(&object.label) { object.label } else { String::new() },
        })
    }

    /// Reads the audit log, where it is kept.
    fn read_audit(&mut self) -> Result<AuditRead, HsmError> {
        let Some(audit) = &mut self.audit else { return Ok(AuditRead::default()) };
        let serial = &self.device.serial;
        let (read, token) = match &audit.login {
            None => (audit::drain(&mut self.session, serial, audit.ledger.as_mut()), self.token.clone()),
            Some((id, keys)) => {
                // What fails is told of the login that reads, not of the one that signs.
                let token = YubiHsmToken { auth_id: *id, audit_id: None, ..self.token.clone() };
                let (mut session, _) = open_session(&token, &self.link, *id, keys)?;
                (audit::drain(&mut session, serial, audit.ledger.as_mut()), token)
            }
        };
        let read = read.map_err(|error| Faults(&token).auditing(error))?;
        audit.signatures = 0;
        Ok(read)
    }

    /// Reads the audit log before it is full, so that the next signature finds room in it.
    fn make_room(&mut self) -> Result<(), HsmError> {
        match &self.audit {
            Some(audit) if audit.signatures >= SIGNATURES_A_READING => self.read_audit().map(drop),
            _ => Ok(()),
        }
    }

    fn sign_once(&mut self, algorithm: Algorithm, id: u16, message: &[u8]) -> Result<Vec<u8>, WireError> {
        let (command, input) = match algorithm {
            Algorithm::Ed25519 => (command::SIGN_EDDSA, message.to_vec()),
            _ => (command::SIGN_ECDSA, Sha256::digest(message).to_vec()),
        };
        let signature = self.session.send(command, &[&id.to_be_bytes()[..], &input].concat())?;
        if let Some(audit) = &mut self.audit {
            audit.signatures += 1;
        }
        Ok(signature.to_vec())
    }
}

impl KeyBackend for YubiHsmBackend {
    fn protection(&self) -> Protection {
        Protection::Hardware
    }

    fn health(&mut self) -> Result<Health, HsmError> {
        self.device = self.session.device_info().map_err(|error| Faults(&self.token).from(error))?;
        let audit_log = Some((self.device.log_used, self.device.log_size));
        Ok(Health { device: device(&self.device), audit_log, ..Health::default() })
    }

    fn list(&mut self) -> Result<Vec<KeyInfo>, HsmError> {
        const FILTER_KIND: u8 = 2;
        let from = |error| Faults(&self.token).from(error);
        let data = self.session.send(command::LIST_OBJECTS, &[FILTER_KIND, kind::ASYMMETRIC_KEY]);
        let data = data.map_err(from)?;
        let mut keys = Vec::new();
        for entry in data.chunks_exact(4) {
            let [high, low, ..] = *entry else { continue };
            let id = u16::from_be_bytes([high, low]);
            if id == ATTESTATION_KEY {
                continue;
            }
            let key = KeyRef::new(Location::YubiHsm(self.token.clone(), id));
            match self.read(&key, id) {
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

    fn attest(&mut self, key: &KeyRef) -> Result<Vec<Vec<u8>>, HsmError> {
        let id = self.id(key)?;
        let request = [id.to_be_bytes(), ATTESTATION_KEY.to_be_bytes()].concat();
        let of_key = |error| match error {
            WireError::Device(wire::DeviceError::InsufficientPermissions) => {
                Faults(&self.token).not_permitted("attest keys")
            }
            error => Faults(&self.token).of_key(error, key),
        };
        let own = self.session.send(command::SIGN_ATTESTATION_CERTIFICATE, &request).map_err(of_key)?;
        let device =
            self.session.send(command::GET_OPAQUE, &ATTESTATION_KEY.to_be_bytes()).map_err(of_key)?;
        Ok(vec![own.to_vec(), device.to_vec()])
    }

    fn keep_audit(
        &mut self,
        password: Option<Pin>,
        ledger: Box<dyn AuditLedger>,
    ) -> Result<AuditRead, HsmError> {
        let login = self.token.audit_id.zip(password.as_ref().map(LoginKeys::derive));
        self.audit = Some(Audit { login, ledger, signatures: 0 });
        let read = self.read_audit();
        if read.is_err() {
            self.audit = None;
        }
        read
    }

    fn look_at_audit(&mut self) -> Result<Option<AuditView>, HsmError> {
        let view = audit::look(&mut self.session, &self.device.serial);
        let view = view.map_err(|error| Faults(&self.token).auditing(error.into()))?;
        Ok(Some(AuditView { keys: self.list()?, ..view }))
    }

    fn generate(&mut self, key: &KeyRef, algorithm: Algorithm) -> Result<(), HsmError> {
        let id = self.id(key)?;
        // Never exportable under wrap: a backup is a decision that a ceremony makes.
        let (capabilities, number) = match algorithm {
            Algorithm::Ed25519 => (object::SIGN_EDDSA, object::algorithm::ED25519),
            Algorithm::Esp256 => (object::SIGN_ECDSA, object::algorithm::EC_P256),
            _ => return Err(Faults(&self.token).unsupported(algorithm)),
        };
        match self.read(key, id) {
            Err(HsmError::KeyMissing { .. }) => {}
            Ok(_) | Err(HsmError::PublicKeyUnusable { .. }) => {
                return Err(HsmError::KeyExists { key: key.clone().into() });
            }
            Err(error) => return Err(error),
        }
        let request = [
            &id.to_be_bytes()[..],
            &object::label_bytes(LABEL).unwrap_or([0; object::LABEL_BYTES]),
            &DOMAIN.to_be_bytes(),
            &capabilities.to_be_bytes(),
            &[number],
        ];
        let made = self.session.send(command::GENERATE_ASYMMETRIC_KEY, &request.concat());
        made.map_err(|error| Faults(&self.token).generating(error, key, algorithm))?;
        match self.read(key, id)?.exportable {
            Some(false) => Ok(()),
            _ => Err(HsmError::KeyExportable { key: key.clone().into(), attribute: "exportable-under-wrap" }),
        }
    }

    fn sign(&mut self, key: &KeyRef, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(HsmError::MessageTooLong { length: message.len(), limit: MAX_MESSAGE_BYTES });
        }
        let id = self.id(key)?;
        let algorithm = match self.found {
            Some((found, algorithm)) if found == id => algorithm,
            _ => self.find(key)?.public_key.algorithm(),
        };
        self.make_room()?;
        let mut result = self.sign_once(algorithm, id, message);
        if let Err(WireError::Device(wire::DeviceError::LogFull)) = result
            && self.audit.is_some()
        {
            self.read_audit()?;
            result = self.sign_once(algorithm, id, message);
        }
        let faults = Faults(&self.token);
        let signature = result.map_err(|error| faults.signing(error, key))?;
        let raw = match algorithm {
            Algorithm::Ed25519 => Some(signature),
            _ => p256::ecdsa::Signature::from_der(&signature).ok().map(|parsed| parsed.to_bytes().to_vec()),
        };
        raw.filter(|raw| raw.len() == algorithm.signature_len())
            .ok_or(HsmError::BadSignature { key: key.clone().into() })
    }

    fn reopen(&mut self) -> Result<(), HsmError> {
        self.found = None;
        (self.session, self.device) = open_session(&self.token, &self.link, self.token.auth_id, &self.keys)?;
        Ok(())
    }
}

/// Adds the devices on USB, and the one behind the connector that is meant, or the usual one.
pub(crate) fn look(wanted: &Partial, probed: &mut Probed) {
    if !wanted.wants(Scheme::YubiHsm) {
        return;
    }
    let usual = || Connector::Http { host: "127.0.0.1".into(), port: 12_345 };
    let ways: Vec<(Connector, String)> = match &wanted.connector {
        Some(Connector::Usb) => usb_devices(),
        Some(connector) => vec![(connector.clone(), String::new())],
        None => usb_devices().into_iter().chain([(usual(), String::new())]).collect(),
    };
    for (connector, serial) in ways {
        let auth_id = wanted.auth_id.unwrap_or(FACTORY_LOGIN);
        let mut token = YubiHsmToken { serial, auth_id, audit_id: None, connector, pin_source: None };
        match DeviceInfo::ask(&Link::to(&token)) {
            Ok(info) if wanted.serial.as_ref().is_none_or(|serial| *serial == info.serial) => {
                token.serial.clone_from(&info.serial);
                probed.tokens.push(describe(&token, &info));
            }
            // That nobody answers at the usual place says nothing unless it was asked for.
            Err(_) if wanted.connector.is_none() && token.connector != Connector::Usb => {}
            Err(error) => probed.unreachable.push(Unreachable {
                what: format!("YubiHSM 2 at {}", token.connector),
                error: Faults(&token).opening(error),
            }),
            Ok(_) => {}
        }
    }
}

fn usb_devices() -> Vec<(Connector, String)> {
    transport::usb_serials().into_iter().map(|serial| (Connector::Usb, serial)).collect()
}

fn describe(token: &YubiHsmToken, info: &DeviceInfo) -> FoundToken {
    let weaknesses = advisory::published(Model::YubiHsm2, info.firmware).into_iter();
    let mut notes: Vec<String> =
        weaknesses.map(|text| format!("firmware {}: {text}", info.version())).collect();
    if info.log_used == info.log_size {
        notes.push("its audit log is full".into());
    }
    FoundToken {
        reference: TokenRef::YubiHsm(token.clone()).reference(),
        name: format!("YubiHSM 2 {}", info.serial),
        device: device(info),
        algorithms: ALGORITHMS.to_vec(),
        notes,
        keys: Vec::new(),
    }
}

fn device(info: &DeviceInfo) -> Device {
    Device {
        model: "Yubico YubiHSM 2".into(),
        serial: Some(info.serial.clone()),
        firmware: Some(info.version()),
    }
}
